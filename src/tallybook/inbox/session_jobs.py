"""Background work on how threads stand: snoozes and conversations that are over, and their summaries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from tallybook.core import businesses
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.jobs import Handler
from tallybook.core.standing import Rhythm, again_and_again

from .service import closing, sessions, summaries
from .session_rules import SILENCE
from .session_types import Summarise

EVERY_SECONDS = 10.0
WAITS = "Snoozed threads and conversations that are over wait"
SUMMARISE = summaries.KIND


@dataclass(frozen=True)
class Manner:
    """How conversations of a business end: after what silence of the customer, and whether a model sums them up."""

    silence: timedelta = SILENCE
    has_model: bool = False


async def keep_ending(db: Database, manner: Callable[[Business], Awaitable[Manner]], stop: asyncio.Event) -> None:
    """Wakes what is snoozed and ends what is silent, every ten seconds until ``stop`` is set."""
    await again_and_again(db, Rhythm(stop, EVERY_SECONDS), lambda: once(db, manner), WAITS)


async def once(db: Database, manner: Callable[[Business], Awaitable[Manner]]) -> None:
    """One look at every business."""
    for business in await db.run("list businesses", businesses.every):
        told = await manner(business)
        await closing.wake_due(db, business, datetime.now(UTC))
        await sessions.end_silent(db, business, told.silence, datetime.now(UTC))
        await summaries.ask_for(db, business, has_model=told.has_model)


def handler(summarise: Summarise) -> Handler:
    """Runs the jobs of the kind SUMMARISE."""
    return partial(summaries.run_job, summarise)
