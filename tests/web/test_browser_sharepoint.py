"""The page of SharePoint as people use it: what is there, what a person changed, and the decision about it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import pytest
from playwright.async_api import expect

from tallybook.channels.sharepoint.types import ItemKey, RemoteFile, RemoteItem, Values, Wrote
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.monitor.store import sharepoint as items
from tallybook.monitor.store import sharepoint_files as files
from tallybook.monitor.store import sharepoint_runs as runs
from tallybook.monitor.store.sharepoint_runs import Tally
from tests import world
from tests.web.browser import LOOKS, OpenTab, Site, looks, seen_as

DAY = date(2025, 12, 2)
LONG = "Mamelodi-extension-with-a-name-without-end-" * 2
THEIRS = Values(5.0, 1.0, "four", None)
SET_UP = {
    "TALLYBOOK_SHAREPOINT_TENANT": "contoso.example", "TALLYBOOK_SHAREPOINT_CLIENT_ID": "an-application",
    "TALLYBOOK_SHAREPOINT_CLIENT_SECRET": "a-secret", "TALLYBOOK_SHAREPOINT_SITE": "https://contoso.example/sites/Fibre",
}  # fmt: skip


@pytest.fixture(scope="module")
async def site(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    running = Site(database_url, tmp_path_factory.mktemp("site"), **SET_UP)
    await running.start()
    yield running
    assert await running.stop() == 0


async def much(conn: Conn, home: Business) -> None:
    """A fortnight; on its last day a person changed an item and the workbook, and deleted another item."""
    for number in range(16):
        await one_day(conn, home, DAY - timedelta(days=number))
    at = datetime(2025, 12, 2, 19, 0, tzinfo=UTC)
    theirs = RemoteItem("1", '"v2"', THEIRS, by_us=False, changed_by="Thandi Nkosi", changed_at=at)
    await items.yielded(conn, home.id, 1, {ItemKey(DAY, "Lawley"): theirs, ItemKey(DAY, "Mohadin"): None})
    book = RemoteFile("9", '"f2"', by_us=False, changed_by="Thandi Nkosi", changed_at=at)
    await files.yielded(conn, home.id, 1, DAY, book)
    await items.postpone(conn, home.id, {ItemKey(DAY - timedelta(days=1), "Lawley"): "SharePoint answered 403."})


async def one_day(conn: Conn, home: Business, day: date) -> None:
    run = await runs.open_run(conn, home.id, day, "schedule", 60)
    wanted = {ItemKey(day, name): Values(14, 9, 5, 2) for name in ("Lawley", "Mohadin", LONG)}
    await items.plan(conn, home.id, "list", wanted)
    await items.wrote(conn, home.id, run, {key: (values, Wrote("1", '"v1"')) for key, values in wanted.items()})
    await files.begin(conn, home.id, {day: f"https://contoso.example/{day}.xlsx"}, nightly=True)
    await files.wrote(conn, home.id, run, day, ("a hash", '"f1"'))
    await files.checked(conn, home.id, [day])
    await runs.close_run(conn, home.id, run, Tally(4, 0, 0), "SharePoint asked us to wait." if day == DAY else None)


async def test_a_lead_decides_about_what_a_person_changed_there(
    open_tab: OpenTab, db: Database, business: Business, root: world.Someone
) -> None:
    await db.run("fill", lambda conn: much(conn, business))
    tab = await open_tab(root)
    await tab.go("/wa-monitor")
    await tab.go("/wa-monitor/sharepoint")
    theirs = tab.page.get_by_role("button", name="Keep theirs")
    await expect(theirs).to_have_count(3)
    lawley = tab.page.locator(".numbers tr", has_text="There it says 5 drops").first
    await expect(lawley).to_contain_text("Thandi Nkosi")
    await lawley.get_by_role("button", name="Write ours: Lawley").click()
    await expect(tab.page.get_by_text("It is asked for and written within a minute")).to_be_visible()
    await expect(theirs).to_have_count(2)
    await tab.page.get_by_role("button", name="Keep theirs: Mohadin").click()
    await expect(tab.page.get_by_text("Theirs is kept").first).to_be_visible()
    await tab.page.get_by_role("button", name="Keep theirs: Workbook").click()
    await expect(theirs).to_have_count(0)
    await expect(tab.page.get_by_role("button", name="Write ours: Mohadin")).to_be_visible()
    async with db.transaction() as conn:
        found = await (await conn.execute(b"select kind, args->>'day', args->>'asked_by' from jobs")).fetchall()
        acts = await (
            await conn.execute(b"select action from audit_log where subject = 'sharepoint' order by id")
        ).fetchall()
    assert found == [("monitor.sharepoint", "2025-12-02", root.name)]
    assert [act for (act,) in acts] == ["sharepoint.ours", "sharepoint.theirs", "sharepoint.theirs"]


async def test_a_decision_about_what_has_changed_meanwhile_is_refused(
    open_tab: OpenTab, db: Database, business: Business, root: world.Someone
) -> None:
    await db.run("fill", lambda conn: much(conn, business))
    tab = await open_tab(root)
    tab.expected += ["409"]
    await tab.go("/wa-monitor/sharepoint")
    newer = RemoteItem("1", '"v3"', THEIRS, by_us=False, changed_by="Thandi Nkosi")
    await db.run("edit", lambda conn: items.yielded(conn, business.id, 2, {ItemKey(DAY, "Lawley"): newer}))
    await tab.page.get_by_role("button", name="Write ours: Lawley").click()
    await expect(tab.page.get_by_text("This changed since it was shown")).to_be_visible()
    async with db.transaction() as conn:
        assert await (await conn.execute(b"select from jobs")).fetchall() == []


@pytest.mark.parametrize("look", looks("hebrew", LOOKS))
async def test_the_page_keeps_to_wcag_and_to_its_width(
    open_tab: OpenTab, db: Database, business: Business, root: world.Someone, look: str
) -> None:
    tab = await open_tab(root, **seen_as(look))
    for state in ("empty", "full"):
        await tab.go("/wa-monitor/sharepoint")
        assert await tab.violations() == [], state
        assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), state
        await tab.keep(f"sharepoint-{state}-{look}", whole=True)
        if state == "empty":
            await db.run("fill", lambda conn: much(conn, business))
