"""What people see of SharePoint and decide about it: each day, each conflict, each run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from tallybook.channels.sharepoint.types import ItemKey
from tallybook.core import audit
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict
from tallybook.core.health import Check
from tallybook.core.jobs import NewJob, enqueue
from tallybook.monitor.store import sharepoint as items
from tallybook.monitor.store import sharepoint_files as files
from tallybook.monitor.store import sharepoint_runs as runs
from tallybook.monitor.store.sharepoint import Item
from tallybook.monitor.store.sharepoint_files import File
from tallybook.monitor.store.sharepoint_runs import Rhythm, Run

from . import sharepoint_nights as nights

PAGE_DAYS = 14
PAGE_RUNS = 10


class Day(msgspec.Struct, frozen=True):
    """A day on SharePoint: its workbook and its projects' items."""

    day: date
    file: File
    items: list[Item]


class Board(msgspec.Struct, frozen=True):
    """A page. ``check`` is None where no night is set up or ever was; ``older`` leads to the next page."""

    check: Check | None
    rhythm: Rhythm | None
    days: list[Day]
    older: date | None
    runs: list[Run]


async def board(conn: Conn, business: Business, now: datetime, before: date | None) -> Board:
    """The newest days, or those before one."""
    known = await files.shown(conn, business.id, before, PAGE_DAYS + 1)
    found = await items.shown(conn, business.id, before, PAGE_DAYS)
    checks = await nights.checks(conn, business, now)
    return Board(
        checks[0] if checks else None,
        await runs.rhythm(conn, nights.nightly_of(business)),
        _days(known[:PAGE_DAYS], found),
        known[PAGE_DAYS - 1].day if len(known) > PAGE_DAYS else None,
        await runs.recent(conn, business.id, PAGE_RUNS),
    )


def _days(known: Sequence[File], found: Sequence[Item]) -> list[Day]:
    return [Day(file.day, file, [item for item in found if item.day == file.day]) for file in known]


async def ask(conn: Conn, caller: Caller, day: date) -> None:
    """Has a day written by the worker. For leads and admins."""
    require(caller, Right.LEAD)
    await _enqueue(conn, caller, day)
    await _record(conn, caller, "sharepoint.asked", day, "")


async def _enqueue(conn: Conn, caller: Caller, day: date) -> None:
    args = {"day": day.isoformat(), "asked_by": caller.name}
    await enqueue(conn, [NewJob(nights.SYNC, args=args, business_id=caller.business_id)])


class Decision(msgspec.Struct, frozen=True):
    """What a person decided about a conflict that they saw. ``project`` None is the day's workbook.

    ``etag`` is the version that was shown, empty for what was deleted.
    """

    day: date
    project: str | None
    etag: str
    ours: bool


async def decide(conn: Conn, caller: Caller, decision: Decision) -> None:
    """Ours is written over that version and no later one, or theirs stays. Raises Conflict where it changed since."""
    require(caller, Right.LEAD)
    business_id, day, project = caller.business_id, decision.day, decision.project
    if project is None:
        done = await files.decide(conn, business_id, day, decision.etag, ours=decision.ours)
    else:
        done = await items.decide(conn, business_id, ItemKey(day, project), decision.etag, ours=decision.ours)
    if not done:
        raise Conflict("This changed since it was shown. Look at it again.")
    await _record(conn, caller, "sharepoint.ours" if decision.ours else "sharepoint.theirs", day, project or "")
    if decision.ours:
        await _enqueue(conn, caller, day)


async def _record(conn: Conn, caller: Caller, action: str, day: date, project: str) -> None:
    subject_id = f"{day.isoformat()} {project}".strip()
    await audit.record_by(conn, caller, action, "sharepoint", subject_id)
