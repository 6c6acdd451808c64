"""A mistyped environment is refused by every command, and no command but those that say so makes or changes tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer

from tallybook.cli import app
from tallybook.core.revisions import known_revisions
from tests import warm
from tests.postgres import OWNER, Server

# These make an environment or bring it up to date; bench has a server of its own, and demo a folder.
MAKERS = {("run",), ("demo",), ("migrate",), ("env", "create"), ("bench",)}
# A restore pours into what is empty, the spool is a folder, and these of the doctor look elsewhere and at files.
WITHOUT = {("restore",), ("spool", "status"), ("doctor", "draft"), ("doctor", "compare"), ("doctor", "log")}
# What the owner needs of an older or a newer database, too.
AT_ANY_REVISION = {("database-url",), ("backup",), ("doctor", "undo")}
# Every other command, with something for each argument that must be given.
ARGUMENTS = {
    ("serve",): (), ("work",): (), ("health",): (), ("database-url",): (), ("backup",): ("copy.tar",),
    ("monitor", "replies"): (), ("monitor", "import-valid"): ("FILE",), ("monitor", "reconcile"): ("FILE",),
    ("monitor", "import-legacy"): (), ("monitor", "explain"): ("DR1752104",), ("monitor", "check-registers"): (),
    ("monitor", "import-locations"): ("FILE",), ("monitor", "report"): (), ("monitor", "sync-sharepoint"): (),
    ("monitor", "scan"): ("--once",), ("doctor", "plan"): (), ("doctor", "repair"): ("--yes",),
    ("doctor", "undo"): ("r1", "--yes"),
    ("env", "copy"): ("prdo", "--days", "1"), ("env", "reset"): ("prdo", "--yes"), ("env", "compare"): ("prdo",),
    ("env", "forget"): ("prdo",),
    ("parked", "list"): (), ("parked", "show"): ("message:1",), ("parked", "replay"): ("--all",),
    ("alerts", "test"): (), ("channel", "list"): (), ("channel", "reseal"): (),
    ("channel", "add", "whatsapp"): ("--phone-number-id", "106540352242922", "--token-file", "token"),
    ("channel", "add", "gateway"): ("--account", "27820000001"),
    ("inbox", "answers", "list"): (), ("inbox", "answers", "import"): ("FILE", "--yes"),
    ("inbox", "answers", "remove"): ("1", "--yes"), ("inbox", "answers", "try"): ("Are you open?",),
    ("inbox", "replay"): ("FILE",), ("inbox", "import-legacy"): ("--schema", "old"), ("inbox", "news"): (),
    ("inbox", "export-contact"): ("27820000001", "--to", "their.zip"), ("inbox", "erase-contact"): ("27820000001",),
    ("spool", "replay"): (), ("user", "add"): ("ana",), ("user", "let-in"): ("ana",), ("token", "create"): ("reports",),
    ("channel", "add", "slack"): ("--team-id", "T0001", "--token-file", "token"),
    ("triage", "who"): (), ("triage", "record"): (), ("triage", "export-ics"): (), ("triage", "import-json"): (".",),
    ("triage", "import-old"): (), ("triage", "undo-import"): ("--yes",),
    ("business", "add"): ("Velo Fibre", "--timezone", "Africa/Johannesburg"),
}  # fmt: skip
# Runs every command in one process, and tells how each ended.
EACH = """
import json, sys
from tallybook.cli import app
from tallybook.core.errors import WrongSetup
for arguments in json.load(sys.stdin):
    try:
        said = ["ended", app(arguments, standalone_mode=False)]
    except WrongSetup as error:
        said = ["refused", error.message]
    except BaseException as error:
        said = [type(error).__name__, str(error)]
    print("\\n" + json.dumps([arguments, *said]))
"""
EVERYTHING = """
select n.nspname, c.relname, c.relkind, (select version_num from public.alembic_version)
from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname !~ '^(pg_|information)' order by 1, 2
"""
ROLES = "select rolname from pg_roles order by 1"


def walked(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command that does something, as the words that call it."""
    if not hasattr(command, "commands"):
        yield path
    else:
        for name in command.commands:
            yield from walked(command.commands[name], (*path, name))


def test_every_command_is_held_to_it() -> None:
    """A new command takes its place in one of these lists."""
    assert set(walked(typer.main.get_command(app))) == set(ARGUMENTS) | MAKERS | WITHOUT


def ended(settings: dict[str, str], folder: Path, *extra: str) -> list[tuple[tuple[str, ...], str, str]]:
    """How each of the commands ended."""
    file = folder / "file.csv"
    file.write_text("drop,lat,long,date\nDR1752104,-26.1,27.9,2026-01-31\n")
    (folder / "token").write_text("E" * 40)
    (folder / "users.json").write_text("[]")
    ours = [
        [*path, *(str(file) if word == "FILE" else word for word in words), *(() if path[0] == "env" else extra)]
        for path, words in ARGUMENTS.items()
    ]
    done = subprocess.run(
        [sys.executable, "-c", EACH], input=json.dumps(ours), env=os.environ | settings, check=True,
        capture_output=True, text=True, cwd=folder, timeout=120,
    )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('[["')]
    assert len(answers) == len(ARGUMENTS), done.stderr
    return [(path, how, said) for path, (_, how, said) in zip(ARGUMENTS, answers, strict=True)]


def everything(server: Server) -> list[Any]:
    with psycopg.connect(server.url("postgres")) as owner:
        return owner.execute(EVERYTHING).fetchall() + owner.execute(ROLES).fetchall()


@pytest.fixture
def named(server: Server, tmp_path: Path) -> dict[str, str]:
    return {
        "TALLYBOOK_DATABASE_URL": server.url(OWNER), "TALLYBOOK_DATA_DIR": str(tmp_path / "data"),
        "TALLYBOOK_LOG_LEVEL": "critical", "TALLYBOOK_PORT": "0",
    }  # fmt: skip


def test_a_mistyped_environment_is_refused_by_every_command_and_leaves_nothing(
    server: Server, named: dict[str, str], tmp_path: Path
) -> None:
    before = everything(server)
    sentences = (
        "There is no environment prdo; there are: prod, dev.",
        "There is no environment prdo yet. Make it with: tallybook env create prdo",
        "Only production writes to SharePoint; this is prdo.",
    )
    answers = ended(named, tmp_path, "--env", "prdo")
    assert [one for one in answers if one[1] != "refused" or one[2] not in sentences] == []
    assert everything(server) == before


def test_tables_of_another_release_are_changed_by_no_command(
    server: Server, named: dict[str, str], tmp_path: Path
) -> None:
    older = known_revisions()[-2]
    with psycopg.connect(server.url("postgres")) as owner:
        owner.execute("update public.alembic_version set version_num = %(older)s", {"older": older})
    before = everything(server)
    for path, how, said in ended(named, tmp_path):
        if path not in AT_ANY_REVISION:
            assert how == "refused", (path, said)
            assert said.startswith(f"The database is at revision {older};"), (path, said)
            assert said.endswith("Run: tallybook migrate"), (path, said)
    assert everything(server) == before


def tallybook(folder: Path, *arguments: str, **settings: str) -> tuple[int, str]:
    given = {"TALLYBOOK_DATA_DIR": str(folder), "TALLYBOOK_LOG_LEVEL": "critical"}
    given |= {f"TALLYBOOK_{name.upper()}": value for name, value in settings.items()}
    command = [*warm.command(), *arguments]
    done = subprocess.run(command, env=os.environ | given, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.soak
def test_the_database_that_comes_with_the_product_is_neither_begun_nor_added_to_by_a_look(tmp_path: Path) -> None:
    code, said = tallybook(tmp_path / "data", "parked", "list")
    assert (code, "There is no database in" in said) == (1, True)
    assert not (tmp_path / "data" / "postgres").exists()
    assert tallybook(tmp_path / "data", "migrate")[0] == 0
    assert tallybook(tmp_path / "data", "parked", "list") == (0, "Nothing is parked.\n")
    for arguments, settings in ((("parked", "list", "--env", "prdo"), {}), (("health",), {"env": "prdo"})):
        assert tallybook(tmp_path / "data", *arguments, **settings) == (
            1, "There is no environment prdo; there are: prod.\n",
        )  # fmt: skip
    assert "tallybook_prdo" not in (tmp_path / "data" / "credentials.json").read_text()
