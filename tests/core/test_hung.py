"""A database that hangs says nothing and closes nothing. Nobody waits for it for ever; all go on when it is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from tallybook.channels.bridge.reader import BridgeSource
from tallybook.core import db as databases
from tallybook.core import deliveries, jobs, receive
from tallybook.core.connection import LINE
from tallybook.core.db import Conn, Database, open_database
from tallybook.core.receive import Received
from tallybook.monitor.jobs import Keeper, Watch
from tallybook.monitor.store import projects as project_store
from tests import world
from tests.channels.bridge.bridge_file import BridgeFile
from tests.core.worked import ask, rows, until
from tests.fakes import NOON, Clerk, an_entry, body_of, said
from tests.monitor.desk import LAWLEY, PROJECTS, desk
from tests.postgres import Server

ADD = "insert into businesses (name) values ('Once')"


@pytest.fixture
async def hanging(server: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """A database whose server the test lets hang; a statement may take three seconds."""
    monkeypatch.setattr(databases, "GRACE_SECONDS", 1.0)
    async with open_database(server.url(), "prod", statement_timeout="2s") as db:
        yield db


async def test_who_waits_for_an_answer_is_told_within_seconds_and_the_work_is_done_once_it_is_back(
    hanging: Database, server: Server
) -> None:
    frozen = server.hung()

    async def work(conn: Conn) -> None:
        await conn.execute(ADD)
        frozen.__enter__()
        await conn.execute(ADD)

    begun = time.monotonic()
    try:
        with pytest.raises(psycopg.OperationalError):
            await hanging.run("hang", work)
        assert hanging.is_away
        with pytest.raises(PoolTimeout):
            await hanging.run("again", lambda conn: conn.execute(ADD))
        assert time.monotonic() - begun < 25
    finally:
        frozen.__exit__(None, None, None)

    async def back() -> bool:
        try:
            return await rows(hanging, "select count(*) from businesses") == [(0,)]
        except psycopg.OperationalError:
            return False

    await until(back)
    await hanging.run("add", lambda conn: conn.execute(ADD))
    assert await rows(hanging, "select count(*) from businesses") == [(1,)]


async def test_a_statement_that_takes_its_time_is_not_cut(hanging: Database) -> None:
    async def work(conn: Conn) -> None:
        for _ in range(3):  # each within its limit, together beyond it
            await conn.execute("select pg_sleep(1.3)")

    await hanging.run("slow", work)


async def test_the_line_is_watched_by_the_system(database_url: str) -> None:
    async with open_database(database_url, "prod") as db, db.transaction() as conn:
        told = conn.info.get_parameters()
    assert {name: told[name] for name in LINE} == {name: str(value) for name, value in LINE.items()}


async def test_the_bridge_the_jobs_and_the_deliveries_go_on_by_themselves(
    hanging: Database, server: Server, tmp_path: Path
) -> None:
    business = await hanging.run("add business", world.velo_fibre)
    await hanging.run("mirror", lambda conn: project_store.mirror(conn, business.id, PROJECTS))
    stop, ran, clerk = asyncio.Event(), asyncio.Event(), Clerk()
    body = body_of(said("1", "one"))

    async def handler(_: jobs.Held) -> None:
        ran.set()

    with BridgeFile(tmp_path) as file:
        bridge = BridgeSource("primary", file.messages_path, None, lambda: frozenset({LAWLEY.group}))

        async def watch() -> Watch:
            return Watch(business, bridge, desk(), poll_seconds=0.1)

        tasks = [
            asyncio.create_task(Keeper(hanging, watch).run(stop)),
            asyncio.create_task(jobs.run_jobs(hanging, {"tally": handler}, stop, asyncio.Event(), jobs.Pace(idle=0.2))),
            asyncio.create_task(
                deliveries.process_loop(hanging, {"fake": an_entry(clerk)}, stop, asyncio.Event(), idle=0.2)
            ),
        ]
        with server.hung():
            file.post(LAWLEY.group, "DR1752104")

            async def is_away() -> bool:
                return hanging.is_away

            await until(is_away)
        await _once_it_is_back(hanging, body)

        async def all_done() -> bool:
            filed = await rows(hanging, "select drop_number from qa_photo_reviews")
            return filed == [("DR1752104",)] and clerk.told == ["one"] and ran.is_set()

        await until(all_done)
        stop.set()
        await asyncio.gather(*tasks)
        await bridge.aclose()


async def _once_it_is_back(db: Database, body: bytes) -> None:
    """More work comes in, as soon as there is a database to take it."""

    async def taken() -> bool:
        try:
            await db.run("ask", lambda conn: ask(conn, "a"))
            await db.run("store", lambda conn: receive.store(conn, [Received("fake", body, NOON)]))
        except psycopg.OperationalError:
            return False
        return True

    await until(taken)
