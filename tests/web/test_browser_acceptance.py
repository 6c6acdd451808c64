"""The four cases by which the inbox's users accept it, played with real webhooks in a real browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from tallybook.core import channel_accounts, people
from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Database
from tallybook.inbox.answer_types import Bot, Choice, Mode
from tallybook.inbox.service import answering
from tallybook.inbox.service.answering import Turn
from tests import world
from tests.channels.whatsapp.bodies import NUMBER, said, text
from tests.channels.whatsapp.test_received import SEAL, come
from tests.web import talks
from tests.web.browser import SOON, OpenTab
from tests.web.talks import ours, say, words

OPENING = "We are open from nine to six."
ADD = "insert into inbox_answers (question, answer) values ('What are your opening hours?', %s)"


@pytest.fixture
async def duma(db: Database, business: Business) -> world.Someone:
    overrides = {"login": "duma", "name": "Duma Nkosi", "role": Role.AGENT}
    return await db.run("add", lambda conn: world.someone(conn, business, **overrides))


@pytest.fixture
async def shop(db: Database, business: Business) -> Business:
    new = NewAccount("whatsapp", NUMBER, token="a-token-of-the-tests")
    caller = people.command_line(business.id)
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, caller, new))
    async with db.transaction() as conn:
        await conn.execute(ADD, (OPENING,))
    return business


async def test_the_unread_count_falls_at_once_and_every_message_stands_in_its_colours_and_its_order(
    open_tab: OpenTab, db: Database, business: Business, duma: world.Someone
) -> None:
    await talks.connect(db, business)
    minute = timedelta(minutes=1)
    await say(db, business, words("Is it open?", ago=4 * minute))
    await ours(db, business, "Until six", "bot", "read", ago=3 * minute)
    await ours(db, business, "Your order is ready", "automation", "delivered", ago=2 * minute)
    await ours(db, business, "I wait for you", "human", "sent", ago=minute)
    tab = await open_tab(duma)
    await tab.go("/inbox")
    await expect(tab.page.locator(".talk .badge")).to_have_text("1 unread")
    await tab.page.locator(".talk a").click()
    await expect(tab.page.locator(".talk .badge")).to_have_count(0)
    await expect(tab.page.locator(".said")).to_have_count(4)
    looks = [await one.get_attribute("class") or "" for one in await tab.page.locator(".said").all()]
    assert [look.split()[1] for look in looks] == ["customer", "bot", "automation", "human"]
    who = [await one.inner_text() for one in await tab.page.locator(".said .who").all()]
    assert [one.strip()[:1] for one in who[1:]] == ["🤖", "⚡", "👤"]


async def test_a_repeated_webhook_shows_one_message_and_the_bot_goes_on_answering_after_an_error(
    open_tab: OpenTab, db: Database, shop: Business, duma: world.Someone
) -> None:
    now = str(int(datetime.now(UTC).timestamp()))
    first, asks = text("Good morning", 1, timestamp=now), text("Opening hours please?", 3, timestamp=now)
    poison = {"id": {"not": "an id"}, "type": "text", "timestamp": "x"}
    await come(db, said(first))
    tab = await open_tab(duma)
    await tab.go("/inbox")
    await tab.page.locator(".talk a").click()
    await expect(tab.page.locator(".said")).to_have_count(1)
    await come(db, said(first), said(first, poison), said(poison, asks), said(asks))
    await expect(tab.page.locator(".said.customer")).to_have_count(2, timeout=SOON)
    turn = Turn(shop, Bot(Mode.AUTO), datetime.now(UTC) + timedelta(seconds=10))
    assert await answering.decide_due(db, turn) == {Choice.ANSWERED: 1}
    await expect(tab.page.locator(".said.bot .words")).to_have_text(OPENING, timeout=SOON)
    await expect(tab.page.locator(".said.customer")).to_have_count(2)
    await expect(tab.page.locator(".said.bot")).to_have_count(1)
