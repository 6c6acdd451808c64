"""A database that is late at boot is waited for by the migrations, and said in plain words by every command."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests import warm
from tests.postgres import OWNER, Server

PIPE = asyncio.subprocess.PIPE


async def begun(folder: Path, url: str, *words: str) -> asyncio.subprocess.Process:
    environ = os.environ | {"TALLYBOOK_DATABASE_URL": url, "TALLYBOOK_DATA_DIR": str(folder / "data")}
    return await asyncio.create_subprocess_exec(*warm.command(), *words, env=environ, stdout=PIPE, stderr=PIPE)


async def test_the_migrations_wait_for_a_database_that_is_late(server: Server, tmp_path: Path) -> None:
    url = server.url(OWNER)
    server.stop()
    process = await begun(tmp_path, url, "migrate", "--wait")
    async with asyncio.timeout(60):
        while b"it is waited for" not in await process.stderr.readline():
            pass
        server.start()
        said, _ = await process.communicate()
    assert (process.returncode, b"the database is up to date" in said) == (0, True)


@pytest.mark.parametrize("words", [("migrate",), ("monitor", "explain", "DR1752104"), ("parked", "list")])
async def test_a_database_that_is_away_is_said_plainly(tmp_path: Path, words: tuple[str, ...]) -> None:
    process = await begun(tmp_path, "postgresql://nobody@127.0.0.1:1/none", *words)
    _, complained = await process.communicate()
    assert process.returncode == 1
    assert "The database cannot be reached" in complained.decode()
    assert "Traceback" not in complained.decode()
    assert "nobody expected" not in complained.decode()
