"""Health is told within seconds whatever hangs, and what cannot be looked at is not taken for well."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tallybook.app import App
from tallybook.core import health
from tallybook.core.businesses import Business
from tallybook.core.db import Database, open_database
from tallybook.core.heartbeats import beat
from tallybook.core.login_limits import Limits
from tallybook.core.spool import SpoolStatus
from tallybook.health_report import health_report, is_away, spool_checks
from tallybook.settings import Settings
from tests import world
from tests.postgres import Server
from tests.test_alerting import Told, change, looked, told

__all__ = ["told"]
MISSING = """
insert into register_checks (business_id, run, whole, began_at, ended_at, messages, posts, both_registers, missing)
values (%s, 'x', true, now() - interval '90 hours', now() - interval '90 hours', 0, 0, 0, 0)
"""


def app_on(db: Database, url: str, folder: Path) -> App:
    settings = Settings.load({"TALLYBOOK_DATABASE_URL": url, "TALLYBOOK_DATA_DIR": str(folder / "data")}, folder)
    return App(settings, db, [b"k" * 32], Limits(b"k" * 32))


@pytest.fixture
async def hanging(server: Server) -> AsyncIterator[Database]:
    """A database whose server the test lets hang."""
    async with open_database(server.url(), "prod") as db:
        yield db


async def test_health_says_within_seconds_that_the_database_hangs(
    hanging: Database, server: Server, tmp_path: Path
) -> None:
    business = await hanging.run("add", world.velo_fibre)
    app = app_on(hanging, server.url(), tmp_path)
    assert not is_away(await health_report(app, datetime.now(UTC), business))
    with server.hung():
        for _ in range(2):
            begun = time.monotonic()
            found = await health_report(app, datetime.now(UTC), business)
            assert time.monotonic() - begun < 10
            assert is_away(found)
            assert found.checks[0].says == health.AWAY


async def test_a_database_that_hangs_is_told(hanging: Database, server: Server, told: Told) -> None:
    business = await hanging.run("add", world.velo_fibre)
    await hanging.run("beat", lambda conn: beat(conn, "worker"))
    alerting = told.alerting(hanging)
    await alerting.look()
    with server.hung():
        for _ in range(2):
            await alerting.look()
        assert told.mail.subjects() == [f"Alarm: Database ({business.name})"] * 2


async def test_what_cannot_be_looked_at_is_told_and_ends_no_alarm(
    db: Database, business: Business, told: Told, superuser_url: str
) -> None:
    alerting = told.alerting(db)
    await db.run("beat", lambda conn: beat(conn, "worker"))
    await change(db, MISSING.replace("%s", str(business.id)))
    await looked(alerting)
    assert told.mail.subjects() == [f"Alarm: Registers ({business.name})"] * 2
    with psycopg.connect(superuser_url, autocommit=True) as conn:
        for table in ("monitor_projects", "register_checks"):
            conn.execute(f"revoke select on {table} from tallybook_prod".encode())
        try:
            for _ in range(3):
                await looked(alerting)
            now = {
                check.name: check for check in (await health_report(alerting.app, datetime.now(UTC), business)).checks
            }
        finally:
            for table in ("monitor_projects", "register_checks"):
                conn.execute(f"grant select on {table} to tallybook_prod".encode())
    assert {now["group"].says, now["registers"].says} == {health.UNSEEN}
    assert now["replies"].state == "ok", "a look that fails takes nothing from its neighbours"
    subjects = set(told.mail.subjects())
    assert f"Alarm: Group ({business.name})" in subjects
    assert not any("Over" in subject for subject in subjects)
    for _ in range(20):  # of which a busy machine needs more than three
        await looked(alerting)
        subjects = set(told.mail.subjects())
        if f"Over: Group ({business.name})" in subjects:
            break
    assert f"Over: Group ({business.name})" in subjects
    assert f"Over: Registers ({business.name})" not in subjects


async def test_a_look_that_waits_for_a_lock_is_not_taken_for_a_database_that_is_away(
    db: Database, business: Business, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    superuser_url: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("tallybook.health_report.SLOW", "set local lock_timeout = '50ms'")
    app = app_on(db, database_url, tmp_path)
    with psycopg.connect(superuser_url) as conn:
        conn.execute("lock table doctor_runs, register_checks in access exclusive mode")
        found = await health_report(app, datetime.now(UTC), business)
    now = {check.name: (check.state, check.says) for check in found.checks}
    assert now["database"][0] == "ok"
    assert now["doctor"] == now["registers"] == ("wrong", health.UNSEEN)


def test_a_damaged_spool_is_not_hidden_by_one_that_waits() -> None:
    def states(records: int, damaged: int) -> dict[str, str]:
        return {one.name: one.state for one in spool_checks(SpoolStatus(records, 1, None, damaged, 1))}

    assert states(0, 0) == {"spool": "ok"}
    assert states(3, 0) == {"spool": "late"}
    assert states(3, 1) == {"spool": "late", "spool-damaged": "wrong"}
    assert states(0, 1) == {"spool": "ok", "spool-damaged": "wrong"}
