"""The monitor's background work: watching the bridge, and once a night reading all of it again."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import time as wall_time
from typing import Any, Protocol

import msgspec
import structlog
from psycopg import Error as DatabaseError

from tallybook.core import log, sources, wakeups
from tallybook.core.businesses import Business
from tallybook.core.channel import Reading, Source
from tallybook.core.db import Conn, Database
from tallybook.core.errors import TallybookError
from tallybook.core.heartbeats import beat
from tallybook.core.ingest import Absorbed
from tallybook.core.jobs import Interrupted
from tallybook.core.schedules import Schedule

from .reply_types import Manner
from .service.filing import Desk, log_lines
from .service.forecast import Forecast
from .store import projects as project_store
from .types import Filed

TOPIC = "monitor"
RECONCILE = "monitor.reconcile"
BEAT_SECONDS = 5.0
LONGEST_PAUSE = 15.0
AWAY_SECONDS = 1.0
SILENT = timedelta(hours=12)
BRIDGE = "bridge"  # one name, so that what is over does not stay on the health page under another
IDLE_SECONDS = 2.0  # how soon a projects file that appears is read
NIGHT = wall_time(2, 30)
UNANSWERED = Manner(enabled=False)
READING = "Connected; reading."
CANNOT_STORE = "Posts cannot be stored ({error}); they wait in the bridge's file."
QUIET = "The bridge has stored no message of any chat for half a day. Is it connected to WhatsApp?"

logger = structlog.get_logger()
Progress = Callable[[int, int], None]


class Bridge(Source, Protocol):
    """A source whose people may be known by LIDs that are learnt later, and that can say what it holds."""

    async def new_lids(self, since: Mapping[str, str]) -> dict[str, str]: ...

    @property
    def lids(self) -> Mapping[str, str]: ...

    async def report(self) -> Any: ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True)
class Watch:
    """A bridge to read and the desk that files what it says; made anew whenever the projects file changes.

    ``mistake`` says what is wrong with the file as it is now; until it is mended, the watch goes on as before.
    """

    business: Business
    bridge: Bridge
    desk: Desk
    poll_seconds: float = 1.0
    mistake: str | None = None


def schedules(time_zone: str) -> list[Schedule]:
    """When the monitor's jobs are due."""
    return [Schedule("monitor.reconcile nightly", RECONCILE, time_zone, daily_at=NIGHT)]


async def scan(
    db: Database,
    watch: Watch,
    *,
    full: bool = False,
    progress: Progress | None = None,
    stop: asyncio.Event | None = None,
) -> int:
    """Files what is new in the bridge's file, or with ``full`` reads all of it again; returns new or edited messages.

    ``progress`` hears of rows read and rows in all. Raises SourceUnreadable, and Interrupted after the batch in which
    ``stop`` was set.
    """
    tag = log.tag(db.environment)

    def told(reading: Reading, absorbed: Absorbed[Filed]) -> None:
        log.lines(line for filed in absorbed.facts for line in log_lines(filed, tag))
        if progress is not None:
            progress(reading.done, reading.total)
        if stop is not None and stop.is_set():
            raise Interrupted

    # What only a reading of everything finds is history, and nobody is told of it.
    desk = dataclasses.replace(watch.desk, manner=UNANSWERED) if full else watch.desk
    intake = sources.Intake(watch.business, watch.bridge, desk, TOPIC)
    return await sources.catch_up(db, intake, told, full=full)


async def rehearse(db: Database, watch: Watch, *, full: bool = False, progress: Progress | None = None) -> Forecast:
    """What ``scan`` would do now, without doing it: nothing is stored, logged or said. Raises SourceUnreadable."""
    forecast = Forecast({project.name: project for project in watch.desk.projects.values()})

    def told(reading: Reading, absorbed: Absorbed[Filed]) -> None:
        for filed in absorbed.facts:
            forecast.add(filed)
        if progress is not None:
            progress(reading.done, reading.total)

    desk = dataclasses.replace(watch.desk, manner=UNANSWERED)
    intake = sources.Intake(watch.business, watch.bridge, desk, TOPIC)
    forecast.messages = await sources.rehearse(db, intake, told, full=full)
    return forecast


async def name_senders(db: Database, watch: Watch, learnt: Mapping[str, str]) -> None:
    """Writes the phones of senders whose LIDs the bridge has learnt since their messages came."""

    async def write(conn: Conn) -> None:
        waiting = await sources.unresolved_lids(conn, watch.business.id)
        known = {lid: phone for lid, phone in learnt.items() if lid in waiting}
        if known:
            ids = await sources.resolve_senders(conn, watch.business.id, known)
            await project_store.name_senders(conn, watch.business.id, ids)
            await wakeups.wake_up(conn, TOPIC, watch.business.id)

    if learnt:
        await db.run("name senders", write)


@dataclass
class Keeper:
    """Keeps watching: polls the bridge, says how it is, and goes on trying whatever is wrong. One per process."""

    db: Database
    watch: Callable[[], Awaitable[Watch | None]]
    lids: Mapping[str, str] = field(default_factory=dict)
    beaten_at: float = 0.0
    problem: str | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Polls until ``stop`` is set. A fault lengthens the pause, up to fifteen seconds, and never ends the watch."""
        pause = 1.0
        while not stop.is_set():
            problem, seconds = await self._poll(stop)
            pause = min(pause * 2, LONGEST_PAUSE) if seconds is None else seconds
            self._tell(problem)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    async def _poll(self, stop: asyncio.Event) -> tuple[str | None, float | None]:
        """One look at the file; returns what is wrong, if anything, and the seconds to the next look if it was read."""
        watch: Watch | None = None
        try:
            watch = await self.watch()
            if watch is None:
                return None, IDLE_SECONDS
            await scan(self.db, watch, stop=stop)
            learnt = await watch.bridge.new_lids(self.lids)
            await name_senders(self.db, watch, learnt)
            self.lids = watch.bridge.lids
            await self._beat(watch, watch.mistake)
        except Interrupted:
            return None, IDLE_SECONDS
        except TallybookError as error:
            await self._beat(watch, error.message)
            return error.message, None
        except (DatabaseError, OSError) as error:
            problem = CANNOT_STORE.format(error=type(error).__name__)
            if self.db.is_away:
                # An outage may be long; what waited is filed within seconds of its end.
                return problem, AWAY_SECONDS
            await self._beat(watch, problem)
            return problem, None
        return watch.mistake, watch.poll_seconds

    async def _beat(self, watch: Watch | None, problem: str | None) -> None:
        """A sign of life every five seconds, with what the file holds; at once when something went wrong."""
        if problem == self.problem and time.monotonic() - self.beaten_at < BEAT_SECONDS:
            return
        details: dict[str, Any] = {"problem": problem} if problem else {"says": READING}
        if watch is not None:
            details["business_id"] = watch.business.id
        if watch is not None and problem is None:
            details |= told_of(await watch.bridge.report(), datetime.now(UTC))
        with suppress(DatabaseError):
            await self.db.run("beat", lambda conn: beat(conn, BRIDGE, details))
        self.beaten_at = time.monotonic()

    def _tell(self, problem: str | None) -> None:
        """Each fault is told once, and once more when it is over."""
        if problem and problem != self.problem:
            if not self.db.is_away:  # which was told already
                logger.error(problem)
        elif self.problem and not problem:
            logger.info("The bridge is being read again")
        self.problem = problem


def told_of(findings: Any, now: datetime) -> dict[str, Any]:
    """The bridge's findings as the health page shows them: numbers, times and sentences, never a message. Pure."""
    found: dict[str, Any] = msgspec.to_builtins(findings)
    told = {key: value for key, value in found.items() if isinstance(value, str | int | float) and value}
    if found.get("problems"):
        told["remarks"] = "\n".join(found["problems"])
    newest = findings.newest_at
    if newest is None or now - newest > SILENT:
        told["late"] = QUIET
    return told
