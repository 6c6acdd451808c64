"""The comparison of environments as people see it: wide and narrow, light and dark, in both languages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright, expect

from tallybook.core import environment_comparing
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tests import world
from tests.programs import require
from tests.web.browser import FLAGS, LOOKS, OpenTab, Site, seen_as, tabs_of
from tests.web.test_environments_page import report


@pytest.fixture
async def open_tab(db: Database, database_url: str, tmp_path: Any) -> AsyncIterator[OpenTab]:
    site = Site(database_url, tmp_path)
    await site.start()
    async with async_playwright() as playwright:
        chromium: Browser = await playwright.chromium.launch(executable_path=require("chromium"), args=FLAGS)
        async for opener in tabs_of(chromium.new_context, site.address):
            yield opener
        await chromium.close()
    assert await site.stop() == 0


async def test_it_reads_well_in_every_view(
    open_tab: OpenTab, root: world.Someone, business: Business, owner_url: str
) -> None:
    for name in LOOKS:
        tab = await open_tab(root, **seen_as(name))
        await tab.go("/environments")
        assert await tab.violations() == []
        await environment_comparing.keep(owner_url, {business.id: report()})
        await tab.go("/environments")
        await expect(tab.page.locator(".compared")).to_have_count(3)
        assert await tab.violations() == [], name
        wide = await tab.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert wide, name
        await tab.keep(f"environments-{name}", whole=True)
