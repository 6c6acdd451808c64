"""The desk as people use it: who has a thread, what stands on it, what is noted, and answers that are ready."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tallybook.inbox import canned_rules
from tallybook.inbox.desk_types import Owner
from tallybook.inbox.service import assigning, canned, labels, notes, teams
from tests import world
from tests.web import talks
from tests.web.browser import PHONE, OpenTab
from tests.web.talks import first


@pytest.fixture
async def duma(db: Database, business: Business) -> world.Someone:
    changes = {"login": "duma", "name": "Duma Nkosi", "role": Role.AGENT}
    return await db.run("add", lambda conn: world.someone(conn, business, **changes))


@pytest.fixture
async def bia(db: Database, business: Business) -> world.Someone:
    return await db.run("add", lambda conn: world.bia(conn, business))


async def test_a_thread_is_taken_labelled_noted_and_answered_from_what_is_ready_with_the_keyboard(
    open_tab: OpenTab, db: Database, business: Business, duma: world.Someone, bia: world.Someone
) -> None:
    await talks.connect(db, business)
    await talks.whole_talk(db, business)
    number = await first(db)
    for name, colour in (("VIP", "amber"), ("Waiting for parts", "purple")):
        await db.run("label", lambda conn, given=(name, colour): labels.add(conn, bia.caller, *given))
    team = await db.run("team", lambda conn: teams.add(conn, bia.caller, "Sales", [duma.account_id]))
    await db.run("give", lambda conn: assigning.assign(conn, bia.caller, number, Owner(team=team)))
    await db.run("note", lambda conn: notes.write(conn, bia.caller, number, "She pays on Fridays, @duma", "k"))
    for shortcut, text in (("hello", "Hello {first name}, this is {my name}."), ("lead", "Dear {lead name}!")):
        line = canned_rules.line("en", shortcut, text)
        await db.run("keep", lambda conn, line=line: canned.add(conn, duma.caller, line))
    tab = await open_tab(duma)
    page = tab.page
    await tab.go("/inbox?show=mine")
    await expect(page.locator(".talk .named")).to_be_visible()
    await page.locator(".talk a").first.click()
    await expect(page.locator(".said.named")).to_contain_text("She pays on Fridays")
    await page.keyboard.press("a")
    await page.keyboard.press("Enter")
    await expect(page.locator("#assign summary")).to_contain_text("Duma Nkosi")
    await expect(page.locator(".done-line").last).to_contain_text("Duma Nkosi took it")
    await page.locator(f"#talk-{number} a").focus()
    await page.keyboard.press("l")
    await page.keyboard.press("Enter")
    await expect(page.locator(".customer .mark-label")).to_have_text("VIP")
    await tab.keep("desk-labels")
    await page.keyboard.press("Escape")
    await page.keyboard.press("n")
    await page.keyboard.type("Called back. @bia look")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".bubble.noted").last).to_contain_text("Called back")
    await expect(page.locator(".said.ours", has_text="Called back")).to_have_count(0)
    await page.locator("#text").fill("/he")
    await expect(page.locator("#canned-list li")).to_have_count(1)
    await tab.keep("desk-canned")
    await page.keyboard.press("Enter")
    await expect(page.locator("#text")).to_have_value("Hello Naledi, this is Duma Nkosi.")
    await page.keyboard.press("Enter")
    await expect(page.locator(".said.ours", has_text="this is Duma Nkosi")).to_be_visible()
    # What nobody knows stays in its place, and does not leave.
    tab.expected.append("409")
    await expect(page.locator("#text")).to_have_value("")
    await page.locator("#text").fill("/lead")
    await page.keyboard.press("Enter")
    await expect(page.locator("#text")).to_have_value("Dear {lead name}!")
    await page.keyboard.press("Enter")
    await expect(page.locator("#note")).to_contain_text("There is still a place for a name")
    assert await tab.violations() == []
    await tab.keep("desk-thread")


async def test_the_pages_fit_a_phone_and_are_read_from_the_right(
    open_tab: OpenTab, db: Database, business: Business, duma: world.Someone, bia: world.Someone
) -> None:
    await talks.connect(db, business)
    await talks.whole_talk(db, business)
    number = await first(db)
    label = await db.run("label", lambda conn: labels.add(conn, bia.caller, "לקוח חשוב", "pink"))
    await db.run("put", lambda conn: labels.put(conn, bia.caller, [number], label))
    await db.run("note", lambda conn: notes.write(conn, bia.caller, number, "משלמת בימי שישי, @bia", "k"))
    await db.run("team", lambda conn: teams.add(conn, bia.caller, "מכירות", [duma.account_id]))
    line = canned_rules.line("he", "שלום", "שלום {שם פרטי}, כאן {השם שלי}.")
    await db.run("keep", lambda conn: canned.add(conn, duma.caller, line))
    tab = await open_tab(bia, viewport=PHONE, locale="he-IL", color_scheme="dark")
    for name in ("labels", "teams", "canned", str(number)):
        await tab.go(f"/inbox/{name}")
        await tab.keep(f"desk-phone-{name}")
        assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await tab.violations() == []
    await tab.page.locator("#assign summary").click()
    await tab.keep("desk-phone-assign")
