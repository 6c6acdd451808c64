"""Tells open pages that something of a topic changed. It says only that; whoever shows it asks for it.

One connection per process listens on the direct URL. While nothing is heard through it, a cheap question is asked every
two seconds instead. No transaction is held open, and a stream ends after ten minutes, so that
a log-in that ended is noticed.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import psycopg
from litestar import Litestar, get
from litestar.params import FromQuery
from litestar.response import Stream

from tallybook.core import wakeups
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Invalid, TooMany

from . import inbox_presence
from .inbox_presence import Here, Room, Sayings
from .needs import Asked

INBOX = "inbox"
TOPICS = ("monitor", INBOX, "triage")
MOST_HERE = 100  # sayings that one page is behind
MAX_STREAMS = 12  # per account and process
LIFETIME = 600.0  # seconds
HEARTBEAT = 15.0  # seconds
BREATH = 0.15  # seconds between two events of one stream, so that a burst is one event

VERSION = """
select b.id,
    (select max(a.id) from audit_log a where a.business_id = b.id),
    (select max(m.id) from messages m where m.business_id = b.id),
    (select max(p.moved_at) from source_positions p where p.business_id = b.id)
from businesses b where b.id = any(%(ids)s::int[])
"""


@dataclass(eq=False)
class Listener:
    """One open page. ``news``: there is something to tell, that it should look again (``stale``) or who is ``here``."""

    business_id: int
    topic: str
    news: asyncio.Event = field(default_factory=asyncio.Event)
    stale: bool = False
    here: deque[Here] = field(default_factory=lambda: deque(maxlen=MOST_HERE))

    def look(self) -> None:
        """It should look again."""
        self.stale = True
        self.news.set()


class Live:
    """The listeners of one process, and what wakes them."""

    def __init__(self, db: Database, direct_url: str | None) -> None:
        self._db = db
        self._direct_url = direct_url
        self._listeners: set[Listener] = set()
        self._streams: Counter[int | str] = Counter()
        self._closing = asyncio.Event()
        self._seen: dict[int, Any] = {}
        self.connected = False
        self.room = Room()
        self.sayings = Sayings(self._pass_on)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listens until the block ends; then every stream ends too."""
        stop, ears = asyncio.Event(), wakeups.Ears(self._heard, self._hears, self._ask)
        listening = asyncio.create_task(wakeups.listen(self._db, self._direct_url, ears, stop))
        try:
            yield
        finally:
            self.close()
            await self.sayings.close()
            stop.set()
            await listening

    def close(self) -> None:
        """Ends every stream; new ones end at once."""
        self._closing.set()
        self._wake_all()

    def tell(self, topic: str, business_id: int) -> None:
        """Wakes the pages of this process; other processes hear it from the database."""
        for listener in self._listeners:
            if listener.business_id == business_id and listener.topic == topic:
                listener.look()

    def tell_here(self, business_id: int, here: Here) -> None:
        """Tells the pages of this process, of one business, who is at a thread."""
        self.room.hear(business_id, here)
        for listener in self._listeners:
            if listener.business_id == business_id and listener.topic == INBOX:
                listener.here.append(here)
                listener.news.set()

    async def _pass_on(self, business_id: int, here: Here) -> None:
        """Tells the pages of every process; while nothing is heard from the database, those of this one directly."""
        if not self.connected:
            self.tell_here(business_id, here)

        async def work(conn: Conn) -> None:
            await wakeups.wake_up(conn, inbox_presence.written(here), business_id)

        await self._db.run("tell presence", work)

    async def stream(self, caller: Caller, topic: str) -> AsyncIterator[str]:
        """Server-sent events for one page: ``live`` or ``away`` at each change of state, ``changed`` for news."""
        who = caller.account_id or f"token {caller.token_id}"
        listener = Listener(caller.business_id, topic)
        if topic == INBOX:
            listener.here.extend(self.room.of(caller.business_id))
            listener.news.set()
        self._listeners.add(listener)
        self._streams[who] += 1
        try:
            async for event in self._events(listener):
                yield event
        finally:
            self._listeners.discard(listener)
            self._streams[who] -= 1
            if self._streams[who] <= 0:
                del self._streams[who]

    def full(self, caller: Caller) -> bool:
        """Whether the caller has as many streams open as one may have."""
        return self._streams[caller.account_id or f"token {caller.token_id}"] >= MAX_STREAMS

    async def _events(self, listener: Listener) -> AsyncIterator[str]:
        ends = asyncio.get_running_loop().time() + LIFETIME
        yield "retry: 2000\n\n"
        told = None
        while not self._closing.is_set() and asyncio.get_running_loop().time() < ends:
            if told is not self.connected:
                told = self.connected
                yield f"event: {'live' if told else 'away'}\ndata: {listener.topic}\n\n"
            try:
                await asyncio.wait_for(listener.news.wait(), HEARTBEAT)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            listener.news.clear()
            if self._closing.is_set():
                return
            while listener.here:
                yield f"event: here\ndata: {msgspec.json.encode(listener.here.popleft()).decode()}\n\n"
            if listener.stale:
                listener.stale = False
                yield f"event: changed\ndata: {listener.topic}\n\n"
            await asyncio.sleep(BREATH)

    def _wake_all(self) -> None:
        for listener in self._listeners:
            listener.look()

    def _heard(self, topic: str, business_id: int) -> None:
        if topic in TOPICS:
            self.tell(topic, business_id)
        elif (here := inbox_presence.read(topic)) is not None:
            self.tell_here(business_id, here)

    def _hears(self, connected: bool) -> None:
        """Whenever that changes everybody looks again: what happened in a gap was not heard."""
        self.connected = connected
        self._wake_all()

    async def _ask(self) -> None:
        ids = sorted({listener.business_id for listener in self._listeners})
        try:
            versions = await self._versions(ids)
        except (psycopg.Error, OSError):
            versions = None
        if self.connected is (versions is None):
            self._hears(versions is not None)
        if versions is not None:
            for business_id in ids:  # a business not asked about before may have changed since its page was drawn
                if self._seen.get(business_id) != versions.get(business_id):
                    for topic in TOPICS:
                        self.tell(topic, business_id)
            self._seen = versions

    async def _versions(self, ids: list[int]) -> dict[int, Any]:
        async with self._db.transaction() as conn:
            return {row[0]: row[1:] for row in await (await conn.execute(VERSION, {"ids": ids})).fetchall()}


def lifespan(stop: asyncio.Event | None = None) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    """Listens while the application lives. Streams end when ``stop`` is set: a server that stops waits for them."""

    @asynccontextmanager
    async def listening(app: Litestar) -> AsyncIterator[None]:
        live = Live(app.state.app.db, app.state.app.settings.direct_database_url)
        app.state.live = live
        async with live.running():
            ending = asyncio.create_task(_close_at(live, stop)) if stop is not None else None
            try:
                yield
            finally:
                if ending is not None:
                    ending.cancel()

    return listening


async def _close_at(live: Live, stop: asyncio.Event) -> None:
    await stop.wait()
    live.close()


@get("/live", include_in_schema=False)
async def live_stream(request: Asked, topic: FromQuery[str] = "monitor") -> Stream:
    """What changed in the caller's business, as server-sent events."""
    require(request.user, Right.SEE)
    if topic not in TOPICS:
        raise Invalid("There is no such topic.", topics=list(TOPICS))
    live: Live = request.app.state.live
    if live.full(request.user):
        raise TooMany("Too many pages are open at once. Close some of them.", retry_after=60)
    return Stream(
        live.stream(request.user, topic),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )
