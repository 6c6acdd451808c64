"""The rota that a process keeps for the time when the database is away, beside its spool; and how old it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import structlog

from .core.db import PROD, Database
from .core.health import Check
from .core.standing import Rhythm, again_and_again
from .settings import Settings
from .triage.service.snapshots import Keeper
from .triage.snapshot import Shelf

EVERY_SECONDS = 60.0
OLD = timedelta(minutes=10)
KEPT = "The rota is kept for an outage."
AWAY = "The database is away. Questions about the rota are answered from the copy, which says how old it is."
NOT_KEPT = "The rota was not kept for an outage lately: can the data directory be written?"

# What else is to be learnt ahead, while the database is there.
Beside: TypeAlias = Callable[[], Awaitable[None]]

log = structlog.get_logger(__name__)


async def nothing_else() -> None:
    """For who needs the rota alone."""


def path_of(settings: Settings) -> Path:
    """Of each environment its own: those of one machine may share the folder."""
    return settings.data_dir / ("rota-snapshot.json" if settings.env == PROD else f"rota-snapshot.{settings.env}.json")


@lru_cache(maxsize=8)
def shelf(path: Path) -> Shelf:
    """What was kept, as this process reads it."""
    return Shelf(path)


@asynccontextmanager
async def keeping(db: Database, settings: Settings, beside: Beside = nothing_else) -> AsyncIterator[None]:
    """Keeps the rota while the block lasts, and has ``beside`` be learnt at the same times."""
    stop = asyncio.Event()
    task = asyncio.create_task(keep(db, settings, stop, beside))
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(task, return_exceptions=True)


async def keep(db: Database, settings: Settings, stop: asyncio.Event, beside: Beside = nothing_else) -> None:
    """Keeps the rota until ``stop`` is set; while the database is away it stays as it was. See ``keeping``."""
    keeper = Keeper(db, path_of(settings))

    async def once() -> None:
        await beside()
        try:
            await keeper.keep()
        except OSError as error:
            log.warning("The rota cannot be kept for an outage", error=error.strerror)

    await again_and_again(db, Rhythm(stop, EVERY_SECONDS), once, "The rota is not kept")


async def refresh(settings: Settings) -> None:
    """Reads the copy anew, if it is another one, before somebody looks at it who must not wait for the disk."""
    await shelf(path_of(settings)).refresh()


def checks(settings: Settings, now: datetime, *, away: bool) -> list[Check]:
    """How it stands with the copy on this machine; nothing where there is no rota. Never asks the database."""
    found = shelf(path_of(settings)).current()
    if found is None:
        return []
    age = max(round((now - found.as_of).total_seconds()), 0)
    facts: dict[str, str | int | float] = {"mode": "away" if away else "usual", "age_seconds": age}
    if away:
        return [Check("rota-copy", "late", AWAY, found.as_of, facts)]
    if now - found.as_of > OLD:
        return [Check("rota-copy", "late", NOT_KEPT, found.as_of, facts)]
    return [Check("rota-copy", "ok", KEPT, found.as_of, facts)]
