"""A run's turn: what it writes to the database is fenced by it, what it has done is counted in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from tallybook.channels.sharepoint.types import Library
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.monitor.store import sharepoint_runs as runs
from tallybook.monitor.store.sharepoint_runs import Tally

ROUNDS = 4  # looks at an item or a file before it is left to another run
NO_CERTAINTY = "SharePoint gave no certain answer."
T = TypeVar("T")


@dataclass
class Turn:
    """One run at work. ``reasons`` say what could not be written this time; ``lease`` is in seconds."""

    db: Database
    business: Business
    library: Library
    run: int
    lease: float
    tally: Tally = field(default_factory=Tally)
    reasons: list[str] = field(default_factory=list)

    async def write(self, what: str, work: Callable[[Conn], Awaitable[T]]) -> T:
        """Runs ``work`` in a transaction that holds the turn. Raises LeaseLost where another run has taken over."""

        async def held(conn: Conn) -> T:
            await runs.hold(conn, self.business.id, self.run, self.lease)
            return await work(conn)

        return await self.db.run(what, held)

    async def keep(self) -> None:
        """Renews the turn while SharePoint lets us wait. Only ``write`` decides whether it is still ours."""
        while True:
            await asyncio.sleep(self.lease / 3)
            with suppress(Exception):
                await self.db.run("keep a sync", lambda conn: runs.hold(conn, self.business.id, self.run, self.lease))
