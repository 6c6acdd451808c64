"""One wake-up per batch: who commits work says so once, and who waits for it need not ask all the time.

A wake-up may get lost (a pooler, a restart, a network): it saves time and carries no meaning. Everybody who waits for
one also looks by himself now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import psycopg
import structlog
from psycopg import sql

from .db import Conn

# The environment's own channel, found without being told the environment.
WAKE = """
select pg_notify('tallybook_' || case current_schema() when 'public' then 'prod' else current_schema() end,
    %(topic)s || ' ' || %(business_id)s::text)
"""
LISTEN = "listen {channel}"
PAUSE = 2.0
CONNECT_SECONDS = 5

log = structlog.get_logger(__name__)


def channel_of(environment: str) -> str:
    """The PostgreSQL notification channel of an environment."""
    return f"tallybook_{environment}"


async def wake_up(conn: Conn, topic: str, business_id: int = 0) -> None:
    """Tells this environment's listeners, when the transaction commits; the server folds repeats into one."""
    await conn.execute(WAKE, {"topic": topic, "business_id": business_id})


async def listen(url: str, environment: str, wakes: Mapping[str, asyncio.Event], stop: asyncio.Event) -> None:
    """Sets the topic's event for each wake-up, and every event whenever some may have been missed.

    ``url`` must be direct: a pooler in transaction mode loses LISTEN. Reconnects until ``stop`` is set.
    """
    told = False
    while not stop.is_set():
        try:
            async with await psycopg.AsyncConnection.connect(
                url, autocommit=True, connect_timeout=CONNECT_SECONDS, keepalives_idle=30
            ) as conn:
                told = False
                await _listen(conn, environment, wakes, stop)
        except psycopg.OperationalError as error:
            if not told:
                log.warning("Not listening for wake-ups until the database is back", error=type(error).__name__)
            told = True
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), PAUSE)


async def _listen(conn: Conn, environment: str, wakes: Mapping[str, asyncio.Event], stop: asyncio.Event) -> None:
    await conn.execute(sql.SQL(LISTEN).format(channel=sql.Identifier(channel_of(environment))))
    for wake in wakes.values():
        wake.set()
    while not stop.is_set():
        async for notice in conn.notifies(timeout=1):
            topic = notice.payload.partition(" ")[0]
            if topic in wakes:
                wakes[topic].set()
            if stop.is_set():
                break


async def either(stop: asyncio.Event, wake: asyncio.Event, seconds: float) -> None:
    """Waits for one of the two, or for ``seconds`` at most."""
    waits = [asyncio.create_task(stop.wait()), asyncio.create_task(wake.wait())]
    try:
        with suppress(TimeoutError):
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
