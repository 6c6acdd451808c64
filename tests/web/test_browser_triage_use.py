"""A discipline is taken out of use on a page: looked at first, on a desk, and on a phone from right to left."""

from __future__ import annotations

from datetime import UTC, datetime

from playwright.async_api import expect

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.demo import rota
from tests import world
from tests.web.browser import PHONE, OpenTab


async def test_a_discipline_is_taken_out_of_use_by_the_look_and_brought_back_on_a_phone(
    open_tab: OpenTab, db: Database, business: Business
) -> None:
    bia = await db.run("add", lambda conn: world.bia(conn, business))
    await db.run("rota", lambda conn: rota.make(conn, business, datetime.now(UTC)))
    for size, options in (("desk", {}), ("phone", {"viewport": PHONE, "locale": "he-IL", "color_scheme": "dark"})):
        tab = await open_tab(bia, **options)
        page = tab.page
        await tab.go("/triage/teams")
        form = page.locator("li:has(form[action*='/use'])").first
        await form.locator("details").last.locator("summary").click()
        await form.locator("[name=reason]").last.fill("It is done")
        await form.locator("[value=look]").click()
        await expect(page.locator("#found")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await tab.violations() == []
        await tab.keep(f"triage-use-{size}", whole=True)
        await page.locator("#found [value=use]").click()
        await expect(page.locator("#found")).to_have_count(0)
        await tab.keep(f"triage-used-{size}", whole=True)
        await tab.go("/triage")
        await expect(page.locator(".duty")).to_have_count(1 if size == "desk" else 2)
