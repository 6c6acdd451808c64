"""The first migration of a server whose roles somebody else has made, as compose.yaml does it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import warm
from tests.postgres import APP, OWNER, Server

# Ten processes that have all read the code already, so that they meet in the database and not on the way there.
TEN = """
import asyncio, os, sys
from tallybook.core import environment
for _ in range(10):
    if os.fork() == 0:
        applied = asyncio.run(environment.create(sys.argv[1], "prod", {}))
        os.write(1, b"%d\\n" % len(applied))
        os._exit(0)
failed = [status for _, status in (os.wait() for _ in range(10)) if status]
sys.exit(len(failed))
"""


@pytest.fixture
def bare(postgres: Server, worker_database: str) -> Iterator[str]:
    """An empty database, on which the application's role has no rights."""
    name = f"{worker_database}_bare"
    postgres.run(f"create database {name} owner {OWNER}")
    yield name
    postgres.drop(name)


def may_write(url: str) -> bool:
    with psycopg.connect(url) as application:
        application.execute("insert into businesses (name) values ('Velo Fibre')")
        return application.execute("select name from businesses").fetchall() == [("Velo Fibre",)]


def test_migrate_gives_the_applications_role_its_rights(postgres: Server, bare: str, tmp_path: Path) -> None:
    settings = {
        "TALLYBOOK_DATA_DIR": str(tmp_path),
        "TALLYBOOK_DATABASE_URL": postgres.url(APP, bare),
        "TALLYBOOK_OWNER_DATABASE_URL": postgres.url(OWNER, bare),
    }
    said = subprocess.run(
        [*warm.command(), "migrate"],
        env=os.environ | settings, stdout=subprocess.PIPE, text=True, check=True,
    ).stdout  # fmt: skip
    assert "the database is up to date" in said
    assert may_write(postgres.url(APP, bare))


def test_ten_that_start_at_once_migrate_once(postgres: Server, bare: str) -> None:
    command = [sys.executable, "-c", TEN, postgres.url(OWNER, bare)]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    applied = sorted(int(line) for line in said.split())
    assert applied[:-1] == [0] * 9
    assert applied[-1] > 0
    assert may_write(postgres.url(APP, bare))
