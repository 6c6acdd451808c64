"""Health is measured: what is connected, how fresh, how far behind, what is set aside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tallybook.core import health
from tallybook.core.db import Database, open_database
from tallybook.core.health import Backlog, Beat, Check
from tallybook.core.heartbeats import beat

NOW = datetime(2025, 12, 2, 12, tzinfo=UTC)
NOTHING = Backlog(0, None, 0, 0, 0, 0, 0, 0)


def states(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.state for check in checks}


def test_everything_is_held_when_every_check_is_well() -> None:
    checks = health.judge_backlog(NOTHING, NOW) + health.judge_beats([Beat("worker", NOW, {})], NOW)
    report = health.summed_up(checks)
    assert (report.sentence, report.state) == ("Everything is held.", "ok")


@pytest.mark.parametrize(
    ("details", "age", "state"),
    [
        ({}, timedelta(seconds=5), "ok"),
        ({}, timedelta(seconds=31), "late"),
        ({"late": "Silent for long."}, timedelta(seconds=5), "late"),
        ({"problem": "The file is locked."}, timedelta(seconds=5), "wrong"),
    ],
)
def test_a_process_that_says_nothing_is_late_and_one_that_cannot_work_is_wrong(
    details: dict[str, str], age: timedelta, state: str
) -> None:
    (check,) = health.judge_beats([Beat("bridge primary", NOW - age, details)], NOW)
    assert check.state == state


def test_without_a_worker_nothing_is_read_and_health_says_so() -> None:
    (check,) = health.judge_beats([], NOW)
    assert check.state == "wrong"
    assert "tallybook work" in check.says


def test_work_that_waits_too_long_and_what_is_set_aside_want_a_person() -> None:
    backlog = Backlog(3, NOW - timedelta(minutes=3), 0, 1, 1, 0, 1, 1)
    checks = health.judge_backlog(backlog, NOW)
    assert states(checks) == {"waiting": "late", "parked": "wrong", "unknown": "late", "constraints": "wrong"}
    assert "2 items are parked." in health.summed_up(checks).sentence


def test_work_that_is_due_later_is_no_backlog() -> None:
    backlog = Backlog(0, NOW + timedelta(hours=1), 0, 0, 0, 0, 0, 0)
    assert states(health.judge_backlog(backlog, NOW))["waiting"] == "ok"


async def test_a_sign_of_life_is_seen_at_once(db: Database) -> None:
    await db.run("beat", lambda conn: beat(conn, "worker", {"says": "Working."}))
    report = await health.report(db, datetime.now(UTC))
    assert report.state == "ok"
    assert report.checks[0].facts["latency_ms"] > 0  # type: ignore[operator]


async def test_a_database_that_is_away_is_told_and_not_waited_for() -> None:
    async with open_database("postgresql://nobody@127.0.0.1:1/none", "prod") as away:
        report = await health.report(away, NOW)
    assert report.state == "wrong"
    assert "cannot be reached" in report.sentence
