"""Cover as people ask for it and decide on it at the pages, and who carried how much."""

from __future__ import annotations

from datetime import UTC, datetime

from playwright.async_api import expect

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.demo import rota
from tests import world
from tests.web.browser import PHONE, PICTURES, OpenTab


async def test_cover_is_asked_for_by_its_fairest_proposal_and_approved_where_everybody_sees_it(
    open_tab: OpenTab, db: Database, business: Business
) -> None:
    root = await db.run("add", lambda conn: world.root(conn, business))
    await db.run("rota", lambda conn: rota.make(conn, business, datetime.now(UTC)))
    look = {"viewport": PHONE, "locale": "he-IL", "color_scheme": "dark"}
    paths = {
        "overrides": "/triage/overrides", "turns": "/triage/overrides/new?all=1", "override": "/triage/overrides/2",
        "fairness": "/triage/fairness?period=365", "record": "/triage/audit",
    }  # fmt: skip
    for size, options in (("", {}), ("phone-", look)) if PICTURES else ():
        tab = await open_tab(root, **options)
        for name, path in paths.items():
            await tab.go(path)
            await tab.keep(f"triage-{size}{name}", whole=True)
        await tab.go(paths["turns"])
        await tab.page.locator(".lines .button").last.click()
        await tab.keep(f"triage-{size}asking", whole=True)
    tab = await open_tab(root)
    page = tab.page
    await tab.go("/triage/overrides")
    await page.get_by_role("link", name="Ask for cover").click()
    await page.locator(".lines .button").last.click()
    assert await tab.violations() == []
    await page.locator(".fit input[type=radio]").first.check()
    await page.fill("[name=reason]", "A wedding")
    await page.keyboard.press("Enter")
    asked = page.locator(".requests li").filter(has_text="A wedding")
    await expect(asked).to_be_visible()
    assert await tab.violations() == []
    await asked.get_by_role("link", name="Decide").click()
    await page.get_by_role("button", name="Approve").click()
    await expect(asked).to_contain_text("Approved by Root")
    phone = await open_tab(root, **look)
    for path in paths.values():
        await phone.go(path)
        assert await phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert await phone.violations() == [], path
