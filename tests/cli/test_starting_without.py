"""A part of the product that starts while the database is away checks it as soon as it is back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest

from tallybook.cli.opening import open_checked
from tallybook.core.errors import WrongSetup
from tests.postgres import Server


@pytest.fixture
def away(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    monkeypatch.setenv("TALLYBOOK_DATABASE_URL", server.url("tallybook_prod"))
    monkeypatch.setenv("TALLYBOOK_DATA_DIR", str(tmp_path))
    return server


async def test_a_database_that_does_not_fit_ends_the_part_once_it_is_back(away: Server) -> None:
    with psycopg.connect(away.url("postgres")) as owner:
        owner.execute("update alembic_version set version_num = 'from the future'")
    away.stop()

    async def start() -> None:
        async with open_checked(None):
            await asyncio.to_thread(away.start)
            await asyncio.Event().wait()

    with pytest.raises(WrongSetup, match="newer than the program"):
        await asyncio.wait_for(start(), 40)


async def test_a_database_that_fits_lets_the_part_go_on(away: Server) -> None:
    away.stop()
    async with open_checked(None) as app:
        await asyncio.to_thread(away.start)
        assert app.settings.env == "prod"
