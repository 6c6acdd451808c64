"""Every statement of ours with ON CONFLICT relies on a key that is there, at its first run and at its seventh."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

import psycopg
import pytest
from psycopg import errors

from tallybook import own_contract
from tallybook.core.db import Conn
from tallybook.core.environment_tables import TABLES
from tallybook.core.keys import NATURAL_KEYS
from tallybook.doctor import upserts
from tallybook.doctor.catalog_reading import read
from tallybook.doctor.contract import Contract, Upsert
from tallybook.doctor.examining import examine
from tallybook.doctor.types import Code, Severity

SCHEMAS = ["public"]
TYPES = "select parameter_types::text[] from pg_prepared_statements where name = 'one'"
# Made-up values, by the type that the server finds a parameter to have.
MADE_UP = {
    "integer": "1", "bigint": "1", "smallint": "1", "numeric": "1", "double precision": "1", "text": "'x'",
    "boolean": "true", "timestamp with time zone": "now()", "date": "current_date", "jsonb": "'{}'", "json": "'{}'",
    "bytea": "'x'", "interval": "'1 day'",
}  # fmt: skip


@lru_cache
def ours() -> Contract:
    return own_contract.own_contract()


async def test_each_of_our_statements_has_its_key(conn: Conn) -> None:
    catalog = await read(conn, SCHEMAS)
    assert len(ours().upserts) > 100
    assert [one.says for one in await upserts.examine(conn, ours().upserts, catalog, SCHEMAS)] == []


async def test_a_statement_whose_key_is_gone_is_found(conn: Conn) -> None:
    """The same examination, so that the one above does not look at nothing."""
    one = Upsert(place="alarms", statement="insert into alarms (name) values ($1) on conflict (name) do nothing")
    (finding,) = await upserts.examine(conn, [one], await read(conn, SCHEMAS), SCHEMAS)
    assert "alarms_pkey is on more columns (business_id, name)" in finding.says


async def test_each_of_our_statements_runs_seven_times_on_a_prepared_statement(conn: Conn) -> None:
    """The sixth run may be planned for all parameters at once, where a key that is not named by constants is lost."""
    met: Counter[str] = Counter()
    for upsert in ours().upserts:
        await conn.execute(f"prepare one as {upsert.statement}".encode())
        run = f"execute one{await values(conn)}".encode()
        for _ in range(7):
            try:
                async with conn.transaction():
                    await conn.execute(run)
            except (errors.InvalidColumnReference, errors.ObjectNotInPrerequisiteState) as error:
                pytest.fail(f"{upsert.place}: {error}")
            except psycopg.Error as error:  # what made-up values bring: a business that is not there, a check
                met[type(error).__name__] += 1
            else:
                met["run"] += 1
        await conn.execute("deallocate one")
    assert met["run"] > len(ours().upserts)


async def values(conn: Conn) -> str:
    row = await (await conn.execute(TYPES)).fetchone()
    types = row[0] if row else []
    return f"({', '.join(made_up(one) for one in types)})" if types else ""


def made_up(kind: str) -> str:
    if kind.endswith("[]"):
        return f"array[{made_up(kind[:-2])}]::{kind}"
    return MADE_UP.get(kind, "null")


def test_every_key_that_is_declared_is_in_the_contract() -> None:
    assert {(key.table, key.columns) for key in NATURAL_KEYS} <= {(key.table, key.columns) for key in ours().keys}
    assert ours().apart


async def test_our_own_database_is_healthy(conn: Conn) -> None:
    report = await examine(conn, ours(), SCHEMAS)
    assert [one.says for one in report.findings if one.severity is not Severity.NOTE] == []


LOCKS = "select count(*) from pg_locks where pid = pg_backend_pid() and mode = 'RowExclusiveLock'"


async def test_nothing_stays_locked_by_an_examination(conn: Conn) -> None:
    await upserts.examine(conn, ours().upserts[:10], await read(conn, SCHEMAS), SCHEMAS)
    assert await (await conn.execute(LOCKS)).fetchone() == (0,)


async def test_a_table_that_somebody_changes_is_not_waited_for(conn: Conn, owner_url: str) -> None:
    text = "insert into alarms (business_id, name) values ($1, $2) on conflict (business_id, name) do nothing"
    catalog = await read(conn, SCHEMAS)
    async with await psycopg.AsyncConnection.connect(owner_url) as owner:
        await owner.execute("lock table public.alarms in access exclusive mode")
        (finding,) = await upserts.examine(conn, [Upsert(place="alarms", statement=text)], catalog, SCHEMAS)
        await owner.rollback()
    assert finding.code is Code.NOT_LOOKED_AT


def test_what_is_composed_by_a_tables_name_stands_in_the_contract_too() -> None:
    places = {upsert.place for upsert in ours().upserts}
    keyed = [one.table for one in TABLES if one.same or one.arbiter]
    assert {f"tallybook.core.environment_rows, {table}" for table in keyed} <= places
    assert "tallybook.core.environment.COPY_BUSINESSES" in places
