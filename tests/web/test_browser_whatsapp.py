"""The health page says of each number whether anything came, how much, and when last, at any width and in Hebrew."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from playwright.async_api import expect

from tallybook.channels.whatsapp.webhook import WhatsAppWebhook
from tallybook.core import channel_accounts, deliveries, people, receive
from tallybook.core.businesses import Business
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Database
from tallybook.core.receive import Received
from tallybook.core.sealing import Seal
from tallybook.told_channels import entry_of
from tests import world
from tests.channels.whatsapp import bodies
from tests.web.browser import DESK, PHONE, OpenTab, looks


async def numbers(db: Database, business: Business) -> None:
    """One number to which three updates came, and one that waits for its first."""
    caller = people.command_line(business.id)
    for new in (NewAccount("whatsapp", bodies.NUMBER, "Front desk"), NewAccount("gateway", "workshop")):
        await db.run("add", lambda conn, new=new: channel_accounts.add(conn, Seal([b"k" * 32]), caller, new))
    came = bodies.body(
        bodies.change("messages", bodies.text(), bodies.IMAGE), bodies.change("statuses", bodies.status("read"))
    )
    await db.run("store", lambda conn: receive.store(conn, [Received("whatsapp", came, datetime.now(UTC))]))
    await deliveries.process(db, {"whatsapp": entry_of(WhatsAppWebhook([bodies.SECRET]))}, asyncio.Event())


@pytest.mark.parametrize("look", looks("hebrew phone", ["light", "hebrew phone"]))
async def test_each_number_is_a_row_of_the_health_page(
    open_tab: OpenTab, db: Database, business: Business, root: world.Someone, look: str
) -> None:
    await numbers(db, business)
    hebrew = "hebrew" in look
    tab = await open_tab(root, viewport=PHONE if "phone" in look else DESK, locale="he-IL" if hebrew else "en-GB")
    await tab.go("/health")
    row = tab.page.locator("table.checks tr", has_text="Front desk")
    await expect(row).to_contain_text("מחובר; כל מה שמגיע נשמר." if hebrew else "Connected; what comes is kept.")
    await expect(row).to_contain_text("3")
    waiting = tab.page.locator("table.checks tr", has_text="workshop")
    await expect(waiting).to_contain_text("עדיין לא מחובר" if hebrew else "Connected to nothing yet")
    assert await tab.violations() == []
    await tab.keep(f"whatsapp-{look}", whole=True)
