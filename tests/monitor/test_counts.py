"""What each register takes in, and a day that is out of its own rhythm."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from prometheus_client import REGISTRY

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.monitor import register_jobs
from tallybook.monitor.service import counts
from tallybook.monitor.service.counts import judge
from tallybook.monitor.store import registers
from tallybook.monitor.store.counts import RegisterDay
from tallybook.monitor.store.registers import Run
from tallybook.monitor.types import Kind
from tests.monitor.desk import LAWLEY, MARKETING, file, open_for, said

DAY = date(2025, 12, 2)


def weeks(project: str, drops: Mapping[int, int], register: Kind = Kind.QA) -> list[RegisterDay]:
    """Counts by weeks before the day; 0 is the day itself."""
    return [RegisterDay(project, DAY - timedelta(weeks=week), register, count, count) for week, count in drops.items()]


def states(*days: RegisterDay, since: date = date(2025, 1, 1)) -> dict[str, str]:
    first = {day.project: since for day in days}
    return {check.name: check.state for check in judge(days, first, DAY)}


USUAL = dict.fromkeys(range(1, 9), 40)


def test_a_day_is_held_against_the_same_weekdays_of_eight_weeks() -> None:
    for drops, state in [(40, "ok"), (21, "ok"), (19, "late"), (0, "late"), (60, "ok"), (61, "late")]:
        assert states(*weeks("Lawley", USUAL | {0: drops})) == {"day Lawley": state}


def test_a_day_of_nothing_counts_as_none_and_not_as_unknown() -> None:
    """No row for the day is zero drops, which is exactly what an alarm is for."""
    assert states(*weeks("Lawley", USUAL)) == {"day Lawley": "late"}
    sundays = weeks("Lawley", {1: 1, 3: 2})
    assert states(*sundays) == {"day Lawley": "ok"}


def test_a_project_of_three_weeks_has_no_rhythm_yet() -> None:
    assert states(*weeks("Lawley", USUAL | {0: 0}), since=DAY - timedelta(weeks=3)) == {}


def test_small_numbers_raise_no_alarm() -> None:
    assert states(*weeks("Lawley", dict.fromkeys(range(1, 9), 4) | {0: 0})) == {"day Lawley": "ok"}


def test_marketing_is_held_against_qa() -> None:
    """QA goes on as usual and marketing falls silent: each alone may be small, their measure shows it."""
    qa = weeks("Lawley", USUAL | {0: 40})
    marketing = weeks("Marketing", dict.fromkeys(range(1, 9), 30) | {0: 30}, Kind.MARKETING)
    assert states(*qa, *marketing)["shares"] == "ok"
    silent = weeks("Marketing", dict.fromkeys(range(1, 9), 30) | {0: 4}, Kind.MARKETING)
    assert states(*qa, *silent)["shares"] == "late"


async def test_days_are_counted_by_when_it_was_said_in_the_business_s_zone(conn: Conn, business: Business) -> None:
    await open_for(conn, business)
    await file(conn, business, [
        said(LAWLEY, "DR1752104", "2025-12-02 23:30"),
        said(LAWLEY, "DR1752104 again", "2025-12-02 23:40"),
        said(LAWLEY, "DR1752105", "2025-12-03 00:10"),
        said(MARKETING, "DR1752104", "2025-12-02 08:00"),
    ])  # fmt: skip
    now = datetime(2025, 12, 3, 10, tzinfo=UTC)
    for _ in range(2):
        await counts.keep(conn, business, now)
    rows = await conn.execute("select project, day, register, posts, drops from register_days order by day, project")
    assert await rows.fetchall() == [
        ("Lawley", date(2025, 12, 2), "qa", 2, 1),
        ("Marketing Activations", date(2025, 12, 2), "marketing", 1, 1),
        ("Lawley", date(2025, 12, 3), "qa", 1, 1),
    ]
    assert await counts.checks(conn, business, now) == []


async def test_the_day_that_has_just_ended_is_not_judged_before_it_is_counted(conn: Conn, business: Business) -> None:
    """At one o'clock the count of yesterday is the one of yesterday's small hours: far too few drops."""
    await open_for(conn, business)
    days = [(DAY - timedelta(days=back), 40) for back in range(1, 70)] + [(DAY, 1)]
    for day, drops in days:
        await conn.execute(
            "insert into register_days (business_id, project, day, register, posts, drops) "
            "values (%s, 'Lawley', %s, 'qa', %s, %s)", [business.id, day, drops, drops],
        )  # fmt: skip
    counted = datetime(2025, 12, 2, 1, 40, tzinfo=UTC)
    run = Run("night", False, None, counted, counted, 0, 0, 0, 0)
    await registers.keep_run(conn, business.id, run)
    found = await counts.checks(conn, business, datetime(2025, 12, 2, 23, tzinfo=UTC))
    assert [(check.name, check.state) for check in found] == [("day Lawley", "ok")]
    later = Run("next", False, None, counted + timedelta(days=1), counted + timedelta(days=1), 0, 0, 0, 0)
    await registers.keep_run(conn, business.id, later)
    found = await counts.checks(conn, business, datetime(2025, 12, 3, 5, tzinfo=UTC))
    assert [(check.name, check.state) for check in found] == [("day Lawley", "late")]


async def test_the_worker_shows_today_s_posts_and_drops_as_figures(db: Database, business: Business) -> None:
    async def work(conn: Conn) -> None:
        await open_for(conn, business)
        now = datetime.now(UTC).isoformat()
        messages = [said(LAWLEY, text, said_at=datetime.fromisoformat(now)) for text in ("DR1752104", "DR1752104 x")]
        await file(conn, business, messages)

    await db.run("file", work)
    stop = asyncio.Event()
    counting = asyncio.create_task(register_jobs.keep_counting(db, stop))
    labels = {"business": business.name, "register": "qa", "project": LAWLEY.name, "day": "today"}
    async with asyncio.timeout(10):
        while REGISTRY.get_sample_value("tallybook_register_posts", labels) != 2:
            await asyncio.sleep(0.01)  # a number that is measured signals nothing
    assert REGISTRY.get_sample_value("tallybook_register_drops", labels) == 1
    stop.set()
    await counting
