"""The doctor inside the product: it examines the schema at a start, at night and when asked, once for each."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from prometheus_client import REGISTRY

from tallybook import doctor_link, worker
from tallybook.app import App
from tallybook.core import doctor_runs, jobs, schedules
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.doctor_runs import Found, Run
from tallybook.core.health_words import HEALTH
from tallybook.core.login_limits import Limits
from tallybook.doctor.contract import NaturalKey
from tallybook.doctor.types import Code, Evidence, Finding, Report, Severity
from tallybook.health_report import health_report
from tallybook.settings import Settings
from tallybook.web import doctor_words

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
STRICT = "create unique index one_number on qa_photo_reviews (business_id, drop_number)"
# One drop on two days, as only somebody's own SQL has it.
TWICE = """
insert into qa_photo_reviews (business_id, drop_number, project, user_name, review_date, whatsapp_message_date)
select %(business)s, 'DR1752104', 'Lawley', 'Somebody', day, day from unnest('{2026-03-01, 2026-03-02}'::date[]) as day
"""
FIND = Finding(
    code=Code.TOO_STRICT, severity=Severity.ERROR, table="contacts", name="contacts_name_key", says="Too strict.",
    do="drop index contacts_name_key;", key=NaturalKey(table="contacts", columns=("business_id", "phone")),
    evidence=Evidence(
        rows=({"business_id": 1, "phone": "27820000001", "name": "Somebody", "is_known": True, "note": None},),
        groups=1, error='duplicate key "contacts_name_key": Key (name)=(Some (one) body) already exists.',
    ),
)  # fmt: skip


@pytest.fixture
def app(db: Database, business: Business, database_url: str, tmp_path: Path) -> App:
    settings = Settings.load({"TALLYBOOK_DATABASE_URL": database_url}, tmp_path)
    return App(settings, db, [b"k" * 32], Limits(b"k" * 32))


async def rows(db: Database, statement: str) -> list[tuple[Any, ...]]:
    async with db.transaction() as conn:
        return await (await conn.execute(statement.encode())).fetchall()


async def worked(app: App) -> None:
    """What was asked for is examined, as the worker does it."""
    stop, wake = asyncio.Event(), asyncio.Event()

    async def examine(held: jobs.Held) -> None:
        await doctor_link.run_job(app, held)
        stop.set()

    async with asyncio.timeout(60):
        await jobs.run_jobs(app.db, {doctor_runs.EXAMINE: examine}, stop, wake)
    assert not await app.db.run("look", doctor_runs.is_running)


async def asked_at_a_start(app: App) -> None:
    """What a worker asks for that starts, and is stopped before it looks what became of it."""
    stopped = asyncio.Event()
    stopped.set()
    await doctor_link.watch(app, stopped)


async def checked(app: App) -> tuple[str, str]:
    (found,) = [check for check in (await health_report(app, datetime.now(UTC))).checks if check.name == "doctor"]
    return found.state, found.says


async def test_our_own_schema_is_well_and_a_rule_that_is_too_strict_is_found_kept_counted_and_told(
    app: App, db: Database, superuser_url: str
) -> None:
    assert await checked(app) == ("ok", doctor_runs.NOT_YET)
    with psycopg.connect(superuser_url, autocommit=True) as owner:
        for cause in ("start", "asked"):
            await db.run("ask", lambda conn, cause=cause: doctor_runs.ask(conn, cause, cause))
            await worked(app)
            owner.execute(STRICT.encode() if cause == "start" else b"drop index one_number")
    newer, older = await db.run("look", lambda conn: doctor_runs.newest(conn, 2))
    assert [one.says for one in older.findings if one.severity == "error"] == []
    assert older.tables > 100
    assert older.upserts > 100
    assert ([one.cause for one in (older, newer)], newer.errors > 0) == (["start", "asked"], True)
    came, went = doctor_runs.changes(newer, older)
    assert ("too-strict", "one_number") in {(one.code, one.name) for one in came}
    assert went == []
    assert await checked(app) == ("wrong", f"{newer.errors} {doctor_runs.FAULTS[newer.errors > 1]}.")
    counted = REGISTRY.get_sample_value("tallybook_doctor_findings", {"code": "too-strict", "severity": "error"})
    assert counted == sum((one.code, one.severity) == ("too-strict", "error") for one in newer.findings)


async def test_a_rule_that_one_environment_alone_has_is_found_and_is_a_fault_unless_one_was_migrated_first(
    app: App, db: Database, business: Business, dev_url: str, superuser_url: str
) -> None:
    async def drifts(cause: str) -> list[Found]:
        await db.run("ask", lambda conn: doctor_runs.ask(conn, cause, cause))
        await worked(app)
        (run,) = await db.run("look", lambda conn: doctor_runs.newest(conn, 1))
        return [one for one in run.findings if one.code == "drift"]

    with psycopg.connect(superuser_url, autocommit=True) as owner:
        owner.execute(STRICT.replace("on qa", "on dev.qa").encode())
        owner.execute(TWICE.encode(), {"business": business.id})
        try:
            (found,) = await drifts("start")
            assert found.says.startswith("dev refuses two rows of qa_photo_reviews with the same (business_id, drop_")
            shown = [(row["drop_number"], row["user_name"]) for row in found.rows]
            assert (found.groups, shown) == (1, [("DR1752104", "‹8 characters›")] * 2)
            assert await checked(app) == ("wrong", "1 fault in the schema.")
            from_dev = dataclasses.replace(app, db=dataclasses.replace(db, environment="dev"))
            run = await doctor_link.examined(from_dev, "asked")
            assert [(one.severity, one.name) for one in run.findings if one.code == "drift"] == [
                ("error", "one_number")
            ]
            owner.execute(b"alter table dev.drops add column of_the_next_release int")
            assert [one.severity for one in await drifts("asked")] == ["warning"]
            assert (await checked(app))[0] == "ok"
        finally:
            owner.execute(b"drop index dev.one_number; alter table dev.drops drop column if exists of_the_next_release")


async def test_the_worker_examines_each_night_by_its_schedule_and_soon_after_its_start(
    app: App, db: Database, business: Business
) -> None:
    """What the worker declares, when its time has come, and what a start asks for, each to its end."""
    known = [one for one in worker.known_schedules("UTC", business.time_zone) if one.kind == doctor_runs.EXAMINE]
    ((at, zone),) = [(one.daily_at, one.time_zone) for one in known]
    assert (at, zone) == (time(4, 10), business.time_zone)

    async def night(conn: Conn) -> datetime:
        await schedules.declare(conn, known)
        await conn.execute(b"update schedules set next_at = now() - interval '1 minute' where name = 'doctor nightly'")
        assert await schedules.tick(conn) == 1
        row = await (await conn.execute(b"select next_at from schedules where name = 'doctor nightly'")).fetchone()
        assert row is not None
        upcoming: datetime = row[0]
        return upcoming

    upcoming = (await db.run("let a night come", night)).astimezone(ZoneInfo(zone))
    assert (upcoming.hour, upcoming.minute, upcoming > datetime.now(UTC)) == (4, 10, True)
    await worked(app)
    await asked_at_a_start(app)
    # It settles first.
    await db.run("settle", lambda conn: conn.execute(b"update jobs set not_before = now() where state = 'waiting'"))
    await worked(app)
    runs = await db.run("look", lambda conn: doctor_runs.newest(conn, 3))
    assert [one.cause for one in runs] == ["start", "nightly"]


async def test_workers_that_start_together_ask_for_one_examination(app: App, db: Database) -> None:
    await asyncio.gather(*(asked_at_a_start(app) for _ in range(4)))
    assert len(await rows(db, "select 1 from jobs where kind = 'doctor.examine'")) in {1, 2}, "two where a moment ended"


def test_what_is_kept_of_a_finding_holds_nothing_personal() -> None:
    report = Report(
        findings=(FIND,), tables=3, keys=2, upserts=1, seconds=0.5, database="d", schemas=("public",)
    )  # fmt: skip
    run = doctor_link.run_of(report, "nightly", NOON)
    (found,) = run.findings
    row = {"business_id": 1, "phone": "‹11 characters›", "name": "‹8 characters›", "is_known": True, "note": None}
    assert found.rows == (row,)
    assert found.error == 'duplicate key "contacts_name_key": Key (name)=(…) already exists.'
    assert (run.errors, run.warnings, found.key) == (1, 0, "contacts (business_id, phone)")


@pytest.mark.parametrize(
    ("age", "errors", "state"), [(timedelta(hours=1), 0, "ok"), (timedelta(hours=51), 0, "late"),
                                 (timedelta(hours=1), 2, "wrong"), (timedelta(hours=51), 1, "wrong")],
)  # fmt: skip
def test_health_knows_faults_and_that_nobody_looked_for_two_nights(age: timedelta, errors: int, state: str) -> None:
    check = doctor_runs.judge(NOON - age, errors, 0, NOON)
    assert check.state == state
    assert check.says in HEALTH or f"{{n}} {check.says.partition(' ')[2]}" in HEALTH


def test_the_same_fault_is_known_again_and_of_the_first_run_nothing_came() -> None:
    def run(*found: Found) -> Run:
        return Run(0, NOON, 1, "start", "1", 1, 1, 1, len(found), 0, 0, list(found))

    one = Found("too-strict", "error", "drops", "Says.", "Do.", "a_key", times=1)
    again = Found("too-strict", "error", "drops", "Says it otherwise.", "Do.", "a_key", times=9)
    assert doctor_runs.changes(run(one), None) == ([], [])
    assert doctor_runs.changes(run(again), run(one)) == ([], [])
    assert doctor_runs.changes(run(), run(one)) == ([], [one])


def test_each_code_has_a_heading_and_a_meaning() -> None:
    assert set(doctor_words.HEADINGS) == set(doctor_words.MEANINGS) == {code.value for code in Code}
    assert set(doctor_words.SEVERITIES) == {severity.value for severity in Severity}
