"""Which revisions the code knows, which one a database is at, and the way from there to here.

The code's own are read from the names of its files, so that a process which finds nothing to do never loads Alembic.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psycopg
from psycopg import sql

from . import older_tables, roll_back
from .db import schema_of
from .errors import WrongSetup
from .later import later
from .owner_refusals import recorded

if TYPE_CHECKING:
    from . import migrate as steps
else:
    steps = later("tallybook.core.migrate")

FOLDER = Path(__file__).parent / "migrations"
Stage = Literal["all", "pre"]

CURRENT = "select version_num from alembic_version"
HAS_VERSIONS = "select to_regclass('alembic_version') is not null"


def known_revisions() -> list[str]:
    """Every revision that this code knows, oldest first."""
    return sorted(path.name.partition("_")[0] for path in (FOLDER / "versions").glob("[0-9]*.py"))


def check_not_newer(current: str | None) -> None:
    """Refuses a database that a later release has migrated."""
    if current is not None and current not in known_revisions():
        raise WrongSetup(
            f"The database is at revision {current}, which this release does not know: it is newer than the program. "
            "Install the release that migrated it, or restore a backup made before."
        )


async def check_current(conn: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
    """Refuses a database that is behind or ahead of the code; ``tallybook migrate`` mends the former."""
    check_revision(await _current(conn))


def check_revision(current: str | None) -> None:
    """Refuses tables at this revision, None being none, where they are behind or ahead of the code."""
    check_not_newer(current)
    if current != known_revisions()[-1]:
        at = f"at revision {current}" if current else "empty"
        raise WrongSetup(f"The database is {at}; this release needs revision {known_revisions()[-1]}. "
                         "Run: tallybook migrate")  # fmt: skip


async def migrate(owner_url: str, environment: str, stage: Stage = "all") -> list[str]:
    """Migrates an environment; returns the revisions applied, oldest first, none if it was up to date.

    Any number of processes may call it at once: one works, the others wait and find nothing to do.
    ``owner_url`` must be direct, not through a pooler.
    """
    async with recorded(owner_url, environment, "migrate"):
        return await _migrate(owner_url, environment, stage)


async def _migrate(owner_url: str, environment: str, stage: Stage) -> list[str]:
    schema = schema_of(environment)
    async with await psycopg.AsyncConnection.connect(
        owner_url, autocommit=True, application_name="tallybook migrate"
    ) as conn:
        await conn.execute(sql.SQL("set search_path to {}").format(sql.Identifier(schema)))
        current = await roll_back.forth(conn, await _current(conn), known_revisions())
        if current == known_revisions()[-1]:
            return []
        if current is None:
            await older_tables.refuse(conn, environment)
    return await asyncio.to_thread(lambda: steps.apply(owner_url, schema, stage))


async def _current(conn: psycopg.AsyncConnection[Any]) -> str | None:
    has = await (await conn.execute(HAS_VERSIONS)).fetchone()
    row = await (await conn.execute(CURRENT)).fetchone() if has and has[0] else None
    return str(row[0]) if row else None
