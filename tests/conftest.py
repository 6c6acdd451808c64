"""One PostgreSQL server for all tests, a migrated template in it, and a copy of the template for each worker."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tallybook.core import environment
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database, open_database
from tests import programs, world
from tests.postgres import APP, DEV, OWNER, TEMPLATE, Server

for _name in [name for name in os.environ if name.startswith("TALLYBOOK_") and not name.startswith("TALLYBOOK_TEST_")]:
    del os.environ[_name]

SERVER = pytest.StashKey[Server]()
_clones = count(1)

# Tables that hold or held rows, in the environments' schemas.
TOUCHED = """
select format('%I.%I', n.nspname, c.relname), pg_relation_size(c.oid)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('public', 'dev') and c.relkind = 'r' and c.relname <> 'alembic_version'
    and pg_relation_size(c.oid) > 0
"""
RESTART_NUMBERS = """
select setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
from pg_sequences where schemaname in ('public', 'dev') and last_value is not null
"""
# Processes of the product's own wait more than they work. One such test at a time runs beside others that keep a
# processor busy: together they would first fight for it and then leave it idle.
WAITING = ("tests/proof/", "tests/cli/", "tests/test_alerting.py")
SMALL = 2**18  # bytes; above it, truncating is quicker than deleting and leaves nothing to vacuum


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "needs(program): it is skipped without that program, or fails where all must run"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(WAITING):
            item.add_marker(pytest.mark.xdist_group("processes"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        programs.require(mark.args[0])


def pytest_configure_node(node: Any) -> None:
    """Under xdist the controller owns the server and tells the workers where it is."""
    server = node.config.stash.get(SERVER, None) or _prepared_server(node.config)
    node.workerinput["postgres"] = str(server.folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    server = config.stash.get(SERVER, None)
    if server is not None:
        server.remove()


def _prepared_server(config: pytest.Config) -> Server:
    server = config.stash[SERVER] = Server.create()
    server.start()
    server.run(f"create role {OWNER} login createdb createrole")
    server.run(f"create database {TEMPLATE} owner {OWNER}")

    async def make_environments() -> None:
        for name in ("prod", "dev"):
            await environment.create(server.url(OWNER, TEMPLATE), name, {})

    # In a thread of its own, since the tests' event loop may be set in this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, make_environments()).result()
    server.keep_cold()
    return server


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Server:
    """The shared server, of whatever worker. Never stop it: ask for ``server`` instead."""
    given = getattr(request.config, "workerinput", {}).get("postgres")
    if given is None:
        return request.config.stash.get(SERVER, None) or _prepared_server(request.config)
    return Server(Path(given))


@pytest.fixture(scope="session")
def worker_database(postgres: Server, request: pytest.FixtureRequest) -> str:
    """The name of this worker's database."""
    name = "tallybook_" + getattr(request.config, "workerinput", {}).get("workerid", "main")
    postgres.drop(name)
    postgres.clone(name)
    return name


@pytest.fixture(scope="session")
def database_url(postgres: Server, worker_database: str) -> str:
    """The worker's database as prod's application role."""
    return postgres.url(APP, worker_database)


@pytest.fixture(scope="session")
def dev_url(postgres: Server, worker_database: str) -> str:
    """The worker's database as dev's application role."""
    return postgres.url(DEV, worker_database)


@pytest.fixture(scope="session")
def owner_url(postgres: Server, worker_database: str) -> str:
    """The worker's database as its owner."""
    return postgres.url(OWNER, worker_database)


@pytest.fixture(scope="session")
def superuser_url(postgres: Server, worker_database: str) -> str:
    return postgres.url("postgres", worker_database)


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[Conn]:
    """A connection in a transaction that is rolled back after the test."""
    async with await psycopg.AsyncConnection.connect(database_url, prepare_threshold=None) as connection:
        await connection.execute("set local search_path to public, extensions")
        yield connection
        await connection.rollback()


@pytest.fixture(scope="session")
async def _worker_pool(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url, "prod") as database:
        yield database


class Broom:
    """The superuser's connection that empties tables. It stays open: a new one finds its way longer than it works."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[Any] | None = None

    def run(self, statement: str) -> psycopg.Cursor[Any]:
        """Runs a statement, on another connection where a test ended this one."""
        if self._connection is not None:
            with suppress(psycopg.OperationalError):
                return self._connection.execute(statement.encode())
        self._connection = psycopg.connect(self._url, autocommit=True)
        self._connection.execute("set session_replication_role = replica")
        self._connection.execute("set lock_timeout = '10s'")
        return self._connection.execute(statement.encode())

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


@pytest.fixture(scope="session")
def broom(superuser_url: str) -> Iterator[Broom]:
    held = Broom(superuser_url)
    yield held
    held.close()


@pytest.fixture
def clean_database(broom: Broom) -> Iterator[None]:
    """Numbers begin at 1 in every test; after it, every table that it touched is emptied."""
    # Here and not at the end: a test that is rolled back moves the numbers on too.
    broom.run(RESTART_NUMBERS)
    yield
    touched = broom.run(TOUCHED).fetchall()
    large = [table for table, size in touched if size > SMALL]
    if large:
        broom.run(f"truncate {', '.join(large)} restart identity cascade")
    for table in (table for table, size in touched if size <= SMALL):
        broom.run(f"delete from {table}")


@pytest.fixture
def db(_worker_pool: Database, clean_database: None) -> Database:
    """The worker's database, for what must really be committed; emptied after the test."""
    _worker_pool.outage.ended = float("-inf")  # what an earlier test did to it is none of this one's
    _worker_pool.refusals.waiting.clear()
    return _worker_pool


@pytest.fixture
def fresh_name(postgres: Server, worker_database: str) -> Iterator[str]:
    """A database of this test's own."""
    name = f"{worker_database}_{next(_clones)}"
    postgres.clone(name)
    yield name
    postgres.drop(name)


@pytest.fixture
def fresh_url(postgres: Server, fresh_name: str) -> str:
    return postgres.url(APP, fresh_name)


@pytest.fixture
def fresh_owner_url(postgres: Server, fresh_name: str) -> str:
    return postgres.url(OWNER, fresh_name)


@pytest.fixture
async def fresh_db(fresh_url: str) -> AsyncIterator[Database]:
    """A pool on a database of this test's own."""
    async with open_database(fresh_url, "prod") as database:
        yield database


@pytest.fixture
def server(postgres: Server) -> Iterator[Server]:
    """A private server with a migrated database ``tallybook``, to be stopped and killed at will."""
    private = postgres.copy()  # to prepare another would take ten times as long
    private.start()
    private.clone("tallybook")
    private.database = "tallybook"
    yield private
    private.remove()


@pytest.fixture
def business_home(request: pytest.FixtureRequest) -> Database | Conn:
    """Where the test looks: its own database, the worker's, or only its own transaction."""
    for name in ("fresh_db", "db", "conn"):
        if name in request.fixturenames:
            home: Database | Conn = request.getfixturevalue(name)
            return home
    return request.getfixturevalue("db")


@pytest.fixture
async def business(business_home: Database | Conn) -> Business:
    """Velo Fibre of Johannesburg. Committed where the test has ``db``, else in the test's transaction."""
    if isinstance(business_home, Database):
        return await business_home.run("add business", world.velo_fibre)
    return await world.velo_fibre(business_home)


@pytest.fixture
async def ana(db: Database, business: Business) -> world.Someone:
    """A reviewer of the business, committed."""
    return await db.run("add", lambda conn: world.ana(conn, business))


@pytest.fixture
async def root(db: Database, business: Business) -> world.Someone:
    """An admin of the business, committed."""
    return await db.run("add", lambda conn: world.root(conn, business))
