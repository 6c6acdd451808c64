"""Finding what was said, and the page before somebody is forgotten, as people see them."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

from playwright.async_api import Route, expect

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tallybook.inbox.service import searching
from tests import world
from tests.web.browser import PHONE, OpenTab
from tests.web.talks import LONG, first, say, words

NOA = "+27820000004"


async def test_what_was_said_far_back_is_found_opened_at_its_place_and_can_be_forgotten(
    open_tab: OpenTab, db: Database, business: Business
) -> None:
    overrides = {"login": "duma", "name": "Duma Nkosi", "role": Role.LEAD}
    duma = await db.run("add", lambda conn: world.someone(conn, business, **overrides))
    many = [words(f"message {number}", ago=timedelta(minutes=300 - number)) for number in range(80)]
    await say(
        db, business, words("My invoice of last month is wrong, please send the right invoice", ago=timedelta(days=9))
    )
    await say(
        db,
        business,
        *many,
        words("שלחו לי בבקשה את החשבונית", NOA, name="נועה כהן"),
        words("invoice", "+27820000005", name=LONG),
    )
    await searching.read_all(db, business.id)
    tab = await open_tab(duma)
    await tab.go("/inbox")
    await tab.page.keyboard.press("/")
    await tab.page.keyboard.type("invoice")
    await expect(tab.page).to_have_url(re.compile("q=invoice"))
    await tab.page.get_by_role("link", name="Search what was said").click()
    await expect(tab.page.locator(".found mark")).to_have_count(3)
    assert await tab.violations() == []
    await tab.keep("search-desk", whole=True)
    await tab.page.locator(".found a", has_text="last month").click()
    await expect(tab.page.locator(".said:target")).to_be_in_viewport()
    await expect(tab.page.locator(".said:target")).to_contain_text("last month")
    await tab.keep("search-place", whole=True)
    await tab.page.set_viewport_size(PHONE)
    await tab.go(f"/inbox/{await first(db)}/erase")
    await expect(tab.page.locator(".goes")).to_contain_text("81")
    assert await tab.violations() == []
    await tab.keep("search-erase-phone", whole=True)
    hebrew = await open_tab(duma, viewport=PHONE, locale="he-IL", color_scheme="dark")
    await hebrew.page.context.add_cookies([{"name": "lang", "value": "he", "url": hebrew.address}])
    await hebrew.go("/inbox/search?q=חשבונית")
    await expect(hebrew.page.locator(".found mark")).to_have_text("החשבונית")
    assert await hebrew.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await hebrew.keep("search-hebrew-phone", whole=True)
    await hebrew.go("/inbox/search?q=banana")
    await hebrew.keep("search-nothing", whole=True)
    await hebrew.go(f"/inbox/{await first(db)}/erase")
    await hebrew.keep("search-erase-hebrew", whole=True)


async def test_a_list_asked_for_before_a_search_does_not_take_the_place_of_what_was_found(
    open_tab: OpenTab, db: Database, business: Business
) -> None:
    duma = await db.run("add", lambda conn: world.someone(conn, business, login="duma", role=Role.LEAD))
    await say(db, business, words("my invoice"), words("hello", NOA, name="Noa"))
    tab = await open_tab(duma)
    asked, found = asyncio.Event(), asyncio.Event()

    async def drawn_late(route: Route) -> None:
        late = route.request.headers.get("x-part") == "fresh" and not asked.is_set()
        if not late:
            return await route.continue_()
        answer = await route.fetch()
        asked.set()
        await found.wait()
        return await route.fulfill(response=answer)

    await tab.page.route("**/inbox*", drawn_late)
    await tab.go("/inbox")
    await asked.wait()
    await tab.page.keyboard.press("/")
    await tab.page.keyboard.type("noa")
    await expect(tab.page.locator(".talk")).to_have_count(1)
    async with tab.page.expect_response(lambda one: "noa" in one.url and one.request.headers.get("x-part") == "fresh"):
        found.set()
    await expect(tab.page.get_by_role("link", name="Search what was said")).to_be_visible()
    await expect(tab.page.locator(".talk")).to_have_count(1)


async def test_what_is_typed_while_an_earlier_answer_is_drawn_is_searched_for_too(
    open_tab: OpenTab, db: Database, business: Business
) -> None:
    duma = await db.run("add", lambda conn: world.someone(conn, business, login="duma", role=Role.LEAD))
    await say(db, business, words("hello"), words("hello", NOA, name="Noa"), words("hi", "+27820000005", name="Nandi"))
    tab = await open_tab(duma)
    asked, typed = asyncio.Event(), asyncio.Event()

    async def drawn_late(route: Route) -> None:
        if not re.search(r"[?&]q=n(&|$)", route.request.url):
            return await route.continue_()
        answer = await route.fetch()
        asked.set()
        await typed.wait()
        return await route.fulfill(response=answer)

    await tab.page.route("**/inbox?*", drawn_late)
    await tab.go("/inbox")
    await tab.page.keyboard.press("/")
    await tab.page.keyboard.type("n")
    await asked.wait()
    await tab.page.keyboard.type("oa")
    typed.set()
    await expect(tab.page.locator(".talk")).to_have_count(1)
    await expect(tab.page).to_have_url(re.compile("q=noa"))
