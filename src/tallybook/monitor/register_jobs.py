"""Background work on the registers: held against the messages every night, and counted all day."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from datetime import time as wall_time
from functools import partial
from typing import TypeAlias

import structlog
from psycopg import Error as DatabaseError
from psycopg_pool import PoolTimeout

from tallybook.core import businesses
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.jobs import Held
from tallybook.core.schedules import Schedule

from .service import counts, registers
from .store.counts import RegisterDay

CHECK = "monitor.registers"
NIGHT = wall_time(3, 40)  # after the whole of the bridge's file was read again
COUNT_SECONDS = 60.0

Counted: TypeAlias = tuple[Business, str, RegisterDay]
log = structlog.get_logger()


def schedules(time_zone: str) -> list[Schedule]:
    """When the registers are held against the messages."""
    return [Schedule("monitor.registers nightly", CHECK, time_zone, daily_at=NIGHT)]


async def check(held: Held) -> None:
    """Holds every business's registers against its messages, and writes its days down. May be repeated."""
    for business in await held.db.run("list businesses", businesses.every):
        now = datetime.now(UTC)
        await held.db.run("count days", partial(counts.keep, business=business, now=now))
        run = await registers.check(held.db, business, held.job.key)
        log.info(
            "The registers were held against the messages",
            business=business.id, whole=run.whole, messages=run.messages, posts=run.posts, missing=run.missing,
        )  # fmt: skip
    await held.db.run("finish register check", held.finish)


async def keep_counting(db: Database, stop: asyncio.Event) -> None:
    """Keeps the gauges of today until ``stop`` is set; while the database is away they stay as they were."""

    async def count(conn: Conn) -> list[Counted]:
        now = datetime.now(UTC)
        return [one for business in await businesses.every(conn) for one in await counts.recent(conn, business, now)]

    while not stop.is_set():
        with suppress(DatabaseError, PoolTimeout):
            counts.show(await db.run("count today", count))
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), COUNT_SECONDS)
