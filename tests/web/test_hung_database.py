"""While the database hangs, whoever asks for a page is told so within seconds."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tallybook.app import App
from tallybook.core.db import open_database
from tallybook.core.login_limits import Limits
from tallybook.settings import Settings
from tests import world
from tests.postgres import Server
from tests.web.conftest import Browser


@pytest.fixture
async def app(server: Server, tmp_path: Path) -> AsyncIterator[App]:
    settings = Settings.load({"TALLYBOOK_DATABASE_URL": server.url()}, tmp_path)
    async with open_database(server.url(), "prod") as db:
        yield App(settings, db, [b"k" * 32], Limits(b"k" * 32), world.CHEAP)


async def test_a_page_says_within_seconds_that_the_database_is_away(app: App, server: Server, browser: Browser) -> None:
    business = await app.db.run("add business", world.velo_fibre)
    ana = await app.db.run("add", lambda conn: world.ana(conn, business))
    await browser.log_in(ana)
    assert (await browser.get("/account")).status_code == 200
    with server.hung():
        for limit in (10, 6):
            begun = time.monotonic()
            assert (await browser.get("/account")).status_code == 503
            assert time.monotonic() - begun < limit


async def test_who_asks_whether_it_is_ready_is_told_within_seconds_that_it_is_not(
    app: App, server: Server, browser: Browser
) -> None:
    assert (await browser.get("/readyz")).status_code == 200
    with server.hung():
        for limit in (8, 4):
            begun = time.monotonic()
            assert (await browser.get("/readyz")).status_code == 503
            assert time.monotonic() - begun < limit
