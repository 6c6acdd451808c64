"""The page of replies as people use it: read, stopped with the keyboard, released again."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect

from tallybook.core import outbox
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.messages import Outgoing
from tallybook.monitor import reply_texts
from tests import world
from tests.web.browser import LAWLEY, LOOKS, OpenTab, looks, seen_as, set_up

PAGE = "/wa-monitor/replies"
STATES = ("delivered", "captured", "dropped", "unknown", "parked", "sent", "waiting", "waiting")
REASON = "The bridge refused the message: it takes neither this group nor this person."


@pytest.fixture
async def bia(db: Database, business: Business) -> world.Someone:
    await set_up(db, business)
    return await db.run("add", lambda conn: world.bia(conn, business))


async def said(db: Database, business: Business) -> None:
    """One message in each state, the one that was sent an hour ago never seen."""
    async with db.transaction() as conn:
        for number, state in enumerate(STATES):
            drop = f"DR175210{number}"
            body: Any = {"text": reply_texts.unknown_drop(drop, "Lawley", "he" if state == "sent" else "en")}
            topic = f"drop:{drop}"
            await outbox.put(conn, business.id, Outgoing("bridge", "primary", LAWLEY.group, drop, body, topic))
            await conn.execute(
                "update outbox set state = %s, reason = %s, done_at = now() - interval '1 hour' where dedup_key = %s",
                [state, REASON if state in {"unknown", "parked"} else None, drop],
            )


async def test_sending_is_stopped_and_released_with_the_keyboard(
    open_tab: OpenTab, db: Database, business: Business, bia: world.Someone
) -> None:
    await said(db, business)
    tab = await open_tab(bia)
    await tab.go(PAGE)
    await expect(tab.page.get_by_role("heading", name="2 messages want a person.")).to_be_visible()
    await expect(tab.page.get_by_text("Sent, but not seen in the group.")).to_be_visible()
    await tab.page.locator("summary", has_text="Stop all sending").focus()
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.get_by_text("What is being sent at this moment still leaves.")).to_be_visible()
    await tab.page.keyboard.press("Tab")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.get_by_role("heading", name="Stopped: nothing is said in any group.")).to_be_visible()
    await tab.page.get_by_role("link", name="Want a person 2").click()
    await expect(tab.page.locator(".said li")).to_have_count(2)
    await tab.page.get_by_role("button", name="Send again").click()
    await tab.page.get_by_role("button", name="Release 3 messages").click()
    await expect(tab.page.get_by_role("link", name="Waiting 3")).to_be_visible()


@pytest.mark.parametrize("look", looks("light", LOOKS))
async def test_the_page_keeps_to_wcag_and_to_its_width(
    open_tab: OpenTab, db: Database, business: Business, bia: world.Someone, look: str
) -> None:
    tab = await open_tab(bia, **seen_as(look))
    await tab.go(PAGE)
    assert await tab.violations() == []
    await tab.keep(f"replies {look} empty", whole=True)
    await said(db, business)
    await tab.go(PAGE)
    assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
    await tab.keep(f"replies {look}", whole=True)
    await tab.page.locator(".turns summary").first.click()
    box = await tab.page.locator(".turns .sure").first.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= seen_as(look)["viewport"]["width"]
    await tab.keep(f"replies {look} asked", whole=True)
    assert await tab.violations() == []
