"""At the terminal: one drop's story, a supervisor's list, and the proof that every post is in its register."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tests.cli.test_parked import Terminal
from tests.monitor.desk import LAWLEY, MARKETING, file, open_for, said


@pytest.fixture
def terminal(fresh_url: str, tmp_path: Path) -> Terminal:
    return Terminal(fresh_url, tmp_path / "data")


@pytest.fixture
async def posted(fresh_db: Database, business: Business) -> None:
    async def work(conn: Conn) -> None:
        await open_for(conn, business)
        await file(conn, business, [
            said(MARKETING, "DR1752104", "2025-11-26 12:47"), said(LAWLEY, "DR1752104", "2025-11-26 13:42"),
        ])  # fmt: skip

    await fresh_db.run("file", work)


async def test_why_a_drop_is_missing_is_answered_and_mended(
    fresh_db: Database, posted: None, terminal: Terminal
) -> None:
    code, text = terminal("monitor", "explain", "dr 1752104")
    assert code == 0
    assert "2 posts of DR1752104 are stored, and every one is where it belongs." in text
    assert "2025-11-26 13:42:00  Lawley" in text
    assert terminal("monitor", "check-registers", "--all")[0] == 0
    await fresh_db.run("by hand", lambda conn: conn.execute("delete from qa_photo_reviews"))
    code, text = terminal("monitor", "check-registers", "--all")
    assert (code, "DR1752104 is missing from qa_photo_reviews (Lawley)" in text) == (1, True)
    assert json.loads(terminal("monitor", "explain", "1752104", "--json")[1])["missing"] == ["qa_photo_reviews"]
    code, text = terminal("monitor", "explain", "DR1752104", "--file-again")
    assert "every one is where it belongs" in text
    assert "Filed again by command line" in text
    assert terminal("monitor", "check-registers")[0] == 0


async def test_a_drop_that_nobody_posted_is_explained_by_what_was_heard(posted: None, terminal: Terminal) -> None:
    code, text = terminal("monitor", "explain", "DR1752105")
    assert code == 0
    assert "No message with DR1752105 was stored." in text
    assert "Lawley: 2025-11-26 13:42:00" in text
    assert "Neighbouring numbers that were posted: DR1752104" in text


async def test_a_list_is_looked_at_first_and_added_when_told_to(
    fresh_db: Database, posted: None, terminal: Terminal, tmp_path: Path
) -> None:
    sheet = tmp_path / "lawley.csv"
    sheet.write_bytes("Date;DR nr\n26/11/2025;DR1752104\n26/11/2025;DR1752188\n26/11/2025;x\n".encode("utf-16"))
    command = ("monitor", "reconcile", str(sheet), "--project", "Lawley")
    code, text = terminal(*command)
    assert code == 0
    assert "Only in the file: 1\n  row 3: DR1752188, Lawley, 2025-11-26" in text
    assert "row 4: This is not one drop number." in text
    assert terminal(*command, "--add")[0] == 2, "a reason is asked for"
    added = json.loads(terminal(*command, "--add", "--reason", "on the list", "--json")[1])
    assert added["added"]["filed"]["created"] == [["DR1752188", "Lawley"]]
    assert "Only in the file: 0" in terminal(*command)[1]
    code, text = terminal("monitor", "explain", "DR1752188")
    assert "Added by hand by command line: on the list" in text
    assert terminal("monitor", "reconcile", str(tmp_path / "none.csv"))[0] == 1
    assert terminal(*command, "--date", "tomorrow")[0] == 2
