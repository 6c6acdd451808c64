"""The four cases by which the inbox's users accept it, played with real webhooks in a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from playwright.async_api import expect

from tallybook.core import channel_accounts, people
from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Database
from tallybook.core.sealing import Seal
from tallybook.settings import Settings
from tests import warm, world
from tests.channels.whatsapp.bodies import CUSTOMER, NUMBER, SECRET, body, change, said, status, text
from tests.cloud_api.server import FakeCloudApi
from tests.core.worked import rows
from tests.inbox.test_tracking_fails import Refuse, refuse
from tests.proof.customers import BUSINESS_FILE
from tests.proof.meta import signed
from tests.proof.shop import WORRIES
from tests.web import talks
from tests.web.browser import OpenTab, Site
from tests.web.talks import ours, say, words

__all__ = ["refuse"]
KEY = "k" * 32
LONG = 60_000  # milliseconds, of a busy machine
OPENING = "We are open from nine to six."
ADD = "insert into inbox_answers (question, answer) values ('What are your opening hours?', %s)"


@pytest.fixture(scope="module")
def api() -> Iterator[FakeCloudApi]:
    with FakeCloudApi({NUMBER: "a-token-of-the-tests"}) as served:
        yield served


@pytest.fixture(scope="module")
async def site(database_url: str, tmp_path_factory: pytest.TempPathFactory, api: FakeCloudApi) -> AsyncIterator[Site]:
    """The web server of a business that answers customers, before Meta's own hosts, as it were."""
    folder = tmp_path_factory.mktemp("acceptance")
    (folder / "tallybook.toml").write_text(BUSINESS_FILE)
    running = Site(
        database_url, folder, TALLYBOOK_CONFIG=str(folder / "tallybook.toml"), TALLYBOOK_SECRET_KEY=KEY,
        TALLYBOOK_WHATSAPP_APP_SECRET=SECRET.decode(), TALLYBOOK_WHATSAPP_API_URL=api.address,
    )  # fmt: skip
    await running.start()
    yield running
    assert await running.stop() == 0


@pytest.fixture
async def duma(db: Database, business: Business) -> world.Someone:
    overrides = {"login": "duma", "name": "Duma Nkosi", "role": Role.AGENT}
    return await db.run("add", lambda conn: world.someone(conn, business, **overrides))


@pytest.fixture
async def shop(db: Database, business: Business) -> Business:
    new = NewAccount("whatsapp", NUMBER, token="a-token-of-the-tests")
    caller = people.command_line(business.id)
    seal = Seal(Settings.load({"TALLYBOOK_SECRET_KEY": KEY}).secret_keys())
    await db.run("add", lambda conn: channel_accounts.add(conn, seal, caller, new))
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


async def test_a_repeated_webhook_shows_one_message_and_the_bot_goes_on_answering_after_a_failed_upsert(
    open_tab: OpenTab, site: Site, api: FakeCloudApi, db: Database, shop: Business, duma: world.Someone, refuse: Refuse
) -> None:
    api.hear(NUMBER, CUSTOMER)
    tab = await open_tab(duma)
    async with working(site), httpx.AsyncClient(base_url=site.address) as meta:
        asks = said(now("What are your opening hours?", 1))
        await post(meta, asks)
        await tab.go("/inbox")
        await tab.page.locator(".talk a").click(timeout=LONG)
        await expect(tab.page.locator(".said.bot .words")).to_have_text(OPENING, timeout=LONG)
        await post(meta, asks, asks + b" ", said(now("What are your opening hours?", 1), now("Thank you", 2)))
        await expect(tab.page.locator(".said.customer")).to_have_count(2, timeout=LONG)

        refuse("23505")  # the next conversation statement fails as one does that met another at once
        await post(meta, said(now("Please, your opening hours?", 3)))
        await expect(tab.page.locator(".said.customer")).to_have_count(3, timeout=LONG)
        await expect(tab.page.locator(".said.bot")).to_have_count(2, timeout=LONG)
        await expect(tab.page.locator(".said.bot .far").last).to_have_attribute(
            "title", "Sent, not delivered yet", timeout=LONG
        )
        sent = api.taken[-1]
        await post(meta, body(change("statuses", status("delivered", at=int(sent.at)) | {
            "id": sent.id, "recipient_id": sent.to, "biz_opaque_callback_data": sent.key,
        })))  # fmt: skip
        await expect(tab.page.locator(".said.bot .far").last).to_have_attribute("title", "Delivered", timeout=LONG)
    assert await rows(db, "select last_value, is_called from public.refusals") >= [(1, True)]
    assert [one.text for one in api.taken] == [OPENING, OPENING]
    written = site.data.parent / "web.log"
    assert [one for one in WORRIES if one in written.read_text()] == []


def now(words: str, number: int) -> dict[str, Any]:
    return text(words, number, timestamp=str(int(datetime.now(UTC).timestamp())))


async def post(meta: httpx.AsyncClient, *contents: bytes) -> None:
    """As Meta posts them, each answered 200."""
    for content in contents:
        answer = await meta.post("/webhooks/whatsapp", content=content, headers=signed(content))
        assert answer.status_code == 200


@asynccontextmanager
async def working(site: Site) -> AsyncIterator[None]:
    """The worker of the site's installation, as a process of its own."""
    worker = await asyncio.create_subprocess_exec(
        *warm.command(), "work", env=site.environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        worker.terminate()
        assert await asyncio.wait_for(worker.wait(), 60) == 0
