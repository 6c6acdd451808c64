"""Background work of finding: reading, all day, what was said, so that it is found a moment later."""

from __future__ import annotations

import asyncio

from tallybook.core import businesses
from tallybook.core.db import Database
from tallybook.core.standing import Rhythm, again_and_again
from tallybook.core.wakeups import either

from .service import searching

EVERY_SECONDS = 2.0
APART_SECONDS = 0.5  # between two looks, so that many small batches are read as one
WAITS = "What was said waits to be read for searches"


async def keep_reading(db: Database, stop: asyncio.Event, wake: asyncio.Event) -> None:
    """Reads for every business until ``stop`` is set, at each ``wake`` and every two seconds."""

    async def work() -> None:
        for business in await db.run("list businesses", businesses.every):
            await searching.read_all(db, business.id)
        await either(stop, asyncio.Event(), APART_SECONDS)

    await again_and_again(db, Rhythm(stop, EVERY_SECONDS, wake), work, WAITS)
