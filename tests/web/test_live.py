"""Open pages are told at once, only of their own business, and never keep a server from stopping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from tallybook.core import wakeups
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database, open_database
from tallybook.core.wakeups import wake_up
from tallybook.web import live
from tallybook.web.live import Live
from tests import world
from tests.pooler import needs_pgbouncer, pooled
from tests.postgres import APP, Server
from tests.web.browser import Site, post, set_up


@pytest.fixture
async def hub(db: Database, database_url: str) -> AsyncIterator[Live]:
    running = Live(db, database_url)
    async with running.running():
        await until(lambda: running.connected)
        yield running


async def until(true: Any, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)  # what is asked about is a list or a number, which signals nothing


async def tell(db: Database, business: Business, topic: str = "monitor") -> None:
    async def work(conn: Conn) -> None:
        await wake_up(conn, topic, business.id)

    await db.run("tell", work)


class Listening:
    """A page's stream, read in the background."""

    def __init__(self, hub: Live, who: world.Someone) -> None:
        self.heard: list[str] = []
        self.task = asyncio.create_task(self._read(hub, who))

    async def _read(self, hub: Live, who: world.Someone) -> None:
        async for event in hub.stream(who.caller, "monitor"):
            self.heard.append(event.split("\n")[0])

    async def __aenter__(self) -> Self:
        await until(lambda: "event: live" in self.heard)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


@pytest.fixture
async def ana(db: Database, business: Business) -> world.Someone:
    return await db.run("add", lambda conn: world.ana(conn, business))


@pytest.fixture
async def caio(db: Database) -> world.Someone:
    return await db.run("add", world.caio)


async def test_a_page_hears_of_its_own_business_and_of_no_other(
    hub: Live, db: Database, ana: world.Someone, caio: world.Someone
) -> None:
    async with Listening(hub, ana) as hers, Listening(hub, caio) as his:
        # Every few seconds it is asked what changed unheard, and who is new has a look: here, and not in between.
        await until(lambda: "event: live" in hers.heard and "event: live" in his.heard)
        await hub._ask()
        await until(lambda: "event: changed" in hers.heard and "event: changed" in his.heard)
        hers.heard.clear()
        his.heard.clear()
        await tell(db, ana.business)
        await tell(db, ana.business, "jobs")
        await until(lambda: "event: changed" in hers.heard)
        await asyncio.sleep(0.3)  # in which a second event would come
        assert hers.heard.count("event: changed") == 1
        assert "event: changed" not in his.heard


async def test_a_burst_of_changes_is_few_events(hub: Live, db: Database, ana: world.Someone) -> None:
    async with Listening(hub, ana) as page:
        for _ in range(20):
            await tell(db, ana.business)
        await until(lambda: "event: changed" in page.heard)
        await asyncio.sleep(0.5)  # in which the events of the last of them come too
        assert page.heard.count("event: changed") < 10


async def test_a_quiet_stream_shows_that_it_is_still_there(
    hub: Live, ana: world.Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "HEARTBEAT", 0.05)
    async with Listening(hub, ana) as page:
        await until(lambda: page.heard.count(": still here") > 2)


async def test_one_person_has_no_more_than_a_dozen_streams(hub: Live, ana: world.Someone) -> None:
    pages = [Listening(hub, ana) for _ in range(live.MAX_STREAMS)]
    for page in pages:
        await page.__aenter__()
    assert hub.full(ana.caller)
    for page in pages:
        await page.__aexit__()
    assert not hub.full(ana.caller)


async def test_every_stream_ends_when_the_server_does(hub: Live, ana: world.Someone) -> None:
    async with Listening(hub, ana) as page:
        hub.close()
        await asyncio.wait_for(page.task, 5)


async def test_a_lost_database_is_told_and_so_is_what_happened_meanwhile(server: Server) -> None:
    async with open_database(server.url(), "prod") as database:

        async def people(conn: Conn) -> world.Someone:
            return await world.ana(conn, await world.velo_fibre(conn))

        ana = await database.run("add", people)
        hub = Live(database, server.url())
        async with hub.running():
            await until(lambda: hub.connected)
            async with Listening(hub, ana) as page:
                server.stop()
                await until(lambda: "event: away" in page.heard)
                server.start()
                await until(lambda: page.heard.count("event: live") == 2, 20)
                await until(lambda: "event: changed" in page.heard)


async def test_where_nothing_can_be_heard_it_asks(
    db: Database, business: Business, ana: world.Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeups, "ASK_EVERY", 0.05)
    await set_up(db, business)
    hub = Live(db, None)
    async with hub.running(), Listening(hub, ana) as page:
        await asyncio.sleep(0.5)  # ten looks, by which what was set up is told
        before = page.heard.count("event: changed")
        await asyncio.sleep(0.5)  # ten looks more, which find nothing new
        assert page.heard.count("event: changed") == before
        await post(db, business, "DR1752104")
        await until(lambda: page.heard.count("event: changed") > before)


@needs_pgbouncer
async def test_a_pooler_is_noticed_by_its_silence(
    db: Database, business: Business, ana: world.Someone, postgres: Server, worker_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(wakeups, "ASK_EVERY", 0.05)
    monkeypatch.setattr(wakeups, "ECHO_WITHIN", 0.5)
    await set_up(db, business)
    async with pooled(postgres, APP) as address:
        hub = Live(db, address.format(database=worker_database))
        async with hub.running():
            await until(lambda: hub.connected, 20)
            async with Listening(hub, ana) as page:
                await post(db, business, "DR1752104")
                await until(lambda: "event: changed" in page.heard)


async def test_an_open_stream_does_not_keep_the_server_from_stopping(
    db: Database, database_url: str, ana: world.Someone, tmp_path: Path
) -> None:
    site = Site(database_url, tmp_path)
    await site.start()
    async with httpx.AsyncClient(base_url=site.address, headers={"accept": "text/html"}) as client:
        await client.get("/login")
        token = next(value for name, value in client.cookies.items() if name.endswith("csrf"))
        form = {"login": ana.login, "password": world.PASSWORD, "_csrf_token": token}
        assert (await client.post("/login", data=form)).status_code == 303
        async with client.stream("GET", "/live") as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == "retry: 2000"
            began = asyncio.get_running_loop().time()
            stopping = asyncio.create_task(site.stop())
            with suppress(httpx.RemoteProtocolError):
                async for _ in lines:
                    pass
            assert await stopping == 0
            assert asyncio.get_running_loop().time() - began < 10
