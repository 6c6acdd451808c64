"""Which days a night brings up to date, which nights are missing, and what worker and health make of it."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tallybook import sharepoint_link, worker
from tallybook.app import App, open_app
from tallybook.channels.sharepoint.types import ItemKey
from tallybook.core import alarms, jobs, schedules
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Conflict, Invalid, WrongSetup
from tallybook.core.health import Check
from tallybook.core.jobs import NewJob
from tallybook.core.schedules import Schedule
from tallybook.core.work import RetryLater
from tallybook.monitor.service import sharepoint_nights as nights
from tallybook.monitor.service.sharepoint import Sync, refuse_twins
from tallybook.monitor.store import sharepoint_files as files
from tallybook.monitor.store import sharepoint_runs as runs
from tallybook.monitor.store.sharepoint_runs import Rhythm
from tallybook.settings import Settings
from tests import world
from tests.graph.server import FakeGraph, Fault
from tests.monitor.sharepoint.conftest import DAY, TOLD, Syncing, numbers
from tests.monitor.sharepoint.test_trouble import writing

ZONE = ZoneInfo("Africa/Johannesburg")
DUE = datetime(2025, 12, 2, 18, tzinfo=UTC)  # 20:00 in Johannesburg
DONE = DUE + timedelta(minutes=1)


def day(number: int) -> date:
    return date(2025, 12, number)


def test_a_night_before_noon_belongs_to_the_day_that_has_just_ended() -> None:
    assert nights.night_of(DUE, ZONE) == day(2)
    assert nights.night_of(datetime(2025, 12, 2, 21, 59, tzinfo=UTC), ZONE) == day(2)
    assert nights.night_of(datetime(2025, 12, 2, 22, 30, tzinfo=UTC), ZONE) == day(2)
    assert nights.night_of(datetime(2025, 12, 3, 9, 59, tzinfo=UTC), ZONE) == day(2)
    assert nights.night_of(datetime(2025, 12, 3, 10, 0, tzinfo=UTC), ZONE) == day(3)


def test_a_night_brings_a_week_up_to_date_and_makes_up_for_what_was_missed_within_a_month() -> None:
    assert nights.days_of(day(20), {}, None) == [day(20)]
    known = {day(number): DONE for number in range(1, 20)}
    assert nights.days_of(day(20), known, day(1)) == [day(number) for number in range(14, 21)]
    assert nights.days_of(day(20), known | {day(3): None}, day(1)) == [day(3), *(day(n) for n in range(14, 21))]
    assert nights.days_of(day(3), known, day(2)) == [day(2), day(3)]
    assert len(nights.days_of(day(20) + timedelta(days=365), known, day(1))) == 31


def rhythm(**different: object) -> Rhythm:
    usual = {"time_zone": ZONE.key, "daily_at": time(20), "next_at": DUE + timedelta(days=1), "last_at": DUE}
    return Rhythm(**(usual | different))


def test_a_night_is_due_when_its_moment_has_come_whether_the_worker_was_there_or_not() -> None:
    assert nights.last_due(rhythm(), DUE + timedelta(hours=5)) == DUE
    assert nights.last_due(rhythm(), DUE - timedelta(seconds=1)) == DUE - timedelta(days=1)
    # Set up an hour after its time of day: the first night is tomorrow's.
    assert nights.last_due(rhythm(last_at=None), DUE + timedelta(hours=5)) is None
    # The worker has been away since yesterday.
    away = rhythm(next_at=DUE, last_at=DUE - timedelta(days=1))
    assert nights.last_due(away, DUE + timedelta(hours=5)) == DUE


def test_yesterday_s_success_does_not_stand_for_tonight() -> None:
    """The old watchdog searched a log without looking at its times."""
    known = {day(1): DUE - timedelta(days=1), day(2): None}
    assert nights.missing(DUE, ZONE, known, day(1)) == [day(2)]
    assert nights.missing(DUE, ZONE, {day(1): DONE}, day(1)) == [day(2)]
    assert nights.missing(DUE, ZONE, known | {day(2): DUE - timedelta(hours=8)}, day(1)) == [day(2)]
    assert nights.missing(DUE, ZONE, known | {day(2): DONE}, day(1)) == []
    assert nights.missing(DUE, ZONE, {day(2): DONE}, None) == []
    assert nights.missing(None, ZONE, {}, None) == []


def test_a_day_in_the_middle_that_was_never_done_is_missing_too() -> None:
    known = {day(number): DONE for number in range(1, 21)} | {day(7): None}
    assert nights.missing(DUE + timedelta(days=18), ZONE, known | {day(20): DONE + timedelta(days=18)}, day(1)) == [
        day(7)
    ]


def test_projects_that_sharepoint_cannot_tell_apart_are_refused_by_name() -> None:
    refuse_twins([ItemKey(DAY, "Lawley"), ItemKey(DAY, "Mohadin"), ItemKey(day(3), "Lawley")])
    with pytest.raises(Invalid, match="“LAWLEY” and “Lawley”"):
        refuse_twins([ItemKey(DAY, "Lawley"), ItemKey(DAY, "LAWLEY")])


async def test_health_and_an_alarm_say_which_night_is_missing_and_are_silent_where_no_sync_is_set_up(
    db: Database, home: Business, sync: Syncing
) -> None:
    async def look(now: datetime) -> list[tuple[str, str]]:
        return [(one.state, one.says) for one in await db.run("look", lambda conn: nights.checks(conn, home, now))]

    now = datetime.now(UTC)
    assert await look(now) == []
    wall = (now - timedelta(hours=3)).time().replace(microsecond=0)
    nightly = Schedule(nights.nightly_of(home), nights.SYNC, "UTC", daily_at=wall)
    await db.run("declare", lambda conn: schedules.declare(conn, [nightly]))
    assert await look(now) == [("ok", "Every night is there.")]
    assert await look(now + timedelta(days=1)) == [("wrong", "1 night is missing there.")]
    missing = await db.run("look", lambda conn: nights.checks(conn, home, now + timedelta(days=1)))
    assert [trouble.name for trouble in alarms.troubles(missing, [])] == ["sharepoint"]
    other = await db.run("add", world.kinneret_tours)
    assert await db.run("look", lambda conn: nights.checks(conn, other, now + timedelta(days=1))) == []
    await sync(nights.night_of(now + timedelta(hours=21), home.zone), nightly=True)
    later = now + timedelta(days=1)
    assert await look(later) == [("wrong", "1 night is missing there.")]  # done before it was due: the day was not over


async def test_nights_that_came_and_are_not_set_up_any_more_are_wrong_until_somebody_ends_them(
    db: Database, home: Business, sync: Syncing
) -> None:
    """A setting that got lost in an update took the schedule with it, and nobody was told for weeks."""
    await sync(DAY, nightly=True)

    async def look() -> list[Check]:
        return await db.run("look", lambda conn: nights.checks(conn, home, DUE + timedelta(days=300)))

    (found,) = await look()
    assert (found.state, found.says) == ("wrong", "It was written every night, and is not set up now.")
    assert found.facts["nights"] == DAY.isoformat()
    assert [trouble.name for trouble in alarms.troubles([found], [])] == ["sharepoint"]
    await db.run("end", lambda conn: nights.end(conn, home, "Ana Mokoena"))
    assert [(one.state, one.says) for one in await look()] == [("ok", "No nightly sync is set up.")]
    await sync(DAY + timedelta(days=1), nightly=True)  # set up again, and lost again
    assert [one.state for one in await look()] == ["wrong"]
    nightly = Schedule(nights.nightly_of(home), nights.SYNC, "UTC", daily_at=time(20))
    await db.run("declare", lambda conn: schedules.declare(conn, [nightly]))
    with pytest.raises(Conflict, match="Take SharePoint's settings away first"):
        await db.run("end", lambda conn: nights.end(conn, home, "Ana Mokoena"))


async def test_a_day_asked_for_alone_makes_no_night_before_it_missing(
    db: Database, home: Business, sync: Syncing
) -> None:
    await sync(DAY)
    assert await db.run("look", lambda conn: nights.checks(conn, home, DUE)) == []
    await sync(DAY + timedelta(days=9), nightly=True)
    known = await db.run("nights", lambda conn: files.nights(conn, home.id, DAY))
    assert list(known) == [DAY, DAY + timedelta(days=9)]


async def nightly_job(app: App, due: datetime) -> None:
    await app.db.run(
        "ask", lambda conn: jobs.enqueue(conn, [NewJob(nights.SYNC, due.isoformat(), {"due": due.isoformat()})])
    )


async def test_the_worker_runs_a_night_that_was_due_while_it_was_away_and_writes_its_date_not_today_s(
    db: Database, home: Business, settings: Settings, fake: FakeGraph
) -> None:
    async with open_app(settings) as app:
        await nightly_job(app, DUE)
        stop = asyncio.Event()
        working = asyncio.create_task(worker.work(app, stop))
        async with asyncio.timeout(30):
            while len(fake.tenant.library.files) == 0 or (await last_run(db, home)).state == "running":
                await asyncio.sleep(0.05)  # what becomes of a row is told to nobody
        stop.set()
        await working
    assert numbers(fake) == TOLD
    assert (await last_run(db, home)).day == DAY


async def last_run(db: Database, home: Business) -> runs.Run:
    return (await db.run("runs", lambda conn: runs.recent(conn, home.id)))[0]


async def test_the_nightly_schedule_is_declared_in_production_alone_and_at_the_file_s_time(
    settings: Settings, db: Database, home: Business
) -> None:
    (found,) = sharepoint_link.schedules(settings, home, time(21, 15))
    assert (found.daily_at, found.time_zone) == (time(21, 15), ZONE.key)
    assert sharepoint_link.schedules(dataclasses.replace(settings, env="dev"), home, time(20)) == []
    assert sharepoint_link.schedules(Settings.load({}, Path()), home, time(20)) == []


async def test_no_other_environment_can_have_a_sync(db: Database, home: Business, settings: Settings) -> None:
    with pytest.raises(WrongSetup, match="Only production"):
        Sync(dataclasses.replace(db, environment="dev"), home, None)
    with pytest.raises(WrongSetup, match="this is dev"):
        async with sharepoint_link.library(dataclasses.replace(settings, env="dev")):
            pass


async def test_two_runs_at_once_are_one_and_a_refusal(sync: Syncing, fake: FakeGraph, db: Database) -> None:
    held = fake.fault(Fault("hold", when=writing))
    first = asyncio.create_task(sync())
    assert await asyncio.to_thread(held.held.wait, 10)
    with pytest.raises(Conflict, match="running already"):
        await sync()
    held.let_go.set()
    assert (await first).written == len(TOLD) + 1
    assert numbers(fake) == TOLD


async def test_a_failed_night_comes_again_when_sharepoint_says_and_its_reason_stays(
    app_of: App, fake: FakeGraph, home: Business, db: Database
) -> None:
    fake.fault(Fault("refuse", when=writing, status=429, retry_after="3600"))
    held = await held_job(app_of)
    with pytest.raises(RetryLater) as later:
        await sharepoint_link.run_job(app_of, held)
    assert later.value.delay == pytest.approx(3600, abs=5)
    run = await last_run(db, home)
    assert (run.state, run.reason) == ("failed", "SharePoint asked us to wait.")


@pytest.fixture
def app_of(db: Database, settings: Settings) -> App:
    return App(settings, db, [b"k" * 32], None)


async def held_job(app: App) -> jobs.Held:
    await nightly_job(app, DUE)
    (held,) = await jobs._claim(app.db, (nights.SYNC,), jobs.Pace(), 1)
    return held


async def test_the_end_of_a_run_and_of_its_job_are_one_transaction(
    app_of: App, fake: FakeGraph, home: Business, db: Database
) -> None:
    held = await held_job(app_of)
    await sharepoint_link.run_job(app_of, held)

    async def states(conn: Conn) -> list[tuple[str, ...]]:
        found = await conn.execute(b"select (select state from jobs), (select state from sharepoint_runs)")
        return await found.fetchall()

    assert await db.run("states", states) == [("done", "done")]


async def test_what_a_person_changed_is_not_hidden_by_a_night_that_is_missing(
    db: Database, home: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    wall = (now - timedelta(hours=3)).time().replace(microsecond=0)
    nightly = Schedule(nights.nightly_of(home), nights.SYNC, "UTC", daily_at=wall)
    await db.run("declare", lambda conn: schedules.declare(conn, [nightly]))

    async def two(*_: object) -> int:
        return 2

    monkeypatch.setattr(nights.files, "conflicts", two)
    found = await db.run("look", lambda conn: nights.checks(conn, home, now + timedelta(days=1)))
    assert [(one.name, one.state) for one in found] == [("sharepoint", "wrong"), ("sharepoint-conflicts", "late")]
