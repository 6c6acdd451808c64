"""Background counting: what was touched within seconds, and every night all days held against their rows."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from datetime import time as wall_time
from functools import partial

import structlog
from psycopg import Error as DatabaseError
from psycopg_pool import PoolTimeout

from tallybook.core import businesses
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.errors import TallybookError
from tallybook.core.jobs import Held
from tallybook.core.schedules import Schedule

from .service import statistics
from .store import statistics_count, statistics_marks

WHOLE = "monitor.statistics"
NIGHT = wall_time(4, 10)  # after the registers were held against the messages
LOOK_SECONDS = 2.0
EVERY_SECONDS = 60.0  # today is counted whether anything marked it or not: people write rows by hand
CHUNK = timedelta(days=31)
OLDEST = date(2000, 1, 1)

log = structlog.get_logger()


def schedules(time_zone: str) -> list[Schedule]:
    """When every day is held against its rows."""
    return [Schedule("monitor.statistics nightly", WHOLE, time_zone, daily_at=NIGHT)]


async def check(held: Held) -> None:
    """Holds every day of every business against its rows, and counts anew what differs. May be repeated."""
    for business in await held.db.run("list businesses", businesses.every):
        mended = await whole(held.db, business)
        log.info("The statistics were held against their rows", business=business.id, mended=mended)
    await held.db.run("finish statistics", held.finish)


async def whole(db: Database, business: Business) -> int:
    """Counts every day whose kept counts are not what its rows say; returns how many there were.

    A month at a time: a transaction of its own each, so that nobody waits for long.
    """
    span = await db.run("span of statistics", lambda conn: statistics_count.span(conn, business))
    mended = 0
    if span is not None:
        first, last = max(span.first, OLDEST), min(span.last, datetime.now(UTC).date() + timedelta(days=2))
        while first <= last:
            days = [day for n in range(CHUNK.days) if (day := first + timedelta(days=n)) <= last]
            mended += await db.run("hold statistics against rows", partial(_mend, business=business, days=days))
            first += CHUNK

    async def note(conn: Conn) -> None:
        await statistics_marks.take_turn(conn, business.id)
        await statistics_marks.counted_whole(conn, business.id, mended)

    await db.run("note statistics", note)
    return mended


async def _mend(conn: Conn, business: Business, days: list[date]) -> int:
    while await statistics.fold(conn, business):  # what is marked is not wrong, only not counted yet
        pass
    if (await statistics_marks.see_turn(conn, business.id)).whole_at is None:  # there is nothing yet to compare
        await statistics_count.count_again(conn, business, days)
        return 0
    wrong = await statistics_count.wrong_days(conn, business, days)
    if wrong:
        await statistics_count.count_again(conn, business, wrong)
    return len(wrong)


async def keep_counting(db: Database, stop: asyncio.Event) -> None:
    """Counts what is marked until ``stop`` is set; while the database is away it keeps asking."""
    counted_at = -EVERY_SECONDS
    while not stop.is_set():
        every = time.monotonic() - counted_at >= EVERY_SECONDS
        with suppress(DatabaseError, PoolTimeout, TallybookError):
            for business in await db.run("list businesses", businesses.every):
                await _count(db, business, every=every)
            counted_at = time.monotonic() if every else counted_at
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_SECONDS)


async def _count(db: Database, business: Business, *, every: bool) -> None:
    today = datetime.now(UTC).astimezone(business.zone).date()
    always = (today - timedelta(days=1), today) if every else ()

    async def work(conn: Conn) -> bool:
        turn = await statistics_marks.see_turn(conn, business.id)
        if not always and not await statistics_marks.waiting(conn, business.id):
            return turn.whole_at is None
        await statistics.fold(conn, business, always)
        return turn.whole_at is None

    if await db.run("count statistics", work):
        await whole(db, business)
