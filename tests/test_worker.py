"""The worker lives through whatever becomes of its parts, and shows what it counts."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import httpx
import pytest

from tallybook import worker
from tallybook.app import App, open_app
from tallybook.core import businesses, jobs
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.jobs import NewJob
from tallybook.monitor.jobs import RECONCILE
from tallybook.settings import Settings
from tests.channels.bridge.bridge_file import LAWLEY, BridgeFile


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


async def test_the_worker_shows_its_figures_while_it_works_and_no_longer(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    port, stop = free_port(), asyncio.Event()
    settings = dataclasses.replace(
        Settings.load({"TALLYBOOK_DATABASE_URL": database_url, "TALLYBOOK_DATA_DIR": str(tmp_path)}, tmp_path),
        worker_metrics_port=port,
    )
    async with open_app(settings) as app, asyncio.timeout(60):
        working = asyncio.create_task(worker.work(app, stop))
        # On a busy machine an answer may take longer than a client's usual five seconds.
        async with httpx.AsyncClient(timeout=60) as client:
            while True:
                assert not working.done(), working.exception()
                try:
                    answer = await client.get(f"http://127.0.0.1:{port}/metrics")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)  # a server that is not ready signals nothing
            assert "tallybook_messages_total" in answer.text
            stop.set()
            await working
            with pytest.raises(httpx.TransportError):
                await client.get(f"http://127.0.0.1:{port}/metrics")


FILE = """
[bridge]
messages = "messages.db"

[monitor]
{business}
[[monitor.projects]]
name = "Lawley"
group = "{group}"
kind = "qa"
"""
STATE = "select state from jobs where key = 'asked'"
MESSAGES = "select count(*) from messages"
ZONES = "select name, time_zone from schedules order by name"


@pytest.fixture
async def app(db: Database, database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    settings = Settings.load({"TALLYBOOK_DATABASE_URL": database_url, "TALLYBOOK_DATA_DIR": str(tmp_path)}, tmp_path)
    async with open_app(dataclasses.replace(settings, config=tmp_path / "tallybook.toml")) as opened:
        yield opened


def name_business(app: App, name: str | None) -> None:
    line = f'business = "{name}"\n' if name else ""
    app.settings.config.write_text(FILE.format(business=line, group=LAWLEY), encoding="utf-8")


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await true():
            await asyncio.sleep(0.02)  # what becomes of a row is told to nobody


async def test_reading_all_again_ends_at_a_stop_and_is_taken_up_again_later(
    app: App, db: Database, business: Business, tmp_path: Path
) -> None:
    name_business(app, None)
    with BridgeFile(tmp_path) as bridge:
        bridge.post(LAWLEY, "DR1752104", id="A")
    await db.run("ask", lambda conn: jobs.enqueue(conn, [NewJob(RECONCILE, "asked")]))

    async def one(statement: str) -> object:
        async with db.transaction() as conn:
            row = await (await conn.execute(statement.encode())).fetchone()
            return row[0] if row else None

    async def run(told_to_stop: asyncio.Event, true: Callable[[], Awaitable[bool]]) -> None:
        over = asyncio.Event()
        handlers = {RECONCILE: partial(worker._reconcile, app, told_to_stop)}
        running = asyncio.create_task(jobs.run_jobs(db, handlers, over, asyncio.Event()))
        await until(true)
        over.set()
        await asyncio.wait_for(running, 5)

    async def read_something() -> bool:
        return await one(MESSAGES) == 1

    async def is_done() -> bool:
        return await one(STATE) == "done"

    stopped = asyncio.Event()
    stopped.set()
    await run(stopped, read_something)
    assert await one(STATE) == "waiting"
    await run(asyncio.Event(), is_done)


async def test_the_monitor_s_hours_are_those_of_the_business_that_the_file_names(
    app: App, db: Database, business: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "LOOK_SECONDS", 0.05)

    async def add(conn: Conn) -> Business:
        return await businesses.add(conn, "Kinneret", "Asia/Jerusalem")

    other = await db.run("add", add)

    async def zones() -> dict[str, str]:
        async with db.transaction() as conn:
            return dict(await (await conn.execute(ZONES)).fetchall())

    async def follows(zone: str) -> bool:
        found = await zones()
        first = {found.get(name) for name in ("core.retention nightly", "doctor nightly")}
        return found.get("monitor.reconcile nightly") == zone and first == {business.time_zone}

    stop = asyncio.Event()
    name_business(app, other.name)
    running = asyncio.create_task(worker.Calendar(app).run(stop))
    await until(lambda: follows("Asia/Jerusalem"))
    app.settings.config.write_text("[monitor", encoding="utf-8")  # half written: what was known goes on
    await asyncio.sleep(0.3)  # several looks, each of which reads it
    assert await follows("Asia/Jerusalem")
    name_business(app, business.name)
    await until(lambda: follows("Africa/Johannesburg"))
    stop.set()
    await asyncio.wait_for(running, 5)
