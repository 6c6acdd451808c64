"""Copying, emptying and comparing at the terminal: what is said before, what is asked, and what comes of it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tallybook.core import environment
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tests import warm
from tests.monitor import desk as monitor
from tests.monitor.desk import LAWLEY, MARKETING, said

TOO_LONG_AGO = "100000"
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
async def home(fresh_db: Database, fresh_owner_url: str, business: Business) -> Business:
    """Production with two drops and an activation, and an empty dev."""
    await environment.create(fresh_owner_url, "dev", {})

    async def fill(conn: Conn) -> None:
        at_desk = await monitor.open_for(conn, business)
        posts = [said(LAWLEY, "Piet: DR1752104"), said(LAWLEY, "DR1752105"), said(MARKETING, "DR1752300")]
        await monitor.file(conn, business, posts, at_desk)

    await fresh_db.run("fill", fill)
    return business


@pytest.fixture
def tallybook(fresh_owner_url: str, tmp_path: Path, home: Business) -> Command:
    """``tallybook env …`` as the owner, with nobody at the terminal."""

    def call(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        ours = {"data_dir": str(tmp_path), "database_url": fresh_owner_url, "log_level": "error", "config": "none.toml"}
        given = {f"TALLYBOOK_{name.upper()}": value for name, value in (ours | settings).items()}
        command = [*warm.command(), "env", *arguments]
        return subprocess.run(
            command, env=os.environ | given, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )

    return call


def one(url: str, query: str) -> Any:
    with psycopg.connect(url) as conn:
        row = conn.execute(query.encode()).fetchone()
        return row[0] if row else None


def test_a_copy_says_what_it_takes_and_what_stays_and_may_be_repeated(tallybook: Command, fresh_owner_url: str) -> None:
    ahead = tallybook("copy", "dev", "--days", TOO_LONG_AGO, "--dry-run")
    assert ahead.returncode == 0, ahead.stderr
    assert "Rows that dev has too become production's again" in ahead.stdout
    assert one(fresh_owner_url, "select count(*) from dev.messages") == 0
    first = tallybook("copy", "dev", "--days", TOO_LONG_AGO)
    assert first.returncode == 0, first.stderr
    assert "rows copied" in first.stdout
    assert "█" not in first.stdout, "the bar belongs to standard error"
    # Now there is something to overwrite, so somebody must say yes.
    assert tallybook("copy", "dev", "--days", TOO_LONG_AGO).returncode == 2
    again = tallybook("copy", "dev", "--days", TOO_LONG_AGO, "--yes", "--json")
    assert {table["written"] for table in json.loads(again.stdout)["tables"]} == {0}
    masked = "select count(*) from dev.messages where text ~ 'Piet' or sender_phone not like '+999%'"
    assert one(fresh_owner_url, masked) == 0


def test_nothing_readable_leaves_production_without_a_yes(tallybook: Command, fresh_owner_url: str) -> None:
    refused = tallybook("copy", "dev", "--days", TOO_LONG_AGO, "--unmasked")
    assert refused.returncode == 2
    assert "become readable in dev" in refused.stderr.replace("\n", " ").replace("│", "").replace("  ", " ")
    assert one(fresh_owner_url, "select count(*) from dev.messages") == 0
    assert tallybook("copy", "dev", "--days", TOO_LONG_AGO, "--unmasked", "--yes").returncode == 0
    assert one(fresh_owner_url, "select count(*) from dev.messages where text ~ 'Piet'") == 1
    recorded = "select after ->> 'masked' from audit_log where action = 'environment.copied'"
    assert one(fresh_owner_url, recorded) == "false"


@pytest.mark.parametrize("options", [(), ("--days", "7", "--hours", "7")])
def test_a_copy_is_of_days_or_of_hours(tallybook: Command, options: tuple[str, ...]) -> None:
    done = tallybook("copy", "dev", *options)
    assert done.returncode == 2
    assert "either --days or --hours" in done.stderr


def test_a_reset_says_the_numbers_and_asks_and_refuses_production(tallybook: Command, fresh_owner_url: str) -> None:
    assert tallybook("copy", "dev", "--days", TOO_LONG_AGO).returncode == 0
    unanswered = tallybook("reset", "dev")
    assert unanswered.returncode == 2
    assert "messages 3" in unanswered.stderr
    refused = tallybook("reset", "prod", "--yes")
    assert (refused.returncode, "Production is not emptied" in refused.stderr) == (1, True)
    for name in ("public", "legacy"):
        for command in (("reset", name, "--people", "--yes"), ("copy", name, "--days", "9", "--yes"), ("create", name)):
            refused = tallybook(*command)
            assert (refused.returncode, "cannot be the name of an environment" in refused.stderr) == (1, True), command
    done = tallybook("reset", "dev", "--yes", "--json")
    assert json.loads(done.stdout)["removed"]["messages"] == 3
    assert one(fresh_owner_url, "select count(*) from dev.messages") == 0
    assert one(fresh_owner_url, "select count(*) from public.messages") == 3


def test_a_comparison_names_drops_and_drift_and_leaves_a_report(tallybook: Command, fresh_owner_url: str) -> None:
    assert tallybook("copy", "dev", "--days", TOO_LONG_AGO).returncode == 0
    same = tallybook("compare", "dev", "--days", TOO_LONG_AGO)
    assert same.returncode == 0, same.stderr
    assert "hold the same drops" in same.stdout
    with psycopg.connect(fresh_owner_url) as conn:
        conn.execute("delete from dev.qa_photo_reviews where drop_number = 'DR1752105'")
        conn.execute("alter table dev.qa_photo_reviews add constraint old_key unique (drop_number)")
    differs = tallybook("compare", "dev", "--days", TOO_LONG_AGO)
    assert differs.returncode == 1
    assert "qa_photo_reviews, Lawley: 1 in production alone: DR1752105." in differs.stdout
    assert "dev refuses what production takes" in differs.stdout
    report = one(fresh_owner_url, "select report from environment_reports where environment = 'dev'")
    assert "dev refuses what production takes" in report["drift"][0]


@pytest.mark.parametrize("command", [("copy", "dev", "--days", "7"), ("reset", "dev"), ("compare", "dev")])
def test_another_role_than_the_owner_is_told_so(tallybook: Command, fresh_url: str, command: tuple[str, ...]) -> None:
    done = tallybook(*command, database_url=fresh_url)
    assert done.returncode == 1
    assert "Set TALLYBOOK_OWNER_DATABASE_URL" in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
