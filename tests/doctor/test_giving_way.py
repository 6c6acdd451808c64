"""Nobody waits behind the doctor: a look lets whoever waits go first, says so, and comes back for a short one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psycopg
import pytest

from tallybook.doctor.contract import Contract
from tallybook.doctor.examining import examine
from tallybook.doctor.types import Code, Finding, Report
from tests.doctor.tables import SCHEMA, key
from tests.postgres import Server

# Reading the table takes 15 s, until it has the column z: what takes long is what somebody waits behind.
SLOW = """
create table t (id serial primary key, a int not null);
insert into t (a) select n / 2 from generate_series(1, 1000) n;
create function slowly(int) returns int immutable language plpgsql as $$begin
    if not exists (select from pg_attribute where attrelid = 'patient.t'::regclass and attname = 'z') then
        perform pg_sleep(0.015);
    end if;
    return $1;
end$$;
"""
CONTRACT = Contract(keys=(key("(slowly(a))"),))
LOOKS = """
select exists (
    select from pg_stat_activity a join pg_locks l on l.pid = a.pid
    where a.state = 'active' and a.query like %(of)s and l.granted and l.relation = 'patient.t'::regclass)
"""
WAITS = "select exists (select from pg_locks where not granted and relation = 'patient.t'::regclass)"
Conn = psycopg.AsyncConnection[Any]


@pytest.fixture
async def slow(postgres: Server, worker_database: str) -> AsyncIterator[Conn]:
    """A schema with a table that takes long to read."""
    drop = f"drop schema if exists {SCHEMA} cascade; drop role if exists {_looker(worker_database)}".encode()
    async with await psycopg.AsyncConnection.connect(
        postgres.url("postgres", worker_database), autocommit=True
    ) as conn:
        await conn.execute(drop)
        await conn.execute(f"create schema {SCHEMA}; set search_path to {SCHEMA}; {SLOW}".encode())
        yield conn
        await conn.execute(drop)


def _looker(database: str) -> str:
    return f"{database}_looker"


async def _until(conn: Conn, statement: str, **values: str) -> None:
    """Waits until a statement says true; the server tells nobody of locks and of what others run, and is asked."""
    async with asyncio.timeout(10):
        while (await (await conn.execute(statement.encode(), values)).fetchone()) != (True,):
            await asyncio.sleep(0.01)


async def _timed(work: Callable[[], Awaitable[Any]]) -> float:
    began = time.monotonic()
    await work()
    return time.monotonic() - began


def _told(report: Report) -> tuple[Finding, list[str]]:
    """The missing key, and what the report says was not looked at."""
    (missing,) = [one for one in report.findings if one.code is Code.MISSING_KEY]
    return missing, [one.says for one in report.findings if one.code is Code.NOT_LOOKED_AT]


async def test_a_change_of_a_table_and_the_writer_behind_it_go_first(slow: Conn, superuser_url: str) -> None:
    async with (
        await psycopg.AsyncConnection.connect(superuser_url, autocommit=True) as changing,
        await psycopg.AsyncConnection.connect(superuser_url, autocommit=True) as writing,
        await psycopg.AsyncConnection.connect(superuser_url, autocommit=True) as seeing,
    ):
        looking = asyncio.create_task(examine(slow, CONTRACT, [SCHEMA]))
        await _until(seeing, LOOKS, of="%alike%")
        change = asyncio.create_task(_timed(lambda: changing.execute("alter table patient.t add column z int")))
        await _until(seeing, WAITS)
        written = await _timed(lambda: writing.execute("insert into patient.t (a) values (0)"))
        # The look itself would have lasted 5 s.
        assert written < 2
        assert await change < 2
        missing, notes = _told(await looking)
    # It came back, and looked at as many rows as take no time.
    assert {row["a"] for row in missing.evidence.rows} <= set(range(501))
    assert (len(missing.evidence.rows), missing.evidence.groups) == (10, None)
    assert "repair" in missing.do
    (note,) = notes
    assert note == (
        "Somebody waited behind the look, which let them go first, so that rows against a rule were looked for "
        "among the first 50,000 alone and not counted in patient.t."
    )


async def test_one_that_waits_again_goes_first_again(slow: Conn, superuser_url: str) -> None:
    async with (
        await psycopg.AsyncConnection.connect(superuser_url, autocommit=True) as changing,
        await psycopg.AsyncConnection.connect(superuser_url, autocommit=True) as seeing,
    ):
        looking = asyncio.create_task(examine(slow, CONTRACT, [SCHEMA]))
        for _ in range(2):
            await _until(seeing, LOOKS, of="%alike%")
            assert await _timed(lambda: changing.execute("alter table patient.t alter a set default 1")) < 2
        missing, notes = _told(await looking)
    assert (missing.evidence.rows, missing.evidence.groups) == ((), None)
    (note,) = notes
    assert note == (
        "Somebody waited behind the look, which let them go first, so that rows against a rule were not looked for in "
        "patient.t."
    )


async def test_a_role_with_one_connection_looks_so_shortly_that_nobody_need_wait(
    slow: Conn, postgres: Server, worker_database: str
) -> None:
    looker = _looker(worker_database)
    await slow.execute(
        f"create role {looker} login connection limit 1; grant usage on schema {SCHEMA} to {looker};"
        f"grant select on all tables in schema {SCHEMA} to {looker};".encode()
    )
    url = f"{postgres.url(looker, worker_database)}&options=-csearch_path%3D{SCHEMA}"
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        looking = asyncio.create_task(examine(conn, CONTRACT, [SCHEMA]))
        await _until(slow, LOOKS, of="%alike%")
        assert await _timed(lambda: slow.execute("alter table patient.t alter a set default 1")) < 2
        _, notes = _told(await looking)
        assert "no second connection" in notes[0]
        # The connection is as good as before.
        assert await (await conn.execute("select 1")).fetchone() == (1,)
    assert [one for one in notes if "patient.t." in one] == notes
