"""The projects file is what a person edits, while the product runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tallybook.app import App, Watching
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.errors import WrongSetup
from tallybook.core.login_limits import Limits
from tallybook.settings import Settings

BRIDGE = '[bridge]\nmessages = "messages.db"\n'
PROJECT = '\n[[monitor.projects]]\nname = "{name}"\ngroup = "{group}@g.us"\nkind = "qa"\n'
LAWLEY = PROJECT.format(name="Lawley", group="120363000000000001")
MOHADIN = PROJECT.format(name="Mohadin", group="120363000000000002")
KNOWN = "select name, active from monitor_projects order by name"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tallybook.toml"


@pytest.fixture
def watching(db: Database, business: Business, file: Path) -> Watching:
    settings = dataclasses.replace(Settings.load({}, file.parent), config=file)
    return Watching(App(settings, db, [b"k" * 32], Limits(b"k" * 32)))


async def names(watching: Watching) -> list[str]:
    watch = await watching.current()
    return sorted(project.name for project in watch.desk.projects.values()) if watch else []


async def test_a_project_is_added_by_editing_the_file_alone(watching: Watching, db: Database, file: Path) -> None:
    assert await names(watching) == []
    file.write_text(BRIDGE + LAWLEY, encoding="utf-8")
    assert await names(watching) == ["Lawley"]
    first = await watching.current()
    file.write_text(BRIDGE + LAWLEY + MOHADIN, encoding="utf-8")
    assert await names(watching) == ["Lawley", "Mohadin"]
    again = await watching.current()
    assert first is not None
    assert again is not None
    assert again.bridge is first.bridge  # the reader and what it remembers stay
    async with db.transaction() as conn:
        assert await (await conn.execute(KNOWN)).fetchall() == [("Lawley", True), ("Mohadin", True)]


async def test_a_project_that_is_taken_out_is_watched_no_more(watching: Watching, db: Database, file: Path) -> None:
    file.write_text(BRIDGE + LAWLEY + MOHADIN, encoding="utf-8")
    assert await names(watching) == ["Lawley", "Mohadin"]
    file.write_text(BRIDGE + MOHADIN, encoding="utf-8")
    assert await names(watching) == ["Mohadin"]
    async with db.transaction() as conn:
        assert await (await conn.execute(KNOWN)).fetchall() == [("Lawley", False), ("Mohadin", True)]


async def test_a_mistake_is_told_and_what_was_read_before_goes_on(watching: Watching, file: Path) -> None:
    file.write_text(BRIDGE + LAWLEY, encoding="utf-8")
    await watching.current()
    file.write_text(BRIDGE + LAWLEY.replace("kind", "knid"), encoding="utf-8")
    assert await names(watching) == ["Lawley"]
    watch = await watching.current()
    assert watch is not None
    assert "tallybook.toml line 7" in (watch.mistake or "")
    file.write_text(BRIDGE + LAWLEY + MOHADIN, encoding="utf-8")
    mended = await watching.current()
    assert mended is not None
    assert mended.mistake is None


async def test_a_file_that_was_never_right_is_told_at_once(watching: Watching, file: Path) -> None:
    file.write_text("[bridge\n", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(WrongSetup, match="line 1"):
            await watching.current()
