"""Sequences that stand behind the column that they fill: the next row gets a number that another one has already.

It happens after rows were copied in with their numbers, or restored. The highest number is read through an index, or
from a small table; no table is read through for it.
"""

from __future__ import annotations

from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from .catalog import BIGGEST, Catalog, Index, SequenceState, Table
from .catalog_reading import next_value
from .giving_way import Watch
from .looking import Clock, looking
from .resolving import Names, quoted
from .types import Code, Evidence, Finding, Severity

Conn = psycopg.AsyncConnection[Any]
WHOLE = ("smallint", "integer", "bigint", "numeric")
# Tables of so many rows are read whole, by the server's own estimate.
SMALL = 10_000
# How many columns are asked in one statement, and the seconds that it may take.
AT_ONCE = 50
AT_MOST = 2.0

HIGHEST: LiteralString = "select {place}, (select max({column})::numeric from {table} where {fits})"
# By an index whose second column it is: one look for each value of the first, without reading what lies between.
HIGHEST_OF_EACH: LiteralString = """
select {place}, (
    with recursive each as (
        (select min({first}) as value from {table})
        union all
        select (select min({first}) from {table} where {first} > each.value) from each where each.value is not null
    )
    select max((select max({column}) from {table} where {first} = each.value and {fits}))::numeric from each
)
"""
# Only numbers that the sequence may come to: it leaves out those between its steps, fractions, NaN and Infinity.
TAKEN: LiteralString = "{column} >= {next}"
STEPS: LiteralString = "mod({column}::numeric - {next}, {step}) = 0 and {column} <= {biggest}"


class Reached(NamedTuple):
    """The highest number of a column that its sequence may come to."""

    state: SequenceState
    table: Table
    highest: int


async def behind(conn: Conn, catalog: Catalog, clock: Clock, watch: Watch) -> tuple[list[Finding], list[str]]:
    """A finding for each sequence that stands behind a column, and the columns that were not looked at."""
    reached, unlooked = await _reached(conn, catalog, clock, watch)
    found = []
    for those in reached.values():
        now = await _next_now(conn, those[0].state)
        if now is None:
            unlooked += [_named(one.state) for one in those]
        elif ahead := [one for one in those if one.highest >= now]:
            found.append(_finding(ahead, catalog))
    return found, unlooked


async def _reached(
    conn: Conn, catalog: Catalog, clock: Clock, watch: Watch
) -> tuple[dict[tuple[str, str], list[Reached]], list[str]]:
    """The columns that are ahead of what their sequence gave at the first look, by the sequence; and those unlooked."""
    tables = {(table.schema, table.name): table for table in catalog.tables}
    indexes = catalog.indexes_by_table()
    asked: list[tuple[SequenceState, Table, sql.Composed]] = []
    unlooked: list[str] = []
    for state in catalog.sequences:
        table = tables[state.schema, state.table]
        statement = _statement(len(asked), state, table, indexes.get((state.schema, state.table), []))
        if statement is None:
            unlooked.append(_named(state))
        else:
            asked.append((state, table, statement))
    reached: dict[tuple[str, str], list[Reached]] = {}
    for start in range(0, len(asked), AT_ONCE):
        some = asked[start : start + AT_ONCE]
        statements = [statement for _, _, statement in some]
        highest = await _highest(conn, statements, clock, watch)
        if highest is None and watch.gave_way:  # once more, now that whoever waited is through
            highest = await _highest(conn, statements, clock, watch)
        if highest is None:
            unlooked += [_named(state) for state, _, _ in some]
            continue
        for place, value in highest.items():
            state, table, _ = asked[place]
            reached.setdefault((state.sequence_schema, state.sequence), []).append(Reached(state, table, value))
    return reached, unlooked


def _named(state: SequenceState) -> str:
    return f"{state.schema}.{state.table}.{state.column}"


def _statement(place: int, state: SequenceState, table: Table, indexes: list[Index]) -> sql.Composed | None:
    """How the highest number is found; None where that would take long, or where it may not be looked at."""
    column = table.column(state.column)
    if state.next is None or not table.may_read or table.locked or column is None or column.type not in WHOLE:
        return None
    parts = {
        "place": sql.Literal(place),
        "column": sql.Identifier(state.column),
        "table": sql.Identifier(state.schema, state.table),
        "fits": _fits(state, table),
    }
    sound = [index.columns for index in indexes if index.valid and index.where is None and index.unique and index.equal]
    if any(columns[0] == state.column for columns in sound) or 0 <= table.rows <= SMALL:
        return sql.SQL(HIGHEST).format(**parts)
    for columns in sound:
        first = table.column(columns[0])
        if first is not None and not first.nullable and columns[1:2] == (state.column,):
            return sql.SQL(HIGHEST_OF_EACH).format(first=sql.Identifier(first.name), **parts)
    return None


async def _highest(conn: Conn, statements: list[sql.Composed], clock: Clock, watch: Watch) -> dict[int, int] | None:
    """The highest number of each column that has one, by its place; None where the server would not say in time."""
    seconds = clock.left(AT_MOST)
    if seconds <= 0:
        return None
    statement = sql.SQL(" union all ").join(statements)
    try:
        async with looking(conn, seconds, watch), conn.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(statement)
            return {place: int(value) for place, value in await cursor.fetchall() if value is not None}
    except psycopg.Error:
        if conn.closed:
            raise
        return None


async def _next_now(conn: Conn, state: SequenceState) -> int | None:
    """What it would give, read anew, since rows written since the first look moved it on. None where it is not said."""
    try:
        async with looking(conn, AT_MOST):
            return await next_value(conn, state)
    except psycopg.Error:
        if conn.closed:
            raise
        return None


def _finding(ahead: list[Reached], catalog: Catalog) -> Finding:
    """One for all columns that a sequence fills: what the highest number asks for, the others get with it."""
    state, table, highest = max(ahead, key=lambda one: one.highest)
    filled = {(one.state.schema, one.state.table, one.state.column) for one in ahead}
    keyed = any((index.schema, index.table, column) in filled for index in catalog.indexes for column in index.columns)
    shown = Names(catalog).shown(table)
    if highest > state.top - state.step:
        gives = f"{state.next} next and ends at {state.top}"
        what = "it is exhausted and must be widened"
        do = (
            f"Widen {state.full_name}, and the type of {shown}.{state.column} where that ends there too; or give the "
            f"row with {highest} another number."
        )
    else:
        gives = f"{state.next} next"
        what = "the next rows are refused as duplicates" if keyed else "the next rows get numbers that others have"
        do = _advice(state, table)
    return Finding(
        code=Code.SEQUENCE_BEHIND,
        severity=Severity.ERROR if keyed else Severity.WARNING,
        schema=state.schema,
        table=state.table,
        name=state.sequence,
        says=f"{state.full_name} gives {gives}, but {state.column} of {shown} has {highest} already: {what}.",
        do=do,
        evidence=Evidence(error="duplicate key value violates unique constraint" if keyed else None),
    )


def _advice(state: SequenceState, table: Table) -> str:
    """Moves the sequence on, never back: rows may have been written since, by other tables too."""
    sequence = quoted(state.sequence_schema, state.sequence)
    column = quoted(state.column)
    where = f" where {_steps(state).as_string()}" if _has_gaps(state, table) else ""
    reached = f"(select max({column})::bigint from {quoted(state.schema, state.table)}{where})"
    named = sequence.replace("'", "''")
    return f"select setval('{named}', greatest({reached}, (select last_value from {sequence})));"


def _has_gaps(state: SequenceState, table: Table) -> bool:
    """Whether the column may have numbers that the sequence never comes to."""
    column = table.column(state.column)
    return state.step > 1 or column is None or column.type.startswith("numeric")


def _steps(state: SequenceState) -> sql.Composed:
    return sql.SQL(STEPS).format(
        column=sql.Identifier(state.column),
        next=sql.Literal(state.next),
        step=sql.Literal(state.step),
        biggest=sql.Literal(BIGGEST),
    )


def _fits(state: SequenceState, table: Table) -> sql.Composed:
    """What a number must be to be in the sequence's way."""
    taken = sql.SQL(TAKEN).format(column=sql.Identifier(state.column), next=sql.Literal(state.next))
    return sql.SQL(" and ").join((taken, _steps(state))) if _has_gaps(state, table) else taken
