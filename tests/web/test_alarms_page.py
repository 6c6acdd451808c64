"""The page of alarms: who may see it, who may try it, and what it keeps from whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallybook.app import App
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.settings import Settings
from tallybook.web import alarms
from tests import world
from tests.web.conftest import Browser
from tests.web.test_browser_alarms import much

TESTS = "select dedup_key, recipient from outbox where dedup_key like 'alarm-test:%'"


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """With a projects file of the test's own."""
    given = {"TALLYBOOK_DATABASE_URL": database_url, "TALLYBOOK_CONFIG": str(tmp_path / "tallybook.toml")}
    return Settings.load(given | {"TALLYBOOK_DATA_DIR": str(tmp_path / "data")})


async def test_a_stranger_sees_nothing(browser: Browser) -> None:
    assert (await browser.get("/alarms")).status_code == 303
    assert (await browser.post("/alarms/test")).status_code == 303


async def test_who_is_no_admin_cannot_send_a_test(browser: Browser, ana: world.Someone, db: Database) -> None:
    await browser.log_in(ana)
    assert (await browser.get("/alarms")).status_code == 200
    assert (await browser.post("/alarms/test")).status_code == 403
    async with db.transaction() as conn:
        assert await (await conn.execute(TESTS.encode())).fetchall() == []


async def test_another_business_sees_none_of_it(
    browser: Browser, db: Database, business: Business, root: world.Someone
) -> None:
    await much(db, business)
    caio = await db.run("add", world.caio)
    await browser.log_in(caio)
    page = await browser.get("/alarms")
    assert "Mamelodi" not in page.text
    assert "2 items are parked." not in page.text


async def test_another_business_is_shown_no_address_and_has_no_button(
    browser: Browser, app: App, db: Database, business: Business, root: world.Someone
) -> None:
    app.settings.config.write_text('[[alerts.mail]]\nto = ["boss@example.org"]\nfrom = "t@example.org"\n')
    await browser.log_in(root)
    page = (await browser.get("/alarms")).text
    assert "boss@example.org" in page
    assert "/alarms/test" in page
    caio = await db.run("add", world.caio)
    await much(db, caio.business)
    await browser.log_in(caio)
    page = (await browser.get("/alarms")).text
    assert "Mamelodi" in page
    assert "example.org" not in page
    assert "/alarms/test" not in page
    assert (await browser.post("/alarms/test")).status_code == 403
    async with db.transaction() as conn:
        assert await (await conn.execute(TESTS.encode())).fetchall() == []


async def test_a_part_is_a_part_and_a_wrong_place_is_told(
    browser: Browser, db: Database, business: Business, root: world.Someone
) -> None:
    await much(db, business)
    await browser.log_in(root)
    part = await browser.get("/alarms", headers={"hx-request": "true"})
    assert "<html" not in part.text
    assert "2 items are parked." in part.text
    assert (await browser.get("/alarms?below=nonsense")).status_code == 400
    assert (await browser.get("/alarms?test=nonsense")).status_code == 200


async def test_old_alarms_are_paged_without_loss(
    browser: Browser, db: Database, business: Business, root: world.Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "PAGE_SIZE", 1)
    await much(db, business)
    async with db.transaction() as conn:
        await conn.execute(b"update alarm_episodes set told_at = '2025-12-01 12:00Z'")
    await browser.log_in(root)
    address, seen = "/alarms", []
    for _ in range(10):
        page = (await browser.get(address)).text
        seen += [name for name in ("WhatsApp bridge", "Group Lawley") if name in page]
        if 'href="/alarms?below=' not in page:
            break
        address = page.split('href="/alarms?below=')[1].split('"')[0]
        address = f"/alarms?below={address}".replace("&amp;", "&")
    assert sorted(seen) == ["Group Lawley", "WhatsApp bridge"]
