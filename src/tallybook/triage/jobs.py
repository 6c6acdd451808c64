"""Background work of the rota: whoever is on duty is told at the moment, requests expire, and all of it is checked.

By any number of workers at once. Nothing depends on a clock outside: each team's own rules say when to look next, and a
change of its facts wakes us up.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import structlog
from psycopg import errors as pg

from tallybook.core import schedules as clocks
from tallybook.core.db import Conn, Database, is_transient
from tallybook.core.jobs import Held
from tallybook.core.standing import Rhythm, again_and_again

from .service import consistency, kept_orders, overrides
from .service.consistency import Rooms
from .service.doing import TOPIC as TOPIC  # noqa: PLC0414 - by it the worker is woken up
from .service.looking import look
from .service.schedules import Schedules
from .store import kept_orders as kept_orders_store
from .store import looks

CHECK = "triage.consistency"
CHECK_SECONDS = 600
EVERY_SECONDS = 5.0
EXPIRE_SECONDS = 60.0
AGAIN_SECONDS = 60.0  # until a team at which we failed is looked at again
WAITS = "Hand-overs wait"
# Passing faults of the rows of a team. By any other the database is away, and with it every team.
OF_ONE_TEAM = (pg.LockNotAvailable, pg.DeadlockDetected, pg.SerializationFailure)

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
    """Tells of duty, of every business, until it is stopped."""

    db: Database
    rotas: Schedules
    _failed: dict[tuple[int, int], float] = field(default_factory=dict)
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
        first = await self.db.run("find the next hand-over", partial(looks.first, after=now))
        if first is not None and (seconds := (first - now).total_seconds()) < EVERY_SECONDS:
            asyncio.get_running_loop().call_later(max(seconds, 0.05), wake.set)

    async def look(self, now: datetime) -> int:
        """Looks at every team that is due, each in its own transaction; how many this worker looked at.

        Those at which we failed come last, since they may fail after a long wait for a lock.
        """
        count = 0
        due = await self.db.run("find due rotas", partial(looks.due, now=now))
        for team in sorted(due, key=self._failed.__contains__):
            if self._failed.get(team, 0.0) <= self._time():
                count += await self._one(team, now)
        return count

    async def _one(self, team: tuple[int, int], now: datetime) -> bool:
        async def work(conn: Conn) -> bool:
            return await look(conn, self.rotas, *team, now)

        try:
            looked = await self.db.run("look at a rota", work)
        except Exception as error:
            if is_transient(error) and not isinstance(error, OF_ONE_TEAM):
                raise
            # One team's fault holds no other back; health tells that it is overdue.
            log.exception("A rota cannot be looked at", business=team[0], team=team[1])
            self._failed[team] = self._time() + AGAIN_SECONDS
            return False
        self._failed.pop(team, None)
        return looked

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
