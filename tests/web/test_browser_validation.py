"""The page of valid drops as people use it: a list imported with the keyboard, posts accepted, on every screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from playwright.async_api import expect

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.monitor.service import importing, validity
from tallybook.monitor.service.filing import Desk
from tallybook.monitor.service.importing import File
from tallybook.monitor.service.refiling import Person
from tallybook.monitor.service.validity import Entry
from tests import world
from tests.monitor.desk import LAWLEY, MAMELODI, MARKETING, MOHADIN, file, open_for, said
from tests.web.browser import LOOKS, OpenTab, Tab, looks, seen_as

PAGE = "/wa-monitor/validation"
LISTED, ALSO = replace(LAWLEY, validated=True), replace(MOHADIN, validated=True)
EMPTY = replace(MAMELODI, validated=True, name="Mamelodi and the Long Name of the Extension Behind the Second Railway")


@pytest.fixture
async def bia(db: Database, business: Business) -> world.Someone:
    return await db.run("add", lambda conn: world.bia(conn, business))


async def filled(db: Database, business: Business) -> None:
    """Two lists and one that is missing; posts that were refused, are held, and may be accepted."""
    await db.run("mirror", lambda conn: open_for(conn, business, LISTED, ALSO, EMPTY, MARKETING))
    lines = "".join(f"DR{1_740_000 + n},Lawley\n" for n in range(24_310)) + "DR1733787,Mohadin\n"
    number = await importing.give(
        db, business, File("HLD Lawley November.xlsx", f"dr,site\n{lines}".encode()), Person("Naledi"), 5_000_000
    )
    await importing.run(db, business, number, Person("Naledi"))

    async def post(conn: Conn) -> None:
        desk = Desk({one.group: one for one in (LISTED, ALSO, EMPTY)}, business.zone)
        texts = [(LISTED, "DR9990001"), (LISTED, "DR1733787"), (ALSO, "DR1752104"), (EMPTY, "DR1800001"),
                 (LISTED, "DR9990002"), (LISTED, "DR9990003")]  # fmt: skip
        await file(conn, business, [said(where, text) for where, text in texts], desk)
        entries = [Entry("DR9990002", "Lawley"), Entry("DR9990003", "Lawley")]
        await validity.add(conn, business, entries)

    await db.run("post", post)


async def in_language(tab: Tab, view: str) -> None:
    assert await tab.page.locator("html").get_attribute("dir") == ("rtl" if "hebrew" in view else "ltr")


async def is_clean(tab: Tab, name: str) -> None:
    """Nothing breaks WCAG, nothing hangs out at the side; a picture is kept where that is asked for."""
    assert await tab.violations() == []
    wide = await tab.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    await tab.keep(f"validation-{name}", whole=True)


async def test_a_list_is_imported_with_the_keyboard_and_posts_are_accepted(
    open_tab: OpenTab, db: Database, business: Business, bia: world.Someone, tmp_path: Path
) -> None:
    await filled(db, business)
    listed = tmp_path / "plan.csv"
    listed.write_text("drop,project\nDR9990001,Lawley\nDR1800001,Lawley\n17x,Lawley\n")
    tab = await open_tab(bia)
    await tab.go(PAGE)
    await tab.page.locator("summary", has_text="Import a list").focus()
    await tab.page.keyboard.press("Enter")
    await tab.page.set_input_files("#file", listed)
    await tab.page.get_by_role("button", name="Look at it").press("Enter")
    await expect(tab.page.get_by_role("heading", name="It would add 2 drops")).to_be_visible()
    await expect(tab.page.get_by_text("row 4")).to_be_visible()
    await tab.page.get_by_role("button", name="Change 2 entries").press("Enter")
    await expect(tab.page.get_by_role("heading", name="Imported: 2 added")).to_be_visible()
    await tab.page.get_by_role("link", name="Back to the lists").click()
    await expect(tab.page.locator(".posts li")).to_have_count(3)
    await tab.page.get_by_role("button", name="Accept: DR9990001").click()
    await expect(tab.page.locator(".posts li")).to_have_count(2)
    await tab.page.locator("summary", has_text="Accept all 2 posts").click()
    await tab.page.get_by_role("button", name="Accept", exact=True).click()
    await expect(tab.page.get_by_role("link", name="May be accepted 0")).to_be_visible()
    await tab.page.get_by_role("link", name="Refused").click()
    await expect(tab.page.get_by_text("valid for Mohadin")).to_be_visible()
    await tab.page.locator("summary", has_text="Put aside").first.click()
    await tab.page.locator("details[open] input[name=reason]").fill("A typing mistake")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.get_by_text("Put aside by")).to_be_visible()


async def test_what_opens_the_import_stands_in_one_line_on_a_phone(open_tab: OpenTab, bia: world.Someone) -> None:
    tab = await open_tab(bia, **seen_as("phone"))
    await tab.go(PAGE)
    opens = tab.page.locator("summary", has_text="Import a list")
    assert (await opens.bounding_box() or {})["height"] < 40
    assert await opens.evaluate("one => one.scrollWidth <= one.clientWidth")


@pytest.mark.parametrize("view", looks("light", LOOKS))
async def test_the_page_is_whole_on_every_screen(
    open_tab: OpenTab, db: Database, business: Business, bia: world.Someone, view: str, tmp_path: Path
) -> None:
    tab = await open_tab(bia, **seen_as(view))
    await tab.go(PAGE)
    await in_language(tab, view)
    await is_clean(tab, f"{view}-empty")
    await filled(db, business)
    for part in ("offers", "held", "rejected"):
        await tab.go(f"{PAGE}?show={part}")
        await is_clean(tab, f"{view}-{part}")
    await tab.page.locator(".posts .acts summary").first.click()
    await is_clean(tab, f"{view}-asking")
    data = b"drop,project\nDR9990001,Lawley\nDR1733787,Lawley\nx,Lawley\nDR1,Etwatwa\n"
    number = await importing.give(
        db, business, File("plan.csv", data + b"DR1752104,Lawley\n"), Person("Naledi"), 5_000_000
    )
    await tab.go(f"{PAGE}/imports/{number}")
    await is_clean(tab, f"{view}-preview")
    number = await importing.give(
        db, business, File("plan.csv", data.replace(b"x,Lawley\n", b""), None, withdraws=True), Person("N"), 5_000_000
    )
    await tab.go(f"{PAGE}/imports/{number}")
    await is_clean(tab, f"{view}-withdrawing")
