"""Which days a run of the sync covers, and which nights are missing: read from what was written, never from a log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tallybook.core import audit
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict
from tallybook.core.health import Check
from tallybook.core.schedules import Schedule, next_run
from tallybook.monitor.store import sharepoint_files as files
from tallybook.monitor.store import sharepoint_runs as runs
from tallybook.monitor.store.sharepoint_runs import Rhythm

SYNC = "monitor.sharepoint"
NOON = time(12)
BACK = 7  # days that a night brings up to date, its own among them: reviews are finished on the days after
FURTHEST = 31  # days within which a night that was missed is made up for
GRACE = timedelta(hours=1)
ONE_DAY = timedelta(days=1)


def nightly_of(business: Business) -> str:
    """The name of the nightly schedule; another business of the installation has none, and misses nothing."""
    return f"monitor.sharepoint nightly {business.id}"


def night_of(due: datetime, zone: ZoneInfo) -> date:
    """The day that a nightly run is for: a run in the small hours belongs to the day that has just ended. Pure."""
    local = due.astimezone(zone)
    return local.date() if local.time() >= NOON else local.date() - ONE_DAY


def days_of(night: date, known: Mapping[date, datetime | None], first: date | None) -> list[date]:
    """The days that a nightly run covers: its own, those before it, and whichever is not done yet. Pure.

    ``known`` says when each day was last done. Nothing before the first night is made up.
    """
    oldest = max(first or night, night - timedelta(days=FURTHEST - 1))
    days = [oldest + timedelta(days=n) for n in range((night - oldest).days)]
    recent = night - timedelta(days=BACK - 1)
    return [day for day in days if day >= recent or known.get(day) is None] + [night]


def last_due(rhythm: Rhythm, now: datetime) -> datetime | None:
    """The newest moment by which a night should have begun; None where none has come yet. Pure."""
    schedule = Schedule(SYNC, SYNC, rhythm.time_zone, rhythm.daily_at)
    due = next_run(schedule, now - timedelta(days=2))
    while (later := next_run(schedule, due)) <= now:
        due = later
    came = rhythm.next_at <= due or (rhythm.last_at is not None and rhythm.last_at >= due)
    return due if came and due <= now else None


def missing(
    due: datetime | None, zone: ZoneInfo, known: Mapping[date, datetime | None], first: date | None
) -> list[date]:
    """The nights that should be done and are not, oldest first. The newest must be done after it was due. Pure."""
    if due is None:
        return []
    night = night_of(due, zone)
    start = max(first or night, night - timedelta(days=FURTHEST - 1))
    earlier = [start + timedelta(days=n) for n in range((night - start).days)]
    late = [day for day in earlier if known.get(day) is None]
    done = known.get(night)
    return late if done is not None and done >= due else [*late, night]


async def missing_now(conn: Conn, business: Business, now: datetime) -> list[date] | None:
    """The nights that are missing; None where no nightly sync is set up."""
    rhythm = await runs.rhythm(conn, nightly_of(business))
    if rhythm is None:
        return None
    due = last_due(rhythm, now - GRACE)
    since = (due or now).date() - timedelta(days=FURTHEST + 1)
    known = await files.nights(conn, business.id, since)
    return missing(due, business.zone, known, await files.first_night(conn, business.id))


async def end(conn: Conn, business: Business, who: str) -> None:
    """Somebody wants no more nights. Raises Conflict while a nightly sync is set up."""
    if await runs.rhythm(conn, nightly_of(business)) is not None:
        raise Conflict("A nightly sync is set up. Take SharePoint's settings away first, and start the worker again.")
    await audit.record(conn, business.id, who, None, runs.ENDED, "sharepoint", "nights")


async def _unset(conn: Conn, business: Business) -> Check:
    """Where no nightly sync is set up: wrong after nights that came, until somebody says that it is meant so."""
    until = await files.last_night(conn, business.id)
    if until is None or await runs.was_ended(conn, business.id):
        return Check("sharepoint", "ok", "No nightly sync is set up.")
    facts: dict[str, str | int | float] = {"nights": until.isoformat()}
    return Check("sharepoint", "wrong", "It was written every night, and is not set up now.", None, facts)


async def checks(conn: Conn, business: Business, now: datetime) -> list[Check]:
    """The nights, and what people changed, where a nightly sync is set up, or was; nothing elsewhere."""
    nights = await missing_now(conn, business, now)
    conflicts = await files.conflicts(conn, business.id)
    if nights is None and not conflicts and await files.first_night(conn, business.id) is None:
        return []
    facts: dict[str, str | int | float] = {"conflicts": conflicts}
    found = [Check("sharepoint", "ok", "Every night is there.") if nights is not None else await _unset(conn, business)]
    if nights:
        facts["nights"] = ", ".join(night.isoformat() for night in nights[-3:])
        says = _counted(len(nights), "night is", "nights are", "missing there.")
        found = [Check("sharepoint", "wrong", says, None, facts)]
    if conflicts:
        says = _counted(conflicts, "entry was", "entries were", "changed by a person there.")
        found.append(Check("sharepoint-conflicts", "late", says, None, {"conflicts": conflicts}))
    return found


def _counted(count: int, one: str, many: str, what: str) -> str:
    return f"{count} {one if count == 1 else many} {what}"
