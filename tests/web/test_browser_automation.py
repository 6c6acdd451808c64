"""Automation as people use it: an example is tried, switched on, and read again as a sentence."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.async_api import expect

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tests import world
from tests.web import talks
from tests.web.browser import PHONE, OpenTab, looks
from tests.web.talks import LONG, first, say, words

expect.set_options(timeout=10_000)


@pytest.mark.parametrize("look", looks("hebrew phone dark", ["desk", "hebrew phone dark"]))
async def test_an_example_is_tried_switched_on_and_read_as_a_sentence(
    open_tab: OpenTab, db: Database, business: Business, look: str
) -> None:
    desk = look == "desk"
    await talks.connect(db, business)
    await say(db, business, words("What is the price?", ago=timedelta(hours=3)), words(LONG, "+27820000009", name=LONG))
    bia = await db.run("add", lambda conn: world.bia(conn, business))
    tab = await open_tab(bia, **({} if desk else {"viewport": PHONE, "color_scheme": "dark"}))
    if not desk:
        await tab.go("/inbox/automation")
        await tab.page.click(".tongue summary")
        await tab.page.click("button[value=he]")
    await tab.go("/inbox/automation")
    assert await tab.violations() == []
    await tab.keep(f"automation-{look}-empty", whole=True)
    await tab.page.click(".examples li:nth-child(2) a")
    assert await tab.violations() == []
    await tab.page.fill("[name=words]", "price, מחיר")
    await tab.page.click("button[value=try]")
    await expect(tab.page.locator(".tried .lines li")).to_have_count(1)
    assert await tab.violations() == []
    await tab.keep(f"automation-{look}-tried", whole=True)
    await tab.page.select_option("[name=on]", "silence")
    await expect(tab.page.locator("[name=hours]")).to_be_visible()
    await expect(tab.page.locator("[name=words]")).to_be_hidden()
    await tab.page.select_option("[name=on]", "keyword")
    await tab.page.click("button[value=on]")
    await expect(tab.page.locator(".switch")).to_have_attribute("aria-checked", "true")
    assert await tab.violations() == []
    await tab.keep(f"automation-{look}-rules", whole=True)
    width = await tab.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0


async def test_what_was_typed_in_a_thread_is_taken_along_to_be_sent_later(
    open_tab: OpenTab, db: Database, business: Business
) -> None:
    await talks.connect(db, business)
    await say(db, business, words("Until when?"))
    bia = await db.run("add", lambda conn: world.bia(conn, business))
    tab = await open_tab(bia)
    await tab.go(f"/inbox/{await first(db)}")
    await tab.page.fill("#text", "Until six")
    await tab.page.click("button[value=compose]")
    await expect(tab.page.locator("main textarea[name=text]").first).to_have_value("Until six")
    assert await tab.violations() == []
    await tab.page.click("main form .first")
    await expect(tab.page).to_have_url(re.compile("/inbox/[0-9]+$"))
    await expect(tab.page.locator(".later-strip")).to_contain_text("Until six")
    await tab.keep("automation-strip")
    await tab.page.click(".later-strip a")
    await tab.keep("automation-later", whole=True)
    await tab.page.click("details.pop summary.plain")
    await tab.page.click("form.sure .first")
    await expect(tab.page.locator(".lines .tag")).to_have_text("Cancelled")
