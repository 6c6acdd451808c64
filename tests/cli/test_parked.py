"""At the terminal a person sees what was put aside and what lies in the spool, and has both processed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import msgspec
import pytest

from tallybook.core import receive
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.receive import Received
from tallybook.core.spool import Spool
from tests import warm
from tests.core.worked import rows
from tests.fakes import NOON


class Terminal:
    """Runs commands beside a database, and gives back how they ended and what they said."""

    def __init__(self, url: str, folder: Path) -> None:
        self.settings = {
            "TALLYBOOK_DATABASE_URL": url,
            "TALLYBOOK_DATA_DIR": str(folder),
            "TALLYBOOK_LOG_LEVEL": "error",
        }

    def __call__(self, *arguments: str) -> tuple[int, str]:
        command = [*warm.command(), *arguments]
        done = subprocess.run(command, env=os.environ | self.settings, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def terminal(fresh_url: str, tmp_path: Path) -> Terminal:
    return Terminal(fresh_url, tmp_path / "data")


async def test_what_is_parked_is_listed_without_its_text_shown_with_it_and_replayed(
    fresh_db: Database, business: Business, terminal: Terminal
) -> None:
    assert terminal("parked", "list") == (0, "Nothing is parked.\n")
    await fresh_db.run("store", lambda conn: receive.store(conn, [Received("fake", b"said in private", NOON)]))
    await fresh_db.run("park", lambda conn: conn.execute("update deliveries set state = 'parked', reason = 'poison'"))
    code, listed = terminal("parked", "list")
    assert code == 0
    assert "delivery:1" in listed
    assert "poison" in listed
    assert "private" not in listed
    code, shown = terminal("parked", "show", "delivery:1", "--json")
    assert json.loads(shown)["content"]["body"] == "said in private"
    code, said = terminal("parked", "replay", "delivery:1", "message:5")
    assert code == 1, "one of the two was not parked"
    assert "✓ delivery:1" in said
    assert "✗ message:5: Nothing is parked as message:5." in said
    assert await rows(fresh_db, "select state from deliveries") == [("waiting",)]
    assert terminal("parked", "show", "nonsense")[0] == 2
    assert terminal("parked", "replay", "nonsense")[0] == 2
    assert terminal("parked", "list", "--after", "nonsense")[0] == 2
    assert terminal("parked", "replay")[0] == 2


def test_what_was_asked_wrongly_ends_with_2_and_an_unknown_reference_is_one_sentence(terminal: Terminal) -> None:
    terminal.settings["TALLYBOOK_LOG_LEVEL"] = "info"
    assert terminal("parked", "replay", "message:5") == (1, "✗ message:5: Nothing is parked as message:5.\n")
    for name, value in (("TALLYBOOK_PORT", "eighty"), ("TALLYBOOK_PROT", "8080")):
        terminal.settings[name] = value
        code, said = terminal("parked", "list")
        assert (code, name in said) == (2, True)
        del terminal.settings[name]


async def test_the_spool_is_told_and_stored(fresh_db: Database, terminal: Terminal, tmp_path: Path) -> None:
    assert terminal("spool", "status") == (0, "The spool is empty.\n")
    async with Spool.open(tmp_path / "data" / "spool", 1_000_000) as dead:
        await dead.append(msgspec.msgpack.encode(Received("fake", b"left behind", NOON)))
    assert json.loads(terminal("spool", "status", "--json")[1])["records"] == 1
    code, said = terminal("spool", "replay")
    assert (code, said.startswith("1 stored")) == (0, True)
    assert await rows(fresh_db, "select body, received_at from deliveries") == [(b"left behind", NOON)]
    assert terminal("spool", "status") == (0, "The spool is empty.\n")
