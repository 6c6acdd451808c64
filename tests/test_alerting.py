"""From what health sees to an e-mail and a webhook: once each, in production alone, and through an outage."""

from __future__ import annotations

import asyncio
import dataclasses
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tallybook.alerting import Alerting
from tallybook.app import App
from tallybook.core import alarm_store, jobs
from tallybook.core.businesses import Business
from tallybook.core.db import Database, open_database
from tallybook.core.heartbeats import beat
from tallybook.core.jobs import NewJob
from tallybook.core.login_limits import Limits
from tallybook.settings import Settings
from tests import world
from tests.receivers import LOCAL, SECRET, MailServer, WebhookServer, mail_server, webhook_server

AWAY = "postgresql://nobody@127.0.0.1:1/none"
FILE = """
[alerts]
patience_seconds = 0
quiet_seconds = 0

[[alerts.mail]]
to = ["ana@example.org", "bia@example.org"]
from = "tallybook@example.org"

[[alerts.webhook]]
name = "pager"
url = "http://{host}:{port}/hook"
allow_internal = true
"""
PARK = "update jobs set state = 'parked', reason = 'a reason'"
MEND = "update jobs set state = 'done', reason = null, done_at = now()"
SILENCE = "update heartbeats set at = now() - interval '1 hour'"


@dataclasses.dataclass
class Told:
    """Who is told, and an App that tells them."""

    mail: MailServer
    hook: WebhookServer
    settings: Settings

    def alerting(self, db: Database) -> Alerting:
        return Alerting(App(self.settings, db, [b"k" * 32], Limits(b"k" * 32)))


@pytest.fixture
async def told(database_url: str, tmp_path: Path) -> AsyncIterator[Told]:
    async with mail_server() as mail, webhook_server() as hook:
        (tmp_path / "tallybook.toml").write_text(FILE.format(host=LOCAL, port=hook.port))
        settings = Settings.load(
            {
                "TALLYBOOK_DATABASE_URL": database_url, "TALLYBOOK_SMTP_URL": f"smtp+plain://{LOCAL}:{mail.port}",
                "TALLYBOOK_ALERT_WEBHOOK_SECRET": SECRET, "TALLYBOOK_PUBLIC_URL": "https://t.example",
            },
            tmp_path,
        )  # fmt: skip
        yield Told(mail, hook, settings)


async def change(db: Database, statement: str) -> None:
    async with db.transaction() as conn:
        await conn.execute(statement.encode())


async def looked(alerting: Alerting) -> None:
    """One look, and what is due is sent."""
    await alerting.look()
    await alerting._send_what_is_due(_stopped())


def _stopped() -> asyncio.Event:
    """An event that is set a moment later: the outbox is gone through once, and the sends come to their end."""
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.3, stop.set)
    return stop


async def test_everybody_is_told_once_when_something_is_parked_and_once_when_it_is_mended(
    db: Database, business: Business, told: Told
) -> None:
    alerting = told.alerting(db)
    await db.run("beat", lambda conn: beat(conn, "worker"))
    await looked(alerting)
    assert (told.mail.mails, told.hook.bodies) == ([], [])
    await db.run("ask", lambda conn: jobs.enqueue(conn, [NewJob("a kind", business_id=business.id)]))
    await change(db, PARK)
    for _ in range(3):
        await looked(alerting)
    assert sorted(told.mail.recipients) == ["ana@example.org", "bia@example.org"]
    assert set(told.mail.subjects()) == {f"Alarm: Parked ({business.name})"}
    assert "1 item is parked." in told.mail.mails[0].get_content()
    assert [(body["event"], body["alarm"]) for body in told.hook.bodies] == [("alarm.begun", "parked")]
    await change(db, MEND)
    for _ in range(3):
        await looked(alerting)
    assert told.mail.subjects()[2:] == [f"Over: Parked ({business.name})"] * 2
    assert [body["event"] for body in told.hook.bodies] == ["alarm.begun", "alarm.ended"]
    assert told.hook.bodies[1]["begun_at"] == told.hook.bodies[0]["begun_at"] < told.hook.bodies[1]["ended_at"]


async def test_that_the_worker_is_gone_is_told_by_whoever_is_left(db: Database, business: Business, told: Told) -> None:
    await db.run("beat", lambda conn: beat(conn, "worker"))
    await change(db, SILENCE)
    await looked(told.alerting(db))
    assert told.mail.subjects() == [f"Alarm: Worker ({business.name})"] * 2


async def test_a_rule_of_the_database_that_nobody_declared_is_told_at_once_and_a_declared_one_when_it_lasts(
    db: Database, business: Business, told: Told
) -> None:
    await db.run("beat", lambda conn: beat(conn, "worker"))
    await change(
        db,
        """insert into constraint_violations (sqlstate, table_name, constraint_name, declared, place)
        values ('23505', 'drops', 'drops_pkey', true, 'a test'),
            ('23505', 'drops', 'drops_one_key', false, 'a test')""",
    )
    alerting = told.alerting(db)
    text = (told.settings.config).read_text().replace("patience_seconds = 0", "patience_seconds = 600")
    told.settings.config.write_text(text)
    await looked(alerting)
    assert told.mail.subjects() == [f"Alarm: Database rules drops drops_one_key ({business.name})"] * 2
    assert "drops_one_key on drops is no rule of ours and refuses" in told.mail.mails[0].get_content()


async def test_a_mail_server_that_is_away_is_tried_again_and_a_broken_line_asks_a_person(
    db: Database, business: Business, told: Told
) -> None:
    told.mail.answers = ["451 later"]
    told.mail.drop = True
    alerting = told.alerting(db)
    number = await alerting.test(business, "Ana")
    states = {one.recipient: one.state for one in await alerting.tested(number)}
    assert sorted(states.values()) == ["parked", "sent", "waiting"]
    assert states["pager"] == "sent"
    told.mail.drop = False
    await change(db, "update outbox set not_before = now() where state = 'waiting'")
    states = {one.recipient: one.state for one in await alerting.tested(number)}
    assert sorted(states.values()) == ["parked", "sent", "sent"]
    assert len(told.mail.mails) == 2, "what may have been sent is not sent again by itself"


async def test_another_environment_keeps_and_sends_nothing(
    db: Database, business: Business, told: Told, dev_url: str
) -> None:
    dev = dataclasses.replace(db, environment="dev")
    alerting = told.alerting(dev)
    states = {one.state for one in await alerting.tested(await alerting.test(business, "Ana"))}
    assert states == {"captured"}
    assert (told.mail.mails, told.hook.bodies) == ([], [])


async def test_a_mistake_in_the_file_leaves_those_told_who_were_told_before(
    db: Database, business: Business, told: Told
) -> None:
    alerting = told.alerting(db)
    alerting.current()
    before = alerting.targets()
    told.settings.config.write_text("[alerts]\nnonsense = 1\n")
    alerting.current()
    assert alerting.targets() == before != []


# ── Several businesses ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_without_a_name_in_the_file_the_first_business_is_judged_and_the_others_by_what_is_theirs(
    db: Database, business: Business, told: Told
) -> None:
    second = await db.run("add", world.kinneret_tours)
    alerting = told.alerting(db)
    await db.run("beat", lambda conn: beat(conn, "worker"))
    await change(db, SILENCE)
    await db.run("ask", lambda conn: jobs.enqueue(conn, [NewJob("a kind", business_id=second.id)]))
    await change(db, PARK)
    for _ in range(2):
        await looked(alerting)
    assert alerting.business == business
    first, others = (
        f"Alarm: Worker ({business.name})",
        [one for one in told.mail.subjects() if business.name not in one],
    )
    assert told.mail.subjects().count(first) == 2, "what all share is told once"
    assert len(others) == 2
    assert all(second.name in subject for subject in others)
    async with db.transaction() as conn:
        assert [one.name for one in await alarm_store.alarms(conn, second.id)] == ["parked"]


# ── The database is away ────────────────────────────────────────────────────────────────────────────────────────────

WATCH = """
import asyncio, sys
from tallybook.alerting import Alerting
from tallybook.app import open_app
from tallybook.settings import Settings

async def main():
    async with open_app(Settings.load()) as app:
        alerting = Alerting(app)
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(4):
            await alerting.look()

asyncio.run(main())
"""


async def begun(settings: Settings, url: str, processes: int) -> list[asyncio.subprocess.Process]:
    """Several processes of one machine that begin to look at the same time, each four times."""
    environ = {
        "TALLYBOOK_DATABASE_URL": url, "TALLYBOOK_DATA_DIR": str(settings.data_dir), "PATH": "/usr/bin",
        "TALLYBOOK_CONFIG": str(settings.config), "TALLYBOOK_SMTP_URL": settings.smtp_url or "",
        "TALLYBOOK_ALERT_WEBHOOK_SECRET": SECRET,
    }  # fmt: skip
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    started = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", WATCH, env=environ, **pipes)
        for _ in range(processes)
    ]
    for process in started:
        assert await process.stdout.readline() == b"ready\n"
    for process in started:
        process.stdin.write(b"\n")
    return started


async def watched(settings: Settings, url: str, processes: int) -> None:
    """The same, to their end."""
    started = await begun(settings, url, processes)
    assert [await process.wait() for process in started] == [0] * processes
    for process in started:
        process._transport.close()


async def test_that_the_database_is_away_is_told_once_by_several_processes_and_so_is_its_end(
    db: Database, business: Business, told: Told, database_url: str
) -> None:
    await db.run("beat", lambda conn: beat(conn, "worker"))
    await told.alerting(db).look()  # whose alarms these are is learnt while the database is there
    await watched(told.settings, AWAY, 3)
    assert sorted(told.mail.recipients) == ["ana@example.org", "bia@example.org"]
    assert told.mail.subjects() == [f"Alarm: Database ({business.name})"] * 2
    assert [body["event"] for body in told.hook.bodies] == ["alarm.begun"]
    await watched(told.settings, database_url, 3)
    assert told.mail.subjects()[2:] == [f"Over: Database ({business.name})"] * 2
    assert [body["event"] for body in told.hook.bodies] == ["alarm.begun", "alarm.ended"]
    async with db.transaction() as conn:
        (episode,) = [one for one in await alarm_store.history(conn, business.id, 9) if one.name == "database"]
    assert episode.ended_at is not None


async def test_who_could_not_be_told_of_an_outage_is_told_later_and_the_others_not_again(
    told: Told, away: Alerting
) -> None:
    told.mail.answers = ["451 later"]
    await away.look()
    assert len(told.mail.mails) == 1
    file = told.settings.data_dir / "database-away.json"
    file.write_text(file.read_text().replace('"not_before":"2', '"not_before":"1'))
    for _ in range(2):
        await away.look()
    assert sorted(told.mail.recipients) == ["ana@example.org", "bia@example.org"]
    assert len(told.hook.bodies) == 1


async def test_a_process_that_is_killed_while_it_tells_leaves_the_rest_to_its_neighbours(
    told: Told, away: Alerting
) -> None:
    told.mail.held = asyncio.Event()
    (process,) = await begun(told.settings, AWAY, 1)
    async with asyncio.timeout(30):
        while not told.mail.waiting:
            await asyncio.sleep(0.05)  # it waits in a thread of the mail server
    process.kill()
    await process.wait()
    process._transport.close()
    told.mail.held.set()
    for _ in range(2):
        await away.look()
    assert set(told.mail.recipients) == {"ana@example.org", "bia@example.org"}
    assert len(told.hook.bodies) == 1
    numbers = {(mail["To"], mail["Message-ID"]) for mail in told.mail.mails}
    assert len(numbers) == 2, "what is told twice is the same e-mail"


@pytest.fixture
async def away(told: Told) -> AsyncIterator[Alerting]:
    """The alarms of a process that has never seen the database."""
    async with open_database(AWAY, "prod") as database:
        yield told.alerting(database)


@pytest.mark.parametrize("text", ["", "{", '{"alarm": 3}'])
async def test_a_file_that_was_cut_short_stops_nobody(told: Told, text: str, away: Alerting) -> None:
    told.settings.data_dir.mkdir()
    (told.settings.data_dir / "database-away.json").write_text(text)
    await away.look()
    assert len(told.mail.mails) == 2
    assert told.mail.subjects() == ["Alarm: Database (Tallybook)"] * 2
