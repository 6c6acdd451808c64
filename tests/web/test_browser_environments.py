"""The comparison of environments as people see it: wide and narrow, light and dark, in both languages."""

from __future__ import annotations

from playwright.async_api import expect

from tallybook.core import environment_comparing
from tallybook.core.businesses import Business
from tests import world
from tests.web.browser import LOOKS, OpenTab, looks, seen_as
from tests.web.test_environments_page import report


async def test_it_reads_well_in_every_view(
    open_tab: OpenTab, root: world.Someone, business: Business, owner_url: str
) -> None:
    for name in looks("hebrew", LOOKS):
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
