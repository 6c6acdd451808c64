"""The rows that stand against a rule: looked for in the whole table, or among its first rows where that takes long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
import psycopg
from psycopg import errors
from psycopg.rows import tuple_row

from .catalog import Table
from .evidence_statements import Rule, composed, tried
from .giving_way import Watch
from .harmless import harmless
from .looking import Clock, looking

Conn = psycopg.AsyncConnection[Any]
# How long a value may be that is shown.
LONGEST = 80
# Seconds for one whole table, and for the first rows of one whose look was given up.
AT_MOST, BRIEFLY = 5.0, 0.5
# How many rows are the first ones.
FIRST = 50_000

NOT_TRIED = (
    "There was no time, or no right, to look for rows against a rule, or a declared text may do more than look, in"
)
SOME = f"{{}}, so that rows against a rule were looked for among the first {FIRST:,} alone and not counted in"
NONE = "{}, so that rows against a rule were not looked for in"


class Why(StrEnum):
    """Why a look was given up."""

    LONG = "There was no time"
    HELD = "Somebody held the table"
    WAITED = "Somebody waited behind the look, which let them go first"
    ALONE = "There was no second connection to see who waits behind the look, which was kept short"


class Asked(NamedTuple):
    """A rule whose rows are looked for."""

    table: Table
    rule: Rule


class Seen(msgspec.Struct, frozen=True):
    """A few rows that stand against a rule, and how many groups of them there are, None where they were not counted.

    Of a rule that a row breaks by itself each row is a group.

    ``unlooked`` begins the sentence that says what was not looked at, and why.
    """

    rows: tuple[dict[str, Any], ...] = ()
    groups: int | None = None
    unlooked: str | None = None


async def seen(conn: Conn, asked: Iterable[Asked], clock: Clock, watch: Watch) -> dict[Asked, Seen]:
    """What the tables' rows say of each rule. A look that was given up is taken up again when all others are through.

    By then whoever waited behind it is done, mostly.
    """
    found: dict[Asked, Seen] = {}
    later: dict[Asked, Why] = {}
    for one in dict.fromkeys(asked):
        rows = await _whole(conn, one, clock, watch)
        if isinstance(rows, Why):
            later[one] = rows
        else:
            found[one] = Seen(unlooked=NOT_TRIED) if rows is None else _seen(rows)
    for one, why in later.items():
        first = await _rows(conn, one, clock.left(BRIEFLY), watch, FIRST)
        if isinstance(first, list):
            found[one] = Seen(_seen(first).rows, unlooked=SOME.format(why.value))
        else:
            found[one] = Seen(unlooked=NONE.format(why.value))
    return found


def unlooked(found: Mapping[Asked, Seen]) -> dict[str, list[str]]:
    """The tables whose rows were not looked at, or not all of them, by how that is told."""
    names: dict[str, set[str]] = {}
    for asked, one in found.items():
        if one.unlooked is not None:
            names.setdefault(one.unlooked, set()).add(asked.table.full_name)
    return {why: sorted(tables) for why, tables in names.items()}


async def _whole(conn: Conn, asked: Asked, clock: Clock, watch: Watch) -> list[Any] | Why | None:
    seconds = clock.left(AT_MOST)
    if seconds <= 0 or not await harmless(conn, asked.table, tried(asked.rule), seconds):
        return None
    return await _rows(conn, asked, seconds, watch)


async def _rows(
    conn: Conn, asked: Asked, seconds: float, watch: Watch, first: int | None = None
) -> list[Any] | Why | None:
    """How many groups there are, beside each of a few rows; why the look was given up; None where none may be."""
    statement = composed(asked.table, asked.rule, first)
    if seconds <= 0 or statement is None:
        return None
    try:
        async with looking(conn, seconds, watch), conn.cursor(row_factory=tuple_row) as cursor:
            # In binary the declared texts go by the protocol that takes one statement and no more.
            await cursor.execute(statement, binary=True)
            return await cursor.fetchall()
    except psycopg.Error as error:
        if conn.closed:
            raise
        return _why(error, watch)


def _why(error: psycopg.Error, watch: Watch) -> Why | None:
    if isinstance(error, errors.LockNotAvailable):
        return Why.HELD
    if not isinstance(error, errors.QueryCanceled):
        return None
    return Why.WAITED if watch.gave_way else Why.ALONE if watch.alone else Why.LONG


def _seen(rows: list[Any]) -> Seen:
    groups = rows[0][0] if rows else 0
    return Seen(tuple(_cut(row[1]) for row in rows if row[1]) if groups else (), groups)


def _cut(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose long values are cut."""
    return {column: _short(value) for column, value in row.items()}


def _short(value: Any) -> Any:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return value if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
