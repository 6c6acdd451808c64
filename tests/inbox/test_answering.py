"""Every burst of a customer's messages ends in one recorded decision, and no answer leaves that answers no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tallybook.alerting import Alerting
from tallybook.alerts_file import AlertsEntry
from tallybook.app import App
from tallybook.core import channel_accounts, people
from tallybook.core.alarms import Terms
from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Database
from tallybook.core.login_limits import Limits
from tallybook.inbox import jobs
from tallybook.inbox.answer_types import Bot, Choice, Mode
from tallybook.inbox.service import answering, merging, sending
from tallybook.inbox.service.answering import Turn
from tallybook.settings import Settings
from tests import world
from tests.channels.whatsapp import bodies
from tests.channels.whatsapp.bodies import CUSTOMER, NUMBER, OTHER, OURS, body, change, said, text
from tests.channels.whatsapp.test_received import SEAL, come
from tests.core.worked import rows, until
from tests.world import Someone

DECISIONS = "select seq, decision, reason, body, outgoing_key from reply_decisions order by conversation_id, seq"
OUTBOX = "select dedup_key, recipient, body->>'text', priority from outbox order by id"
THREAD = "select bot_active, inbound - decided_inbound, inbound - read_inbound from whatsapp_conversation"
OPENING = "We are open from nine to six."
HEBREW = "אנחנו פתוחים מתשע עד שש."
ADD = "insert into inbox_answers (question, answer, language) values (%s, %s, %s)"
KNOWN = [
    ("What are your opening hours?", OPENING, "en"),
    ("How much is the delivery?", "Delivery is free.", "en"),
    ("מה שעות הפתיחה?", HEBREW, "he"),
]


@pytest.fixture
async def shop(db: Database, business: Business) -> Business:
    """A business with a number and answers of its own."""
    new = NewAccount("whatsapp", NUMBER, token="a-token-of-the-tests")
    caller = people.command_line(business.id)
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, caller, new))
    async with db.transaction() as conn:
        for one in KNOWN:
            await conn.execute(ADD, one)
    return business


def written(words: str, number: int = 1, seconds: float = 0, **more: Any) -> dict[str, Any]:
    """A message of a customer, of this moment or so many seconds later."""
    return text(words, number, timestamp=str(int(datetime.now(UTC).timestamp() + seconds)), **more)


def turn(shop: Business, mode: Mode = Mode.AUTO, *, after: float = 10) -> Turn:
    """As it is decided so many seconds from now."""
    return Turn(shop, Bot(mode), datetime.now(UTC) + timedelta(seconds=after))


async def only_thread(db: Database) -> int:
    ((conversation,),) = await rows(db, "select id from whatsapp_conversation")
    return int(conversation)


async def test_three_messages_in_a_row_get_one_answer_and_only_once_they_are_over(db: Database, shop: Business) -> None:
    await come(db, said(written("Hi")), said(written("Opening", 2)), said(written("hours please?", 3)))
    assert await answering.decide_due(db, turn(shop, after=2)) == {}
    counted = REGISTRY.get_sample_value("tallybook_reply_decisions_total", {"decision": "answered"}) or 0.0
    assert await answering.decide_due(db, turn(shop)) == {Choice.ANSWERED: 1}
    key = f"bot:{await only_thread(db)}:3"
    ((seq, decision, reason, said_, outgoing),) = await rows(db, DECISIONS)
    assert (seq, decision, said_, outgoing) == (3, "answered", OPENING, key)
    assert "fits" in reason
    assert await rows(db, OUTBOX) == [(key, f"+{CUSTOMER}", OPENING, 0)]
    ours = "select seq, source, status, body, outgoing_key from whatsapp_message where direction = 'out'"
    assert await rows(db, ours) == [(4, "bot", "queued", OPENING, key)]
    assert await rows(db, THREAD) == [(True, 0, 3)]
    assert REGISTRY.get_sample_value("tallybook_reply_decisions_total", {"decision": "answered"}) == counted + 1
    assert await answering.decide_due(db, turn(shop, after=600)) == {}


async def test_whoever_goes_on_and_on_is_answered_after_a_minute(db: Database, shop: Business) -> None:
    await come(db, said(written("Opening")), said(written("hours?", 2)))
    async with db.transaction() as conn:
        await conn.execute("update whatsapp_message set created_at = now() - interval '61 seconds' where seq = 1")
    assert await answering.decide_due(db, turn(shop, after=0)) == {Choice.ANSWERED: 1}


@pytest.mark.parametrize("mode", Mode)
async def test_several_workers_at_once_make_one_decision(db: Database, shop: Business, mode: Mode) -> None:
    await come(db, said(written("What are your opening hours?")))
    await asyncio.gather(*(answering.decide_due(db, turn(shop, mode)) for _ in range(5)))
    made = await rows(db, "select count(*)::int from reply_decisions union all select count(*)::int from outbox")
    assert made == [(1,), (int(mode is Mode.AUTO),)]


async def test_the_bot_keeps_silent_where_a_person_answered_first(db: Database, shop: Business) -> None:
    await come(db, said(written("What are your opening hours?")))
    agent = (await db.run("add", lambda conn: world.ana(conn, shop, role=Role.AGENT))).caller
    thread = await only_thread(db)
    await db.run("answer", lambda conn: sending.send_text(conn, agent, thread, "Until six.", "k"))
    assert await answering.decide_due(db, turn(shop)) == {Choice.SUPPRESSED: 1}
    assert await rows(db, DECISIONS) == [(1, "suppressed", "somebody answered first", "", None)]
    await come(db, said(written("And your opening hours?", 2)))
    await answering.decide_due(db, turn(shop))
    assert (await rows(db, DECISIONS))[1][1:3] == ("suppressed", "a person is answering here")
    await come(db, said(written("What are the opening hours?", 3)))
    await answering.decide_due(db, turn(shop, after=2 * 3600))
    assert (await rows(db, DECISIONS))[2][1] == "answered"


async def test_an_answer_does_not_leave_once_another_message_has_come(db: Database, shop: Business) -> None:
    await come(db, said(written("What are your opening hours?")))
    at, thread = turn(shop), await only_thread(db)
    thought = await db.run("think", lambda conn: answering.think_out(conn, at, thread))
    assert thought is not None
    await come(db, said(written("No, how much is the delivery?", 2)))
    assert await db.run("decide", lambda conn: answering.settle(conn, at, thought)) is None
    assert await rows(db, DECISIONS) == await rows(db, OUTBOX) == []
    assert await answering.decide_due(db, turn(shop)) == {Choice.HANDED_OVER: 1}
    assert [row[:2] for row in await rows(db, DECISIONS)] == [(2, "handed_over")]


async def test_an_answer_does_not_leave_once_the_bot_was_sent_away(db: Database, shop: Business) -> None:
    await come(db, said(written("What are your opening hours?")))
    at, thread = turn(shop), await only_thread(db)
    thought = await db.run("think", lambda conn: answering.think_out(conn, at, thread))
    assert thought is not None
    async with db.transaction() as conn:
        await conn.execute("update whatsapp_conversation set bot_active = false")
    await db.run("decide", lambda conn: answering.settle(conn, at, thought))
    assert [row[1:3] for row in await rows(db, DECISIONS)] == [
        ("suppressed", "the bot does not answer in this conversation")
    ]
    assert await rows(db, OUTBOX) == []


async def test_a_bot_that_is_off_says_so_of_each_burst_and_stays_silent(db: Database, shop: Business) -> None:
    await come(db, said(written("What are your opening hours?")), said(written("Hello", 2) | {"from": OTHER}))
    assert sum((await answering.decide_due(db, turn(shop, Mode.OFF))).values()) == len(await rows(db, THREAD))
    assert {row[1:3] for row in await rows(db, DECISIONS)} == {("suppressed", "the bot is off")}
    assert await rows(db, OUTBOX) == []
    assert {row[1] for row in await rows(db, THREAD)} == {0}


async def test_a_draft_waits_for_a_person(db: Database, shop: Business) -> None:
    await come(db, said(written("What are your opening hours?")))
    assert await answering.decide_due(db, turn(shop, Mode.DRAFT)) == {Choice.DRAFTED: 1}
    ((_, decision, _, drafted, key),) = await rows(db, DECISIONS)
    assert (decision, drafted, key) == ("drafted", OPENING, None)
    assert await rows(db, OUTBOX) == []


async def test_a_question_in_hebrew_is_answered_in_hebrew(db: Database, shop: Business) -> None:
    await come(db, said(written("שלום, מהן שעות פתיחה?")))
    await answering.decide_due(db, turn(shop))
    assert [row[1:4:2] for row in await rows(db, DECISIONS)] == [("answered", HEBREW)]


async def test_what_nobody_has_answered_before_is_a_person_s_and_stays_unread(db: Database, shop: Business) -> None:
    await come(db, said(written("My order arrived broken, what about the delivery?")))
    await answering.decide_due(db, turn(shop))
    assert [row[1:3] for row in await rows(db, DECISIONS)] == [("handed_over", "no known answer fits surely enough")]
    assert await rows(db, THREAD) == [(True, 0, 1)]


@pytest.mark.parametrize("words", ["I want to talk to a real person", "אפשר לדבר עם נציג?"])
async def test_whoever_asks_for_a_person_gets_one_and_the_bot_leaves(db: Database, shop: Business, words: str) -> None:
    await come(db, said(written(words)))
    await answering.decide_due(db, turn(shop))
    assert [row[1:3] for row in await rows(db, DECISIONS)] == [("handed_over", "the customer asked for a person")]
    assert await rows(db, THREAD) == [(False, 0, 1)]


async def test_an_answer_that_cannot_be_sent_is_a_person_s(db: Database, shop: Business) -> None:
    await come(db, said(written("What are your opening hours?")))
    async with db.transaction() as conn:
        await conn.execute("update channel_accounts set token_sealed = null")
    await answering.decide_due(db, turn(shop))
    ((_, decision, reason, drafted, key),) = await rows(db, DECISIONS)
    assert (decision, drafted, key) == ("handed_over", OPENING, None)
    assert reason.endswith("the number has no access token")


async def test_a_photo_and_what_is_a_day_old_are_left_to_people(db: Database, shop: Business) -> None:
    photo = bodies.IMAGE | {"timestamp": str(int(datetime.now(UTC).timestamp()))}
    await come(db, said(photo))
    await answering.decide_due(db, turn(shop))
    await come(db, said(written("What are your opening hours?", 3)))
    await answering.decide_due(db, turn(shop, after=25 * 3600))
    reasons = [row[2] for row in await rows(db, DECISIONS)]
    assert reasons == ["it is not only text", "it was said more than 24 hours ago"]


def pressed(title: str, sort: str, number: int = 1, chosen: str = "row-1") -> dict[str, Any]:
    """A button of a template, a reply button or a row of a list that a customer pressed."""
    part: dict[str, Any] = {"type": sort, sort: {"id": chosen, "title": title}}
    told = {"button": {"text": title, "payload": chosen}} if sort == "button" else {"interactive": part}
    kind = "button" if sort == "button" else "interactive"
    return bodies.message(kind, number, **told) | {"timestamp": str(int(datetime.now(UTC).timestamp()))}


@pytest.mark.parametrize("sort", ["button", "button_reply", "list_reply"])
async def test_what_a_customer_presses_is_answered_by_its_words_or_is_a_person_s(
    db: Database, shop: Business, sort: str
) -> None:
    for number, title in enumerate(("Opening hours", "Something else", "Talk to an agent"), 1):
        await come(db, said(pressed(title, sort, number)))
        await answering.decide_due(db, turn(shop))
    ends = [row[1:4:2] for row in await rows(db, DECISIONS)]
    assert ends == [("answered", OPENING), ("handed_over", ""), ("handed_over", "")]
    assert (await rows(db, THREAD))[0][0] is False, "they asked for a person"


async def test_what_is_pressed_under_a_reminder_is_for_the_appointment_and_words_beside_it_are_answered(
    db: Database, shop: Business
) -> None:
    await come(db, said(pressed("Confirm", "button_reply", 1, "appointment:7:0:confirm")))
    await answering.decide_due(db, turn(shop))
    await come(db, said(pressed("Confirm", "button", 2, "appointment:7:0:confirm"), written("Opening hours?", 3)))
    await answering.decide_due(db, turn(shop))
    assert [row[1:4:2] for row in await rows(db, DECISIONS)] == [("suppressed", ""), ("answered", OPENING)]


async def test_what_comes_late_is_not_answered_after_what_was_said_since(db: Database, shop: Business) -> None:
    await come(db, said(written("Hello")))
    await answering.decide_due(db, turn(shop))
    await come(db, said(written("What are your opening hours?", 2, -600)))
    await answering.decide_due(db, turn(shop))
    assert [row[1] for row in await rows(db, DECISIONS)] == ["handed_over", "suppressed"]
    assert (await rows(db, DECISIONS))[1][2].startswith("it came late")


async def test_echoes_and_history_ask_for_no_decision(db: Database, shop: Business) -> None:
    ours = written("What are your opening hours?", 40) | {"from": OURS, "to": CUSTOMER}
    await come(db, body(change("message_echoes", ours)), body(change("history", bodies.PAST, field="history")))
    assert await rows(db, "select count(*)::int from whatsapp_message") == [(4,)]
    assert await answering.decide_due(db, turn(shop, after=600)) == {}
    assert await rows(db, DECISIONS) == []


async def test_what_is_written_after_two_people_were_parted_is_decided_on(
    db: Database, shop: Business, root: Someone
) -> None:
    await come(db, said(written("Hello")))
    await answering.decide_due(db, turn(shop))
    await come(db, body(change("messages", written("Hello", 2) | {"from": OTHER})))
    await answering.decide_due(db, turn(shop))
    joined = await db.run("join", lambda conn: merging.join(conn, shop, 1, 2, root.caller))
    await answering.decide_due(db, turn(shop))
    assert [row[0] for row in await rows(db, DECISIONS)] == [1, 2]
    await db.run("part", lambda conn: merging.undo(conn, root.caller, joined))
    await answering.decide_due(db, turn(shop))
    assert [row[0] for row in await rows(db, DECISIONS)] == [1, 1]
    for number in (3, 4):
        await come(db, body(change("messages", written("Are you there?", number))))
        await answering.decide_due(db, turn(shop))
    assert [row[0] for row in await rows(db, DECISIONS)] == [1, 2, 3, 1]


async def test_health_says_when_customers_wait_for_a_decision(db: Database, shop: Business) -> None:
    async def check(seconds: float) -> tuple[str, str]:
        at = datetime.now(UTC) + timedelta(seconds=seconds)
        (found,) = await db.run("look", lambda conn: answering.checks(conn, shop, at))
        return found.state, found.says

    await come(db, said(written("What are your opening hours?")))
    assert (await check(60))[0] == "ok"
    assert await check(130) == ("late", "1 customer waits for a decision.")
    assert (await check(700))[0] == "wrong"
    await answering.decide_due(db, turn(shop))
    assert (await check(700))[0] == "ok"


async def test_a_message_is_decided_on_though_its_thread_s_counter_says_that_it_was(
    db: Database, shop: Business
) -> None:
    await come(db, said(written("What are your opening hours?")))
    async with db.transaction() as conn:
        await conn.execute("update whatsapp_conversation set decided_inbound = inbound")
    at = datetime.now(UTC) + timedelta(minutes=3)
    (waits,) = await db.run("look", lambda conn: answering.checks(conn, shop, at))
    assert waits.state == "late"
    assert await answering.decide_due(db, turn(shop)) == {Choice.ANSWERED: 1}


async def test_people_are_alarmed_while_nobody_decides_and_told_when_it_is_over(
    db: Database, shop: Business, database_url: str, tmp_path: Path
) -> None:
    """No worker is there: the web server watches as well, and its alarm stands until the burst has its decision."""
    await come(db, said(written("What are your opening hours?")))
    async with db.transaction() as conn:
        await conn.execute("update whatsapp_message set created_at = now() - interval '11 minutes'")
    settings = Settings.load({"TALLYBOOK_DATABASE_URL": database_url}, tmp_path)
    alerting = Alerting(App(settings, db, [b"k" * 32], Limits(b"k" * 32)))
    alerting.entry = AlertsEntry(Terms(timedelta(0), timedelta(0)))

    async def look() -> list[str]:
        checks = await db.run("look", lambda conn: answering.checks(conn, shop, datetime.now(UTC)))
        return await alerting.judge(shop, checks)

    assert (await look(), await look()) == (["decisions"], [])
    await answering.decide_due(db, turn(shop))
    assert [*await look(), *await look()] == ["decisions"]


async def test_the_worker_decides_for_the_business_that_the_file_names(db: Database, shop: Business) -> None:
    await come(db, said(written("What are your opening hours?")))
    async with db.transaction() as conn:
        await conn.execute("update whatsapp_message set created_at = now() - interval '1 minute'")
    stop, wake = asyncio.Event(), asyncio.Event()

    async def bot() -> Bot:
        return Bot(Mode.DRAFT, shop.name)

    working = asyncio.create_task(jobs.keep_deciding(db, bot, stop, wake))
    await until(_any(db))
    stop.set()
    await working
    assert [row[1] for row in await rows(db, DECISIONS)] == ["drafted"]


async def test_the_worker_shows_a_day_s_response_rate_where_the_bot_may_speak(db: Database, shop: Business) -> None:
    labels = {"business": shop.name}

    async def shown(mode: Mode, rate: float | None) -> None:
        async def bot() -> Bot:
            return Bot(mode, shop.name)

        async def is_shown() -> bool:
            return REGISTRY.get_sample_value("tallybook_reply_rate", labels) == rate

        stop = asyncio.Event()
        counting = asyncio.create_task(jobs.keep_rating(db, bot, stop))
        await until(is_shown)
        stop.set()
        await counting

    await come(db, said(written("What are your opening hours?")))
    await answering.decide_due(db, turn(shop))
    await shown(Mode.AUTO, 1.0)
    await come(db, said(written("Where can I park a helicopter?", 2)))
    await answering.decide_due(db, turn(shop))
    await shown(Mode.AUTO, 0.5)
    await shown(Mode.OFF, None)


def _any(db: Database) -> Callable[[], Awaitable[bool]]:
    async def is_there() -> bool:
        return bool(await rows(db, DECISIONS))

    return is_there
