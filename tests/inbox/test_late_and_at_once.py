"""What comes a week late is history, and of any number that write first at once there is one thread."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Database, open_database
from tallybook.inbox.answer_types import Bot, Mode
from tallybook.inbox.responder import OLD_NEWS
from tallybook.inbox.service import answering, closing
from tallybook.inbox.service.answering import Turn
from tallybook.inbox.service.filing import Inbox
from tests.channels.whatsapp.bodies import CUSTOMER, body, change, contact, said
from tests.channels.whatsapp.test_received import come
from tests.core.worked import rows
from tests.inbox.automated import fire, only_thread, ran, rule, written
from tests.inbox.people import NALEDI
from tests.inbox.people import said as stored
from tests.world import Someone

WEEK = 7 * 86_400  # seconds: for so long a provider tries again
CLOCKS = """
select c.last_message_at, c.last_customer_message_at, c.is_open, c.last_body, w.last_inbound_at
from whatsapp_conversation c join conversation_windows w on w.conversation_id = c.id
"""
OURS = "select count(*)::int from outbox"
ALL = "select to_jsonb(m) from whatsapp_message m order by id"
CONNECTIONS = 20  # that work side by side
SENT_TWICE = "What are your opening hours?"


async def decide(db: Database, shop: Business) -> None:
    await answering.decide_due(db, Turn(shop, Bot(Mode.AUTO), datetime.now(UTC) + timedelta(seconds=70)))


async def test_a_retry_that_comes_a_week_late_changes_nothing(db: Database, shop: Business, bia: Someone) -> None:
    await rule(db, bia, {"on": "any"})
    first = [written("A first one", 1, -WEEK), written(SENT_TWICE, 2, 2 - WEEK)]
    await come(db, said(*first), said(written("Are you there?", 3)))
    await decide(db, shop)
    await fire(db, shop)
    await db.run("close", lambda conn: closing.close(conn, bia.caller, [1]))
    before = [await rows(db, one) for one in (CLOCKS, ALL, OURS)]
    again = [body(change("messages", one, contacts=[contact()]), time=1) for one in reversed(first)]
    await come(db, said(*first), *again)
    await decide(db, shop)
    await fire(db, shop)
    assert [await rows(db, one) for one in (CLOCKS, ALL, OURS)] == before


async def test_what_first_comes_a_week_late_is_history_opens_nothing_and_is_answered_by_nobody(
    db: Database, shop: Business, bia: Someone
) -> None:
    await rule(db, bia, {"on": "any"}, since=datetime.now(UTC) - timedelta(days=30))
    await come(db, said(written("Thank you")))
    await decide(db, shop)
    await fire(db, shop)
    thread = await only_thread(db)
    await db.run("close", lambda conn: closing.close(conn, bia.caller, [thread]))
    before, sent, fired = await rows(db, CLOCKS), await rows(db, OURS), len(await ran(db))
    await come(db, said(written(SENT_TWICE, 2, -WEEK)))
    await decide(db, shop)
    await fire(db, shop)
    assert await rows(db, CLOCKS) == before
    assert await rows(db, OURS) == sent
    assert [outcome for outcome, _ in (await ran(db))[fired:]] == ["skipped"]
    late = "select late, counted, decided from whatsapp_message where provider_message_id = 'wamid.0002'"
    assert await rows(db, late) == [(True, True, True)]
    last = "select decision, reason from reply_decisions order by seq desc limit 1"
    assert await rows(db, last) == [("suppressed", OLD_NEWS)]


async def test_who_is_heard_of_for_the_first_time_a_week_late_is_there_and_may_not_be_written_to_freely(
    db: Database, shop: Business
) -> None:
    await come(db, said(written(SENT_TWICE, 1, -WEEK)))
    await decide(db, shop)
    assert await rows(db, "select customer_number, inbound, last_seq from whatsapp_conversation") == [
        (f"+{CUSTOMER}", 1, 1)
    ]
    assert await rows(db, OURS) == [(0,)]
    open_ = "select last_inbound_at > now() - interval '24 hours' from conversation_windows"
    assert await rows(db, open_) == [(False,)]


@pytest.mark.parametrize("creators", [20, pytest.param(200, marks=pytest.mark.soak)])
async def test_so_many_who_make_a_thread_at_once_make_one_and_only_one_of_them_made_it(
    db: Database, shop: Business, database_url: str, creators: int
) -> None:
    inbox, together = Inbox(), asyncio.Event()
    batches = [inbox.read([stored(NALEDI, minute)]) for minute in range(creators)]
    places = asyncio.Semaphore(CONNECTIONS)
    async with open_database(database_url, "prod", size=CONNECTIONS) as many:

        async def create(batch: Any) -> list[int]:
            await together.wait()
            async with places:
                filed = await many.run("file", lambda conn: inbox.file(conn, shop, batch))
            return [number for one in filed for number in one.created]

        tasks = [asyncio.create_task(create(batch)) for batch in batches]
        together.set()
        created = [number for some in await asyncio.gather(*tasks) for number in some]
    assert await rows(db, "select id, last_seq::int, inbound::int from whatsapp_conversation") == [
        (created[0], creators, creators)
    ]
    assert len(created) == 1
    in_order = "select count(distinct seq)::int, max(seq)::int, count(*)::int from whatsapp_message"
    assert await rows(db, in_order) == [(creators, creators, creators)]
    assert await rows(db, "select count(*)::int from contacts") == [(1,)]
    assert await rows(db, "select count(*)::int from constraint_violations where not answered") == [(0,)]
