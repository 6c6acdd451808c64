"""Empties an environment that is not production.

Production is kept out by its name and its schema's, before anything else is looked at. Should that fail, the database
refuses it: the emptying is done by the environment's own role, which has rights in its own schema alone; production's
role may not truncate, and the owner may not become it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from psycopg import sql

from .db import PROD, Conn, open_database
from .environment import BE_THE_ROLE, check_stands, create, role_of
from .environment_tables import STAYS
from .environment_turns import alone
from .errors import WrongSetup

# Tables that somebody made by hand in the schema are among them, and stand in the preview.
TABLES = """
select c.relname::text from pg_class c
where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace and has_table_privilege(c.oid, 'truncate')
order by 1
"""
COUNT = "select count(*) from {table}"
# All at once, and all or nothing: rows that name each other go together.
EMPTY = "truncate {tables}"


class Emptied(msgspec.Struct, frozen=True):
    """A table that is emptied, and the rows that are in it now."""

    table: str
    rows: int


async def check(owner_url: str, environment: str) -> None:
    """Refuses production and what is not there. Raises WrongSetup; makes and mends nothing."""
    if environment == PROD:
        raise WrongSetup(
            "Production is not emptied by any command. Restore a backup with --replace, or ask its database's owner."
        )
    await check_stands(owner_url, environment)


async def preview(owner_url: str, environment: str, *, people: bool = False) -> list[Emptied]:
    """What a reset would remove, table by table; tables without rows are left out. Changes nothing."""
    await check(owner_url, environment)
    async with open_database(owner_url, environment, size=1, statement_timeout="0") as database:
        return await database.run("count", lambda conn: _counted(conn, people=people))


async def reset(owner_url: str, environment: str, *, people: bool = False) -> list[Emptied]:
    """Empties the environment's tables, its position in the bridge's file included; returns what was in them.

    Businesses stay, and people with their log-ins unless ``people`` says that they go too. Rights that somebody took
    away are given back first. Numbers go on where they were, so that none is ever given twice.
    """
    await check(owner_url, environment)
    async with alone(owner_url, environment):
        await create(owner_url, environment, {})
        async with open_database(owner_url, environment, size=1, statement_timeout="0") as database:
            return await database.run("reset", lambda conn: empty(conn, environment, people=people))


async def empty(conn: Conn, environment: str, *, people: bool = False) -> list[Emptied]:
    """The emptying itself, in the caller's transaction, as the environment's role."""
    await conn.execute(sql.SQL(BE_THE_ROLE).format(role=sql.Identifier(role_of(environment))))
    found = await _counted(conn, people=people)
    tables = await _tables(conn, people=people)
    if not tables:
        raise WrongSetup(f"The role of {environment} may empty nothing here. Mend it with: tallybook env create")
    names = sql.SQL(", ").join(sql.Identifier(table) for table in tables)
    await conn.execute(sql.SQL(EMPTY).format(tables=names))
    return found


async def _counted(conn: Conn, *, people: bool) -> list[Emptied]:
    found = [Emptied(table, await _count(conn, table)) for table in await _tables(conn, people=people)]
    return [one for one in found if one.rows]


async def _count(conn: Conn, table: str) -> int:
    row = await (await conn.execute(sql.SQL(COUNT).format(table=sql.Identifier(table)))).fetchone()
    return int(row[0]) if row else 0


async def _tables(conn: Conn, *, people: bool) -> Sequence[str]:
    stays = {"alembic_version", "businesses"} if people else STAYS
    return [row[0] for row in await (await conn.execute(TABLES)).fetchall() if row[0] not in stays]
