"""Work that is done again and again, and stands still while the database is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from .db import Database, is_transient
from .wakeups import either

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Rhythm:
    """At each ``wake``, and every ``idle`` seconds in any case, until ``stop`` is set."""

    stop: asyncio.Event
    idle: float
    wake: asyncio.Event = field(default_factory=asyncio.Event)


async def again_and_again(db: Database, rhythm: Rhythm, work: Callable[[], Awaitable[Any]], waits: str) -> None:
    """Works in a rhythm. A passing fault is borne; ``waits`` says so, unless an outage is told already."""
    while not rhythm.stop.is_set():
        # Before the work: whoever wakes us while we are at it is heard afterwards.
        rhythm.wake.clear()
        try:
            await work()
        except Exception as error:
            if not is_transient(error):
                raise
            if not db.is_away:
                log.warning(waits, error=type(error).__name__)
        await either(rhythm.stop, rhythm.wake, rhythm.idle)
