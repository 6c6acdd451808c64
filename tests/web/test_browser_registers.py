"""A drop's story and a supervisor's list as people use them: with eyes, a keyboard and a phone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.async_api import FilePayload, expect

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.monitor.service import registers
from tallybook.web.auth import HOME
from tests import world
from tests.web.browser import DESK, LAWLEY, LOOKS, MARKETING, PHONE, OpenTab, Tab, looks, post, project, seen_as, set_up

LIST = "Date;DR nr;Time\n{day};DR1752104;09:00\n{day};DR1752155;10:15\n{day};DR1752155;10:16\n{day};house 12;\n"


@pytest.fixture
async def home(db: Database, business: Business) -> Business:
    await set_up(db, business)
    return business


@pytest.fixture
async def ana(db: Database, home: Business) -> world.Someone:
    return await db.run("add", lambda conn: world.ana(conn, home))


async def posted(db: Database, home: Business) -> None:
    await post(db, home, "DR1752104", MARKETING, ago=timedelta(minutes=50))
    await post(db, home, "DR1752104 done, all twelve photos", LAWLEY, ago=timedelta(minutes=40))
    await post(db, home, "dr 1752104 again with the ONT " + "very " * 40, LAWLEY, ago=timedelta(minutes=5))
    await post(db, home, "DR1752104 is not ours?", project("Elsewhere"), ago=timedelta(minutes=4))
    await post(db, home, "DR1752199", LAWLEY, ago=timedelta(minutes=3))
    await db.run("unwatch", _unwatch)


async def _unwatch(conn: Conn) -> None:
    await conn.execute("delete from qa_submissions where project = 'Elsewhere'")


async def by_hand(db: Database, statement: str) -> None:
    async def work(conn: Conn) -> None:
        await conn.execute(statement.encode())

    await db.run("by hand", work)


async def today(tab: Tab) -> str:
    return str(await tab.page.evaluate("new Intl.DateTimeFormat('en-GB', {timeZone: 'Africa/Johannesburg'}).format()"))


async def give(tab: Tab, text: str = LIST) -> None:
    await tab.go("/wa-monitor/reconcile")
    payload: FilePayload = {
        "name": "a list of Lawley with a rather long name.csv", "mimeType": "text/csv",
        "buffer": text.replace("{day}", await today(tab)).encode("utf-16"),
    }  # fmt: skip
    await tab.page.set_input_files("#file", payload)
    await tab.page.select_option("#project", "Lawley")
    await tab.page.locator("main form .button.first").click()
    await tab.page.wait_for_url("**/reconcile/*")


async def test_a_supervisor_s_list_is_compared_and_its_missing_drop_added(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone
) -> None:
    await posted(db, home)
    tab = await open_tab(ana, HOME)
    await give(tab)
    await expect(tab.page.get_by_role("heading", name="1 drop of this list is not in the database.")).to_be_visible()
    await expect(tab.page.locator(".part").first).to_contain_text("DR1752155")
    await expect(tab.page.locator(".part").nth(1)).to_contain_text("DR1752199")
    await tab.page.fill("#reason", "on Sam's list")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.get_by_role("heading", name="Every drop of this list is in the database.")).to_be_visible()
    await expect(tab.page.get_by_text("added what was missing: on Sam's list")).to_be_visible()
    async with tab.page.expect_download() as download:
        await tab.page.locator(".part").nth(1).get_by_role("link", name="Download as CSV").click()
    assert (await download.value).suggested_filename.startswith("only-database-")


async def test_why_a_drop_is_missing_is_asked_and_mended_with_the_keyboard(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone
) -> None:
    await posted(db, home)
    await by_hand(db, "delete from qa_photo_reviews where drop_number = 'DR1752104'")
    await registers.check(db, home, "a run", whole=True)
    tab = await open_tab(ana)
    await tab.go("/health")
    await expect(tab.page.get_by_text("1 drop is missing from a register.").first).to_be_visible()
    await tab.go("/wa-monitor/explain")
    await expect(tab.page.get_by_role("link", name="DR1752104")).to_be_visible()
    await tab.page.keyboard.type("1752104")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator("#story h2")).to_contain_text("is missing from a register")
    await tab.page.get_by_role("button", name="File it again").focus()
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator("#story h2")).to_contain_text("every one is where it belongs")


@pytest.mark.parametrize("look", looks("dark phone", LOOKS))
async def test_the_pages_keep_to_wcag_and_to_their_width(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone, look: str
) -> None:
    await posted(db, home)
    tab = await open_tab(ana, HOME, **seen_as(look))
    found: dict[str, list[str]] = {}

    async def look_at(place: str) -> None:
        if problems := await tab.violations():
            found[place] = problems
        assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{place} is too wide"
        await tab.keep(f"registers {look} {place}", whole=True)

    for place, path in [
        ("ask", "/wa-monitor/explain"), ("story", "/wa-monitor/explain?drop=1752104"),
        ("nothing", "/wa-monitor/explain?drop=DR1752109"), ("give", "/wa-monitor/reconcile"),
    ]:  # fmt: skip
        await tab.go(path)
        await look_at(place)
    await give(tab)
    await look_at("list")
    await by_hand(db, "delete from qa_photo_reviews where drop_number = 'DR1752104'")
    await tab.go("/wa-monitor/explain?drop=1752104")
    await look_at("missing")
    tab.expected += ["400"]
    await tab.go("/wa-monitor/explain?drop=DR1752104+DR1752105")
    await look_at("wrong")
    assert found == {}


async def test_from_the_list_one_comes_to_the_story_of_what_is_not_there(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone
) -> None:
    await post(db, home, "DR1752104", LAWLEY)
    tab = await open_tab(ana, HOME, viewport=PHONE)
    await tab.page.fill("#search", "DR1752109")
    await tab.page.locator("#no-rows").get_by_role("link", name="Why is it missing?").click()
    await expect(tab.page.locator("#story h2")).to_have_text("No message with DR1752109 was stored.")
    await tab.page.get_by_role("link", name="DR1752104").click()
    await expect(tab.page.locator("#story h2")).to_contain_text("One post of DR1752104 is stored")
    await (
        tab.page.get_by_role("navigation", name="The monitor’s pages")
        .get_by_role("link", name="Drops", exact=True)
        .click()
    )
    await expect(tab.page.locator(".row")).to_have_count(1)
    await tab.keep("registers phone drops")
    await tab.page.set_viewport_size(DESK)
    await tab.keep("registers desk drops")
