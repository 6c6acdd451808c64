"""The report of a day: what it says, who gets it, once; and how it is asked for at the terminal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from tallybook import report_link
from tallybook.alerting import Alerting
from tallybook.app import App
from tallybook.core import jobs
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.errors import WrongSetup
from tallybook.core.jobs import NewJob
from tallybook.core.login_limits import Limits
from tallybook.core.sending import deliver
from tallybook.monitor import statistics_jobs
from tallybook.monitor.service.report import of_day
from tallybook.monitor.service.report_texts import text
from tallybook.projects_file import read_projects_file
from tallybook.settings import Settings
from tests import world
from tests.monitor.desk import LAWLEY, MARKETING, MOHADIN, file, open_for, said
from tests.receivers import LOCAL, MailServer, mail_server

FILE = """
[monitor.report]
at = "05:30"
to = ["ana@example.org", "bia@example.org"]
from = "tallybook@example.org"
"""
SENT = "select count(*) from outbox where channel = 'mail'"
DUE = {"due": "2025-12-03T03:30:00+00:00"}  # 5:30 in Johannesburg: of the day that has just ended
SAID = """\
Velo Fibre, 2025-12-02 (Africa/Johannesburg)

Lawley: 3 drops, usually 2, 0 complete
Mohadin: 0 drops, usually 1
Marketing Activations: 1 drops

The last 30 days: 6 drops, 0 complete.
Right the first time: – of the complete ones. Posted again: 0%.
"""


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


@pytest.fixture
def app(db: Database, mail: MailServer, tmp_path: Path) -> App:
    (tmp_path / "tallybook.toml").write_text(FILE)
    settings = Settings.load({
        "TALLYBOOK_CONFIG": str(tmp_path / "tallybook.toml"), "TALLYBOOK_DATA_DIR": str(tmp_path),
        "TALLYBOOK_SMTP_URL": f"smtp+plain://{LOCAL}:{mail.port}",
    })  # fmt: skip
    return App(settings, db, [b"k" * 32], Limits(b"k" * 32))


@pytest.fixture
async def day(db: Database, business: Business) -> date:
    """A day with posts, after another one."""
    async with db.transaction() as conn:
        await open_for(conn, business)
        await file(conn, business, [said(LAWLEY, f"DR175210{n}", "2025-12-01 09:00") for n in range(2)])
        await file(conn, business, [said(LAWLEY, f"DR175211{n}", "2025-12-02 09:00") for n in range(3)])
        await file(conn, business, [said(MOHADIN, "DR1752120", "2025-12-01 09:00")])
        await file(conn, business, [said(MARKETING, "DR1752121", "2025-12-02 09:00")])
    await statistics_jobs.whole(db, business)
    return date(2025, 12, 2)


async def run_once(app: App, key: str) -> None:
    """The job as a worker runs it, until it is done."""
    stop = asyncio.Event()
    await app.db.run("ask", lambda conn: jobs.enqueue(conn, [NewJob(report_link.SEND, key, DUE)]))
    handlers = {report_link.SEND: partial(report_link.run_job, app)}
    running = asyncio.create_task(jobs.run_jobs(app.db, handlers, stop, asyncio.Event()))
    for _ in range(300):
        async with app.db.transaction() as conn:
            row = await (await conn.execute("select state from jobs where key = %s", [key])).fetchone()
        if row == ("done",):
            break
        await asyncio.sleep(0.05)  # what becomes of a row is told to nobody
    stop.set()
    await running
    assert row == ("done",)


async def test_a_report_says_each_project_s_day_against_its_usual(db: Database, business: Business, day: date) -> None:
    async with db.transaction() as conn:
        report = await of_day(conn, business, day)
    assert text(report, str).startswith(SAID)


async def test_it_speaks_the_language_of_the_business(db: Database, business: Business) -> None:
    async with db.transaction() as conn:
        kinneret = await world.kinneret_tours(conn)
        report = await of_day(conn, kinneret, date(2025, 12, 2))
    made = await asyncio.to_thread(report_link.written, report)
    assert "לא פורסם דבר" in made.text
    assert made.picture.startswith(b"\x89PNG"), "also of nothing, and in Hebrew"


async def test_everybody_gets_it_once_with_its_picture_however_often_it_is_made(
    app: App, mail: MailServer, business: Business, day: date
) -> None:
    await run_once(app, "tonight")
    await run_once(app, "tonight once more")
    async with app.db.transaction() as conn:
        assert (await (await conn.execute(SENT)).fetchone()) == (2,)
    alerting = Alerting(app)
    alerting.current()
    await deliver(app.db, business.id, alerting._post, asyncio.Event())
    assert sorted(mail.recipients) == ["ana@example.org", "bia@example.org"]
    letter = mail.mails[0]
    body, picture = letter.get_body(), next(letter.iter_attachments())
    assert body is not None
    assert body.get_content().startswith("Velo Fibre, 2025-12-02")
    assert (picture.get_filename(), picture.get_content()[:4]) == ("drops-2025-12-02.png", b"\x89PNG")


def test_nobody_named_means_no_report_and_a_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "tallybook.toml"
    path.write_text("[monitor]\n")
    entry = read_projects_file(path).monitor.report
    assert report_link.schedules(entry, "Africa/Johannesburg") == []
    path.write_text('[monitor.report]\nat = "6"\nto = ["ana"]\n')
    with pytest.raises(WrongSetup) as wrong:
        read_projects_file(path)
    assert "line 3: to must be" in wrong.value.message
    assert "line 1: from is missing" in wrong.value.message


def test_the_report_is_due_at_the_time_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "tallybook.toml"
    path.write_text(FILE)
    (schedule,) = report_link.schedules(read_projects_file(path).monitor.report, "Africa/Johannesburg")
    assert (f"{schedule.daily_at:%H:%M}", schedule.time_zone) == ("05:30", "Africa/Johannesburg")
