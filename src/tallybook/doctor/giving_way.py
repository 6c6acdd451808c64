"""Lets whoever waits behind a long look go first: the change of a table, and everybody who queues behind that.

To look takes the weakest lock there is, which hinders no reader and no writer. But who would change the table waits for
it to be let go, and whoever comes then waits behind the change. So while a look lasts, a second connection asks again
and again whether anybody waits behind it, and ends it then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import psycopg
from psycopg.conninfo import make_conninfo

Conn = psycopg.AsyncConnection[Any]
# Seconds. Most looks are over before the first question.
EVERY = 0.1
# How long to wait for the second connection, or its answer.
PATIENCE = 0.5
# How long a look may last where nobody can be asked who waits behind it.
UNSEEN = 0.3
# A proxy may lead to another server, where the same number is somebody else's.
LET_GO = """
select coalesce((
    select pg_cancel_backend(%(pid)s::int)
    where exists (select from pg_locks where not granted and %(pid)s::int = any(pg_blocking_pids(pid)))), false)
where pg_postmaster_start_time() = %(started)s::timestamptz
"""


class Look(NamedTuple):
    """The process that looks, and when its server started."""

    pid: int
    started: str


class Watch:
    """Over the looks of one connection. ``gave_way`` tells of the last of them; ``alone``, that nobody can be asked."""

    def __init__(self, conn: Conn) -> None:
        self.gave_way = False
        self.alone = False
        self._conn = conn
        self._other: Conn | None = None

    def at_most(self, seconds: float) -> float:
        """Seconds that a look may last."""
        return min(seconds, UNSEEN) if self.alone else seconds

    @asynccontextmanager
    async def over(self, look: Look) -> AsyncIterator[None]:
        """Ends a statement that runs within, as soon as anybody waits behind it, with QueryCanceled."""
        self.gave_way = False
        if self.alone:
            yield
            return
        ended = asyncio.Event()
        watching = asyncio.create_task(self._watch(look, ended))
        try:
            yield
        finally:
            # What was asked is answered before anything else runs, which it would end in place of the look.
            ended.set()
            await watching

    async def close(self) -> None:
        """Ends the second connection, where there is one."""
        if self._other is not None:
            await self._other.close()

    async def _watch(self, look: Look, ended: asyncio.Event) -> None:
        while not await _within(ended, EVERY):
            try:
                self.gave_way = await self._let_go(look) or self.gave_way
            except (psycopg.Error, OSError, TimeoutError):
                self.alone = True
                with suppress(psycopg.Error, OSError):
                    await self._conn.cancel_safe(timeout=PATIENCE)
                return

    async def _let_go(self, look: Look) -> bool:
        """Whether somebody waited, and the look was ended. Raises psycopg.Error where nobody can be asked."""
        async with asyncio.timeout(PATIENCE):
            if self._other is None:
                self._other = await _another(self._conn)
            row = await (await self._other.execute(LET_GO, look._asdict())).fetchone()
        if row is None:
            raise psycopg.OperationalError("the second connection leads to another server")
        return bool(row[0])


@asynccontextmanager
async def watching(conn: Conn) -> AsyncIterator[Watch]:
    """A watch over the looks of a connection. Its own connection is made when a look first lasts."""
    watch = Watch(conn)
    try:
        yield watch
    finally:
        await watch.close()


async def _another(conn: Conn) -> Conn:
    """A second connection to the very server of the first one, of several that an address may name."""
    info = conn.info
    named = {name: value for name, value in info.get_parameters().items() if name != "hostaddr"}
    address = make_conninfo("", **{**named, "host": info.host, "port": info.port, "password": info.password or None})
    return await psycopg.AsyncConnection.connect(address, autocommit=True, prepare_threshold=None)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Whether it comes to it in so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
