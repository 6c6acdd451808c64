"""Whoever listens for wake-ups goes on hearing them, whatever becomes of the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import psycopg
import pytest

from tallybook.core import wakeups
from tallybook.core.db import Database, open_database
from tallybook.core.wakeups import Ears, listen, wake_up
from tests.postgres import APP, Server

THROW_OUT = """
select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'tallybook wake-ups'
    and datname = current_database()
"""


class Listener:
    """What a listener was told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []
        self.states: list[bool] = []
        self.asked = 0
        self.stop = asyncio.Event()

    async def ask(self) -> None:
        self.asked += 1

    @asynccontextmanager
    async def listening(self, db: Database, url: str | None) -> AsyncIterator[None]:
        ears = Ears(lambda topic, business: self.heard.append((topic, business)), self.states.append, self.ask)
        task = asyncio.create_task(listen(db, url, ears, self.stop))
        try:
            yield
        finally:
            self.stop.set()
            await asyncio.wait_for(task, 2)


async def until(true: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)  # what is asked about is a list or a number, which signals nothing


async def tell(db: Database, business_id: int) -> None:
    await db.run("tell", lambda conn: wake_up(conn, "monitor", business_id))


async def test_it_hears_again_after_its_backend_was_thrown_out(
    fresh_db: Database, fresh_url: str, postgres: Server, fresh_name: str
) -> None:
    listener = Listener()
    async with listener.listening(fresh_db, fresh_url):
        await until(lambda: listener.states == [True])
        with psycopg.connect(postgres.url("postgres", fresh_name)) as superuser:
            assert superuser.execute(THROW_OUT).fetchone() == (1,)
        await until(lambda: listener.states == [True, False, True], 10)
        await tell(fresh_db, 7)
        await until(lambda: listener.heard == [("monitor", 7)])


async def test_it_hears_again_after_the_server_was_stopped_and_started(server: Server) -> None:
    listener = Listener()
    async with open_database(server.url(), "prod") as db, listener.listening(db, server.url()):
        await until(lambda: listener.states == [True])
        await asyncio.to_thread(server.stop)
        await until(lambda: listener.states == [True, False] and listener.asked > 1)
        await asyncio.to_thread(server.start)
        await until(lambda: listener.states == [True, False, True], 30)
        await tell(db, 7)
        await until(lambda: listener.heard == [("monitor", 7)])


class Wire:
    """A TCP connection to a server's socket that can be made to carry nothing any more, while it stays open."""

    def __init__(self) -> None:
        self.carries = asyncio.Event()
        self.carries.set()
        self.port = 0

    @asynccontextmanager
    async def to(self, server: Server) -> AsyncIterator[None]:
        async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                await self.carries.wait()
                sink.write(data)

        async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_unix_connection(server.folder / ".s.PGSQL.5432")
            both = [asyncio.create_task(carry(reader, back)), asyncio.create_task(carry(there, writer))]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            for end in (writer, back):
                end.close()

        async with await asyncio.start_server(connect, "127.0.0.1", 0) as listening:
            self.port = listening.sockets[0].getsockname()[1]
            yield
            self.carries.set()


async def test_a_connection_that_went_silent_is_noticed_and_meanwhile_it_asks(
    fresh_db: Database, postgres: Server, fresh_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeups, "QUIET_FOR", 0.3)
    monkeypatch.setattr(wakeups, "ECHO_WITHIN", 0.5)
    monkeypatch.setattr(wakeups, "ASK_EVERY", 0.1)
    wire, listener = Wire(), Listener()
    async with wire.to(postgres):
        url = f"postgresql://{APP}@127.0.0.1:{wire.port}/{fresh_name}?sslmode=disable"
        async with listener.listening(fresh_db, url):
            await until(lambda: listener.states == [True])
            await asyncio.sleep(1.5)  # longer than a silence: the echo keeps it
            assert listener.states == [True]
            asked = listener.asked
            wire.carries.clear()
            await until(lambda: listener.states == [True, False], 10)
            await until(lambda: listener.asked > asked + 2)
            wire.carries.set()
            await until(lambda: listener.states == [True, False, True])
            await tell(fresh_db, 7)
            await until(lambda: ("monitor", 7) in listener.heard)


async def test_it_stops_at_once_even_while_it_tries_to_connect(fresh_db: Database) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listener = Listener()
    async with await asyncio.start_server(never, "127.0.0.1", 0) as mute:
        port = mute.sockets[0].getsockname()[1]
        began = asyncio.get_running_loop().time()
        async with listener.listening(fresh_db, f"postgresql://x@127.0.0.1:{port}/x"):
            await until(lambda: listener.asked > 0)
        assert asyncio.get_running_loop().time() - began < 2


async def test_without_an_address_it_only_asks(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeups, "ASK_EVERY", 0.02)
    listener = Listener()
    async with listener.listening(db, None):
        await until(lambda: listener.asked > 3)
    assert listener.states == []
