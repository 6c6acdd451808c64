"""``/live`` beside another business: its customers write, its people answer, and a stream of ours tells none of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from tallybook.app import App
from tallybook.core import api_tokens, wakeups
from tallybook.core.businesses import Business
from tallybook.core.callers import Scope
from tallybook.core.db import Database
from tallybook.inbox.service import threads
from tallybook.inbox.service.filing import TOPIC
from tallybook.web import inbox_presence, live
from tallybook.web.inbox_presence import Here
from tests import world
from tests.channels.whatsapp import bodies
from tests.channels.whatsapp.test_received import add, come
from tests.web import talks
from tests.web.built_once import application

OTHER_NUMBER = "106540352242923"
ONES_OWN = Here(7, 3, "looks", "Caio")
QUESTIONS = 4
SECONDS = 20.0  # of a busy machine
BEGINS = ["retry: 2000", f"event: live\ndata: {TOPIC}"]
CHANGED = f"event: changed\ndata: {TOPIC}"


class Page:
    """A stream that is read as it comes: a client in this process would wait for its end."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._came = asyncio.Event()

    async def read(self, whole: Any, token: str) -> None:
        asked = [{"type": "http.request", "body": b"", "more_body": False}]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": "/live", "raw_path": b"/live", "root_path": "", "query_string": f"topic={TOPIC}".encode(),
            "headers": [(b"host", b"tallybook.test"), (b"authorization", f"Bearer {token}".encode())],
            "client": ("192.0.2.1", 50000), "server": ("tallybook.test", 80),
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            if not asked:
                await asyncio.Event().wait()
            return asked.pop()

        async def send(message: dict[str, Any]) -> None:
            assert message.get("status", 200) == 200
            self.heard += filter(None, message.get("body", b"").decode().split("\n\n"))
            self._came.set()

        await whole(scope, receive, send)

    async def until(self, true: Callable[[list[str]], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not true(self.heard):
                self._came.clear()
                await self._came.wait()


Opener = Callable[[world.Someone], Any]


@pytest.fixture
async def open_page(app: App, db: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Opener]:
    """Opens the inbox's stream of somebody, at a server that hears the database as the shipped one does."""
    monkeypatch.setattr(wakeups, "QUIET_FOR", 600.0)  # a lost connection would have every page look again
    whole = application(app)

    @asynccontextmanager
    async def opened(who: world.Someone) -> AsyncIterator[Page]:
        token = await db.run("token", lambda conn: api_tokens.create(conn, who.caller, "a page", frozenset(Scope)))
        page = Page()
        reading = asyncio.create_task(page.read(whole, token))
        try:
            await page.until(lambda heard: heard[: len(BEGINS)] == BEGINS)
            yield page
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    async with live.lifespan()(whole.app):
        async with asyncio.timeout(SECONDS):
            while not whole.app.state.live.connected:
                await asyncio.sleep(0.02)  # that it listens is told to nobody
        yield opened


async def says_here(db: Database, business: Business, here: Here) -> None:
    await db.run("here", lambda conn: wakeups.wake_up(conn, inbox_presence.written(here), business.id))


async def after_it(db: Database, page: Page, business: Business) -> list[str]:
    """What a page heard until now, its beginning aside.

    Wake-ups come in the order of the commits, and that a page shall look again follows who is here: behind the second
    word to this business nothing said before the first can still be under way.
    """
    for number in (1, 2):
        await says_here(db, business, ONES_OWN)
        await page.until(lambda heard, number=number: sum("event: here" in one for one in heard) == number)
    return [one for one in page.heard[len(BEGINS) :] if '"name":"Caio"' not in one]


async def test_a_stream_hears_nothing_of_the_threads_of_another_business_while_they_go_on(
    db: Database, business: Business, open_page: Opener
) -> None:
    root = await db.run("root", lambda conn: world.root(conn, business))
    caio = await db.run("caio", world.caio)
    await add(db, business)
    await add(db, caio.business, OTHER_NUMBER)
    async with open_page(root) as theirs, open_page(caio) as ours:
        for number in range(1, QUESTIONS):
            await come(db, bodies.said(bodies.text(f"Question {number}", number)))
        await theirs.until(lambda heard: CHANGED in heard)
        thread = await talks.first(db, f"+{bodies.CUSTOMER}")
        await says_here(db, business, Here(thread, root.account_id, "writes", root.name))
        await db.run("read", lambda conn: threads.mark_read(conn, root.caller, thread))
        await theirs.until(lambda heard: any('"doing":"writes"' in one for one in heard))
        assert await after_it(db, ours, caio.business) == []
        async with open_page(caio) as later:
            await later.until(lambda heard: any("event: here" in one for one in heard))
            assert all(root.name not in one for one in later.heard)
        # And that it was open all the while.
        await come(db, bodies.said(bodies.text("Shalom", QUESTIONS), number=OTHER_NUMBER))
        await ours.until(lambda heard: CHANGED in heard)
