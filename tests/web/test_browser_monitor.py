"""The monitor as people use it: with eyes, a mouse and a keyboard."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import expect

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.web.auth import HOME
from tests import world
from tests.web.browser import LOOKS, MOHADIN, PHONE, SOON, OpenTab, Tab, looks, post, seen_as, set_up

expect.set_options(timeout=10_000)
KEYS = "1234567890-="


@pytest.fixture
async def home(db: Database, business: Business) -> Business:
    await set_up(db, business)
    return business


@pytest.fixture
async def ana(db: Database, home: Business) -> world.Someone:
    return await db.run("add", lambda conn: world.ana(conn, home))


@pytest.fixture
async def bia(db: Database, home: Business) -> world.Someone:
    return await db.run("add", lambda conn: world.bia(conn, home))


def row(tab: Tab, drop: str) -> Any:
    return tab.page.locator(".row", has_text=drop)


async def is_live(tab: Tab) -> None:
    await expect(tab.page.locator("#live")).to_have_attribute("data-state", "live")


async def open_review(tab: Tab, drop: str) -> None:
    await row(tab, drop).locator("a").click()
    await expect(tab.page.locator("#sheet h2")).to_have_text(drop)


async def test_from_the_log_in_by_way_of_a_post_to_a_complete_review(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone
) -> None:
    tab = await open_tab()
    await tab.log_in(ana)
    await expect(tab.page.get_by_text("No drops yet today")).to_be_visible()
    await is_live(tab)
    await post(db, home, "DR1752104 is done")
    await expect(row(tab, "DR1752104")).to_be_visible(timeout=SOON)
    await open_review(tab, "DR1752104")
    for key in KEYS:
        await tab.page.keyboard.press(key)
    await expect(tab.page.locator("#sheet .status")).to_have_text("Complete")
    await expect(row(tab, "DR1752104").locator(".tag.done")).to_be_visible()
    await tab.page.reload()
    await expect(tab.page.locator("#sheet .status")).to_have_text("Complete")


async def test_a_second_person_sees_who_works_on_a_review_and_cannot_write(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone, bia: world.Someone
) -> None:
    await post(db, home, "DR1752104")
    first, second = await open_tab(ana, HOME), await open_tab(bia, HOME)
    await open_review(second, "DR1752104")
    await is_live(second)
    await open_review(first, "DR1752104")
    await first.page.keyboard.press("1")
    await expect(first.page.locator("#saved")).to_have_text("Saved")
    await expect(row(second, "DR1752104").locator(".held")).to_contain_text(ana.name, timeout=SOON)
    await expect(second.page.locator("#say")).to_contain_text(f"{ana.name} is working on this review")
    await expect(second.page.locator(".step .mark input").first).to_be_disabled()
    await first.go("/health")
    await expect(second.page.locator(".step .mark input").first).to_be_enabled(timeout=SOON)


async def test_what_is_being_typed_survives_what_happens_meanwhile(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone
) -> None:
    await post(db, home, "DR1752104", ago=timedelta(minutes=3))
    tab = await open_tab(ana, HOME)
    await is_live(tab)
    await open_review(tab, "DR1752104")
    await tab.page.fill("#comment", "")
    await tab.page.locator("#comment").press_sequentially("The pole is ")
    await post(db, home, "DR1752104 again")
    await expect(tab.page.locator("#say")).to_contain_text("Posted again", timeout=SOON)
    await tab.page.locator("#comment").press_sequentially("crooked")
    await expect(tab.page.locator("#comment")).to_have_value("The pole is crooked")
    await expect(tab.page.locator("#comment")).to_be_focused()
    await tab.page.keyboard.press("Control+Enter")
    await expect(tab.page.locator("#saved")).to_have_text("Saved")
    await expect(tab.page.locator("#sheet .trail li", has_text="Posted again")).to_be_visible()


async def test_new_rows_wait_under_a_pill_while_somebody_is_reading(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone
) -> None:
    await post(db, home, "DR1752104", ago=timedelta(minutes=3))
    tab = await open_tab(ana, HOME)
    await is_live(tab)
    await row(tab, "DR1752104").hover()
    before = await row(tab, "DR1752104").bounding_box()
    await post(db, home, "DR1752105")
    await post(db, home, "DR1752106")
    await expect(tab.page.locator("#news")).to_have_text("2 new", timeout=SOON)
    assert await row(tab, "DR1752104").bounding_box() == before
    await tab.page.click("#news")
    await expect(tab.page.locator(".row")).to_have_count(3)


async def test_a_step_is_marked_wrong_with_a_reason_by_keyboard_and_by_mouse(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone
) -> None:
    await post(db, home, "DR1752104")
    tab = await open_tab(ana, HOME)
    await open_review(tab, "DR1752104")
    await tab.page.keyboard.press("Shift+Digit2")
    await tab.page.keyboard.type("The ladder is in front")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator("#sheet .bar i").nth(1)).to_have_class("wrong")
    third = tab.page.locator(".step").nth(2)
    await third.locator(".mark.wrong").click()
    await third.get_by_role("button", name="Blurry").click()
    await expect(tab.page.locator("#sheet .status")).to_have_text("2 wrong")
    await tab.page.reload()
    await expect(tab.page.locator(".step").nth(1).locator(".why .field")).to_have_value("The ladder is in front")
    await expect(third.locator(".why .field")).to_have_value("Blurry")


async def test_a_mark_made_while_an_earlier_one_is_drawn_is_neither_undone_nor_left_undrawn(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone
) -> None:
    await post(db, home, "DR1752104")
    tab = await open_tab(ana, HOME)
    await open_review(tab, "DR1752104")
    drawing, marked = asyncio.Event(), asyncio.Event()

    async def drawn_late(route: Any) -> None:
        answer = await route.fetch()
        drawing.set()
        await marked.wait()
        await route.fulfill(response=answer)

    await tab.page.route(re.compile(r"/wa-monitor/\d+"), drawn_late)
    await tab.page.keyboard.press("Digit2")
    await asyncio.wait_for(drawing.wait(), 10)
    third = tab.page.locator(".step").nth(2)
    await third.locator(".mark.wrong").click()
    await third.get_by_role("button", name="Blurry").click()
    marked.set()
    await expect(tab.page.locator("#sheet .status")).to_have_text("1 wrong")
    await expect(tab.page.locator("#sheet .bar i").nth(1)).to_have_class("right")
    await expect(tab.page.locator("#saved")).to_have_text("Saved")


async def test_a_save_that_fails_says_so_and_keeps_the_text(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone
) -> None:
    await post(db, home, "DR1752104")
    tab = await open_tab(ana, HOME)
    tab.expected += ["net::ERR_FAILED", "net::ERR_INTERNET_DISCONNECTED"]
    await open_review(tab, "DR1752104")
    await tab.page.fill("#comment", "Not to be lost")
    await tab.page.route("**/api/**", lambda route: route.abort())
    await tab.page.click("#save")
    await expect(tab.page.locator("#say")).to_contain_text("the text is still here")
    await expect(tab.page.locator("#comment")).to_have_value("Not to be lost")
    await tab.page.unroute("**/api/**")
    await tab.page.get_by_role("button", name="Try again").click()
    await expect(tab.page.locator("#saved")).to_have_text("Saved")
    await tab.page.reload()
    await expect(tab.page.locator("#comment")).to_have_value("Not to be lost")


async def test_the_list_is_walked_and_searched_by_keyboard(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone
) -> None:
    for number in range(4):
        await post(db, home, f"DR175210{number}", ago=timedelta(minutes=number), where=MOHADIN)
    tab = await open_tab(ana, HOME)
    press = tab.page.keyboard.press
    await press("j")
    await press("j")
    await press("x")
    await expect(tab.page.locator("#selected")).to_contain_text("1 selected")
    await press("Enter")
    await expect(tab.page.locator("#sheet h2")).to_have_text("DR1752101")
    await press("/")
    await tab.page.keyboard.type("2103")
    await expect(tab.page.locator(".row")).to_have_count(1)
    await expect(tab.page).to_have_url(re.compile("q=2103"))
    await press("Escape")
    await press("?")
    await expect(tab.page.locator("#keys")).to_be_visible()


async def test_the_whole_form_works_where_no_script_runs(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone
) -> None:
    await post(db, home, "DR1752104")
    tab = await open_tab(ana, HOME, java_script_enabled=False)
    tab.expected += ["400"]
    await row(tab, "DR1752104").locator("a").click()
    steps = tab.page.locator(".step")
    await steps.nth(0).locator(".mark.right").click()
    await steps.nth(1).locator(".mark.wrong").click()
    await tab.page.fill("#comment", "Kept")
    await tab.page.click("#save")
    await expect(tab.page.get_by_text("Say what is wrong with: Location on Wall.")).to_be_visible()
    await expect(tab.page.locator("#comment")).to_have_value("Kept")
    await steps.nth(1).locator(".why .field").fill("Obstructed")
    await tab.page.click("#save")
    await expect(tab.page.locator("#sheet .status")).to_have_text(re.compile("1 wrong"))
    await expect(tab.page.locator("#comment")).to_have_value("Kept")
    await post(db, home, "DR1752104 again")
    await tab.page.reload()
    await tab.page.get_by_role("button", name="Looked at").click()
    await expect(tab.page.locator("#look")).to_have_count(0)


async def complete_and_posted_again(tab: Tab, db: Database, home: Business) -> None:
    """A review, open in the tab, that was complete when its drop was posted again."""
    await post(db, home, "DR1752104", ago=timedelta(minutes=3))
    await is_live(tab)
    await open_review(tab, "DR1752104")
    for key in KEYS:
        await tab.page.keyboard.press(key)
    await expect(tab.page.locator("#sheet .status")).to_have_text("Complete")
    await expect(tab.page.locator("#saved")).to_have_text("Saved")
    await post(db, home, "DR1752104 again")
    await expect(tab.page.locator("#look")).to_contain_text("Posted again after it was complete")


async def test_a_complete_review_that_is_posted_again_comes_back_until_one_of_two_looked_at_it(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone, bia: world.Someone
) -> None:
    first, second = await open_tab(ana, HOME), await open_tab(bia, HOME)
    await complete_and_posted_again(first, db, home)
    await is_live(second)
    await second.page.get_by_text("Open", exact=True).click()
    await open_review(second, "DR1752104")
    await expect(second.page.locator("#look")).to_be_visible()
    await expect(second.page.locator("#look button")).to_have_count(0)  # the other one works on it
    await first.page.keyboard.press("l")
    await expect(first.page.locator("#look")).to_have_count(0)
    await expect(first.page.locator("#sheet .trail")).to_contain_text(["", "Looked at what was posted again"])
    await expect(second.page.locator("#look")).to_have_count(0)
    await expect(row(first, "DR1752104").locator(".tag.again")).to_have_count(0)
    await second.page.get_by_text("Complete", exact=True).first.click()
    await expect(row(second, "DR1752104")).to_contain_text("2 posts")


async def test_a_look_counts_for_the_posts_that_the_page_shows_and_takes_no_text_away(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone
) -> None:
    tab = await open_tab(ana, HOME)
    tab.expected += ["409"]
    await complete_and_posted_again(tab, db, home)
    await tab.page.fill("#comment", "The pole is crooked")
    await post(db, home, "DR1752104 and again")
    await expect(tab.page.locator("#say")).to_contain_text("Posted again", timeout=SOON)
    await tab.page.click("#look button")
    await expect(tab.page.locator("#say")).to_contain_text("It was posted again meanwhile. Look at the new post first.")
    await tab.page.get_by_role("button", name="Show it").click()
    await expect(tab.page.locator("#posts-name")).to_have_text("3 posts")
    await expect(tab.page.locator("#comment")).to_have_value("The pole is crooked")
    await tab.page.click("#look button")
    await expect(tab.page.locator("#look")).to_have_count(0)
    await expect(tab.page.locator("#comment")).to_have_value("The pole is crooked")
    await tab.page.click("#save")
    await expect(tab.page.locator("#saved")).to_have_text("Saved")


async def test_keys_mean_the_same_on_a_hebrew_keyboard(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone
) -> None:
    await post(db, home, "DR1752104")
    await post(db, home, "DR1752104 again")
    tab = await open_tab(ana, HOME, locale="he")

    async def press(key: str, code: str) -> None:
        keys = {"key": key, "code": code, "bubbles": True, "cancelable": True}
        await tab.page.locator(":focus, body").last.dispatch_event("keydown", keys)

    await press("ח", "KeyJ")
    await expect(row(tab, "DR1752104").locator("a")).to_be_focused()
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator("#look")).to_be_visible()
    await press("ך", "KeyL")
    await expect(tab.page.locator("#look")).to_have_count(0)
    await press("ב", "KeyC")
    await expect(tab.page.locator("#comment")).to_be_focused()


async def test_a_phone_shows_the_list_or_the_review_with_a_way_back(
    open_tab: OpenTab, db: Database, home: Business, ana: world.Someone
) -> None:
    await post(db, home, "DR1752104")
    tab = await open_tab(ana, HOME, viewport=PHONE, has_touch=True)
    await expect(tab.page.locator("#review")).to_be_hidden()
    await row(tab, "DR1752104").locator("a").tap()
    await expect(tab.page.locator("#list")).to_be_hidden()
    await expect(tab.page.locator("#sheet h2")).to_have_text("DR1752104")
    await tab.page.get_by_label("Back to the list").tap()
    await expect(row(tab, "DR1752104")).to_be_visible()
    assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("look", looks("hebrew phone dark", LOOKS))
async def test_every_page_keeps_to_wcag_and_to_its_width(
    open_tab: OpenTab, db: Database, home: Business, look: str
) -> None:
    admin = await db.run("add", lambda conn: world.root(conn, home))
    stranger = await open_tab(**seen_as(look))
    stranger.expected += ["404", "401"]
    tab = await open_tab(admin, HOME, **seen_as(look))
    found: dict[str, list[str]] = {}

    async def look_at(place: str, tab: Tab) -> None:
        if problems := await tab.violations():
            found[place] = problems
        assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{place} is too wide"

    await stranger.go("/login")
    await look_at("login", stranger)
    await look_at("empty", tab)
    for number in range(5):
        await post(db, home, f"DR175210{number}", ago=timedelta(minutes=number * 20))
    await post(db, home, "DR1752103 again")
    await tab.go("/wa-monitor")
    await look_at("full", tab)
    await row(tab, "DR1752103").locator("a").click()
    await tab.page.locator(".step").nth(1).locator(".mark.wrong").click()
    await look_at("review", tab)
    for path in ("/health", "/account", "/schema"):
        await tab.go(path)
        await look_at(path, tab)
    tab.expected += ["404"]
    await tab.go("/no-such-page")
    await look_at("error", tab)
    assert found == {}
    if "hebrew" in look:
        assert await tab.page.get_attribute("html", "dir") == "rtl"
