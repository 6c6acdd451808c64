"""Background work of automation: rules that fire, messages for later, reminders. By any number of workers at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from tallybook.core import businesses
from tallybook.core.db import Database
from tallybook.core.standing import Rhythm, again_and_again

from .service import automation_firing, scheduled
from .thread_types import Place

EVERY_SECONDS = 5.0
CLOCK_EVERY = 15.0  # seconds between two looks for what the clock causes
WAITS = "What is to be done by itself waits"


async def keep_firing(db: Database, stop: asyncio.Event, wake: asyncio.Event) -> None:
    """Fires for every business until ``stop`` is set, at each ``wake`` and every five seconds."""
    looked: dict[int, float] = {}
    places: dict[int, Place] = {}

    async def work() -> None:
        for business in await db.run("list businesses", businesses.every):
            now, turned = datetime.now(UTC), asyncio.get_running_loop().time()
            if turned - looked.get(business.id, -CLOCK_EVERY) >= CLOCK_EVERY:
                await automation_firing.look(db, business, now, places)
                looked[business.id] = turned
            await automation_firing.fire_due(db, business, now)
            await scheduled.send_due(db, business, now)

    await again_and_again(db, Rhythm(stop, EVERY_SECONDS, wake), work, WAITS)
