"""Asks the server which predicate implies which, however they are written: as its planner does for ON CONFLICT.

A query of the rows that are within one and not within the other is planned, never run. Where the planner sees that
there can be no such row, it plans to read nothing. The checks of the table, by which ON CONFLICT proves nothing, are
kept out by a query within the query.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from .catalog import Catalog, Index, Table
from .contract import Contract, NaturalKey
from .looking import Clock, looking
from .predicates import contradict
from .resolving import Names
from .same_text import PATH, Spelling

Conn = psycopg.AsyncConnection[Any]
# Seconds for the predicates of one table.
AT_MOST = 2.0
PROVING = "select set_config('constraint_exclusion', 'on', true)"
OUTSIDE: LiteralString = (
    "explain (costs off, format json) select from (select * from only {table} offset 0) as {name}"
    " where (\n{one}\n) and (\n{other}\n) is not true"
)


class Pair(NamedTuple):
    """Two predicates of one table, either of which may imply the other."""

    declared: str
    live: str


async def implications(conn: Conn, contract: Contract, catalog: Catalog, spelling: Spelling, clock: Clock) -> None:
    """Adds to the spelling what the server can prove. What it does not say, for want of time or rights, stays open."""
    for table, pairs in _asked(contract, catalog, spelling).values():
        if clock.left(AT_MOST) <= 0:
            return
        try:
            async with looking(conn, clock.left(AT_MOST)), conn.cursor(row_factory=tuple_row) as cursor:
                await cursor.execute(PATH, {"schema": table.schema}, prepare=False)
                await cursor.execute(PROVING)
                for one, other in (way for pair in pairs for way in (pair, pair[::-1])):
                    if await _implies(cursor, table, one, other):
                        spelling.implies(table, one, other)
        except psycopg.Error:
            if conn.closed:
                raise


async def _implies(cursor: psycopg.AsyncCursor[Any], table: Table, one: str, other: str) -> bool:
    statement = sql.SQL(OUTSIDE).format(
        table=sql.Identifier(table.schema, table.name), name=sql.Identifier(table.name), one=sql.SQL(one),
        other=sql.SQL(other),
    )  # fmt: skip
    # In binary the text goes by the protocol that takes one statement and no more.
    await cursor.execute(statement, binary=True)
    row = await cursor.fetchone()
    return row is not None and row[0][0]["Plan"].get("One-Time Filter") == "false"


def _asked(contract: Contract, catalog: Catalog, spelling: Spelling) -> dict[str, tuple[Table, set[Pair]]]:
    """The predicates that are not the same by their text, of indexes that compare a key's columns."""
    found: dict[str, tuple[Table, set[Pair]]] = {}
    names = Names(catalog)
    indexes = catalog.indexes_by_table()
    for key in contract.keys:
        for table in names.of(key.table) if key.where else ():
            if table.locked or not table.may_read or table.full_name in spelling.unsure:
                continue
            if spelling.not_understood(table, key):
                continue
            pairs = set(_pairs(spelling, table, key, indexes.get((table.schema, table.name), [])))
            if pairs:
                found.setdefault(table.full_name, (table, set()))[1].update(pairs)
    return found


def _pairs(spelling: Spelling, table: Table, key: NaturalKey, indexes: list[Index]) -> Iterator[Pair]:
    compared = {spelling.column(table, column) for column in key.columns}
    declared = spelling.where(table, key.where)
    for index in indexes:
        its = spelling.where(table, index.where)
        differs = its != declared and not contradict(its, declared)
        covers = compared <= {spelling.column(table, column) for column in index.columns}
        if key.where and index.where and differs and covers:
            yield Pair(key.where, index.where)
