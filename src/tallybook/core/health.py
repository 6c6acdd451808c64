"""What is connected, how fresh it is and how far behind: measured, never inferred from a process being alive.

Judging is pure; ``report`` gathers the facts and survives a database that is away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
import psycopg
from psycopg_pool import PoolTimeout

from .db import Conn, Database

State = Literal["ok", "late", "wrong"]

BEAT_LATE = timedelta(seconds=30)
WAITING_LATE = timedelta(minutes=2)
DATABASE_WAIT = 3.0  # seconds


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at. ``since`` is when it was last well, or last heard of."""

    name: str
    state: State
    says: str
    since: datetime | None = None
    facts: dict[str, str | int | float] = {}


class HealthReport(msgspec.Struct, frozen=True):
    """All checks, and one sentence for whoever only reads the first line."""

    sentence: str
    state: State
    checks: list[Check]


class Backlog(msgspec.Struct, frozen=True):
    """What waits, what is parked and what may or may not have been sent, over all tables of work."""

    waiting: int
    oldest: datetime | None
    parked_deliveries: int
    parked_jobs: int
    parked_messages: int
    parked_outgoing: int
    unknown: int
    violations: int

    @property
    def parked(self) -> int:
        return self.parked_deliveries + self.parked_jobs + self.parked_messages + self.parked_outgoing


class Beat(msgspec.Struct, frozen=True):
    """The last sign of life of a process or a reader."""

    name: str
    at: datetime
    details: dict[str, Any]


BACKLOG = """
select
    (select count(*) from deliveries where state = 'waiting' and not_before <= %(now)s)
        + (select count(*) from jobs where state = 'waiting' and not_before <= %(now)s)
        + (select count(*) from outbox where state = 'waiting' and not_before <= %(now)s),
    least(
        (select min(not_before) from deliveries where state = 'waiting'),
        (select min(not_before) from jobs where state = 'waiting'),
        (select min(not_before) from outbox where state = 'waiting')),
    (select count(*) from deliveries where state = 'parked'),
    (select count(*) from jobs where state = 'parked'),
    (select count(*) from messages where parked_reason is not null),
    (select count(*) from outbox where state = 'parked'),
    (select count(*) from outbox where state = 'unknown'),
    (select count(*) from constraint_violations where at > %(now)s - interval '7 days')
"""
BEATS = "select name, at, details from heartbeats order by name"


async def gather(conn: Conn, now: datetime) -> tuple[Backlog, list[Beat]]:
    """The facts of the work tables and the last signs of life."""
    row = await (await conn.execute(BACKLOG, {"now": now})).fetchone()
    if row is None:
        raise AssertionError("an aggregate without a row")
    beats = [Beat(*one) for one in await (await conn.execute(BEATS)).fetchall()]
    return Backlog(*row), beats


async def report(db: Database, now: datetime, extra: Sequence[Check] = ()) -> HealthReport:
    """Looks at the database and judges what it holds; ``extra`` are checks that the caller has made itself."""
    begun = time.perf_counter()
    try:
        async with asyncio.timeout(DATABASE_WAIT), db.transaction() as conn:
            backlog, beats = await gather(conn, now)
    except (TimeoutError, PoolTimeout, psycopg.Error):
        away = Check(
            "database", "wrong", "The database cannot be reached. Nothing is lost: work waits until it is back."
        )
        return summed_up([away, *extra])
    latency = round((time.perf_counter() - begun) * 1000, 1)
    database = Check("database", "ok", "Connected.", now, {"latency_ms": latency})
    return summed_up([database, *judge_beats(beats, now), *judge_backlog(backlog, now), *extra])


def judge_beats(beats: Sequence[Beat], now: datetime) -> list[Check]:
    """Who has not been heard of is late, or says so itself; who cannot work is wrong."""
    checks = [] if beats else [Check("worker", "wrong", "No worker has ever run here. Start one with: tallybook work")]
    for beat in beats:
        facts = {key: value for key, value in beat.details.items() if isinstance(value, str | int | float)}
        problem, late = facts.pop("problem", None), facts.pop("late", None)
        if problem:
            checks.append(Check(beat.name, "wrong", str(problem), beat.at, facts))
        elif now - beat.at > BEAT_LATE:
            checks.append(Check(beat.name, "late", "Not heard of for a while. Is its process running?", beat.at, facts))
        else:
            says = str(late or facts.pop("says", "Working."))
            checks.append(Check(beat.name, "late" if late else "ok", says, beat.at, facts))
    return checks


def judge_backlog(backlog: Backlog, now: datetime) -> list[Check]:
    """Waiting work is fine while it moves; parked and unknown items want a person."""
    behind = backlog.oldest is not None and now - backlog.oldest > WAITING_LATE
    waiting: State = "late" if backlog.waiting and behind else "ok"
    parked: dict[str, str | int | float] = {
        "messages": backlog.parked_messages,
        "deliveries": backlog.parked_deliveries,
        "jobs": backlog.parked_jobs,
        "outgoing": backlog.parked_outgoing,
    }
    aside: State = "wrong" if backlog.parked else "ok"
    unknown: State = "late" if backlog.unknown else "ok"
    refused: State = "wrong" if backlog.violations else "ok"
    return [
        Check("waiting", waiting, _counted(backlog.waiting, "item waits", "items wait"), backlog.oldest),
        Check("parked", aside, _counted(backlog.parked, "item is parked", "items are parked"), None, parked),
        Check(
            "unknown",
            unknown,
            _counted(backlog.unknown, "sending ended without an answer", "sendings ended without an answer"),
        ),
        Check(
            "constraints",
            refused,
            _counted(
                backlog.violations,
                "unexpected refusal by the database this week",
                "unexpected refusals by the database this week",
            ),
        ),
    ]


def summed_up(checks: list[Check]) -> HealthReport:
    """The first line: what is held, and what wants a person."""
    wrong = [check for check in checks if check.state == "wrong"]
    late = [check for check in checks if check.state == "late"]
    if not wrong and not late:
        return HealthReport("Everything is held.", "ok", checks)
    trouble = " ".join(f"{check.name.capitalize()}: {check.says}" for check in wrong + late)
    return HealthReport(trouble, "wrong" if wrong else "late", checks)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count or 'No'} {one if count == 1 else many}."
