"""Answering one message and sending a template, as people do it: with eyes, a mouse and a keyboard."""

from __future__ import annotations

import re

from playwright.async_api import expect

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tests import world
from tests.cloud_api.templates import a_template
from tests.core.worked import rows
from tests.web import talks
from tests.web.browser import PHONE, OpenTab
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
