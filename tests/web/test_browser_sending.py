"""Answering one message and sending a template, as people do it: with eyes, a mouse and a keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tests import world
from tests.cloud_api.templates import a_template
from tests.core.worked import rows
from tests.web import talks
from tests.web.browser import LOOKS, PHONE, OpenTab, looks, seen_as
from tests.web.talks import first, say, words
from tests.web.test_inbox_sending import read_templates

expect.set_options(timeout=10_000)
FULL = a_template("visit_he", "") | {
    "language": "he",
    "components": [
        {"type": "HEADER", "format": "TEXT", "text": "ביקור טכנאי"},
        {"type": "BODY", "text": "שלום {{1}}, נגיע ביום {{2}}."},
        {"type": "FOOTER", "text": "Velo Fibre"},
        {
            "type": "BUTTONS",
            "buttons": [{"type": "QUICK_REPLY", "text": "מתאים"}, {"type": "QUICK_REPLY", "text": "לא מתאים"}],
        },
    ],
}


async def test_a_message_is_quoted_reacted_to_and_a_template_filled_by_keyboard_on_a_phone_too(
    open_tab: OpenTab, db: Database, business: Business
) -> None:
    await talks.connect(db, business)
    await say(db, business, words("Is it open on Monday?"), words("And what does a new screen cost?"))
    await read_templates(db, business, a_template(), FULL)
    overrides = {"login": "duma", "name": "Duma Nkosi", "role": Role.AGENT}
    duma = await db.run("add", lambda conn: world.someone(conn, business, **overrides))
    tab = await open_tab(duma)
    await tab.go(f"/inbox/{await first(db)}")
    await tab.page.keyboard.press("q")
    await expect(tab.page.locator("#quoting")).to_contain_text("And what does a new screen cost?")
    await tab.page.keyboard.type("From 400")
    await tab.keep("sending-quoting")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator(".said.ours blockquote")).to_have_text("And what does a new screen cost?")
    await expect(tab.page.locator("#quoting")).to_be_hidden()
    await tab.page.locator(".said").first.hover()
    await tab.page.locator(".said").first.locator("[data-react]").click()
    await tab.keep("sending-emojis")
    await tab.page.locator("#react button", has_text="👍").click()
    await expect(tab.page.locator(".said").first.locator(".reactions")).to_contain_text("👍")
    assert await tab.violations() == []
    await tab.page.set_viewport_size(PHONE)
    await tab.keep("sending-phone-thread")
    await tab.page.click("text=Send a template")
    await tab.page.click("text=visit_he")
    await expect(tab.page.locator("#fill input:not([type=hidden])").first).to_be_focused()
    await tab.page.keyboard.type("דנה")
    await tab.page.keyboard.press("Tab")
    await tab.page.keyboard.type("שני")
    await expect(tab.page.locator("#shown .words")).to_have_text("שלום דנה, נגיע ביום שני.")
    assert await tab.violations() == []
    await tab.keep("sending-phone-template")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page).to_have_url(re.compile(r"/inbox/\d+$"))
    await expect(tab.page.locator(".said").last).to_contain_text("שלום דנה, נגיע ביום שני.")
    assert len(await rows(db, "select 1 from outbox")) == 3
    await tab.go("/inbox/templates")
    await tab.keep("sending-phone-templates")


@pytest.mark.parametrize("look", looks("hebrew phone dark", LOOKS))
async def test_a_question_is_written_with_its_answers_seen_as_it_will_read_and_sent(
    open_tab: OpenTab, db: Database, business: Business, look: str
) -> None:
    await talks.connect(db, business)
    await say(db, business, words("Is it open on Monday?"))
    overrides = {"login": "duma", "name": "Duma Nkosi", "role": Role.AGENT}
    duma = await db.run("add", lambda conn: world.someone(conn, business, **overrides))
    tab = await open_tab(duma, **seen_as(look))
    page = tab.page
    await tab.go(f"/inbox/{await first(db)}")
    await page.fill("#text", "מתי נוח לך? When suits you?")
    await tab.keep(f"question-thread-{look}")
    await page.click(".beside-composer button")
    await expect(page.locator("[name=text]")).to_have_value("מתי נוח לך? When suits you?")
    await page.fill("[name=button1]", "יום שני 9:00")
    await page.fill("[name=button2]", "Tuesday")
    await expect(page.locator("#shown .press").nth(1)).to_have_text("Tuesday")
    await expect(page.locator("[name=row1]")).to_be_hidden()
    await tab.keep(f"question-buttons-{look}", whole=True)
    assert await tab.violations() == []
    await page.check("[value=list]")
    await expect(page.locator("[name=button1]")).to_be_hidden()
    await page.fill("[name=label]", "Choose a day")
    await page.fill("[name=row1]", "Monday")
    await page.fill("[name=detail1]", "from 9:00 to 13:00")
    await expect(page.locator("[name=row3]")).to_be_hidden()
    await page.fill("[name=row2]", "שלישי")
    await expect(page.locator("[name=row3]")).to_be_visible()
    await page.fill("[name=row3]", "Monday")
    await expect(page.locator("#shown .opened li")).to_have_count(3)
    assert await tab.violations() == []
    # A look that is under way when the page is left, or asked for anew, is broken off.
    tab.expected += ["400", "htmx:sendAbort", "htmx:afterRequest"]
    await page.click("button.first")
    await expect(page.locator("[name=row3]")).to_have_attribute("aria-invalid", "true")
    await tab.keep(f"question-list-{look}", whole=True)
    assert await tab.violations() == []
    await page.fill("[name=row3]", "Wednesday")
    await page.keyboard.press("Enter")  # shows, and sends nothing
    await expect(page.locator("#shown .opened li").nth(2)).to_have_text("Wednesday")
    assert await rows(db, "select 1 from outbox") == []
    width = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0
    await page.click("button.first")
    await expect(page).to_have_url(re.compile(r"/inbox/\d+$"))
    await expect(page.locator(".said").last).to_contain_text("▫ Wednesday")
    await tab.keep(f"question-sent-{look}")
    assert len(await rows(db, "select 1 from outbox")) == 1
