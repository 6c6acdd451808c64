"""The guide from the old system, carried out as it stands."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import warm
from tests.architecture.sources import ROOT
from tests.channels.bridge.bridge_file import BridgeFile
from tests.monitor.old_system import FILLED, OLD_SCHEMA
from tests.postgres import OWNER, Server

GUIDE = (ROOT / "docs" / "moving.md").read_text("utf-8")
FILE = """
[bridge]
messages = "messages.db"

[[monitor.projects]]
name = "Lawley"
group = "120363000000000001@g.us"
kind = "qa"
drop_space = "fibre"

[[monitor.projects]]
name = "Mohadin"
group = "120363000000000002@g.us"
kind = "qa"
drop_space = "fibre"

[[monitor.projects]]
name = "Velo Test"
group = "120363000000000003@g.us"
kind = "qa"

[[monitor.projects]]
name = "Marketing Activations"
group = "120363000000000005@g.us"
kind = "marketing"
"""


def commands() -> list[list[str]]:
    found = [line for block in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL) for line in block.splitlines()]
    return [shlex.split(line) for line in found if line.strip()]


@pytest.fixture
def old(postgres: Server, worker_database: str) -> Iterator[str]:
    """A database in which the old system's tables stand where ours belong."""
    name = f"{worker_database}_moving"
    postgres.drop(name)
    postgres.run(f"create database {name} owner {OWNER}")
    with psycopg.connect(postgres.url(OWNER, name)) as conn:
        conn.execute((OLD_SCHEMA + FILLED).encode())
    yield postgres.url(OWNER, name)
    postgres.drop(name)


def test_the_guide_leads_from_the_old_tables_to_ours(old: str, tmp_path: Path) -> None:
    (tmp_path / "tallybook.toml").write_text(FILE)
    BridgeFile(tmp_path)
    environ = os.environ | {
        "TALLYBOOK_DATABASE_URL": old, "TALLYBOOK_DATA_DIR": str(tmp_path / "data"),
        "TALLYBOOK_CONFIG": str(tmp_path / "tallybook.toml"), "TALLYBOOK_LOG_LEVEL": "error", "COLUMNS": "200",
    }  # fmt: skip

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [*warm.command(), *words]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, cwd=tmp_path)

    refused = run("migrate")
    assert refused.returncode == 1
    assert "tallybook monitor import-legacy --move" in " ".join(refused.stderr.split())
    steps = commands()
    assert len(steps) == 7
    said = []
    for program, *words in steps:
        assert program == "tallybook"
        done = run(*words)
        assert done.returncode == 0, (words, done.stderr)
        said.append(done.stdout)
    assert "Moved to legacy: invalid_drop_submissions, marketing_activations, qa_photo_reviews" in said[0]
    assert "would be added" in said[3]
    assert "Nothing was changed." in said[3]
    assert "it names no project" in said[3]
    with psycopg.connect(old) as conn:
        assert conn.execute("select count(*) from qa_photo_reviews").fetchone() == (6,)
        assert conn.execute("select count(*) from legacy.qa_photo_reviews").fetchone() == (7,)
        assert conn.execute("select distinct space from drops where drop_number = 'DR1752104'").fetchall() == [
            ("fibre",)
        ]
        assert conn.execute("select who, action from audit_log where subject = 'legacy'").fetchall() == [
            ("command line", "legacy.imported")
        ]
    again = json.loads(run("monitor", "import-legacy", "--project", "Lawley", "--json").stdout)
    assert [table["added"] for table in again["tables"]] == [0, 0, 0, 0]
    assert run("monitor", "import-legacy", "--zone", "Nowhere").returncode == 2
    assert run("monitor", "import-legacy", "--schema", "nowhere").returncode == 1


def test_an_address_of_another_database_is_read_in_its_own_schema(old: str, fresh_url: str, tmp_path: Path) -> None:
    (tmp_path / "tallybook.toml").write_text(FILE)
    BridgeFile(tmp_path)
    environ = os.environ | {
        "TALLYBOOK_DATABASE_URL": fresh_url, "TALLYBOOK_LEGACY_DATABASE_URL": old, "TALLYBOOK_LOG_LEVEL": "error",
        "TALLYBOOK_DATA_DIR": str(tmp_path), "TALLYBOOK_CONFIG": str(tmp_path / "tallybook.toml"),
    }  # fmt: skip
    for words in (["business", "add", "Velo Fibre", "--timezone", "Africa/Johannesburg"], ["monitor", "import-legacy"]):
        done = subprocess.run(
            [*warm.command(), *words, "--json"],
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
    outcome = json.loads(done.stdout)
    assert {table["name"]: table["added"] for table in outcome["tables"]}["qa_photo_reviews"] == 5
    assert outcome["beside"] == ["sharepoint_sync_state"]
