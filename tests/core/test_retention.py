"""Every table's rows are kept for a time that is written down, and no longer; what still waits is never removed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tallybook.core import keys
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.retention import BATCH, KEPT, RULES, Rule, sweep
from tests.core.prepared import prepare

NOW = datetime(2026, 6, 1, tzinfo=UTC)
TABLES = "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
PRIMARY_KEY = """
select array_agg(a.attname order by k.position) from pg_constraint c
cross join unnest(c.conkey) with ordinality k (attnum, position)
join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.attnum
where c.contype = 'p' and c.conrelid = %s::regclass
"""


async def test_every_table_has_its_rule(conn: Conn) -> None:
    tables = {name for (name,) in await (await conn.execute(TABLES)).fetchall()}
    ruled = {rule.table for rule in RULES}
    assert not ruled & KEPT.keys()
    assert ruled | KEPT.keys() == tables, "a table stands in core/retention.py: in RULES, or in KEPT with its reason"
    assert len(ruled) == len(RULES)
    assert [table for table, reason in KEPT.items() if len(reason.split()) < 5] == []
    assert "audit_log" in KEPT
    assert {"deliveries", "jobs"} <= keys.DIRECTORY_TABLES


HELD_BY = """
select distinct c.conrelid::regclass::text from pg_constraint c
where c.contype = 'f' and c.confdeltype <> 'c' and c.confrelid = %s::regclass
    and c.connamespace = 'public'::regnamespace
"""


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.table)
async def test_what_goes_by_its_age_is_held_by_nothing_that_stays(conn: Conn, rule: Rule) -> None:
    """Else a night's sweep would fail on it every night, and end there."""
    held = {table for (table,) in await (await conn.execute(HELD_BY, [rule.table])).fetchall()}
    assert held - {rule.table} == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.table)
async def test_each_rule_goes_by_the_primary_key_and_the_server_understands_it(conn: Conn, rule: Rule) -> None:
    assert await (await conn.execute(PRIMARY_KEY, [rule.table])).fetchone() == (list(rule.key),)
    await prepare(conn, "retention", rule.statement)


async def fill(conn: Conn, business: Business) -> None:
    values = {"old": NOW - timedelta(days=1000), "new": NOW - timedelta(hours=1), "business": business.id}
    for age in ("old", "new"):
        await conn.execute(
            f"""insert into jobs (kind, key, state, done_at, reason, created_at) select 'sync', '{age} ' || s, s,
                case s when 'done' then %({age})s::timestamptz end, 'why', %({age})s
                from unnest(array['waiting', 'done', 'parked']) s""".encode(),
            values,
        )
        await conn.execute(
            f"""insert into outbox (business_id, channel, account, recipient, dedup_key, body, state, done_at, reason)
                select %(business)s, 'pigeon', 'velo', 'x', '{age} ' || s, '{{}}', s,
                    case when s not in ('waiting', 'unknown') then %({age})s::timestamptz end, 'why'
                from unnest(array['waiting', 'sent', 'read', 'captured', 'unknown', 'parked']) s""".encode(),
            values,
        )
        await conn.execute(f"insert into heartbeats (name, at) values ('{age}', %({age})s)".encode(), values)


async def test_only_what_is_done_and_old_goes(db: Database, business: Business) -> None:
    await db.run("fill", lambda conn: fill(conn, business))
    removed = await sweep(db, NOW, asyncio.Event())
    assert {table: count for table, count in removed.items() if count} == {"jobs": 1, "outbox": 3, "heartbeats": 1}
    async with db.transaction() as conn:
        left = await (await conn.execute("select key from jobs union all select dedup_key from outbox")).fetchall()
    assert sorted(key for (key,) in left if key.startswith("old")) == [
        "old parked", "old parked", "old unknown", "old waiting", "old waiting",
    ]  # fmt: skip
    assert not any((await sweep(db, NOW, asyncio.Event())).values())


async def test_a_reaction_goes_only_once_it_was_taken_off_long_ago(db: Database, business: Business) -> None:
    put = """insert into message_reactions (business_id, channel, account, about, who, emoji, at)
        select %s, 'whatsapp', '1', 'wamid.1', age || emoji, emoji, case age when 'old' then %s else %s end
        from unnest(array['old', 'new']) age, unnest(array['', '👍']) emoji"""
    times = (NOW - timedelta(days=31), NOW - timedelta(days=29))
    await db.run("fill", lambda conn: conn.execute(put, (business.id, *times)))
    assert (await sweep(db, NOW, asyncio.Event()))["message_reactions"] == 1
    async with db.transaction() as conn:
        left = await (await conn.execute("select who from message_reactions order by who")).fetchall()
    assert [who for (who,) in left] == ["new", "new👍", "old👍"]


async def test_many_rows_go_in_batches_and_a_stop_is_heeded(db: Database) -> None:
    many = BATCH * 2 + 5
    insert = f"insert into login_attempts (login_hash, address_hash) select '', '' from generate_series(1, {many})"
    await db.run("fill", lambda conn: conn.execute(insert.encode()))
    stop = asyncio.Event()
    stop.set()
    later = datetime.now(UTC) + timedelta(days=61)
    assert (await sweep(db, later, stop))["login_attempts"] == 0
    assert (await sweep(db, later, asyncio.Event()))["login_attempts"] == many
