"""At the terminal: who is on duty, the shifts as a calendar, and an older rota brought in, looked at first."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import icalendar
import msgspec
import psycopg
import pytest
import structlog
from typer.testing import CliRunner, Result

from tallybook import rota_snapshot
from tallybook.cli import app as command_line
from tallybook.cli.triage import of_copy
from tallybook.core import log
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.errors import NotFound
from tallybook.settings import Settings
from tallybook.triage import snapshot
from tallybook.triage.snapshot import Known, Snapshot
from tests.core.worked import rows
from tests.triage.facts import facts
from tests.triage.test_legacy_rules import SPRINTS, USERS, asked

DUTY = ["--at", "2026-01-20T12:00", "--json"]  # the second sprint
FILES: dict[str, Any] = {
    "disciplines": {"uiEng": [{"slackId": one["slack_id"], "name": one["name"]} for one in USERS]},
    "sprints": [{"sprintName": one["sprint_name"], "startDate": one["start_date"], "endDate": one["end_date"]}
                for one in SPRINTS],
    "currentState": {"sprintIndex": None, "uiEng": None},
    "overrides": [asked(1, "UCHEN"), asked(77, "UANA")],
}  # fmt: skip


class Terminal:
    """Runs commands in this process, each with a loop of its own as it has at a terminal."""

    def __init__(self, url: str, folder: Path) -> None:
        self.settings = {
            "TALLYBOOK_DATABASE_URL": url, "TALLYBOOK_DATA_DIR": str(folder / "data"), "COLUMNS": "200",
            "TALLYBOOK_LOG_LEVEL": "error",
        }  # fmt: skip

    async def run(self, *arguments: str, typed: str = "") -> Result:
        return await asyncio.to_thread(self.invoke, *arguments, typed=typed)

    def invoke(self, *arguments: str, typed: str = "") -> Result:
        return CliRunner().invoke(command_line, ["triage", *arguments], input=typed, env=self.settings)


@pytest.fixture
def own_log() -> Iterator[None]:
    """A command sets up the log of its process, which is that of the tests."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    log._state.handlers = ()


@pytest.fixture
def terminal(db: Database, business: Business, own_log: None, database_url: str, tmp_path: Path) -> Terminal:
    return Terminal(database_url, tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "old"
    made.mkdir()
    for name, content in FILES.items():
        (made / f"{name}.json").write_text(json.dumps(content))
    (made / "package.json").write_text("{}")
    return made


async def test_an_older_rota_is_looked_at_brought_in_asked_for_and_taken_back(
    terminal: Terminal, folder: Path, db: Database
) -> None:
    bring = ["import-json", str(folder), "--team", "Web"]
    looked = await terminal.run(*bring, "--dry-run")
    assert looked.exit_code == 0, looked.output
    assert "5 duties of sprints were compared: all are told as before." in looked.output
    assert "Nothing is taken from: package.json." in looked.output
    assert "overrides: 1 left out: its sprint is not there." in looked.output
    assert await rows(db, "select count(*) from triage_teams") == [(0,)]
    assert (await terminal.run(*bring)).exit_code == 2  # nobody is there to say yes
    done = await terminal.run(*bring, "--yes", "--json")
    assert json.loads(done.stdout)["compared"] == 5
    assert "before. Nothing was changed." in (await terminal.run(*bring, "--yes")).output
    (duty,) = json.loads((await terminal.run("who", *DUTY)).stdout)
    assert (duty["name"], duty["why"], duty["discipline"]) == ("Chen", "override", "uiEng")
    assert (await terminal.run("undo-import", "--team", "web", "--yes")).exit_code == 0
    assert await rows(db, "select count(*) from sprints") == [(0,)]
    assert (await terminal.run("undo-import", "--team", "web", "--yes")).exit_code == 1


async def test_the_old_tables_are_brought_in_from_their_own_database(
    terminal: Terminal, fresh_owner_url: str, db: Database
) -> None:
    old = """
    create schema bot;
    create table bot.users (id serial, slack_id text, name text, discipline text);
    create table bot.sprints (id serial, sprint_name text, start_date date, end_date date, sprint_index int);
    insert into bot.users (slack_id, name, discipline) values ('UBEN', 'Ben', 'uiEng'), ('UANA', 'Ana', 'uiEng');
    insert into bot.sprints (sprint_name, start_date, end_date, sprint_index)
        values ('Sp', '2026-01-05', '2026-02-05', 0);
    """
    async with await psycopg.AsyncConnection.connect(fresh_owner_url, autocommit=True) as conn:
        await conn.execute(old.encode())
    done = await terminal.run("import-old", fresh_owner_url, "--schema", "bot", "--team", "Web", "--yes")
    assert done.exit_code == 0, done.output
    assert (await terminal.run("import-old", "--schema", "bot")).exit_code == 2
    (duty,) = json.loads((await terminal.run("who", *DUTY)).stdout)
    assert duty["person"] == "UANA"
    assert await rows(db, "select source from triage_imports") == [("tables",)]


@pytest.mark.usefixtures("own_log")
def test_while_the_database_is_away_the_copy_says_who_is_on_duty_and_of_when_it_is(tmp_path: Path) -> None:
    terminal = Terminal("postgresql://nobody@127.0.0.1:1/none", tmp_path)
    prod = Settings.load(terminal.settings)
    assert of_copy(prod, None, None) is None
    known = Known(1, "en", "", "", facts())
    kept = Snapshot(datetime(2026, 1, 20, 5, tzinfo=UTC), {}, [known])
    snapshot.write(rota_snapshot.path_of(prod), kept)
    told = terminal.invoke("who", "--at", "2026-01-20T12:00").output
    assert "This is the rota as it was at 2026-01-20 05:00 UTC." in told
    assert "uiEng: Ben (slot, until" in told
    with pytest.raises(NotFound):
        of_copy(prod, None, "Nobody's")
    assert of_copy(prod, "Velo", None) is None
    assert of_copy(dataclasses.replace(prod, env="dev"), None, None) is None
    other = msgspec.structs.replace(known, business_id=2)
    snapshot.write(rota_snapshot.path_of(prod), msgspec.structs.replace(kept, teams=[known, other]))
    assert of_copy(prod, None, None) is None


async def test_shifts_are_written_as_a_calendar_and_what_is_asked_wrongly_is_said(
    terminal: Terminal, folder: Path, tmp_path: Path, db: Database
) -> None:
    today = datetime.now(UTC).date()
    begins = [today + timedelta(days) for days in (-20, -6, 8, 22)]
    later = [{"sprintName": str(one), "startDate": str(one), "endDate": str(one + timedelta(14))} for one in begins]
    (folder / "sprints.json").write_text(json.dumps(later))
    assert (await terminal.run("who")).exit_code == 1
    (folder / "overrides.json").write_text("[]")
    assert (await terminal.run("import-json", str(folder), "--yes")).exit_code == 0
    file = tmp_path / "triage.ics"
    done = await terminal.run("export-ics", "--to", str(file), "--discipline", "uiEng")
    assert done.exit_code == 0, done.output
    events = icalendar.Calendar.from_ical(file.read_bytes()).walk("VEVENT")
    assert [str(one["summary"]).split(": ")[1] for one in events] == ["Ben", "Chen", "Ana"]
    # Another team, which has no such discipline.
    await rows(db, "insert into triage_teams (name, folded, zone) values ('Ops', 'ops', 'UTC') returning id")
    of = ["export-ics", "--to", str(file), "--discipline"]
    for some, code in ((["uiEng"], 0), (["none"], 1), (["uiEng", "--team", "Ops"], 1)):
        assert (await terminal.run(*of, *some)).exit_code == code, some
    told = (await terminal.run("who")).output
    assert "Triage (America/Los_Angeles)" in told
    assert "uiEng: Ben (slot, until" in told
    bring = ["import-json", str(folder)]
    for wrong in (
        ["who", "--at", "noon"], ["import-json", str(tmp_path / "none")], [*bring, "--hand-over", "eight"],
        [*bring, "--zone", "Europe/Nowhere", "--dry-run"], [*bring, "--team", "x" * 61, "--dry-run"],
        ["export-ics", "--to", str(tmp_path)],
    ):  # fmt: skip
        assert (await terminal.run(*wrong)).exit_code == 2, wrong
    (folder / "sprints.json").write_text("[1]")
    assert (await terminal.run("import-json", str(folder))).exit_code == 2
    assert (await terminal.run("who", "--team", "Nobody's")).exit_code == 1


async def test_the_record_says_who_changed_what_and_from_what(terminal: Terminal, folder: Path) -> None:
    assert (await terminal.run("record")).exit_code == 0
    assert (await terminal.run("import-json", str(folder), "--yes")).exit_code == 0
    told = await terminal.run("record", "--kind", "triage team")
    assert "rota.imported  triage team" in told.output
    entries = json.loads((await terminal.run("record", "--limit", "1", "--json")).stdout)
    assert [one["action"] for one in entries] == ["rota.imported"]
    assert (await terminal.run("record", "--kind", "password")).exit_code == 2
