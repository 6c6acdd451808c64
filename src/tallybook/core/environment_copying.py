"""Copies business rows of a time from production to another environment, as of one moment, masked unless told not to.

Production is read in one read-only transaction, which takes no lock that its work would meet. The other environment is
written by its own role, which the database keeps out of production, a batch and a commit at a time: a copy that is
killed leaves whole batches, and the next one finds them by their keys and goes over them. Rows that both have become
production's; rows that only the other environment has stay, but for the inbox, which becomes production's whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
import psycopg
from psycopg import errors as pg
from psycopg import sql

from . import audit, environment_inbox
from . import environment_rows as rows
from .businesses import every
from .db import PROD, Conn, Database, open_database
from .environment import check_stands, create, revision, role_of
from .environment_copied import Copied
from .environment_masking import Masks
from .environment_reading import one_moment
from .environment_rows import Plan
from .environment_tables import TABLES
from .environment_turns import alone
from .errors import Conflict, WrongSetup
from .jobs import NewJob, enqueue
from .revisions import known_revisions
from .violations import UnexpectedViolation

BATCH = 1000
Progress = Callable[[str, int, int], None]


class TableCopy(msgspec.Struct, frozen=True):
    """A table's part in a copy: rows read from production, and those that were new or other than what stood there."""

    table: str
    read: int
    written: int


class Preview(msgspec.Struct, frozen=True):
    """What a copy would take, and what stands in the other environment now: rows of one table."""

    table: str
    taken: int
    there: int


@dataclass(frozen=True)
class Request:
    """What is to be copied. ``masks`` None leaves everything readable; ``who`` is named in production's record.

    ``afterwards``: kinds of jobs that the other environment's own worker does once rows have changed there.
    """

    environment: str
    since: datetime
    masks: Masks | None
    who: str = "command line"
    afterwards: tuple[str, ...] = ()


COUNT = "select count(*) from {table} t where {taken}"
COUNT_ALL = "select count(*) from {table}"
IS_THERE = "select to_regclass(%(table)s::text) is not null"


async def check(owner_url: str, environment: str) -> None:
    """Refuses production, and what is not there or not of this release. Raises WrongSetup; makes and mends nothing."""
    if environment == PROD:
        raise WrongSetup("Production is what is copied from. Name another environment.")
    await check_stands(owner_url, environment)
    here = await revision(owner_url, PROD)
    if here is None:
        raise WrongSetup("Production has no tables yet. Run first: tallybook migrate")
    if here != known_revisions()[-1]:
        raise WrongSetup("Production's tables are not of this release. Run first: tallybook migrate")


async def preview(owner_url: str, request: Request) -> list[Preview]:
    """Counts what a copy would take and what is there; a table that is not there yet has no rows. Changes nothing."""
    await check(owner_url, request.environment)
    async with open_database(owner_url, request.environment, size=1) as other:
        there = await other.run("count", _count_all)
    async with one_moment(owner_url) as conn:
        taken = [await _count(conn, copied, request.since) for copied in TABLES]
    return [Preview(copied.table, *counts) for copied, *counts in zip(TABLES, taken, there, strict=True)]


async def _count_all(conn: Conn) -> list[int]:
    found = []
    for copied in TABLES:
        row = await (await conn.execute(IS_THERE, {"table": copied.table})).fetchone()
        if row == (True,):
            table = sql.Identifier(copied.table)
            row = await (await conn.execute(sql.SQL(COUNT_ALL).format(table=table))).fetchone()
        found.append(int(row[0]) if row else 0)
    return found


async def _count(conn: Conn, copied: Copied, since: datetime) -> int:
    row = await (await conn.execute(sql.SQL(COUNT).format(**rows.names(copied)), {"since": since})).fetchone()
    return int(row[0]) if row else 0


async def copy(owner_url: str, request: Request, progress: Progress | None = None) -> list[TableCopy]:
    """Copies, and says of each table what was read and what changed. May be repeated, and after a kill must be.

    ``progress`` is told the table, its rows done and all its rows, after each batch. That it was done, since when and
    whether it was masked stands in production's record, before the first row is written.
    """
    async with alone(owner_url, request.environment):
        await check(owner_url, request.environment)
        await create(owner_url, request.environment, {})
        async with open_database(owner_url, request.environment, size=1, statement_timeout="0") as other:
            await _begin(owner_url, other, request)
            async with one_moment(owner_url) as conn:
                plans = [await _plan(conn, other, copied, request) for copied in TABLES]
                kept = await _keeping(other, request)
                async with _undisturbed(request.environment):
                    replaced = await _make_room(conn, other, plans)
                    done = [await _copy_table(conn, other, plan, kept, progress) for plan in plans]
            await other.run("read anew", lambda there: environment_inbox.read_anew(there, replaced))
            await _finish(other, request, done)
            return done


async def _begin(owner_url: str, other: Database, request: Request) -> None:
    """Looks whether the businesses are the same ones, and writes production's record."""
    async with open_database(owner_url, PROD, size=1) as production:
        await _check_businesses(production, other)
        await production.run("record a copy", lambda conn: _record(conn, request))


@asynccontextmanager
async def _undisturbed(environment: str) -> AsyncIterator[None]:
    """Says in plain words that the environment's own work came between. Raises Conflict; the next copy mends it all."""
    try:
        yield
    except (UnexpectedViolation, pg.LockNotAvailable, pg.DeadlockDetected) as error:
        detail = f" ({error.message})" if isinstance(error, UnexpectedViolation) else ""
        raise Conflict(
            f"{environment} is at work and wrote to what is copied, so the copy is not whole. Stop its worker, and "
            f"copy again.{detail}"
        ) from None


async def _make_room(conn: Conn, other: Database, plans: list[Plan]) -> list[int]:
    """Takes the other environment's inbox away where production has one; returns the businesses of which it did."""
    role, numbers = plans[0].role, await environment_inbox.greatest(conn, plans)
    replaced = await environment_inbox.businesses(conn)
    if replaced:
        await other.run("number on", lambda there: environment_inbox.number_on(there, numbers))
        await other.run("make room", lambda there: environment_inbox.empty(there, role, replaced))
    return replaced


async def _finish(other: Database, request: Request, done: list[TableCopy]) -> None:
    """Asks the other environment's worker for what follows from rows that nobody filed there."""
    if any(one.written for one in done):
        wanted = [NewJob(kind) for kind in request.afterwards]
        await other.run("ask for what follows a copy", lambda conn: enqueue(conn, wanted))


async def _check_businesses(production: Database, other: Database) -> None:
    """A row carries its business by number, so one number must mean one business on both sides."""
    there = {business.id: business.name for business in await other.run("businesses", every)}
    for business in await production.run("businesses", every):
        if there.get(business.id) != business.name:
            raise WrongSetup(
                f"Business {business.id} is “{business.name}” in production and "
                f"“{there.get(business.id, 'missing')}” in {other.environment}, so its rows cannot be copied there. "
                f"Drop the schema and make it anew with: tallybook env create {other.environment}"
            )


async def _record(conn: Conn, request: Request) -> None:
    after = {"since": request.since.isoformat(), "masked": request.masks is not None}
    for business in await every(conn):
        await audit.record(
            conn, business.id, request.who, None, "environment.copied", "environment", request.environment, None, after
        )


async def _plan(conn: Conn, other: Database, copied: Copied, request: Request) -> Plan:
    ours = await rows.columns_of(conn, copied)
    theirs = await other.run("columns", lambda there: rows.columns_of(there, copied))
    if differing := {column.name for column in ours} ^ {column.name for column in theirs}:
        raise WrongSetup(
            f"The table {copied.table} has not the same columns in production and in {request.environment}: "
            f"{', '.join(sorted(differing))}. See: tallybook env compare {request.environment}"
        )
    kinds = rows.kinds_of(copied, ours, masked=request.masks is not None)
    return Plan(copied, ours, kinds, role_of(request.environment))


READ_THERE = "select group_jid from monitor_projects where active"


async def _keeping(other: Database, request: Request) -> Request:
    """The request with masks that leave the groups' addresses by which the other environment reads them itself."""
    if request.masks is None:
        return request

    async def read(conn: Conn) -> list[str]:
        return [row[0] for row in await (await conn.execute(READ_THERE)).fetchall()]

    return replace(request, masks=request.masks.keeping(await other.run("groups", read)))


async def _copy_table(
    conn: Conn, other: Database, plan: Plan, request: Request, progress: Progress | None
) -> TableCopy:
    """One table, a batch at a time from the one reading."""
    written = done = 0
    total = await _count(conn, plan.copied, request.since)
    statement = rows.reading(plan.copied)
    async with conn.cursor(name="copied") as cursor:
        await cursor.execute(statement, {"since": request.since})
        async for found in _batches(cursor, plan.copied):
            given = [rows.masked(row, plan, request.masks) for row in found]
            written += await other.run("copy a batch", partial(rows.write, plan=plan, given=given))
            done += len(found)
            if progress is not None:
                progress(plan.copied.table, done, total)
    return TableCopy(plan.copied.table, done, written)


async def _batches(
    cursor: psycopg.AsyncServerCursor[tuple[Any, ...]], copied: Copied
) -> AsyncIterator[list[tuple[Any, ...]]]:
    """The rows in batches, of which none ends between rows that belong together."""
    held: list[tuple[Any, ...]] = []
    while found := await cursor.fetchmany(BATCH):
        held += found
        last = _thing(held[-1], copied)
        whole = [row for row in held if not copied.together or _thing(row, copied) != last]
        if whole:
            yield whole
        held = held[len(whole) :]
    if held:
        yield held


def _thing(row: tuple[Any, ...], copied: Copied) -> list[Any]:
    return [row[0][column] for column in copied.together]
