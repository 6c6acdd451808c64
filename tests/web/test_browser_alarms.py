"""The page of alarms as people use it: what is wrong, what was, who was told, and a test that arrives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import expect

from tallybook.core import alarm_store, alarms
from tallybook.core.alarm_letters import MAIL, WEBHOOK, Desk, Target
from tallybook.core.alarms import Alarm, Terms, Trouble
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.words import words
from tests import world
from tests.receivers import LOCAL, SECRET, MailServer, mail_server
from tests.web.browser import LOOKS, OpenTab, Site, looks, seen_as

FILE = """
[alerts]
patience_seconds = 600

[[alerts.mail]]
to = ["ana@example.org"]
from = "tallybook@example.org"

[[alerts.webhook]]
name = "pager"
url = "http://127.0.0.1:9/"
allow_internal = true
"""
TARGETS = [Target(MAIL, "ana@example.org"), Target(WEBHOOK, "pager")]
LONG = "group " + "Mamelodi-extension-with-a-name-without-end-" * 3


@pytest.fixture(scope="module")
async def mail() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


@pytest.fixture(scope="module")
async def site(database_url: str, tmp_path_factory: pytest.TempPathFactory, mail: MailServer) -> AsyncIterator[Site]:
    folder: Path = tmp_path_factory.mktemp("site")
    (folder / "tallybook.toml").write_text(FILE)
    running = Site(
        database_url, folder, TALLYBOOK_CONFIG=str(folder / "tallybook.toml"),
        TALLYBOOK_SMTP_URL=f"smtp+plain://{LOCAL}:{mail.port}", TALLYBOOK_ALERT_WEBHOOK_SECRET=SECRET,
    )  # fmt: skip
    await running.start()
    yield running
    assert await running.stop() == 0


async def happened(db: Database, business: Business, name: str, says: str, hours: int, *, over: bool) -> None:
    """An alarm that began some hours ago, and perhaps ended an hour later."""
    desk = Desk(business, words("en"), TARGETS, "https://t.example/alarms")
    alarm, begun = Alarm(name), datetime.now(UTC) - timedelta(hours=hours)
    moments = [(Trouble(name, says, at_once=True), begun)]
    if over:
        moments += [(None, begun + timedelta(hours=1)), (None, begun + timedelta(hours=2))]
    for trouble, at in moments:
        step = alarms.step(alarm, trouble, at, Terms(quiet=timedelta(minutes=10)))
        assert step is not None
        alarm = step.alarm
        assert await db.run("take", lambda conn, step=step: alarm_store.take(conn, business.id, step, desk.letters))
    async with db.transaction() as conn:
        await conn.execute(b"update outbox set state = 'sent', done_at = now()")


async def much(db: Database, business: Business) -> None:
    await happened(db, business, "parked", "2 items are parked.", 3, over=False)
    await happened(db, business, LONG, "Quieter than it has been in two weeks.", 4, over=False)
    await happened(db, business, "bridge", "The file /srv/store/messages.db is locked.", 30, over=True)
    await happened(db, business, "group Lawley", "Quieter than it has been in two weeks.", 60, over=True)


async def test_an_admin_sees_what_is_wrong_and_sends_a_test_that_arrives(
    open_tab: OpenTab, db: Database, business: Business, root: world.Someone, mail: MailServer
) -> None:
    await much(db, business)
    tab = await open_tab(root)
    await tab.go("/health")
    await tab.page.get_by_role("link", name="Alarms: what people were told of").click()
    await expect(tab.page.locator("#alarms tbody tr", has_text="2 items are parked.")).to_contain_text(
        "ana@example.org"
    )
    await expect(tab.page.locator("#alarms table").nth(1).locator("tbody tr")).to_have_count(2)
    button = tab.page.get_by_role("button", name="Send everybody a test")
    await button.focus()
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator(".notice", has_text="The test")).to_contain_text("Sent", timeout=15_000)
    assert f"Test: alarms of {business.name}" in mail.subjects()


async def test_somebody_who_is_no_admin_reads_and_cannot_test(
    open_tab: OpenTab, db: Database, business: Business, ana: world.Someone
) -> None:
    tab = await open_tab(ana)
    await tab.go("/alarms")
    await expect(tab.page.get_by_text("Nobody was told of anything yet.")).to_be_visible()
    await expect(tab.page.get_by_role("button", name="Send everybody a test")).to_have_count(0)


@pytest.mark.parametrize("look", looks("dark phone", LOOKS))
async def test_the_page_keeps_to_wcag_and_to_its_width(
    open_tab: OpenTab, db: Database, business: Business, root: world.Someone, look: str
) -> None:
    tab = await open_tab(root, **seen_as(look))
    for state in ("empty", "full"):
        if state == "full":
            await much(db, business)
        await tab.go("/alarms")
        assert await tab.violations() == []
        assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await tab.keep(f"alarms-{state}-{look}", whole=True)
