"""Brings one environment's schema up to the code: numbered SQL files, run through Alembic by the raw connection.

A file is ``NNNN_pre_what.sql`` (safe to run before the new code is deployed) or ``NNNN_post_what.sql`` (only once no
old code runs any more). There is no way down: a backup is the way back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, cast

import psycopg
from alembic import op
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import Script, ScriptDirectory
from psycopg import sql
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from .db import schema_of
from .errors import WrongSetup

FOLDER = Path(__file__).parent / "migrations"
Stage = Literal["all", "pre"]

# Waits for whoever migrates this schema now. The lock is the session's, so it needs the direct connection.
TAKE_TURNS = "select pg_advisory_lock(hashtext('tallybook migrate'), hashtext(%(schema)s))"
LOCK_TIMEOUT = "set lock_timeout = '5s'"
CURRENT = "select version_num from alembic_version"
HAS_VERSIONS = "select to_regclass('alembic_version') is not null"


def run_file(name: str) -> None:
    """Runs one SQL file as it stands: Alembic's own text layer would trip over ``%`` and ``:name``."""
    raw = cast("psycopg.Connection", op.get_bind().connection.driver_connection)
    raw.execute((FOLDER / name).read_bytes())


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def known_revisions() -> list[str]:
    """Every revision that this code knows, oldest first."""
    return [script.revision for script in reversed(list(scripts().walk_revisions()))]


def check_not_newer(current: str | None) -> None:
    """Refuses a database that a later release has migrated."""
    if current is not None and current not in known_revisions():
        raise WrongSetup(
            f"The database is at revision {current}, which this release does not know: it is newer than the program. "
            "Install the release that migrated it, or restore a backup made before."
        )


async def check_current(conn: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
    """Refuses a database that is behind or ahead of the code; ``tallybook migrate`` mends the former."""
    has = await (await conn.execute(HAS_VERSIONS)).fetchone()
    row = await (await conn.execute(CURRENT)).fetchone() if has and has[0] else None
    current = str(row[0]) if row else None
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
    return await asyncio.to_thread(_migrate, owner_url, schema_of(environment), stage)


def _migrate(owner_url: str, schema: str, stage: Stage) -> list[str]:
    with _connected(owner_url, schema) as connection:
        script = scripts()
        context = MigrationContext.configure(connection, opts={"version_table_schema": schema})
        current = context.get_current_revision()
        connection.rollback()  # Alembic commits only transactions that it began itself
        check_not_newer(current)
        target = _target(script, current, stage)
        applied: list[str] = []

        def steps(at: str, _: MigrationContext) -> list[RevisionStep]:
            todo = script._upgrade_revs(target, at)  # noqa: SLF001 - as Alembic's own upgrade command does
            applied.extend(step.revision.revision for step in todo)
            return todo

        with EnvironmentContext(Config(), script, fn=steps) as environment:
            environment.configure(connection=connection, version_table_schema=schema, transaction_per_migration=True)
            with environment.begin_transaction():
                environment.run_migrations()
        return applied


@contextmanager
def _connected(owner_url: str, schema: str) -> Iterator[Connection]:
    """A connection whose session sees the schema and has taken its turn."""

    def connect() -> psycopg.Connection:
        raw = psycopg.connect(owner_url, autocommit=True, application_name="tallybook migrate")
        raw.execute(TAKE_TURNS, {"schema": schema})
        raw.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
        raw.execute(sql.SQL("set search_path to {}, extensions").format(sql.Identifier(schema)))
        raw.execute(LOCK_TIMEOUT)
        raw.autocommit = False
        return raw

    engine = create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _target(script: ScriptDirectory, current: str | None, stage: Stage) -> str:
    """The newest revision, or for the stage ``pre`` the last one before the first waiting ``post``."""
    if stage == "all":
        return script.get_current_head() or "head"
    target = current or "base"
    for step in reversed(list(script.iterate_revisions("head", current or "base"))):
        if _is_post(step):
            break
        target = step.revision
    return target


def _is_post(step: Script) -> bool:
    return "_post_" in Path(step.path).name
