"""Letting the release before this one start again after a migration, and going on from there later.

What is migrated before new code runs (``pre``) only adds, so that the old code works on it. It refuses a revision that
it does not know, though: therefore the revision is set back by name, and where the tables really stand is kept beside.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from .db import schema_of
from .errors import WrongSetup
from .owner_refusals import recorded

FOLDER = Path(__file__).parent / "migrations"
# The newest revision of the release before this one.
BEFORE = "0002"
CURRENT = "select version_num from alembic_version for update"
NAMED = "update alembic_version set version_num = %(revision)s"
STANDS_AT = "select obj_description('alembic_version'::regclass)"
KEEP = "comment on table alembic_version is {at}"
LOOK_INTO = "set local search_path to {schema}"
PREFIX = "tables at "


def is_safe() -> bool:
    """Whether the release before this one works on this one's tables: nothing was migrated for new code alone."""
    return not any(path.name.split("_")[1] == "post" for path in FOLDER.glob("[0-9]*.sql") if path.name[:4] > BEFORE)


async def back(owner_url: str, environment: str, known: Sequence[str]) -> str:
    """Names the revision of the release before; returns where the tables stand. Raises WrongSetup.

    ``known`` are the revisions of this release.
    """
    if not is_safe():
        raise WrongSetup("The release before this one cannot work on these tables. A backup is the way back.")
    async with (
        recorded(owner_url, environment, "go back a release"),
        await psycopg.AsyncConnection.connect(owner_url, application_name="tallybook env") as conn,
    ):
        await conn.execute(sql.SQL(LOOK_INTO).format(schema=sql.Identifier(schema_of(environment))))
        row = await (await conn.execute(CURRENT)).fetchone()
        current = str(row[0]) if row else ""
        if current not in known or current < BEFORE:
            raise WrongSetup(f"The database is at revision {current}; there is nothing to go back from.")
        if current > BEFORE:
            await conn.execute(sql.SQL(KEEP).format(at=sql.Literal(PREFIX + current)))
            await conn.execute(NAMED, {"revision": BEFORE})
        return current


async def forth(conn: psycopg.AsyncConnection[Any], current: str | None, known: Sequence[str]) -> str | None:
    """Names the revision at which the tables really stand; returns it. For a connection in the environment's schema.

    What is kept beside is looked at whatever the revision: it may have been set back by an earlier release than this.
    """
    if current is None:
        return None
    row = await (await conn.execute(STANDS_AT)).fetchone()
    at = str(row[0] or "").removeprefix(PREFIX) if row else ""
    if at not in known or at <= current:
        return current
    async with conn.transaction():
        await conn.execute(NAMED, {"revision": at})
        await conn.execute(sql.SQL(KEEP).format(at=sql.Literal("")))
    return at
