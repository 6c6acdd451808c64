"""Background work of the rota: whoever is on duty is told at the moment, requests expire, and all of it is checked.

By any number of workers at once. Nothing depends on a clock outside: each team's own rules say when to look next, and a
change of its facts wakes us up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeAlias

import structlog

from tallybook.core import schedules as clocks
from tallybook.core.db import Conn, Database
from tallybook.core.jobs import Held
from tallybook.core.standing import Rhythm, again_and_again

from .service import consistency, kept_orders, overrides
from .service.consistency import Rooms
from .service.looking import look
from .service.schedules import Schedules, is_of_one_team
from .store import homes, looks
from .store import kept_orders as kept_orders_store

CHECK = "triage.consistency"
CHECK_SECONDS = 600
EVERY_SECONDS = 5.0
EXPIRE_SECONDS = 60.0
AGAIN_SECONDS = 60.0  # until a team at which we failed is looked at again
WAITS = "Hand-overs wait"
# Makes the homes of a team anew that say what is no longer so, in the transaction of its connection.
Show: TypeAlias = Callable[[Conn, Schedules, int, int, datetime], Awaitable[None]]

log = structlog.get_logger(__name__)


def schedules() -> list[clocks.Schedule]:
    """When the rotas are held against their facts, and Slack against the rotas."""
    return [clocks.Schedule("triage.consistency", CHECK, every_seconds=CHECK_SECONDS)]


async def check(rotas: Schedules, rooms: Rooms | None, held: Held) -> None:
    """The job: may be repeated."""
    await consistency.check(held.db, rotas, rooms)
    await held.db.run("finish the check of rotas", held.finish)


@dataclass
class Announcer:
    """Tells of duty, of every business, until it is stopped. ``show`` is for those who have the app's home open."""

    db: Database
    rotas: Schedules
    show: Show | None = None
    _failed: dict[tuple[str, int, int], float] = field(default_factory=dict)
    _expired: float = float("-inf")

    async def run(self, stop: asyncio.Event, wake: asyncio.Event) -> None:
        """Looks at each ``wake``, at every moment at which a team is due, and every five seconds in any case."""
        await again_and_again(self.db, Rhythm(stop, EVERY_SECONDS, wake), partial(self._work, wake), WAITS)

    async def _work(self, wake: asyncio.Event) -> None:
        now = await self.db.run("read the clock", looks.clock)
        await self.look(now)
        await self.report(now)
        if self._time() - self._expired >= EXPIRE_SECONDS:
            await self.expire(now)
            self._expired = self._time()
        await self.refresh(now)
        first = await self.db.run("find the next hand-over", partial(looks.first, after=now))
        if first is not None and (seconds := (first - now).total_seconds()) < EVERY_SECONDS:
            asyncio.get_running_loop().call_later(max(seconds, 0.05), wake.set)

    async def look(self, now: datetime) -> int:
        """Looks at every team that is due, each in its own transaction; how many this worker looked at.

        Those at which we failed come last, since they may fail after a long wait for a lock.
        """
        due = await self.db.run("find due rotas", partial(looks.due, now=now))
        return await self._each("look at a rota", due, partial(look, schedules=self.rotas, now=now))

    async def refresh(self, now: datetime) -> None:
        """Has the homes that people may have open say what is so, each team's in its own transaction."""
        if self.show is not None:
            stale = await self.db.run("find homes", partial(homes.stale, now=now))
            await self._each("make homes anew", stale, partial(self._shown, self.show, now))

    async def _shown(self, show: Show, now: datetime, conn: Conn, business_id: int, team_id: int) -> bool:
        await show(conn, self.rotas, business_id, team_id, now)
        return True

    async def _each(self, what: str, teams: Sequence[tuple[int, int]], work: Callable[..., Awaitable[bool]]) -> int:
        """For how many it was done. One team's fault holds no other back; health tells what is overdue."""
        count = 0
        for business_id, team_id in sorted(teams, key=lambda team: (what, *team) in self._failed):
            named = (what, business_id, team_id)
            if self._failed.get(named, 0.0) > self._time():
                continue
            try:
                count += await self.db.run(what, partial(work, business_id=business_id, team_id=team_id))
            except Exception as error:
                if not is_of_one_team(error):
                    raise
                log.exception("A rota cannot be worked on", what=what, business=business_id, team=team_id)
                self._failed[named] = self._time() + AGAIN_SECONDS
            else:
                self._failed.pop(named, None)
        return count

    async def report(self, now: datetime) -> None:
        """Tells who leads of what was decided late."""
        find = partial(kept_orders_store.unreported, before=now - kept_orders.QUIET)
        for business_id, team_id in await self.db.run("find what was decided late", find):
            tell = partial(kept_orders.report, schedules=self.rotas, business_id=business_id, team_id=team_id, now=now)
            await self.db.run("report what was decided late", tell)

    async def expire(self, now: datetime) -> None:
        """Ends the requests whose time is over."""
        for business_id in await self.db.run("find requests whose time is over", partial(looks.expiring, now=now)):
            await self.db.run("end requests", partial(overrides.expire, business_id=business_id, now=now))

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()
