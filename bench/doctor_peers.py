"""What compares schemas today: Alembic with a declared metadata, and ``results`` with a second database.

Alembic is the product's own; ``uv sync --inexact --group bench`` installs the other, the successor of ``migra``.
Neither knows what a difference means, so whatever it says of a database counts as having found its fault.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psycopg
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.pool import NullPool

FAILS = -1
ABSENT = "not installed: uv sync --inexact --group bench"


def results_is_there() -> bool:
    return importlib.util.find_spec("results") is not None


def release(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ABSENT


def alembic(url: str, declared: sa.MetaData) -> tuple[int, float]:
    """How many differences it tells, and the seconds it took on an open connection."""
    several = any(table.schema for table in declared.tables.values())
    with _engine(url).connect() as conn:
        began = time.perf_counter()
        context = MigrationContext.configure(conn, opts={"include_schemas": several})
        found = compare_metadata(context, declared)
        return len(found), time.perf_counter() - began


def declared_to_alembic(url: str, schemas: Sequence[str]) -> sa.MetaData:
    """A healthy database as it reads it, where nobody wrote it down in SQLAlchemy's words."""
    made, engine = sa.MetaData(), _engine(url)
    for schema in schemas:
        made.reflect(engine, schema=schema if schema != "public" else None)
    return made


def _engine(url: str) -> sa.Engine:
    return sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool)


def declared_to_results(url: str) -> Any:
    """A healthy database as it reads it; what others are held against."""
    with _its_database(url) as database:
        return importlib.import_module("results.schemainspect").get_inspector(database)


def results(url: str, declared: Any) -> tuple[int, float]:
    """How many statements it would run, and the seconds: the database is read, the declared one was read before.

    FAILS where it ends with an error of its own, as where a check and a key have one name in the two.
    """
    migration = importlib.import_module("results.dbdiff").Migration
    with _its_database(url) as database:
        began = time.perf_counter()
        found = migration(database, declared)
        found.set_safety(safety_on=False)
        try:
            found.add_all_changes_ordered()
        except AttributeError:
            return FAILS, time.perf_counter() - began
        return len(found.statements), time.perf_counter() - began


@contextlib.contextmanager
def _its_database(url: str) -> Iterator[Any]:
    """With its pool open, and closed afterwards, so that the database can go."""
    of_pools = importlib.import_module("results.database")
    database = importlib.import_module("results").db(url)
    database.q("select 1")
    try:
        yield database
    finally:
        of_pools.close_pool(database.url)
