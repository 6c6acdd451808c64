"""The inbox as people use it: with eyes, a mouse and a keyboard."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import expect

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tests import world
from tests.web import talks
from tests.web.browser import DESK, PHONE, SOON, OpenTab, Tab
from tests.web.talks import LONG, first, say, words

expect.set_options(timeout=10_000)
SIPHO, LERATO, NOA, LONGEST = "+27820000002", "+27820000003", "+27820000004", "+27820000005"


@pytest.fixture
async def duma(db: Database, business: Business) -> world.Someone:
    overrides = {"login": "duma", "name": "Duma Nkosi", "role": Role.AGENT}
    return await db.run("add", lambda conn: world.someone(conn, business, **overrides))


def talk(tab: Tab, name: str) -> Any:
    return tab.page.locator(".talk", has_text=name)


async def a_day(db: Database, business: Business) -> None:
    """Naledi's talk, and those of others around it."""
    await talks.connect(db, business)
    hour = timedelta(hours=1)
    await talks.whole_talk(db, business)
    await say(
        db, business,
        words("Thank you, the new screen is perfect", SIPHO, name="Sipho Mthembu", ago=hour),
        words("שלום, מתי אתם פתוחים ביום שישי?", NOA, name="נועה כהן", ago=2 * hour),
        words("Is there parking? " * 8, LONGEST, name=LONG, ago=3 * hour),
        words("I wait in front", LERATO, name="", ago=26 * hour, type="audio"),
    )  # fmt: skip


async def test_a_thread_is_opened_read_and_marked_unread(
    open_tab: OpenTab, db: Database, business: Business, duma: world.Someone
) -> None:
    await a_day(db, business)
    tab = await open_tab(duma)
    await tab.go("/inbox")
    await expect(talk(tab, "Naledi").locator(".badge")).to_have_text("6 unread")
    await expect(tab.page.locator("#threads-waiting")).to_have_text("5")
    await tab.page.keyboard.press("j")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator("#talk h2")).to_have_text("Naledi Khumalo")
    await expect(talk(tab, "Naledi").locator(".badge")).to_have_count(0)
    await expect(tab.page.locator("#threads-waiting")).to_have_text("4")
    await expect(tab.page.locator(".said").last).to_be_in_viewport()
    await tab.keep("inbox-desk")
    await tab.page.keyboard.press("u")
    await expect(tab.page).to_have_url(re.compile("/inbox$"))
    await expect(talk(tab, "Naledi").locator(".badge")).to_have_text("1 unread")


async def test_what_comes_is_shown_where_it_belongs_and_is_read_by_who_looks_at_it(
    open_tab: OpenTab, db: Database, business: Business, duma: world.Someone
) -> None:
    await say(db, business, words("Hello"), words("Hi", SIPHO, name="Sipho Mthembu"))
    tab = await open_tab(duma)
    await tab.go(f"/inbox/{await first(db)}")
    await expect(tab.page.locator("#live")).to_have_attribute("data-state", "live")
    await say(db, business, words("And one thing more"), words("Are you there?", SIPHO))
    await expect(tab.page.locator(".said").last).to_contain_text("And one thing more", timeout=SOON)
    await expect(talk(tab, "Sipho").locator(".badge")).to_have_text("2 unread", timeout=SOON)
    await expect(talk(tab, "Naledi").locator(".badge")).to_have_count(0)
    await talk(tab, "Sipho").hover()
    await say(db, business, words("Somebody new", LERATO))
    await expect(tab.page.locator("#news")).to_have_text("1 new", timeout=SOON)
    await tab.page.click("#news")
    await expect(tab.page.locator(".talk")).to_have_count(3)


async def test_an_answer_is_written_kept_while_nothing_answers_and_sent_once(
    open_tab: OpenTab, db: Database, business: Business, duma: world.Someone
) -> None:
    await talks.connect(db, business)
    await say(db, business, words("Is it open?"))
    tab = await open_tab(duma)
    tab.expected += ["net::ERR_FAILED"]
    await tab.go(f"/inbox/{await first(db)}")
    await tab.page.keyboard.press("r")
    await tab.page.keyboard.type("Until six")
    await tab.page.keyboard.press("Shift+Enter")
    await tab.page.keyboard.type("every day")
    await tab.page.route("**/send", lambda route: route.abort())
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator("#note")).to_contain_text("What you typed is still here")
    await expect(tab.page.locator("#text")).to_have_value("Until six\nevery day")
    await tab.page.unroute("**/send")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator(".said.human .words")).to_have_text("Until six\nevery day")
    await expect(tab.page.locator(".said.human .far")).to_have_attribute("title", "Waits to be sent")
    await expect(tab.page.locator("#text")).to_have_value("")
    await expect(tab.page.locator("#note")).to_contain_text("Can be answered freely until")


@pytest.mark.parametrize("look", ["hebrew desk", "hebrew phone", "dark tablet"])
async def test_each_kind_of_message_is_told_apart_at_every_width_and_in_hebrew(
    open_tab: OpenTab, db: Database, business: Business, duma: world.Someone, look: str
) -> None:
    await a_day(db, business)
    size = PHONE if "phone" in look else {"width": 900, "height": 1000} if "tablet" in look else DESK
    hebrew, dark = "hebrew" in look, "dark" in look
    tab = await open_tab(
        duma, viewport=size, locale="he-IL" if hebrew else "en-GB", color_scheme="dark" if dark else "light"
    )
    await tab.go("/inbox")
    await tab.keep(f"inbox-{look} list")
    assert await tab.violations() == []
    await talk(tab, "Naledi").locator("a").click()
    names = {
        "bot": ("🤖 Bot", "🤖 בוט"),
        "automation": ("⚡ Automation", "⚡ אוטומציה"),
        "human": ("👤 Person", "👤 ידני"),
    }
    for source, said in names.items():
        await expect(tab.page.locator(f".said.{source} .who").first).to_have_text(said[hebrew])
    colours = {
        await tab.page.locator(f".said.{source} .bubble").first.evaluate("one => getComputedStyle(one).backgroundColor")
        for source in ("customer", *names)
    }
    assert len(colours) == 4
    assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await tab.keep(f"inbox-{look}")
    assert await tab.violations() == []
    if "phone" in look:
        await expect(tab.page.locator("#threads")).to_be_hidden()
        await tab.page.locator(".back").click()
        await expect(talk(tab, "Naledi")).to_be_visible()


async def test_an_empty_inbox_on_a_phone(open_tab: OpenTab, business: Business, duma: world.Someone) -> None:
    tab = await open_tab(duma, viewport=PHONE)
    await tab.go("/inbox")
    await expect(tab.page.get_by_text("No messages yet")).to_be_visible()
    assert await tab.violations() == []
    await tab.keep("inbox-empty")
