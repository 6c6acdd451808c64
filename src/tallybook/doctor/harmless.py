"""Whether a declared text may be tried on rows: only where everything in it is known to do no more than look.

A text is somebody's own words. What it would really run, whatever it is called and however that is written, the server
says itself: it plans a query of it, without running it, and keeps what may do more than look apart from the rest. What
the server does not look into there (other tables and views, and the checks of domains) is told by the text's words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from .catalog import Table
from .looking import looking
from .sql_tokens import Token, tokens

Conn = psycopg.AsyncConnection[Any]
# A comment between a name and its parenthesis, and a name or string in escapes, hide what stands there.
HIDING = re.compile(r"--|/\*|\\|u&[\"']", re.IGNORECASE)
# What begins a query of its own.
QUERIES = frozenset({"select", "table", "values"})
# Of these names, those of volatile functions, and those of types whose values may be held against a check: domains,
# ranges of people's own, and rows with a column of either.
DOING = """
select proname from pg_proc where provolatile = 'v' and proname = any(%(functions)s::text[])
union all
select t.typname from pg_type t where t.typname = any(%(names)s::text[]) and (
    t.typtype = 'd' or t.typtype in ('r', 'm') and t.typnamespace <> 'pg_catalog'::regnamespace
    or t.typtype = 'c' and exists (
        select from pg_attribute a join pg_type of on of.oid = a.atttypid left join pg_type e on e.oid = of.typelem
        where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
            and (of.typtype in ('c', 'd', 'r', 'm') and of.typnamespace <> 'pg_catalog'::regnamespace
                or e.typtype in ('c', 'd') and e.typnamespace <> 'pg_catalog'::regnamespace)))
limit 1
"""
# A volatile expression keeps the query within from becoming one with the query around it.
KEPT_APART: LiteralString = (
    "explain (costs off, format json) select from (select (\n{text}\n) as looked from {table}) as tried"
    " where looked is null"
)


async def harmless(conn: Conn, table: Table, texts: Iterable[str], seconds: float) -> bool:
    """Whether each of these expressions over the table's columns only looks; False where the server does not say."""
    asked = {text: tokens(text) for text in texts}
    hidden = any(HIDING.search(text) for text in asked)
    words = {token.text for found in asked.values() for token in found if token.kind == "word"}
    if hidden or words & QUERIES:
        return False
    try:
        async with looking(conn, seconds), conn.cursor(row_factory=tuple_row) as cursor:
            return await _looks(cursor, table, asked)
    except psycopg.Error:
        if conn.closed:
            raise
        return False


async def _looks(cursor: psycopg.AsyncCursor[Any], table: Table, asked: Mapping[str, list[Token]]) -> bool:
    names = {token.identifier for found in asked.values() for token in found if token.names}
    functions = {name for found in asked.values() for name in _may_call(found, table)}
    await cursor.execute(DOING, {"functions": sorted(functions), "names": sorted(names)})
    if await cursor.fetchone() is not None:
        return False
    for text in asked:
        place = sql.Identifier(table.schema, table.name)
        # In binary the text goes by the protocol that takes one statement and no more.
        await cursor.execute(sql.SQL(KEPT_APART).format(text=sql.SQL(text), table=place), binary=True)
        row = await cursor.fetchone()
        if row is None or "Subquery Scan" in str(row[0]):
            return False
    return True


def _may_call(found: list[Token], table: Table) -> set[str]:
    """Every name but those of the table's columns: ``(t).name`` calls as well as ``name(t)`` does."""
    follows = [*(token.text for token in found[1:]), ""]
    return {
        token.identifier
        for token, after in zip(found, follows, strict=True)
        if token.names and (after == "(" or table.column(token.identifier) is None)
    }
