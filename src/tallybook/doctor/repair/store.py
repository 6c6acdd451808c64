"""Where runs and their steps are written down: the schema ``tallybook_doctor`` of the database that is repaired.

A step is done once its row is there. The rows removed and changed lie beside, in a table for each table.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg import errors, sql
from psycopg.rows import tuple_row

from tallybook.core.errors import NotAllowed, NotFound

from .types import Plan

Conn = psycopg.AsyncConnection[Any]

MADE = sql.SQL("select to_regclass('tallybook_doctor.steps') is not null")
# IF NOT EXISTS fails where two make the same at once.
ONE_MAKES = sql.SQL("select pg_advisory_xact_lock(hashtextextended('tallybook doctor', 0))")
MAKE = (
    sql.SQL("create schema if not exists tallybook_doctor"),
    sql.SQL("create sequence if not exists tallybook_doctor.numbers"),
    sql.SQL("create sequence if not exists tallybook_doctor.batches"),
    sql.SQL("""create table if not exists tallybook_doctor.runs (
    run text primary key, what text not null, schema_name text not null, table_name text not null, plan jsonb not null,
    state text not null default 'running' check (state in ('running', 'waiting', 'done', 'undoing', 'undone')),
    began timestamptz not null default now(), ended timestamptz, before jsonb, after jsonb)"""),
    sql.SQL("""create table if not exists tallybook_doctor.steps (
    run text not null references tallybook_doctor.runs, step text not null, at timestamptz not null default now(),
    primary key (run, step))"""),
)
REGISTER = sql.SQL("""insert into tallybook_doctor.runs (run, what, schema_name, table_name, plan)
values ({run}, {what}, {schema}, {table},
{plan})
on conflict (run) do nothing""")
FIND = sql.SQL("select plan, state, before, after from tallybook_doctor.runs where run = %(run)s::text")
ALL = sql.SQL("select run, what, state, began from tallybook_doctor.runs order by began desc limit 10")
DONE = sql.SQL("select step from tallybook_doctor.steps where run = %(run)s::text")
MARK = sql.SQL("""insert into tallybook_doctor.steps (run, step) values (%(run)s::text, %(step)s::text)
on conflict (run, step) do nothing""")
STATE = sql.SQL("""update tallybook_doctor.runs
set state = %(state)s::text, ended = case when %(state)s::text in ('done', 'undone') then now() end
where run = %(run)s::text""")


class Run(msgspec.Struct, frozen=True):
    """A run as it is written down; ``before`` and ``after`` are checksums by table."""

    plan: Plan
    state: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


class Line(msgspec.Struct, frozen=True):
    """A run in the list of runs."""

    run: str
    what: str
    state: str
    began: datetime


def registered(plan: Plan) -> sql.Composed:
    """The statement that writes a plan down, for the file too."""
    text = msgspec.json.encode(plan).decode()
    values = {"run": plan.run, "what": plan.what, "schema": plan.schema, "table": plan.table, "plan": text}
    return REGISTER.format(**{key: sql.Literal(value) for key, value in values.items()})


async def begin(conn: Conn, plan: Plan) -> None:
    """Writes the plan down, once. Raises NotAllowed where our role may not make the schema."""
    await _make_home(conn)
    statement = registered(plan)
    await conn.execute(statement)


async def _make_home(conn: Conn) -> None:
    try:
        async with conn.transaction():
            await conn.execute(ONE_MAKES)
            if not await _one(conn, MADE):
                for statement in MAKE:
                    await conn.execute(statement)
    except errors.InsufficientPrivilege:
        raise NotAllowed(
            "A repair keeps what it removes in a schema tallybook_doctor, which this role may not create. "
            "Repair as the owner of the database, or have it run: create schema tallybook_doctor authorization ROLE;"
        ) from None


async def find(conn: Conn, run: str) -> Run:
    """The run of that name. Raises NotFound."""
    row = None
    if await _one(conn, MADE):
        cursor = await conn.cursor(row_factory=tuple_row).execute(FIND, {"run": run})
        row = await cursor.fetchone()
    if row is None:
        known = [f"{one.run} ({one.what}, {one.state}, {one.began:%Y-%m-%d %H:%M})" for one in await _runs(conn)]
        there = "; there are: " + "; ".join(known) if known else ", and no other one either"
        raise NotFound(f"No run {run} is written down in this database (schema tallybook_doctor){there}.")
    return Run(msgspec.convert(row[0], Plan), row[1], row[2], row[3])


async def _runs(conn: Conn) -> list[Line]:
    """The latest runs, newest first."""
    if not await _one(conn, MADE):
        return []
    return [Line(*row) for row in await (await conn.cursor(row_factory=tuple_row).execute(ALL)).fetchall()]


async def done(conn: Conn, run: str) -> set[str]:
    """The names of the steps that are done; those of an undoing begin with ``undo ``."""
    return {row[0] for row in await (await conn.cursor(row_factory=tuple_row).execute(DONE, {"run": run})).fetchall()}


async def mark(conn: Conn, run: str, step: str) -> None:
    """Writes down that a step is done."""
    await conn.execute(MARK, {"run": run, "step": step})


async def set_state(conn: Conn, run: str, state: str) -> None:
    """Writes down how far a run is."""
    await conn.execute(STATE, {"run": run, "state": state})


async def _one(conn: Conn, statement: sql.SQL) -> Any:
    row = await (await conn.cursor(row_factory=tuple_row).execute(statement)).fetchone()
    return row[0] if row else None
