"""One wake-up per batch: who commits work says so once, and who waits for it need not ask all the time.

A wake-up may get lost (a pooler, a restart, a network): it saves time and carries no meaning. Everybody who waits for
one also looks by himself now and then.

Whoever listens has a direct connection of his own. Where one says nothing for a while, an echo is sent by way of the
pool: a dead one is noticed within seconds, whatever keeps it open, and so is a pooler, through which nothing is heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog
from psycopg import sql

from .connection import CONNECT_SECONDS, LINE
from .db import Conn, Database
from .numbers import number_in

# The environment's own channel, found without being told the environment.
OUR_CHANNEL = "'tallybook_' || case current_schema() when 'public' then 'prod' else current_schema() end"
WAKE = f"select pg_notify({OUR_CHANNEL}, %(topic)s || ' ' || %(business_id)s::text)"
LISTEN = "listen {channel}"
ECHO = "echo"
# All in seconds.
ASK_EVERY = 2.0
QUIET_FOR = 5.0
ECHO_WITHIN = 2.0
RECONNECT_AFTER = (0.2, 1.0, 3.0)  # the last one again and again
DEAF_FOR = 60.0  # until a connection through which nothing came is tried again

log = structlog.get_logger(__name__)


def channel_of(environment: str) -> str:
    """The PostgreSQL notification channel of an environment."""
    return f"tallybook_{environment}"


async def wake_up(conn: Conn, topic: str, business_id: int = 0) -> None:
    """Tells this environment's listeners, when the transaction commits; the server folds repeats into one."""
    await conn.execute(WAKE, {"topic": topic, "business_id": business_id})


@dataclass(frozen=True)
class Ears:
    """What a listener does with what it hears.

    ``heard`` gets the topic and the business of each wake-up. ``connected`` gets True whenever hearing begins, since
    some may have been missed before, and False when it ends. ``ask`` is called every two seconds while nothing
    is heard.
    """

    heard: Callable[[str, int], None]
    connected: Callable[[bool], None]
    ask: Callable[[], Awaitable[None]] | None = None


def waking(wakes: Mapping[str, asyncio.Event]) -> Ears:
    """Sets the topic's event for each wake-up, and every event whenever some may have been missed."""

    def heard(topic: str, _: int) -> None:
        if topic in wakes:
            wakes[topic].set()

    def connected(is_connected: bool) -> None:
        for wake in wakes.values() if is_connected else ():
            wake.set()

    return Ears(heard, connected)


async def listen(db: Database, url: str | None, ears: Ears, stop: asyncio.Event) -> None:
    """Listens until ``stop`` is set, and then returns at once. Reconnects for ever; each loss is told once.

    ``url`` is direct, without a pooler; None means that there is no such address, and only ``ears.ask`` is used.
    """
    line = _Line(db, ears)
    tasks = [asyncio.create_task(stop.wait()), asyncio.create_task(line.ask())]
    if url is not None:
        tasks.append(asyncio.create_task(line.keep(url)))
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _ended(tasks)
    for task in done:
        task.result()


async def _ended(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Ends tasks. They are told again: before Python 3.12 a wait swallows a cancellation that comes with its answer."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=1)
    await asyncio.gather(*tasks, return_exceptions=True)


class _Line:
    """One listener's connection, in whatever state it is."""

    def __init__(self, db: Database, ears: Ears) -> None:
        self._db = db
        self._ears = ears
        self._hears = False

    async def ask(self) -> None:
        while True:
            if self._ears.ask is not None and not self._hears:
                await self._ears.ask()
            await asyncio.sleep(ASK_EVERY)

    async def keep(self, url: str) -> None:
        fails = 0
        while True:
            pause = RECONNECT_AFTER[min(fails, len(RECONNECT_AFTER) - 1)]
            try:
                async with self._connection(url) as conn:
                    if await self._echoes(conn):
                        fails = 0
                        self._is(hearing=True)
                        await self._hear(conn)
                        log.warning("The connection for wake-ups went silent and is made anew")
                    else:
                        pause = DEAF_FOR
                        log.info("Notifications do not come through this database address; changes are asked for")
            except (psycopg.Error, OSError) as error:
                if not fails:
                    log.warning("Not listening for wake-ups until the database is back", error=type(error).__name__)
            self._is(hearing=False)
            await asyncio.sleep(pause)
            fails += 1

    @asynccontextmanager
    async def _connection(self, url: str) -> AsyncIterator[Conn]:
        conn = await psycopg.AsyncConnection.connect(
            url, autocommit=True, application_name="tallybook wake-ups", **LINE
        )
        try:
            channel = sql.Identifier(channel_of(self._db.environment))
            await asyncio.wait_for(conn.execute(sql.SQL(LISTEN).format(channel=channel)), CONNECT_SECONDS)
            yield conn
        finally:
            await conn.close()  # never waits for the server, which may be the one that is silent

    async def _hear(self, conn: Conn) -> None:
        """Hears until not even the echo comes back."""
        while await self._hears_within(conn, QUIET_FOR) or await self._echoes(conn):
            pass

    async def _echoes(self, conn: Conn) -> bool:
        """Whether a notification sent by another connection arrives here."""
        async with asyncio.timeout(CONNECT_SECONDS), self._db.transaction() as other:
            await wake_up(other, ECHO)
        return await self._hears_within(conn, ECHO_WITHIN)

    async def _hears_within(self, conn: Conn, seconds: float) -> bool:
        """Whether anything arrives in that time; returns with the first of it."""
        heard = False
        # Never left early: what came in the same packet would be lost.
        async for notice in conn.notifies(timeout=seconds, stop_after=1):
            heard = True
            self._take(notice.payload)
        return heard

    def _take(self, payload: str) -> None:
        topic, _, business_id = payload.partition(" ")
        number = number_in(business_id)
        if topic != ECHO and number is not None:
            self._ears.heard(topic, number)

    def _is(self, *, hearing: bool) -> None:
        if hearing or self._hears:
            self._ears.connected(hearing)
        self._hears = hearing


async def either(stop: asyncio.Event, wake: asyncio.Event, seconds: float) -> None:
    """Waits for one of the two, or for ``seconds`` at most."""
    waits = [asyncio.create_task(stop.wait()), asyncio.create_task(wake.wait())]
    try:
        with suppress(TimeoutError):
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
