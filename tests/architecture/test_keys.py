"""The natural keys of the code and the constraints of the migrations say the same."""

from __future__ import annotations

from typing import Any

import pytest

from tallybook.core import key_check, keys
from tallybook.core.db import Conn
from tallybook.core.key_check import LiveIndex
from tallybook.core.keys import DIRECTORY_TABLES, NATURAL_KEYS

TABLES = """
select relname from pg_class where relkind = 'r' and relnamespace = current_schema()::regnamespace
"""
FOREIGN_KEYS = """
select c.conrelid::regclass::text, c.conname, c.confrelid::regclass::text,
    array(
        select a.attname::text from unnest(c.conkey) k join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k)
from pg_constraint c where c.contype = 'f' and c.connamespace = current_schema()::regnamespace
"""
# What is pointed at in tables that grow with every message: the columns, their types, and the index of the key.
POINTED_AT = """
select distinct t.relname::text, i.relname::text, array_agg(a.attname::text order by k.n),
    array_agg(format_type(a.atttypid, null) order by k.n)
from pg_constraint c join pg_class i on i.oid = c.conindid join pg_class t on t.oid = c.confrelid,
    unnest(c.confkey) with ordinality k (attnum, n) join pg_attribute a on a.attnum = k.attnum
where c.contype = 'f' and c.connamespace = current_schema()::regnamespace and a.attrelid = c.confrelid
    and t.relname in ('whatsapp_conversation', 'whatsapp_message')
group by c.oid, t.relname, i.relname
"""
TRIGGERS = "select tgrelid::regclass::text, tgname from pg_trigger where not tgisinternal"
CONSTRAINT_NAMES = "select conrelid::regclass::text, conname from pg_constraint"
# People's own SQL truncates and refills these, so nothing may point at them.
SEED_TABLES = {
    "qa_photo_reviews", "marketing_activations", "valid_drop_numbers", "invalid_drop_submissions", "sprints",
    "overrides",
}  # fmt: skip


async def rows(conn: Conn, statement: str) -> list[tuple[Any, ...]]:
    return await (await conn.execute(statement)).fetchall()


async def test_a_migrated_database_holds_every_declared_key(conn: Conn) -> None:
    await key_check.check(conn)


async def test_every_declared_key_has_the_name_that_the_database_uses(conn: Conn) -> None:
    live = {(table, name) for table, name in await rows(conn, CONSTRAINT_NAMES)}
    assert [key for key in NATURAL_KEYS if (key.table, key.constraint) not in live] == []


async def test_every_unique_rule_of_the_database_is_declared_or_a_plain_number(conn: Conn) -> None:
    """A rule that no declaration names is how the predecessors lost messages."""
    declared = {(key.table, frozenset(key.columns)) for key in NATURAL_KEYS}
    surrogate = ({"id"}, {"business_id", "id"}, {"version_num"})
    extra = [
        index
        for index in await key_check.unique_indexes(conn)
        if (index.table, frozenset(index.columns)) not in declared and set(index.columns) not in surrogate
    ]
    assert extra == []


async def test_a_key_carries_its_scope(conn: Conn) -> None:
    """Every key of a tenant table begins with business_id; the directory tables are the listed exception."""
    for index in await key_check.unique_indexes(conn):
        if index.table not in DIRECTORY_TABLES:
            assert index.columns[0] == "business_id", index


async def test_every_table_is_a_tenant_s_or_a_listed_directory_table(conn: Conn) -> None:
    tables = {row[0] for row in await rows(conn, TABLES)}
    tenants = {key.table for key in NATURAL_KEYS} | {"audit_log"}
    assert tables - tenants - DIRECTORY_TABLES == set()
    assert tables >= DIRECTORY_TABLES


async def test_a_foreign_key_between_tenant_tables_stays_within_the_business(conn: Conn) -> None:
    for table, name, target, columns in await rows(conn, FOREIGN_KEYS):
        if table not in DIRECTORY_TABLES and target not in DIRECTORY_TABLES:
            assert "business_id" in columns, name


async def test_nothing_points_at_a_table_that_people_truncate(conn: Conn) -> None:
    pointed = {target for _, _, target, _ in await rows(conn, FOREIGN_KEYS)}
    assert pointed & SEED_TABLES == set()


async def test_a_foreign_key_is_looked_up_by_its_own_key_also_where_the_planner_takes_the_table_for_empty(
    conn: Conn,
) -> None:
    """Else a new business's first messages are each held against all the others."""
    await conn.execute("set local plan_cache_mode = force_generic_plan")
    pointed = await rows(conn, POINTED_AT)
    assert pointed != []
    for table, key, columns, types in pointed:
        which = " and ".join(f"{column} = ${place}" for place, column in enumerate(columns, 1))
        look = f"select 1 from only {table} where {which} for key share"
        await conn.execute(f"prepare look ({', '.join(types)}) as {look}")
        plan = await rows(conn, f"explain execute look ({', '.join(['null'] * len(types))})")
        await conn.execute("deallocate look")
        assert any(f"using {key} on {table}" in line for (line,) in plan), (table, key, plan)


async def test_there_is_one_trigger_and_it_is_the_listed_one(conn: Conn) -> None:
    found = {tuple(row) for row in await rows(conn, TRIGGERS) if not row[0].startswith("dev.")}
    assert found == {("qa_photo_reviews", "qa_photo_reviews_fill_space")}


REVIEW = keys.REVIEW
USABLE = LiveIndex(REVIEW.table, "x", list(REVIEW.columns), immediate=True, valid=True, partial=False)


@pytest.mark.parametrize(
    ("live", "word"),
    [
        ([], "missing"),
        ([LiveIndex(REVIEW.table, "x", ["drop_number"], immediate=True, valid=True, partial=False)], "missing"),
        ([LiveIndex(REVIEW.table, "x", [*REVIEW.columns, "id"], immediate=True, valid=True, partial=False)], "missing"),
        (
            [LiveIndex(REVIEW.table, "x", list(REVIEW.columns), immediate=False, valid=True, partial=False)],
            "deferrable",
        ),
        ([LiveIndex(REVIEW.table, "x", list(REVIEW.columns), immediate=True, valid=False, partial=False)], "invalid"),
        ([LiveIndex(REVIEW.table, "x", list(REVIEW.columns), immediate=True, valid=True, partial=True)], "some"),
        ([LiveIndex("other", "x", list(REVIEW.columns), immediate=True, valid=True, partial=False)], "missing"),
    ],
)
def test_a_key_that_cannot_be_relied_on_is_named_with_what_mends_it(live: list[LiveIndex], word: str) -> None:
    (sentence,) = key_check.faults(live, (REVIEW,))
    assert word in sentence
    assert REVIEW.constraint in sentence
    assert f"alter table {REVIEW.table} add constraint" in sentence


def test_the_order_of_columns_is_no_fault() -> None:
    turned = LiveIndex(REVIEW.table, "x", list(reversed(REVIEW.columns)), immediate=True, valid=True, partial=False)
    assert key_check.faults([turned], (REVIEW,)) == []
    assert key_check.faults([USABLE], (REVIEW,)) == []
