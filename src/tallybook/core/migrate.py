"""Runs the numbered SQL files that wait, through Alembic by the raw connection. Imported only where some do.

A file is ``NNNN_pre_what.sql`` (safe to run before the new code is deployed) or ``NNNN_post_what.sql`` (only once no
old code runs any more). There is no way down: a backup is the way back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import psycopg
from alembic import op
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import Script, ScriptDirectory
from psycopg import sql
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from .revisions import FOLDER, Stage, check_not_newer, known_revisions

# Waits for whoever migrates this schema now. The lock is the session's, so it needs the direct connection.
TAKE_TURNS = "select pg_advisory_lock(hashtext('tallybook migrate'), hashtext(%(schema)s))"
LOCK_TIMEOUT = "set lock_timeout = '5s'"


def run_file(name: str) -> None:
    """Runs one SQL file as it stands: Alembic's own text layer would trip over ``%`` and ``:name``."""
    raw = cast("psycopg.Connection", op.get_bind().connection.driver_connection)
    raw.execute((FOLDER / name).read_bytes())


def before(revision: str) -> str | None:
    """The revision whose file stands before this one's, for files that several people add at the same time."""
    return max((one for one in known_revisions() if one < revision), default=None)


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def apply(owner_url: str, schema: str, stage: Stage) -> list[str]:
    """Applies what waits, in the calling thread; returns the revisions applied, oldest first."""
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
