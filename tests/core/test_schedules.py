"""A schedule runs once for each due moment, by the clocks of its own zone, and catches up after an outage."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallybook.core.db import Conn, Database
from tallybook.core.schedules import Schedule, declare, next_run, run_schedules, tick

ZONES = ("Africa/Johannesburg", "Asia/Jerusalem", "Europe/London", "America/New_York", "Australia/Lord_Howe", "UTC")


def daily(at: str, zone: str = "UTC", name: str = "nightly") -> Schedule:
    return Schedule(name, "sync", zone, time.fromisoformat(at))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "after", "due"),
    [
        (daily("02:00", "Africa/Johannesburg"), "2026-01-01 00:00", "2026-01-02 00:00"),
        (daily("02:00", "Africa/Johannesburg"), "2025-12-31 23:59:59", "2026-01-01 00:00"),
        # London's clocks jump from 01:00 to 02:00 on 29 March 2026: what was due at 01:30 is due at the jump.
        (daily("01:30", "Europe/London"), "2026-03-28 12:00", "2026-03-29 01:00"),
        (daily("01:30", "Europe/London"), "2026-03-29 01:00", "2026-03-30 00:30"),
        # They show 01:30 twice on 25 October 2026: the first counts.
        (daily("01:30", "Europe/London"), "2026-10-24 12:00", "2026-10-25 00:30"),
        (daily("01:30", "Europe/London"), "2026-10-25 00:30", "2026-10-26 01:30"),
        (daily("02:15", "Australia/Lord_Howe"), "2026-10-03 10:00", "2026-10-03 15:30"),
        # Samoa had no 30 December 2011 at all.
        (daily("09:00", "Pacific/Apia"), "2011-12-29 20:00", "2011-12-30 10:00"),
        (Schedule("beat", "sync", every_seconds=300), "2026-01-01 00:00", "2026-01-01 00:05"),
        (Schedule("beat", "sync", every_seconds=300), "2026-01-01 00:04:59.9", "2026-01-01 00:05"),
    ],
)
def test_the_next_run_is_the_next_time_the_clocks_show_it(schedule: Schedule, after: str, due: str) -> None:
    assert next_run(schedule, utc(after)) == utc(due)


@given(
    st.sampled_from(ZONES),
    st.times().map(lambda at: at.replace(microsecond=0)),
    st.integers(1_577_836_800, 2_051_222_400).map(lambda second: datetime.fromtimestamp(second, UTC)),
)
def test_there_is_one_run_for_each_day_in_every_zone(zone: str, at: time, after: datetime) -> None:
    schedule = Schedule("s", "sync", zone, at)
    first = next_run(schedule, after)
    second = next_run(schedule, first)
    assert after < first <= after + timedelta(hours=26)
    assert timedelta(hours=22) <= second - first <= timedelta(hours=26)


async def jobs_made(conn: Conn) -> list[tuple[str, dict[str, Any]]]:
    return await (await conn.execute("select key, args from jobs order by id")).fetchall()


async def due_at(conn: Conn, name: str, moment: datetime) -> None:
    await conn.execute("update schedules set next_at = %s where name = %s", (moment, name))


async def next_at(conn: Conn) -> dict[str, datetime]:
    return dict(await (await conn.execute("select name, next_at from schedules")).fetchall())


async def test_a_due_schedule_makes_one_job_and_moves_on(conn: Conn) -> None:
    await declare(conn, [daily("02:00", "Africa/Johannesburg")])
    await due_at(conn, "nightly", utc("2026-01-01 00:00"))
    assert await tick(conn, utc("2025-12-31 23:59:59")) == 0
    assert await tick(conn, utc("2026-01-01 00:00:01")) == 1
    assert await tick(conn, utc("2026-01-01 00:00:02")) == 0
    moment = "2026-01-01T00:00:00+00:00"
    assert await jobs_made(conn) == [(f"nightly:{moment}", {"schedule": "nightly", "due": moment})]
    assert await next_at(conn) == {"nightly": utc("2026-01-02 00:00")}


async def test_after_an_outage_one_late_run_stands_for_all_those_missed(conn: Conn) -> None:
    await declare(conn, [daily("02:00"), Schedule("beat", "sync", every_seconds=60)])
    await due_at(conn, "nightly", utc("2026-01-01 02:00"))
    await due_at(conn, "beat", utc("2026-01-01 02:00"))
    back = utc("2026-01-04 03:00:30")
    assert await tick(conn, back) == 2
    assert [args["late_seconds"] for _, args in await jobs_made(conn)] == [3 * 86400 + 3630] * 2
    assert await next_at(conn) == {"nightly": utc("2026-01-05 02:00"), "beat": utc("2026-01-04 03:01")}
    assert await tick(conn, back) == 0


async def test_eight_workers_ticking_at_once_make_exactly_one_job(db: Database) -> None:
    await db.run("declare", lambda conn: declare(conn, [daily("02:00")]))
    await db.run("due", lambda conn: due_at(conn, "nightly", utc("2026-01-01 02:00")))
    now = utc("2026-01-01 02:00:01")
    await asyncio.gather(*(db.run("tick", lambda conn: tick(conn, now)) for _ in range(8)))
    assert len(await db.run("look", jobs_made)) == 1


async def test_a_restart_keeps_the_next_run_unless_the_rhythm_changed(conn: Conn) -> None:
    missed = utc("2026-01-01 02:00")
    await declare(conn, [daily("02:00"), daily("02:00", name="moved"), daily("02:00", name="gone")])
    for name in ("nightly", "moved"):
        await due_at(conn, name, missed)
    await declare(conn, [daily("02:00"), daily("03:00", name="moved")])
    kept = await next_at(conn)
    assert kept["nightly"] == missed
    assert kept["moved"] > missed
    assert "gone" not in kept


async def test_the_clock_goes_on_until_it_is_stopped(db: Database) -> None:
    await db.run("declare", lambda conn: declare(conn, [daily("02:00")]))
    await db.run("due", lambda conn: due_at(conn, "nightly", utc("2026-01-01 02:00")))
    stop = asyncio.Event()
    ticking = asyncio.create_task(run_schedules(db, stop, beat=0.01))
    async with asyncio.timeout(20):
        while not await db.run("look", jobs_made):
            await asyncio.sleep(0.01)  # what becomes of a row is told to nobody
    stop.set()
    await ticking
