"""Schedules: by the wall clock of a time zone, or at a steady beat; after an outage one late run for all those missed.

Any number of workers may tick at once. The row is locked while its job is made, and the job's key is the due moment:
one job for each, in one transaction with the move to the next moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from . import keys, wall_clock
from .db import Conn, Database
from .jobs import NewJob, enqueue
from .standing import Rhythm, again_and_again

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATE = timedelta(minutes=1)


class Schedule(msgspec.Struct, frozen=True):
    """When a job of ``kind`` is due: at ``daily_at`` by the clocks of ``time_zone``, or every ``every_seconds``.

    Exactly one of the two is given. A beat keeps to whole multiples since 1970, so that a late run shifts nothing.
    """

    name: str
    kind: str
    time_zone: str = "UTC"
    daily_at: time | None = None
    every_seconds: int | None = None


def next_run(schedule: Schedule, after: datetime) -> datetime:
    """The first due moment later than ``after`` (which knows its zone), in UTC. Pure.

    A wall-clock time that does not exist that day is due when the clocks have jumped; one that happens twice, the first
    time only.
    """
    if schedule.every_seconds is not None:
        every = timedelta(seconds=schedule.every_seconds)
        return EPOCH + ((after - EPOCH) // every + 1) * every
    if schedule.daily_at is None:
        raise ValueError(f"the schedule {schedule.name} has no rhythm")
    zone = ZoneInfo(schedule.time_zone)
    day = after.astimezone(zone).date() - timedelta(days=1)
    while (due := wall_clock.instant(datetime.combine(day, schedule.daily_at), zone)) <= after:
        day += timedelta(days=1)
    return due


# An unchanged rhythm keeps its next moment: a restart neither skips a run nor repeats one.
DECLARE = f"""
insert into schedules as s (name, kind, time_zone, daily_at, every_seconds, next_at)
values (%(name)s, %(kind)s, %(time_zone)s, %(daily_at)s::time, %(every_seconds)s::int, %(next_at)s::timestamptz)
on conflict {keys.SCHEDULE.target} do update set
    kind = excluded.kind, time_zone = excluded.time_zone, daily_at = excluded.daily_at,
    every_seconds = excluded.every_seconds,
    next_at = case
        when (s.time_zone, s.daily_at, s.every_seconds)
            is not distinct from (excluded.time_zone, excluded.daily_at, excluded.every_seconds) then s.next_at
        else excluded.next_at end
"""
FORGET = "delete from schedules where name <> all(%(names)s::text[])"
NOW = "select now()"


async def declare(conn: Conn, schedules: Sequence[Schedule]) -> None:
    """Makes the table say what the code says: the whole list, in whose order nothing lies."""
    now = await _now(conn)
    for schedule in sorted(schedules, key=lambda schedule: schedule.name):
        values = msgspec.structs.asdict(schedule) | {"next_at": next_run(schedule, now)}
        await conn.execute(DECLARE, values)
    await conn.execute(FORGET, {"names": [schedule.name for schedule in schedules]})


async def _now(conn: Conn) -> datetime:
    row = await (await conn.execute(NOW)).fetchone()
    return row[0] if row else datetime.now(UTC)


DUE = """
select name, kind, time_zone, daily_at, every_seconds, next_at from schedules
where next_at <= %(now)s::timestamptz order by name for update skip locked
"""
MOVE = "update schedules set next_at = %(next_at)s::timestamptz, last_at = %(now)s::timestamptz where name = %(name)s"


async def tick(conn: Conn, now: datetime | None = None) -> int:
    """Makes the job of each schedule that is due, and moves it on. Returns how many were due.

    ``now`` None means the database's clock. The job's args say ``due``, and ``late_seconds`` where the run is over a
    minute late; then it stands for every run that was missed since.
    """
    now = now or await _now(conn)
    rows = await (await conn.execute(DUE, {"now": now})).fetchall()
    wanted = [_job(Schedule(*row[:5]), row[5], now) for row in rows]
    await enqueue(conn, wanted)
    for row in rows:
        await conn.execute(MOVE, {"name": row[0], "now": now, "next_at": next_run(Schedule(*row[:5]), now)})
    return len(rows)


def _job(schedule: Schedule, due: datetime, now: datetime) -> NewJob:
    moment = due.astimezone(UTC).isoformat()
    late = {"late_seconds": round((now - due).total_seconds())} if now - due > LATE else {}
    return NewJob(schedule.kind, f"{schedule.name}:{moment}", {"schedule": schedule.name, "due": moment, **late})


async def run_schedules(db: Database, stop: asyncio.Event, beat: float = 1.0) -> None:
    """Ticks every ``beat`` seconds until ``stop`` is set, through outages of the database too."""
    await again_and_again(db, Rhythm(stop, beat), lambda: db.run("tick", tick), "Schedules stand still")
