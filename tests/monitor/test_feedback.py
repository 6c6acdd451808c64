"""Feedback on a review: what it says, that it leaves once, and that only the provider's yes calls it sent."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallybook.core import outbox
from tallybook.core.businesses import Business
from tallybook.core.channel import OutcomeUnknown, Refused, Settlement
from tallybook.core.db import Conn, Database, open_database
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.core.messages import Identity, Outgoing
from tallybook.core.sending import Post, deliver
from tallybook.monitor import feedback as texts
from tallybook.monitor.feedback import Said
from tallybook.monitor.service import feedback, reviews
from tallybook.monitor.service.feedback import Asked
from tallybook.monitor.service.reviews import Locked, PostedMeanwhile, Reviewer
from tallybook.monitor.types import STEP_COLUMNS, STEPS, Changes
from tests import world
from tests.core.posted import Provider
from tests.monitor.desk import ANA, LAWLEY, file, open_for, said
from tests.monitor.test_reviews import posted, reviewer

STOP = asyncio.Event()
REASONS = st.dictionaries(st.sampled_from(STEP_COLUMNS), st.text(min_size=1, max_size=20).map(str.strip))


@pytest.fixture
async def ana(conn: Conn, business: Business) -> Reviewer:
    return await reviewer(conn, "ana")


@given(st.dictionaries(st.sampled_from(STEP_COLUMNS), st.booleans()), REASONS, st.sampled_from(["en", "he", "fr"]))
def test_the_text_names_every_step_that_is_not_right_once_and_no_other(
    ticks: dict[str, bool], reasons: dict[str, str], locale: str
) -> None:
    text = texts.text_of("DR1752104", ticks, reasons, locale)
    lines = [line for line in text.splitlines() if line.startswith("- ")]
    names = texts.NAMES.get(locale, {})
    for step in STEPS:
        label = names.get(step.label, step.label)
        wanted = bool(reasons.get(step.column)) or not ticks.get(step.column, False)
        assert sum(line == f"- {label}" or line.startswith(f"- {label}: ") for line in lines) == wanted
    complete = texts.WORDS.get(locale, texts.WORDS["en"])["complete"]
    assert text.startswith("DR1752104\n")
    assert (complete in text) == (not lines)


def test_the_text_reads_as_the_people_know_it() -> None:
    right = dict.fromkeys(STEP_COLUMNS, True)
    assert texts.text_of("DR1", right, {}, "en") == "DR1\nAll items complete!"
    ticks = right | {"step_01_house_photo": False}
    assert texts.text_of("DR1", ticks, {"step_08_ont_barcode": "Blurry"}, "en") == (
        "DR1\nNEEDS CORRECTION\n\nMissing items:\n- Property Photo\n\nIncorrect items:\n- ONT Barcode: Blurry"
    )
    assert "ברקוד ה־ONT: מטושטש" in texts.text_of("DR1", ticks, {"step_08_ont_barcode": "Blurry"}, "he")


def test_what_somebody_edited_leaves_without_what_a_form_adds_and_names_its_drop() -> None:
    assert texts.as_sent("Take photo 4 again \r\nplease\r\n", "DR1") == (
        "DR1\nFeedback on the review:\nTake photo 4 again\nplease"
    )
    assert texts.as_sent("dr1\nGood", "DR1") == "dr1\nFeedback on the review:\nGood"
    assert texts.as_sent(" \r\n", "DR1") == ""


async def press(
    db: Database, business: Business, review_id: UUID, who: Reviewer, text: str = "DR1752104\nGood", **more: int
) -> None:
    asked = Asked(text, more.get("number", 1), more.get("posts", 1))
    await db.run("press", lambda conn: feedback.send(conn, business, review_id, who, asked))


async def put(db: Database, business: Business, **overrides: Any) -> tuple[UUID, Reviewer]:
    """A review of a drop that was posted once, and who judges it."""

    async def work(conn: Conn) -> tuple[UUID, Reviewer]:
        await open_for(conn, business)
        return await posted(conn, business, **overrides), await reviewer(conn, "ana")

    return await db.run("set up", work)


async def send(db: Database, business: Business, provider: Provider, **terms: Any) -> None:
    await deliver(db, business.id, Post({"bridge": provider}, tell=feedback.told, **terms), STOP)


async def states(db: Database, business: Business, review_id: UUID) -> tuple[list[Said], bool]:
    """What became of each press, and whether the review counts as answered."""

    async def work(conn: Conn) -> tuple[list[Said], bool]:
        review = await reviews.one(conn, business, review_id)
        talk = await feedback.talk(conn, business, review)
        return [one.state for one in talk.said], review.feedback_sent is not None

    return await db.run("look", work)


def bridge(*answers: Exception) -> Provider:
    return Provider(Settlement.BY_ECHO, *answers, name="bridge")


async def test_it_is_sent_to_the_last_poster_and_counts_only_after_the_provider_s_yes(
    db: Database, business: Business
) -> None:
    review_id, ana = await put(db, business)
    await press(db, business, review_id, ana, "Well done")
    assert await states(db, business, review_id) == ([Said.WAITING], False)
    seen: list[Outgoing] = []

    class Remembers(Provider):
        async def send(self, outgoing: Outgoing) -> str:
            seen.append(outgoing)
            return await super().send(outgoing)

    await send(db, business, Remembers(Settlement.BY_ECHO, name="bridge"))
    assert await states(db, business, review_id) == ([Said.SENT], True)
    assert seen[0].to == LAWLEY.group
    assert seen[0].body["text"] == "DR1752104\nFeedback on the review:\nWell done"
    assert seen[0].body["mention"] == f"{ANA.removeprefix('+')}@s.whatsapp.net"
    assert str(seen[0].body["quote"]).startswith("3EB0")


async def test_a_press_that_is_repeated_sends_nothing_more_even_at_once(db: Database, business: Business) -> None:
    review_id, ana = await put(db, business)
    await asyncio.gather(*(press(db, business, review_id, ana) for _ in range(4)))
    await press(db, business, review_id, ana)
    provider = bridge()
    await send(db, business, provider)
    await press(db, business, review_id, ana)
    await send(db, business, provider)
    assert len(provider.sent) == 1


async def test_another_s_press_of_the_same_number_is_told_and_sends_nothing(db: Database, business: Business) -> None:
    review_id, ana = await put(db, business)
    await press(db, business, review_id, ana)
    with pytest.raises(Conflict) as refused:
        await press(db, business, review_id, ana, "Something else")
    assert refused.value.details == {"who": "Ana", "number": 1}
    with pytest.raises(Conflict, match="still waits"):
        await press(db, business, review_id, ana, number=2)


async def test_what_the_provider_refused_is_not_sent_and_may_be_said_again(db: Database, business: Business) -> None:
    review_id, ana = await put(db, business)
    await press(db, business, review_id, ana)
    await send(db, business, bridge(Refused("no such group")))
    assert await states(db, business, review_id) == ([Said.FAILED], False)
    await press(db, business, review_id, ana, number=2)
    await send(db, business, bridge())
    assert await states(db, business, review_id) == ([Said.FAILED, Said.SENT], True)


async def test_what_had_no_answer_is_unknown_until_our_own_message_comes_back(db: Database, business: Business) -> None:
    review_id, ana = await put(db, business)
    await press(db, business, review_id, ana)
    await send(db, business, bridge(OutcomeUnknown("no answer")))
    assert await states(db, business, review_id) == ([Said.UNKNOWN], False)
    echo = said(
        LAWLEY,
        "@27820000001 DR1752104\nFeedback on the review:\nGood",
        from_us=True,
        sender=Identity("us@s.whatsapp.net"),
    )
    echo = type(echo)(**{name: getattr(echo, name) for name in echo.__struct_fields__} | {"said_at": await now(db)})
    await db.run("come back", lambda conn: file(conn, business, [echo]))
    assert await states(db, business, review_id) == ([Said.SENT], True)


async def now(db: Database) -> Any:
    async with db.transaction() as conn:
        row = await (await conn.execute("select now()")).fetchone()
    assert row is not None
    return row[0]


async def test_a_yes_that_comes_after_the_drop_was_posted_again_does_not_call_the_new_post_answered(
    db: Database, business: Business
) -> None:
    review_id, ana = await put(db, business)
    await press(db, business, review_id, ana)

    async def again(conn: Conn) -> None:
        await file(conn, business, [said(LAWLEY, "DR1752104", "2025-12-02 09:00")])

    class PostedWhileItSends(Provider):
        async def send(self, outgoing: Outgoing) -> str:
            await db.run("again", again)
            return await super().send(outgoing)

    await send(db, business, PostedWhileItSends(Settlement.BY_ECHO, name="bridge"))
    assert await states(db, business, review_id) == ([Said.SENT], False)
    with pytest.raises(PostedMeanwhile):
        await press(db, business, review_id, ana, number=2)
    await press(db, business, review_id, ana, number=2, posts=2)
    await send(db, business, bridge())
    assert await states(db, business, review_id) == ([Said.SENT, Said.SENT], True)


async def test_a_post_that_arrived_late_leaves_the_review_answered(db: Database, business: Business) -> None:
    review_id, ana = await put(db, business)
    await press(db, business, review_id, ana)
    late = [said(LAWLEY, "DR1752104", "2025-12-02 07:00")]
    await db.run("late", lambda conn: file(conn, business, late))
    await send(db, business, bridge())
    assert await states(db, business, review_id) == ([Said.SENT], True)


async def test_another_s_lock_is_minded_and_nothing_of_another_business_is_found(
    db: Database, business: Business
) -> None:
    review_id, ana = await put(db, business)
    ben = await db.run("ben", lambda conn: reviewer(conn, "ben"))
    await db.run("lock", lambda conn: reviews.take_lock(conn, business, review_id, ben))
    with pytest.raises(Locked):
        await press(db, business, review_id, ana)
    other = await db.run("other", world.kinneret_tours)
    with pytest.raises(NotFound):
        await press(db, other, review_id, ana)
    for text in ("", " \n", "x" * 4001, "a\0b"):
        with pytest.raises(Invalid):
            await press(db, business, review_id, ben, text)


async def test_every_press_and_every_yes_is_in_the_record(db: Database, business: Business) -> None:
    review_id, ana = await put(db, business)
    await reviews_saved(db, business, review_id, ana)
    await press(db, business, review_id, ana)
    await send(db, business, bridge())
    await send(db, business, bridge())
    async with db.transaction() as conn:
        review = await reviews.one(conn, business, review_id)
        _, changes = await reviews.history(conn, business, review)
    assert [(one.who, one.action) for one in changes] == [
        ("Ana", "review.saved"), ("Ana", "review.feedback_put"), ("Ana", "review.feedback_sent"),
    ]  # fmt: skip


async def reviews_saved(db: Database, business: Business, review_id: UUID, who: Reviewer) -> None:
    changes = Changes({STEP_COLUMNS[0]: True})
    await db.run("save", lambda conn: reviews.save(conn, business, review_id, who, changes))


async def test_outside_production_it_is_captured_and_never_called_sent(db: Database, dev_url: str) -> None:
    async with open_database(dev_url, "dev") as dev_db:
        await captured(dev_db)


async def captured(dev_db: Database) -> None:
    async def set_up(conn: Conn) -> tuple[Business, UUID, Reviewer]:
        business = await world.velo_fibre(conn)
        await open_for(conn, business)
        return business, await posted(conn, business), await reviewer(conn, "ana")

    business, review_id, ana = await dev_db.run("set up", set_up)
    await press(dev_db, business, review_id, ana)
    provider = bridge()
    await send(dev_db, business, provider)
    assert await states(dev_db, business, review_id) == ([Said.CAPTURED], False)
    assert provider.sent == []


async def test_a_message_that_is_no_feedback_is_none_of_its_business(db: Database, business: Business) -> None:
    message = Outgoing("bridge", "primary", LAWLEY.group, "feedback:nonsense", {"text": "Hello"})
    await db.run("put", lambda conn: outbox.put(conn, business.id, message))
    await send(db, business, bridge())
