"""``monitor import-valid`` at a terminal: shown first, applied once, killed without harm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.test_parked import Terminal
from tests.postgres import Server
from tests.proof.product import ROOT, wait_until

LIST = "drop_number,project\nDR1752104,Lawley\nDR1752105,Lawley\nnonsense,Lawley\n"
COUNT = "select count(*) from valid_drop_numbers"
WRITING = """
select 1 from pg_stat_activity
where wait_event_type = 'Lock' and query like '%insert into valid_drop_numbers%' and datname = current_database()
"""
STATES = "select state from valid_imports order by id"


@pytest.fixture
def terminal(fresh_url: str, tmp_path: Path) -> Terminal:
    return Terminal(fresh_url, tmp_path / "data")


@pytest.fixture
def look(fresh_owner_url: str, business: Any, fresh_db: Any) -> Callable[[str], list[tuple[Any, ...]]]:
    """Asks the database, in which there is a business."""

    def ask(statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(fresh_owner_url) as connection:
            return connection.execute(statement.encode()).fetchall()

    return ask


def a_list(folder: Path, text: str = LIST) -> str:
    path = folder / "list.csv"
    path.write_text(text)
    return str(path)


async def test_a_list_is_shown_and_then_imported(
    look: Callable[[str], list[Any]], terminal: Terminal, tmp_path: Path
) -> None:
    file = a_list(tmp_path)
    code, text = terminal("monitor", "import-valid", file, "--dry-run", "--json")
    assert (code, look(COUNT)) == (0, [(0,)])
    said = json.loads(text)
    assert (said["added"], said["applied"]) == (2, False)
    assert said["unread"] == [{"row": 4, "reason": "This is not a drop number."}]
    code, text = terminal("monitor", "import-valid", file)
    assert (code, look(COUNT)) == (0, [(2,)])
    assert "2 drops added" in text
    assert "Nothing changed" in terminal("monitor", "import-valid", file)[1]


async def test_nothing_is_withdrawn_without_a_yes_and_not_much_without_another(
    look: Callable[[str], list[Any]], terminal: Terminal, tmp_path: Path
) -> None:
    drops = [f"DR{1_700_000 + n},Lawley\n" for n in range(10)]
    assert terminal("monitor", "import-valid", a_list(tmp_path, "dr,site\n" + "".join(drops)))[0] == 0
    one_less = a_list(tmp_path, "dr,site\n" + "".join(drops[1:]))
    assert terminal("monitor", "import-valid", one_less, "--withdraw")[0] == 2
    assert terminal("monitor", "import-valid", one_less, "--withdraw", "--yes")[0] == 0
    assert look(COUNT) == [(9,)]
    half = a_list(tmp_path, "dr,site\n" + "".join(drops[5:]))
    assert terminal("monitor", "import-valid", half, "--withdraw", "--yes")[0] == 1
    assert terminal("monitor", "import-valid", half, "--withdraw", "--yes", "--withdraw-many")[0] == 0
    assert look(COUNT) == [(5,)]


async def test_what_cannot_be_read_is_said(
    look: Callable[[str], list[Any]], terminal: Terminal, tmp_path: Path
) -> None:
    assert terminal("monitor", "import-valid", str(tmp_path / "none.csv"))[0] == 1
    assert terminal("monitor", "import-valid", a_list(tmp_path, "pole\n1\n"))[0] == 1
    assert look(STATES) == []


@pytest.fixture
def superuser_url(postgres: Server, fresh_name: str) -> str:
    """The test's own database, as who may see what others wait for."""
    return postgres.url("postgres", fresh_name)


async def test_an_import_killed_while_it_writes_has_changed_nothing_and_may_be_repeated(
    look: Callable[[str], list[Any]], terminal: Terminal, tmp_path: Path, fresh_owner_url: str, superuser_url: str
) -> None:
    file = a_list(tmp_path, "dr,site\n" + "".join(f"DR{1_700_000 + n},Lawley\n" for n in range(30_000)))
    ours = terminal.settings
    with psycopg.connect(fresh_owner_url) as in_the_way, psycopg.connect(superuser_url, autocommit=True) as watcher:
        # An entry that somebody adds and has not committed: the import stands in the middle of its writing.
        in_the_way.execute("insert into valid_drop_numbers (drop_number, project) values ('DR1720000', 'Lawley')")
        process = subprocess.Popen(
            [sys.executable, "-m", "tallybook", "monitor", "import-valid", file],
            env=os.environ | ours, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(lambda: watcher.execute(WRITING).fetchone(), "the import to write")
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        assert look(STATES) == [("running",)]
    wait_until(lambda: watcher_sees_none(superuser_url), "its connection to end")
    assert look(COUNT) == [(1,)]
    code, text = terminal("monitor", "import-valid", file)
    assert code == 0
    assert "29999 drops added" in text
    assert look(STATES) == [("running",), ("done",)]


def watcher_sees_none(superuser_url: str) -> bool:
    with psycopg.connect(superuser_url) as watcher:
        return watcher.execute(WRITING).fetchone() is None
