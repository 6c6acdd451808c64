"""Reading the calendars that people's absences follow: every five minutes those that are due, by any worker."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from prometheus_client import Counter

from tallybook.channels.webhook_out.reading import Unreadable
from tallybook.core.db import Conn
from tallybook.core.errors import WrongSetup
from tallybook.core.jobs import Held
from tallybook.core.schedules import Schedule
from tallybook.core.sealing import Seal

from . import calendar_spans
from .calendar_spans import NoCalendar
from .service import calendars
from .service.schedules import Schedules
from .store import looks
from .store.calendars import Due

FOLLOW = calendars.FOLLOW
EVERY_SECONDS = 300
AT_ONCE = 2

read = Counter("tallybook_calendars_read_total", "Readings of calendars that absences follow, by outcome.", ["outcome"])


class Reads(Protocol):
    """Who reads a web address. Raises Unreadable."""

    async def read(self, url: str) -> bytes: ...


def schedules() -> list[Schedule]:
    """When calendars are looked for that are due."""
    return [Schedule("triage.calendars", FOLLOW, every_seconds=EVERY_SECONDS)]


@dataclass(frozen=True)
class Follower:
    """Follows the calendars of every business."""

    seal: Seal
    reads: Reads
    rotas: Schedules

    async def run_job(self, held: Held) -> None:
        """The job: may be repeated, and by several at once."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._lane(held))
        await held.db.run("finish reading calendars", held.finish)

    async def _lane(self, held: Held) -> None:
        while (due := await held.db.run("claim a calendar", self._claim)) is not None:
            try:
                await self._one(held, due)
                read.labels("read").inc()
            except (Unreadable, NoCalendar, WrongSetup) as error:
                why = "sealed" if isinstance(error, WrongSetup) else str(error)
                await held.db.run("record a calendar", partial(self._missed, due, why))
                read.labels("unreadable").inc()

    @staticmethod
    async def _claim(conn: Conn) -> Due | None:
        return await calendars.claim(conn, await looks.clock(conn))

    async def _one(self, held: Held, due: Due) -> None:
        async def ask(conn: Conn) -> calendar_spans.Asked:
            return await calendars.asked_of(conn, due, await looks.clock(conn))

        asked = await held.db.run("ask for a calendar", ask)
        found = await calendar_spans.read(await self.reads.read(self.seal.open(due.address)), asked)

        async def follow(conn: Conn) -> None:
            await calendars.follow(conn, due, asked, found, await looks.clock(conn))

        await held.db.run("follow a calendar", follow)

    async def _missed(self, due: Due, why: str, conn: Conn) -> None:
        await calendars.missed(conn, self.rotas, due, why, await looks.clock(conn))
