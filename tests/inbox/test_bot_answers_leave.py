"""What the bot is asked it answers, whatever else speaks by itself, and no answer of it is lost without a word."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from tallybook.core import expiry
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.messages import Outgoing, Status
from tallybook.core.outcomes import Became
from tallybook.core.withdrawing import Claimed
from tallybook.inbox import automation_rules, responder
from tallybook.inbox.answer_types import Bot, Choice, Mode
from tallybook.inbox.automation_types import Booked, Cause, Kind, Outcome
from tallybook.inbox.service import answering, appointments, leaving_late, outcomes, scheduled, withdrawing
from tallybook.inbox.service.answering import Turn
from tallybook.inbox.store import dropped
from tests import world
from tests.channels.whatsapp.bodies import said
from tests.channels.whatsapp.test_received import come
from tests.core.worked import rows
from tests.inbox.automated import fire, ran, rule
from tests.inbox.test_answering import DECISIONS, OPENING, OUTBOX, only_thread, shop, turn, written
from tests.inbox.test_appointments import book, meeting
from tests.inbox.test_scheduled import STATES, work
from tests.inbox.test_scheduled import leave as later

__all__ = ["shop"]
QUESTION = "What are your opening hours?"
BECAME = "update outbox set state = %s, reason = %s, done_at = now()"
ENDS = "select expires_at < now() + interval '2 hours' from outbox"


async def test_what_a_rule_says_by_itself_is_no_answer_and_does_not_silence_the_bot(
    db: Database, shop: Business
) -> None:
    boss = await db.run("add", lambda conn: world.bia(conn, shop))
    await rule(db, boss, {"on": "first"}, actions={"text": "Welcome!"})
    await come(db, said(written(QUESTION)))
    assert await fire(db, shop) == {Outcome.DONE: 1}
    assert await answering.decide_due(db, turn(shop)) == {Choice.ANSWERED: 1}
    assert [row[2] for row in await rows(db, OUTBOX)] == ["Welcome!", OPENING]


async def test_what_was_thought_about_for_long_has_its_whole_time_to_leave(db: Database, shop: Business) -> None:
    await come(db, said(written(QUESTION)))
    long = timedelta(minutes=20)
    slow = Turn(shop, Bot(Mode.AUTO), turn(shop).now - long, begun=time.monotonic() - long.total_seconds())
    assert await answering.decide_due(db, slow) == {Choice.ANSWERED: 1}
    assert await rows(db, "select expires_at > now() + interval '14 minutes' from outbox") == [(True,)]


async def test_whoever_went_on_writing_before_they_were_thought_of_is_waited_for(db: Database, shop: Business) -> None:
    await come(db, said(written(QUESTION)))
    thread = await only_thread(db)
    early = turn(shop, after=2)
    assert await db.run("think", lambda conn: answering.think_out(conn, early, thread)) is None
    assert await answering.decide_one(db, early, thread) is None
    assert await answering.decide_due(db, turn(shop)) == {Choice.ANSWERED: 1}


@pytest.mark.parametrize(
    ("state", "status", "why"),
    [
        ("dropped", Status.DROPPED, "too old to be of use"),
        ("parked", Status.PARKED, "The provider refused it."),
        ("captured", Status.CAPTURED, None),
        ("dropped", Status.DROPPED, withdrawing.WROTE_AGAIN),
    ],
)
async def test_a_burst_whose_answer_did_not_leave_is_a_person_s_and_says_why(
    db: Database, shop: Business, state: str, status: Status, why: str | None
) -> None:
    await come(db, said(written(QUESTION)))
    await answering.decide_due(db, turn(shop))
    ((key,),) = await rows(db, "select dedup_key from outbox")
    became = [Became("whatsapp", key, status)]
    async with db.transaction() as conn:
        await conn.execute(BECAME, (state, why))
        await outcomes.told(conn, shop.id, became)
    lost = (status in outcomes.LOST) and why not in outcomes.OVERTAKEN
    wanted = ("handed_over", f"{outcomes.NOT_LEFT}: {why}") if lost else ("answered", responder.FITS.format(id=1))
    assert [row[1:3] for row in await rows(db, DECISIONS)] == [wanted]
    assert await answering.decide_due(db, turn(shop)) == {}


async def test_what_a_rule_says_is_dropped_once_it_is_of_no_use_and_told_as_not_said(
    db: Database, shop: Business
) -> None:
    boss = await db.run("add", lambda conn: world.bia(conn, shop))
    await rule(db, boss, {"on": "any"})
    await come(db, said(written(QUESTION)))
    await fire(db, shop)
    assert await rows(db, ENDS) == [(True,)]
    await lose(db, shop)
    assert await ran(db) == [("skipped", automation_rules.TOO_OLD)]


async def test_a_message_for_later_that_did_not_leave_within_the_hour_is_told_as_missed(
    db: Database, shop: Business
) -> None:
    boss = await db.run("add", lambda conn: world.bia(conn, shop))
    await come(db, said(written("Hi")))
    await later(db, boss, await only_thread(db))
    assert await work(db, shop, 12) == {"sent": 1}
    assert await rows(db, ENDS) == [(True,)]
    await lose(db, shop)
    assert await rows(db, STATES) == [("missed", scheduled.TOO_LATE)]


async def test_a_reminder_of_a_meeting_that_moves_before_it_leaves_is_taken_back(db: Database, shop: Business) -> None:
    boss = await db.run("add", lambda conn: world.bia(conn, shop))
    await rule(db, boss, {"on": "appointment", "minutes": [120]})
    await come(db, said(written("Hi")))
    made = await book(db, boss, 180)
    assert await fire(db, shop, after=62 * 60) == {Outcome.DONE: 1}
    assert await taken_back(db, shop) is None
    wanted, now = meeting(shop, 300), datetime.now(UTC)
    await db.run("move", lambda conn: appointments.change(conn, boss.caller, made.id, wanted, now))
    assert await taken_back(db, shop) == automation_rules.MOVED
    await db.run("cancel", lambda conn: appointments.set_status(conn, boss.caller, made.id, "cancelled", now))
    assert await taken_back(db, shop) == automation_rules.CANCELLED


async def test_what_is_not_to_be_said_once_they_wrote_is_taken_back_if_they_write_before_it_leaves(
    db: Database, shop: Business
) -> None:
    boss = await db.run("add", lambda conn: world.bia(conn, shop))
    await come(db, said(written("Hi")))
    await later(db, boss, await only_thread(db), unless_written=True)
    assert await work(db, shop, 12) == {"sent": 1}
    assert await taken_back(db, shop) is None
    await come(db, said(written("Here I am", 2)))
    assert await taken_back(db, shop) == dropped.WRITTEN
    async with db.transaction() as conn:
        await conn.execute(BECAME, ("dropped", dropped.WRITTEN))
        ((key,),) = await (await conn.execute("select dedup_key from outbox")).fetchall()
        await outcomes.told(conn, shop.id, [Became("whatsapp", key, Status.DROPPED)])
    assert await rows(db, STATES) == [("cancelled", dropped.WRITTEN)]


def test_a_reminder_may_leave_until_the_meeting_begins() -> None:
    at = datetime(2026, 5, 4, 9, tzinfo=UTC)
    booked = Booked(1, "Visit", at, "", "booked", 0)
    cause = Cause(Kind.APPOINTMENT, "appointment:1:0:120", 1, at - timedelta(hours=2))
    assert automation_rules.useful_until(cause, booked) == at


async def lose(db: Database, shop: Business) -> None:
    """What waits outlives its moment, and is dropped as the outbox does it."""
    async with db.transaction() as conn:
        await conn.execute("update outbox set expires_at = now() - interval '1 second'")
        became = await expiry.drop_expired(conn, shop.id, ["whatsapp"])
        await outcomes.told(conn, shop.id, became)


async def taken_back(db: Database, shop: Business) -> str | None:
    """Why the only message that waits would be taken back if it left now."""
    ((key,),) = await rows(db, "select dedup_key from outbox")
    claimed = Claimed(1, 1, False, 0, None, Outgoing("whatsapp", "", "", key, {}))
    return await db.run("stands", lambda conn: leaving_late.stands(conn, shop.id, claimed))
