"""The next event is found in little time, however much waits, and whatever holds it back."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.inbox.store import hook_deliveries as store
from tests.conftest import Broom
from tests.inbox.test_hooks import hook

MANY = 20_000
FILL = """
insert into hook_events (business_id, hook_id, event_key, kind, conversation_id, at, body, state, not_before, done_at)
select %(business_id)s, %(hook_id)s, u.id::text, 'message.received', 1 + u.id %% %(threads)s, now(), '{}',
    case when u.id <= 2000 then 'delivered' else 'waiting' end,
    now() - interval '1 hour', case when u.id <= 2000 then now() end
from generate_series(1, %(many)s + 2000) as u (id)
"""
HOLD_BACK = """
update hook_events e set not_before = now() + interval '10 minutes', attempts = 3
where e.state = 'waiting' and not exists (select from hook_events b where b.conversation_id = e.conversation_id
    and b.id < e.id and b.state = 'waiting')
"""
# The server's own analyze in between would see none of these rows, and call a table of many pages empty.
ALONE = "lock table hook_events in share update exclusive mode"
# And so it may have done after another test, which left a few pages: nothing is known of the table again.
UNKNOWN = "truncate hook_events cascade"
LAST = """
insert into hook_events (business_id, hook_id, event_key, kind, conversation_id, at, body)
values (%(business_id)s, %(hook_id)s, 'last', 'message.received', %(thread)s, now(), '{}')
"""


async def seen(conn: Conn, values: dict[str, Any]) -> int:
    """How many rows of events a claim reads, as the database counts them."""
    await conn.execute(store.BY_INDEX)
    row = await (await conn.execute(f"explain (analyze, format json) {store.CLAIM}".encode(), values)).fetchone()
    assert row is not None
    return _rows(row[0][0]["Plan"])


def _rows(plan: dict[str, Any]) -> int:
    mine = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) if plan.get("Relation Name") else 0
    assert plan["Node Type"] != "Seq Scan" or plan["Actual Loops"] == 0, json.dumps(plan)
    return int(mine * plan["Actual Loops"]) + sum(_rows(one) for one in plan.get("Plans", []))


@pytest.mark.parametrize("threads", [1, 20])
@pytest.mark.parametrize("last", [0, 5000], ids=["of no thread", "of another thread"])
async def test_a_claim_reads_few_rows_though_many_wait_behind_what_fails(
    db: Database, business: Business, broom: Broom, threads: int, last: int
) -> None:
    broom.run(UNKNOWN)
    number = await hook(db, business)
    values = {"business_id": business.id, "hook_id": number, "worker": uuid4(), "at_once": 4, "lease": 60.0}
    async with db.transaction() as conn:
        await conn.execute(ALONE.encode())
        await conn.execute(FILL.encode(), values | {"many": MANY, "threads": threads})
        await conn.execute(HOLD_BACK.encode())
        for known in (False, True):
            if known:
                await conn.execute(b"analyze hook_events")
            assert await store.claim(conn, (business.id, number), uuid4(), 4, 60) is None
            assert await seen(conn, values) < 500
        await conn.execute(LAST.encode(), values | {"thread": last})
        claimed = await store.claim(conn, (business.id, number), uuid4(), 4, 60)
    assert claimed is not None
    assert claimed.key == "last", "what is held back holds back nothing else"


async def test_a_claim_of_what_nothing_holds_back_takes_the_oldest(
    db: Database, business: Business, broom: Broom
) -> None:
    broom.run(UNKNOWN)
    number = await hook(db, business)
    values = {"business_id": business.id, "hook_id": number, "worker": uuid4(), "at_once": 4, "lease": 60.0}
    async with db.transaction() as conn:
        await conn.execute(ALONE.encode())
        await conn.execute(FILL.encode(), values | {"many": MANY, "threads": 7000})
        assert await seen(conn, values) < 500
        claimed = [await store.claim(conn, (business.id, number), uuid4(), 4, 60) for _ in range(4)]
    assert [one and one.key for one in claimed] == ["2002", "2003", "2004", None], "the first was taken above"
