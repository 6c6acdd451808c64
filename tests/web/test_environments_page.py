"""What was compared is shown to production's admins, and to nobody else; another environment says where it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tallybook.app import App
from tallybook.core import environment_comparing
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.environment_comparing import Line, Report
from tallybook.core.environment_registers import Held
from tests import world
from tests.web.conftest import Browser

NOW = datetime.now(UTC)
EVIL = "<script>alert(1)</script>"


def report(**overrides: Any) -> Report:
    """Dev lacks two drops of Lawley's, has one of its own, and counts by another rule."""
    here = Held("qa_photo_reviews", "Lawley", 1204, 1199, NOW - timedelta(minutes=5), 87)
    there = Held("qa_photo_reviews", "Lawley", 90, 86, NOW - timedelta(hours=26), 86)
    listed = Held("valid_drop_numbers", EVIL, 24000, 24000, NOW, 0)
    lines = [
        Line("messages", "Lawley", Held("messages", "Lawley", 5310, 0, NOW, 412), None),
        Line(
            "qa_photo_reviews", "Lawley", here, there, ["DR1752104", "DR1752105"], ["DR1752199"], 2, 1
        ),
        Line("valid_drop_numbers", EVIL, None, listed, [], [], 0, 24000),
    ]  # fmt: skip
    said = (
        "In dev there may be one row of qa_photo_reviews per (drop_number), by old_key, which production does not ask "
    )
    drift = [said + "for: dev refuses what production takes."]
    values = {"environment": "dev", "compared_at": NOW, "days": 7, "drift": drift, "lines": lines}
    return Report(**(values | overrides))


async def keep(owner_url: str, business: Business, **overrides: Any) -> None:
    await environment_comparing.keep(owner_url, {business.id: report(**overrides)})


async def test_before_the_first_comparison_the_page_says_how_one_is_made(browser: Browser, root: world.Someone) -> None:
    await browser.log_in(root)
    page = await browser.get("/environments")
    assert "tallybook env compare dev" in page.text
    assert "Nothing was compared yet" in page.text


async def test_both_sides_stand_beside_each_other_and_what_one_has_alone_is_named(
    browser: Browser, root: world.Someone, business: Business, owner_url: str
) -> None:
    await keep(owner_url, business)
    await browser.log_in(root)
    page = (await browser.get("/environments")).text
    assert "“dev” is not as production is." in page
    assert "dev refuses what production takes" in page
    assert "1,204" in page
    assert "2 drops in “Production” alone: <bdi>DR1752104</bdi>, <bdi>DR1752105</bdi>" in page
    assert "1 drop in “dev” alone: <bdi>DR1752199</bdi>" in page
    assert "24,000 drops in “dev” alone</span>" in page
    assert EVIL not in page


async def test_what_is_alike_is_one_sentence(
    browser: Browser, root: world.Someone, business: Business, owner_url: str
) -> None:
    await keep(owner_url, business, drift=[], lines=[])
    await browser.log_in(root)
    assert "hold the same drops of the last 7 days, by the same rules" in (await browser.get("/environments")).text


async def test_only_an_admin_sees_it_and_only_of_the_own_business(
    browser: Browser, open_browser: Callable[..., Browser], db: Database, business: Business, owner_url: str
) -> None:
    await keep(owner_url, business)
    for person in (world.ana, world.bia):
        someone = await db.run("add", lambda conn, person=person: person(conn, business))
        other = open_browser()
        await other.log_in(someone)
        assert (await other.get("/environments")).status_code == 403
        assert 'href="/environments"' not in (await other.get("/wa-monitor")).text
    caio = await db.run("add", world.caio)
    await browser.log_in(caio)
    assert "DR1752104" not in (await browser.get("/environments")).text


async def test_a_stranger_is_sent_to_the_log_in(browser: Browser) -> None:
    assert (await browser.get("/environments")).status_code in {302, 303}


@pytest.mark.parametrize("path", ["/wa-monitor", "/health", "/account"])
async def test_production_s_pages_wear_no_banner_and_show_no_other_environment(
    browser: Browser, root: world.Someone, business: Business, owner_url: str, path: str
) -> None:
    await keep(owner_url, business)
    await browser.log_in(root)
    page = (await browser.get(path)).text
    assert 'class="banner"' not in page
    assert "DR1752199" not in page


class TestInDev:
    """The same pages where the environment is not production."""

    @pytest.fixture
    def app(self, settings: Any, app: App) -> App:
        return replace(app, settings=replace(settings, env="dev"))

    @pytest.mark.parametrize("path", ["/wa-monitor", "/health", "/account", "/environments"])
    async def test_every_page_wears_the_environment_s_banner(
        self, browser: Browser, root: world.Someone, path: str
    ) -> None:
        await browser.log_in(root)
        page = (await browser.get(path)).text
        assert "Environment “dev”: nothing here is sent or counted in production." in page

    async def test_it_says_that_production_is_none_of_its_business(
        self, browser: Browser, root: world.Someone, business: Business, owner_url: str
    ) -> None:
        await keep(owner_url, business)
        await browser.log_in(root)
        page = (await browser.get("/environments")).text
        assert "Comparisons are shown in production" in page
        assert "DR1752104" not in page
        assert 'href="/environments"' not in page
