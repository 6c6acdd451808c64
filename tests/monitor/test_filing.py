"""A group's posts become submissions, reviews and activations, each exactly once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tallybook.core import ingest, sources
from tallybook.core.businesses import Business
from tallybook.core.channel import Position
from tallybook.core.db import Conn, Database
from tallybook.core.messages import Identity, Incoming, Outgoing, Stored
from tallybook.core.outbox import put
from tallybook.monitor.rules import MAX_COMMENT, compile_pattern
from tallybook.monitor.service import validity
from tallybook.monitor.service.validity import Entry
from tallybook.monitor.store import projects as project_store
from tallybook.monitor.types import Filed
from tests.fakes import Files
from tests.monitor.desk import (
    BEN,
    LAWLEY,
    MAMELODI,
    MARKETING,
    MOHADIN,
    PROJECTS,
    VELO_TEST,
    again,
    at,
    desk,
    file,
    open_for,
    project,
    said,
)  # fmt: skip

REVIEWS = """
select drop_number, project, review_date::text, user_name, resubmitted, space from qa_photo_reviews
order by space, drop_number, review_date
"""


async def rows(conn: Conn, statement: str) -> list[tuple[Any, ...]]:
    return await (await conn.execute(statement)).fetchall()


async def one(conn: Conn, statement: str) -> Any:
    found = await rows(conn, statement)
    assert len(found) == 1
    return found[0][0] if len(found[0]) == 1 else found[0]


async def test_a_post_makes_a_review(conn: Conn, business: Business) -> None:
    """The first post of a drop makes its review, dated by the message and not by when it was read."""
    filed = await file(conn, business, [said(LAWLEY, "DR1752104 done", "2025-11-26 13:42")])
    assert filed.created == [("DR1752104", "Lawley")]
    review = await one(conn, REVIEWS)
    assert review == ("DR1752104", "Lawley", "2025-11-26", "27820000001", False, "fibre")
    comment = await one(conn, "select comment from qa_photo_reviews")
    assert comment == "Auto-created from WhatsApp on 2025-11-26 13:42:00 SAST"


async def test_the_same_message_again_does_nothing(conn: Conn, business: Business) -> None:
    message = said(LAWLEY, "DR1752104")
    await file(conn, business, [message])
    assert await file(conn, business, [message]) == type(await file(conn, business, []))()
    assert await one(conn, "select count(*), bool_or(resubmitted) from qa_photo_reviews") == (1, False)
    assert await one(conn, "select count(*) from qa_submissions") == 1


async def test_one_drop_stands_in_both_registers(conn: Conn, business: Business) -> None:
    """Marketing first and QA after, or the other way round: neither knows of the other."""
    await file(conn, business, [said(MARKETING, "DR1752104", "2025-11-26 12:47")])
    await file(conn, business, [said(LAWLEY, "DR1752104", "2025-11-26 13:42")])
    await file(conn, business, [said(LAWLEY, "DR1733787", "2025-12-01 14:26")])
    await file(conn, business, [said(MARKETING, "DR1733787", "2025-12-01 15:28")])
    assert await one(conn, "select count(*) from qa_photo_reviews") == 2
    assert await one(conn, "select count(*) from marketing_activations") == 2


async def test_one_drop_in_two_spaces_on_one_day_is_two_reviews(conn: Conn, business: Business) -> None:
    """The seed's own constraint, unique on drop and date, would have refused the second."""
    await file(conn, business, [said(VELO_TEST, "DR1752104"), said(LAWLEY, "DR1752104")])
    assert [row[1] for row in await rows(conn, REVIEWS)] == ["Velo Test", "Lawley"]


async def test_a_drop_posted_again_is_a_resubmission_of_its_review(conn: Conn, business: Business) -> None:
    """On another day, and in another project of the space: one review, which stays with its project."""
    await file(conn, business, [said(LAWLEY, "DR1752104", "2025-12-01 09:00")])
    await conn.execute(
        "update qa_photo_reviews set step_01_house_photo = true, incomplete = true, feedback_sent = now()"
    )
    filed = await file(
        conn, business, [said(MOHADIN, "dr 1752104 fixed", "2025-12-03 10:00", sender=Identity(BEN, BEN))]
    )
    assert filed.resubmitted == [("DR1752104", "Mohadin")]
    assert await one(conn, REVIEWS) == ("DR1752104", "Lawley", "2025-12-01", "27820000002", True, "fibre")
    kept = await one(conn, "select step_01_house_photo, incomplete, feedback_sent, comment from qa_photo_reviews")
    assert kept[:3] == (True, False, None)
    assert kept[3].endswith("\n--- RESUBMITTED 2025-12-03 10:00:00 SAST ---")
    posts = await rows(conn, "select project, effect from qa_submissions order by said_at")
    assert posts == [("Lawley", "created"), ("Mohadin", "resubmitted")]


async def test_a_late_arrival_with_an_earlier_time_is_history_only(conn: Conn, business: Business) -> None:
    await file(conn, business, [said(LAWLEY, "DR1752104", "2025-12-02 09:00")])
    filed = await file(conn, business, [said(LAWLEY, "DR1752104", "2025-12-01 09:00")])
    assert filed.history == [("DR1752104", "Lawley")]
    assert await one(conn, REVIEWS) == ("DR1752104", "Lawley", "2025-12-02", "27820000001", False, "fibre")
    assert await one(conn, "select count(*) from qa_submissions") == 2
    assert await one(conn, "select last_posted_at from drops") == at("2025-12-02 09:00")


async def test_a_batch_is_taken_in_the_order_in_which_it_was_said(conn: Conn, business: Business) -> None:
    later, first = said(MAMELODI, "DR1752104", "2025-12-02 10:00"), said(LAWLEY, "DR1752104", "2025-12-02 09:00")
    filed = await file(conn, business, [later, first])
    assert (filed.created, filed.resubmitted) == ([("DR1752104", "Lawley")], [("DR1752104", "Mamelodi")])


async def test_a_post_after_midnight_belongs_to_the_day_on_the_wall_of_johannesburg(
    conn: Conn, business: Business
) -> None:
    await file(conn, business, [said(LAWLEY, "DR1752104", "2025-12-02 00:30")])
    assert await one(conn, "select review_date::text from qa_photo_reviews") == "2025-12-02"


async def test_several_drops_in_one_message_each_count(conn: Conn, business: Business) -> None:
    filed = await file(conn, business, [said(LAWLEY, "DR1752104, dr:1733787 and DR 1733755; DR1752104 again")])
    assert [drop for drop, _ in filed.created] == ["DR1752104", "DR1733787", "DR1733755"]


async def test_an_unknown_drop_of_a_validated_project_is_kept_apart(conn: Conn, business: Business) -> None:
    """A drop may be valid for several projects; one that is valid elsewhere is unknown here."""
    strict = project("Lawley", space="fibre", validated=True)
    at_desk = await open_for(conn, business, strict)
    await validity.add(conn, business, [Entry("DR1752104", "Lawley"), Entry("DR1733787", "Mohadin")])
    messages = [said(strict, "DR1752104"), said(strict, "DR1733787")]
    filed = await file(conn, business, messages, at_desk)
    assert (filed.created, filed.invalid) == ([("DR1752104", "Lawley")], [("DR1733787", "Lawley")])
    kept = await one(conn, "select drop_number, project, sender, reason from invalid_drop_submissions")
    assert kept == ("DR1733787", "Lawley", "27820000001", "not_in_valid_list")
    assert await file(conn, business, messages, at_desk) == type(filed)()


async def test_marketing_takes_every_drop_and_notes_what_the_lists_know(conn: Conn, business: Business) -> None:
    await validity.add(conn, business, [Entry("DR1752104", "Lawley")])
    await file(conn, business, [said(MARKETING, "DR1752104 DR1733787"), said(MARKETING, "DR1752104")])
    activations = await rows(
        conn, "select drop_number, is_valid, validation_message from marketing_activations order by 1"
    )
    assert activations == [
        ("DR1733787", False, "In no project's list"),
        ("DR1752104", True, "In the list of Lawley"),
    ]
    assert await one(conn, "select count(*) from marketing_posts") == 3


async def test_an_edit_that_adds_a_drop_counts_it_once(conn: Conn, business: Business) -> None:
    message = said(LAWLEY, "DR1752104")
    await file(conn, business, [message])
    edited = again(message, "DR1752104 and DR1733787")
    assert (await file(conn, business, [edited])).created == [("DR1733787", "Lawley")]
    assert await file(conn, business, [edited]) == type(await file(conn, business, []))()
    assert await one(conn, "select text from message_revisions") == "DR1752104"


async def test_our_own_words_are_stored_and_never_read_as_orders(conn: Conn, business: Business) -> None:
    filed = await file(conn, business, [said(LAWLEY, "DR1752104 is missing photos", from_us=True)])
    assert filed.created == []
    assert await one(conn, "select from_us from messages") is True


async def test_posts_from_the_bridges_number_count_where_a_project_says_so_but_not_what_we_sent(
    conn: Conn, business: Business
) -> None:
    ours = project("Velo Test", own_posts_count=True)
    feedback = "NEEDS CORRECTION DR1733787"
    await put(conn, business.id, Outgoing("bridge", "primary", ours.group, "feedback:1", {"text": feedback}))
    posted, echoed = said(ours, "DR1752104", from_us=True), said(ours, feedback, from_us=True)
    await conn.execute("update outbox set created_at = %(at)s", {"at": echoed.said_at})
    filed = await file(conn, business, [posted, echoed], desk(ours))
    assert filed.created == [("DR1752104", "Velo Test")]


async def test_the_seeds_own_test_drop_works_where_a_projects_pattern_allows_it(conn: Conn, business: Business) -> None:
    tested = project("Lawley", pattern=compile_pattern(r"\bDR(_TEST\d+|[ :]?\d{6,8})\b"))
    filed = await file(conn, business, [said(tested, "dr_test123 and DR1752104")], desk(tested))
    assert [drop for drop, _ in filed.created] == ["DR_TEST123", "DR1752104"]
    assert (await file(conn, business, [said(LAWLEY, "DR_TEST123")])).created == []


async def test_a_review_written_by_hand_is_posted_again_and_not_doubled(conn: Conn, business: Business) -> None:
    await open_for(conn, business)
    await conn.execute(
        "insert into qa_photo_reviews (drop_number, project, user_name, review_date, whatsapp_message_date) "
        "values ('DR1752104', 'Lawley', 'by hand', '2025-11-26', '2025-11-26 13:42+02')"
    )
    filed = await file(conn, business, [said(MOHADIN, "DR1752104", "2025-12-02 09:00")])
    assert filed.resubmitted == [("DR1752104", "Mohadin")]
    assert await one(conn, "select count(*), bool_and(resubmitted) from qa_photo_reviews") == (1, True)


async def test_a_truncated_register_is_filled_again_by_the_next_post(conn: Conn, business: Business) -> None:
    await file(conn, business, [said(LAWLEY, "DR1752104", "2025-12-01 09:00")])
    await conn.execute("delete from qa_photo_reviews")
    assert (await file(conn, business, [said(LAWLEY, "DR1752104", "2025-12-02 09:00")])).created


async def test_a_sender_known_by_a_lid_alone_is_unresolved_until_the_bridge_learns_who_it_is(
    conn: Conn, business: Business
) -> None:
    stranger = Identity("98765432109876", None, "98765432109876@lid")
    posts = [said(LAWLEY, "DR1752104", sender=stranger), said(MARKETING, "DR1752104", sender=stranger)]
    await file(conn, business, posts)
    assert await one(conn, "select user_name, submitted_by from qa_photo_reviews") == ("unresolved", None)
    assert await sources.unresolved_lids(conn, business.id) == {"98765432109876@lid"}
    ids = await sources.resolve_senders(conn, business.id, {"98765432109876@lid": BEN})
    await project_store.name_senders(conn, business.id, ids)
    assert await one(conn, "select user_name, submitted_by from qa_photo_reviews") == ("27820000002",) * 2
    assert await one(conn, "select submitted_by from marketing_activations") == "27820000002"
    assert await one(conn, "select sender_phone from qa_submissions") == BEN


async def test_two_readers_at_once_file_each_post_once(db: Database, business: Business) -> None:
    """Both hold the same batch, one in the opposite order: the keys decide, and nobody deadlocks."""
    await db.run("mirror", lambda conn: project_store.mirror(conn, business.id, PROJECTS))
    batch = [said(group, f"DR{1_700_000 + n}") for n in range(200) for group in (LAWLEY, MOHADIN, MARKETING)]

    async def absorb(messages: list[Incoming]) -> int:
        absorbed = await db.run("file", lambda conn: ingest.absorb(conn, business, messages, desk()))
        return sum(len(filed.created) for filed in absorbed.facts)

    made = await asyncio.gather(*(absorb(list(order)) for order in (batch, batch[::-1], batch, batch[::-1])))
    assert sum(made) == 200
    async with db.transaction() as conn:
        assert await one(conn, "select count(*) from qa_photo_reviews") == 200
        assert await one(conn, "select count(*) from qa_submissions") == 400
        assert await one(conn, "select count(*) from marketing_activations") == 200


async def test_two_groups_posting_one_drop_at_the_same_moment_make_one_review(db: Database, business: Business) -> None:
    await db.run("mirror", lambda conn: project_store.mirror(conn, business.id, PROJECTS))

    async def post(message: Incoming) -> None:
        await db.run("file", lambda conn: ingest.absorb(conn, business, [message], desk()))

    for n in range(20):
        drop = f"DR{1_800_000 + n}"
        await asyncio.gather(*(post(said(group, drop)) for group in (LAWLEY, MOHADIN, MAMELODI)))
    async with db.transaction() as conn:
        assert await one(conn, "select count(*) from qa_photo_reviews") == 20
        assert await one(conn, "select count(*) from qa_submissions where effect = 'created'") == 20
        assert await one(conn, "select count(*) from qa_submissions") == 60


async def test_a_poison_post_is_parked_alone(conn: Conn, business: Business) -> None:
    """A post that the registers cannot take is parked with its reason; its neighbours are filed."""
    poison = project("Too long", space="x" * 101)
    batch = [said(LAWLEY, "DR1752104"), said(poison, "DR1733755"), said(LAWLEY, "DR1733787")]
    absorbed = await ingest.absorb(conn, business, batch, desk(LAWLEY, poison))
    assert (absorbed.new, absorbed.parked) == (2, 1)
    assert await one(conn, "select count(*) from qa_photo_reviews") == 2
    parked = await one(conn, "select text, parked_reason from messages where parked_reason is not null")
    assert parked == ("DR1733755", "the database refused it: StringDataRightTruncation")


async def test_a_place_in_a_source_is_remembered(conn: Conn, business: Business) -> None:
    class Nowhere:
        name, account = "bridge", "primary"

    assert await sources.stands_at(conn, business, Nowhere()) == Position()


async def test_two_contents_of_one_message_in_one_batch_count_once(conn: Conn, business: Business) -> None:
    message = said(LAWLEY, "DR1752104")
    filed = await file(conn, business, [message, again(message, "DR1752104 done")])
    assert (filed.created, filed.resubmitted) == ([("DR1752104", "Lawley")], [])
    assert await one(conn, "select text from messages") == "DR1752104 done"


async def test_a_fault_of_the_database_parks_no_message(conn: Conn, business: Business) -> None:
    """A missing right or a half-made release is mended by people; the messages wait where they are."""

    async def handler(conn: Conn, _: Business, __: list[Stored]) -> list[Filed]:
        await conn.execute("drop table messages")
        return []

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await ingest.absorb(conn, business, [said(LAWLEY, "DR1752104")], Files(handler))


async def test_a_post_dated_in_the_far_future_stops_no_later_post(conn: Conn, business: Business) -> None:
    now = datetime.now(UTC)
    await file(conn, business, [said(LAWLEY, "DR1752104", said_at=now.replace(year=2099, day=1))])
    await conn.execute("update drops set last_posted_at = last_posted_at - interval '2 days'")  # two days go by
    filed = await file(conn, business, [said(LAWLEY, "DR1752104", said_at=now)])
    assert filed.resubmitted == [("DR1752104", "Lawley")]


async def test_a_clock_that_stood_in_the_far_future_is_set_right_by_the_next_post(
    conn: Conn, business: Business
) -> None:
    now = datetime.now(UTC)
    await file(conn, business, [said(LAWLEY, "DR1752104", said_at=now - timedelta(days=1))])
    await conn.execute("update drops set last_posted_at = '2099-01-01'")
    filed = await file(conn, business, [said(LAWLEY, "DR1752104", said_at=now)])
    assert filed.resubmitted == [("DR1752104", "Lawley")]
    assert await one(conn, "select last_posted_at from drops") == now


async def test_a_drop_posted_for_the_thousandth_time_can_still_be_reviewed(conn: Conn, business: Business) -> None:
    first = datetime(2025, 12, 2, 6, tzinfo=UTC)
    for batch in range(40):
        posts = [said(LAWLEY, "DR1752104", said_at=first + timedelta(minutes=batch * 25 + n)) for n in range(25)]
        await file(conn, business, posts)
    comment = await one(conn, "select comment from qa_photo_reviews")
    assert len(comment) < MAX_COMMENT
    assert "Auto-created" in comment
    assert await one(conn, "select count(*) from qa_submissions") == 1000
    assert await one(conn, "select last_said_at from qa_photo_reviews") == first + timedelta(minutes=999)
