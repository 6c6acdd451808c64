"""What is looked for again and again looks at so many threads at a time, however many there are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.db import Conn, Database
from tallybook.inbox.service import automation_firing, threads
from tallybook.inbox.store import automation_causes as causes
from tallybook.inbox.store import threads as store
from tallybook.inbox.thread_types import Filter, Narrow, Place, Shown, Sought
from tests.core.worked import rows
from tests.inbox.automated import rule
from tests.world import Someone

MANY = 2600
# Customers who wrote once, a second after each other, and whom nobody answered; their numbers go up with the time.
CUSTOMERS = """
with c as (insert into contacts (business_id, thread_key)
    select %(business)s, 'chat:1:' || n from generate_series(1, %(many)s) n returning id, thread_key
), w as (insert into whatsapp_conversation (business_id, contact_id, canonical_key, customer_number, last_message_at,
        last_customer_message_at, last_seq, inbound)
    select %(business)s, id, thread_key, thread_key, m.at, m.at, 1, 1 from c, lateral (
        select %(first)s::timestamptz + make_interval(secs => split_part(thread_key, ':', 3)::int) as at) m
    order by id returning id, last_message_at)
insert into whatsapp_message (business_id, conversation_id, to_number, direction, status, source, seq, said_at, counted)
select %(business)s, id, 'x', 'in', 'received', 'customer', 1, last_message_at, true from w
"""
LABELLED = "insert into conversation_labels select %s, id, %s from whatsapp_conversation order by id limit %s"


async def many(conn: Conn, business: Business, first: datetime) -> None:
    await conn.execute(CUSTOMERS, {"business": business.id, "many": MANY, "first": first})


@pytest.fixture
def counted(superuser_url: str) -> Callable[[], Awaitable[None]]:
    """Has the planner know what is in the tables, as it does where rows have been for a minute; else it guesses."""

    async def count() -> None:
        async with await psycopg.AsyncConnection.connect(superuser_url, autocommit=True) as conn:
            await conn.execute("analyze whatsapp_conversation, whatsapp_message, conversation_labels")

    return count


def looked_at(plan: dict[str, Any], table: str = "whatsapp_conversation") -> int:
    """How many rows of a table a statement reads, as the database counts them."""
    mine = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) if plan.get("Relation Name") == table else 0
    return int(mine * plan["Actual Loops"]) + sum(looked_at(one, table) for one in plan.get("Plans", []))


async def plan_of(conn: Conn, statement: str, values: dict[str, Any]) -> dict[str, Any]:
    # What it would choose in a large table.
    await conn.execute("set local enable_seqscan = off; set local enable_sort = off")
    row = await (await conn.execute(f"explain (analyze, format json) {statement}".encode(), values)).fetchone()
    assert row is not None
    return dict(row[0][0]["Plan"])


async def test_who_is_silent_is_sought_in_so_many_threads_at_a_time_and_every_one_is_found_once(
    db: Database, shop: Business, bia: Someone, monkeypatch: pytest.MonkeyPatch, counted: Callable[[], Awaitable[None]]
) -> None:
    now = datetime.now(UTC)
    number = await rule(db, bia, {"on": "silence", "of": "us", "hours": 2}, actions={"hand_over": True})
    await db.run("fill", lambda conn: many(conn, shop, now - timedelta(hours=4)))
    monkeypatch.setattr(automation_firing, "LOOKS", 2)
    places: dict[int, Place] = {}
    found = [await automation_firing.look(db, shop, now, places) for _ in range(4)]
    assert found == [1000, 1000, 600, 0]
    assert places.keys() <= {number}
    assert await rows(db, "select count(distinct conversation_id)::int from automation_causes") == [(MANY,)]

    values = {
        "business_id": shop.id, "rule_id": number, "hours": timedelta(hours=2), "answered": False, "now": now,
        "since": now - timedelta(days=1), "at": now - timedelta(days=2), "id": 0,
    }  # fmt: skip

    await counted()

    async def look(conn: Conn) -> None:
        await conn.execute("delete from automation_causes")
        plan = await plan_of(conn, causes.SILENT, values)
        assert looked_at(plan) == causes.LOOKED_AT
        assert looked_at(plan, "whatsapp_message") <= 2 * causes.LOOKED_AT

    await db.run("look", look)


async def label_of(conn: Conn, business: Business, labelled: int) -> int:
    """A label on so many of many threads, which are the oldest."""
    put = "insert into inbox_labels (business_id, name, folded, colour) values (%s, 'x', 'x', 'red') returning id"
    await many(conn, business, datetime.now(UTC) - timedelta(hours=4))
    row = await (await conn.execute(put, (business.id,))).fetchone()
    assert row is not None
    await conn.execute(LABELLED, (business.id, row[0], labelled))
    return int(row[0])


@pytest.mark.parametrize("labelled", [900, 2500])
async def test_a_page_under_a_label_stops_however_many_threads_have_it(
    db: Database,
    shop: Business,
    bia: Someone,
    labelled: int,
    monkeypatch: pytest.MonkeyPatch,
    counted: Callable[[], Awaitable[None]],
) -> None:
    """Under one on very many, so many of the newest threads are looked through, and the page says where to go on."""
    monkeypatch.setattr(store, "VERY_MANY", 1000)
    caller = Caller(bia.account_id, "Bia", shop, Role.LEAD)
    label = await db.run("fill", lambda conn: label_of(conn, shop, labelled))
    shown = Shown(Filter.ALL, Narrow(label=label))
    seen: list[int] = []
    after: Place | None = None

    async def page(conn: Conn, after: Place | None) -> threads.Listed:
        return await threads.listing(conn, caller, shown, "", after, 500)

    for _ in range(8):
        listed = await db.run("page", lambda conn, after=after: page(conn, after))
        seen += [one.id for one in listed.threads]
        after = listed.after
        if after is None:
            break
    threads_with_it = [
        row[0] for row in await rows(db, "select conversation_id from conversation_labels order by 1 desc")
    ]
    assert seen == threads_with_it, "each once, the newest first"

    await counted()

    async def look(conn: Conn) -> None:
        asked = await store.range_of(conn, caller, shown, Sought())
        values = asked.values | {"at": None, "id": None, "limit": 50, "very_many": store.VERY_MANY}
        plan = await plan_of(conn, store._PAGES[asked.of], values)
        assert looked_at(plan) <= 2 * store.LOOKED_THROUGH
        assert looked_at(await plan_of(conn, store.OFTEN, values), "conversation_labels") <= store.VERY_MANY + 1
        assert (await threads.counted(conn, caller, shown, "")).whole == (labelled < store.VERY_MANY)

    await db.run("look", look)


async def test_a_label_on_many_old_threads_is_found_at_once_in_a_large_business(
    db: Database, shop: Business, bia: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of the newest has it, which are more than are looked through for one page."""
    monkeypatch.setattr(threads, "LOOKS", 1)
    caller = Caller(bia.account_id, "Bia", shop, Role.LEAD)
    label = await db.run("fill", lambda conn: label_of(conn, shop, 1500))
    shown = Shown(Filter.ALL, Narrow(label=label))
    page = await db.run("page", lambda conn: threads.listing(conn, caller, shown, "", None, 50))
    assert [one.id for one in page.threads] == [
        row[0] for row in await rows(db, "select conversation_id from conversation_labels order by 1 desc limit 50")
    ]
    counted = await db.run("count", lambda conn: threads.counted(conn, caller, shown, ""))
    assert counted == threads.Counted(store.COUNTED, whole=False)
