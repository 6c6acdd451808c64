"""The inbox as people use it: with eyes, a mouse and a keyboard."""

from __future__ import annotations

import colorsys
import re
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from playwright.async_api import expect

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tests import world
from tests.web import talks
from tests.web.browser import DESK, PHONE, SOON, OpenTab, Tab, looks
from tests.web.talks import LONG, first, ours, say, words

expect.set_options(timeout=10_000)
# The box of a part of an element's text, character by character.
BOXES = """
const boxes = (element, part) => {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const start = node.data.indexOf(part);
        if (start < 0) continue;
        return [...part].map((_, place) => {
            const range = document.createRange();
            range.setStart(node, start + place);
            range.setEnd(node, start + place + 1);
            return range.getBoundingClientRect();
        });
    }
    throw new Error(`${part} is not there`);
};
"""
MIDDLE = f"""(element, part) => {{ {BOXES}
    const all = boxes(element, part);
    return (Math.min(...all.map((one) => one.left)) + Math.max(...all.map((one) => one.right))) / 2;
}}"""
LEFT_TO_RIGHT = f"""(element, part) => {{ {BOXES}
    const all = boxes(element, part);
    return all.every((one, place) => place === 0 || (one.left >= all[place - 1].left && one.top === all[0].top));
}}"""
SIPHO, LERATO, NOA, LONGEST = "+27820000002", "+27820000003", "+27820000004", "+27820000005"


@pytest.fixture
async def duma(db: Database, business: Business) -> world.Someone:
    overrides = {"login": "duma", "name": "Duma Nkosi", "role": Role.AGENT}
    return await db.run("add", lambda conn: world.someone(conn, business, **overrides))


def talk(tab: Tab, name: str) -> Any:
    return tab.page.locator(".talk", has_text=name)


async def a_day(db: Database, business: Business) -> None:
    """Naledi's talk, and those of others around it."""
    await talks.connect(db, business)
    hour = timedelta(hours=1)
    await talks.whole_talk(db, business)
    await say(
        db, business,
        words("Thank you, the new screen is perfect", SIPHO, name="Sipho Mthembu", ago=hour),
        words("שלום, מתי אתם פתוחים ביום שישי?", NOA, name="נועה כהן", ago=2 * hour),
        words("Is there parking? " * 8, LONGEST, name=LONG, ago=3 * hour),
        words("I wait in front", LERATO, name="", ago=26 * hour, type="audio"),
    )  # fmt: skip


async def test_a_thread_is_opened_read_and_marked_unread(
    open_tab: OpenTab, db: Database, business: Business, duma: world.Someone
) -> None:
    await a_day(db, business)
    tab = await open_tab(duma)
    await tab.go("/inbox")
    await expect(talk(tab, "Naledi").locator(".badge")).to_have_text("6 unread")
    await expect(tab.page.locator("#threads-waiting")).to_have_text("5")
    await tab.page.keyboard.press("j")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator("#talk h2")).to_have_text("Naledi Khumalo")
    await expect(talk(tab, "Naledi").locator(".badge")).to_have_count(0)
    await expect(tab.page.locator("#threads-waiting")).to_have_text("4")
    await expect(tab.page.locator(".said").last).to_be_in_viewport()
    await tab.keep("inbox-desk")
    await tab.page.keyboard.press("u")
    await expect(tab.page).to_have_url(re.compile("/inbox$"))
    await expect(talk(tab, "Naledi").locator(".badge")).to_have_text("1 unread")


async def test_what_comes_is_shown_where_it_belongs_and_is_read_by_who_looks_at_it(
    open_tab: OpenTab, db: Database, business: Business, duma: world.Someone
) -> None:
    await say(db, business, words("Hello"), words("Hi", SIPHO, name="Sipho Mthembu"))
    tab = await open_tab(duma)
    await tab.go(f"/inbox/{await first(db)}")
    await expect(tab.page.locator("#live")).to_have_attribute("data-state", "live")
    await say(db, business, words("And one thing more"), words("Are you there?", SIPHO))
    await expect(tab.page.locator(".said").last).to_contain_text("And one thing more", timeout=SOON)
    await expect(talk(tab, "Sipho").locator(".badge")).to_have_text("2 unread", timeout=SOON)
    await expect(talk(tab, "Naledi").locator(".badge")).to_have_count(0)
    await talk(tab, "Sipho").hover()
    await say(db, business, words("Somebody new", LERATO))
    await expect(tab.page.locator("#news")).to_have_text("1 new", timeout=SOON)
    await tab.page.click("#news")
    await expect(tab.page.locator(".talk")).to_have_count(3)


async def test_an_answer_is_written_kept_while_nothing_answers_and_sent_once(
    open_tab: OpenTab, db: Database, business: Business, duma: world.Someone
) -> None:
    await talks.connect(db, business)
    await say(db, business, words("Is it open?"))
    tab = await open_tab(duma)
    tab.expected += ["net::ERR_FAILED"]
    await tab.go(f"/inbox/{await first(db)}")
    await tab.page.keyboard.press("r")
    await tab.page.keyboard.type("Until six")
    await tab.page.keyboard.press("Shift+Enter")
    await tab.page.keyboard.type("every day")
    await tab.page.route("**/send", lambda route: route.abort())
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator("#note")).to_contain_text("What you typed is still here")
    await expect(tab.page.locator("#text")).to_have_value("Until six\nevery day")
    await tab.page.unroute("**/send")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator(".said.human .words")).to_have_text("Until six\nevery day")
    await expect(tab.page.locator(".said.human .far")).to_have_attribute("title", "Waits to be sent")
    await expect(tab.page.locator("#text")).to_have_value("")
    await expect(tab.page.locator("#note")).to_contain_text("Can be answered freely until")


async def colour(tab: Tab, source: str) -> tuple[float, float, float]:
    """Hue in degrees, lightness and saturation of somebody's bubbles."""
    bubble = tab.page.locator(f".said.{source} .bubble").first
    said = await bubble.evaluate("one => getComputedStyle(one).backgroundColor")
    hue, lightness, saturation = colorsys.rgb_to_hls(*(int(part) / 255 for part in re.findall(r"\d+", said)[:3]))
    return hue * 360, lightness, saturation


def told_apart(colours: dict[str, tuple[float, float, float]]) -> None:
    """Customers are white, the bot is green, automation amber, people a lighter green."""
    customer, bot, automation, human = (colours[one] for one in ("customer", "bot", "automation", "human"))
    assert customer[1] == 1
    assert 100 < bot[0] < 170
    assert 30 < automation[0] < 55
    assert 100 < human[0] < 170
    assert bot[1] < human[1] < 1
    assert min(one[2] for one in (bot, automation, human)) > 0.3


@pytest.mark.parametrize("look", looks("hebrew phone", ["hebrew desk", "hebrew phone", "dark tablet"]))
async def test_each_kind_of_message_is_told_apart_at_every_width_and_in_hebrew(
    open_tab: OpenTab, db: Database, business: Business, duma: world.Someone, look: str
) -> None:
    await a_day(db, business)
    size = PHONE if "phone" in look else {"width": 900, "height": 1000} if "tablet" in look else DESK
    hebrew, dark = "hebrew" in look, "dark" in look
    tab = await open_tab(
        duma, viewport=size, locale="he-IL" if hebrew else "en-GB", color_scheme="dark" if dark else "light"
    )
    await tab.go("/inbox")
    await tab.keep(f"inbox-{look} list")
    assert await tab.violations() == []
    await talk(tab, "Naledi").locator("a").click()
    names = {
        "bot": ("🤖 Bot", "🤖 בוט"),
        "automation": ("⚡ Automation", "⚡ אוטומציה"),
        "human": ("👤 Person", "👤 ידני"),
    }
    for source, said in names.items():
        await expect(tab.page.locator(f".said.{source} .who").first).to_have_text(said[hebrew])
    colours = {source: await colour(tab, source) for source in ("customer", *names)}
    assert len(set(colours.values())) == 4
    if not dark:
        told_apart(colours)
    assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await tab.keep(f"inbox-{look}")
    assert await tab.violations() == []
    if "phone" in look:
        await expect(tab.page.locator("#threads")).to_be_hidden()
        await tab.page.locator(".back").click()
        await expect(talk(tab, "Naledi")).to_be_visible()


async def places(tab: Tab, selector: str, *parts: str) -> list[float]:
    """Where parts of a text stand, from the left: the middle of each, in pixels."""
    element = tab.page.locator(selector).filter(has_text=parts[0]).last
    return [float(await element.evaluate(MIDDLE, part)) for part in parts]


def in_order(where: list[float]) -> bool:
    return all(one < other for one, other in pairwise(where))


async def test_hebrew_is_read_from_the_right_and_numbers_and_names_in_it_from_the_left(
    open_tab: OpenTab, db: Database, business: Business, duma: world.Someone
) -> None:
    await say(db, business, words("Please call me at 9:30, thank you", NOA, name="נועה כהן"))
    await say(
        db,
        business,
        words("שלום, אפשר לשלם 350 ₪ היום? הטלפון +972500000001 או 082 000 0009", SIPHO, name="Sipho Mthembu"),
    )
    await ours(db, business, "כן, ב־10:30 עם Bia", "human", "sent", phone=SIPHO)
    tab = await open_tab(duma, viewport=PHONE, locale="he-IL")
    await tab.go("/inbox")
    row = talk(tab, "נועה")
    name, preview = await row.locator(".name").bounding_box(), await row.locator("a").bounding_box()
    assert name["x"] + name["width"] / 2 > preview["x"] + preview["width"] / 2  # a name begins on the right
    assert in_order(await places(tab, ".talk", "Please", "call", "9", "30", "thank"))
    await talk(tab, "Sipho").locator("a").click()
    theirs = await tab.page.locator(".said.customer .bubble").bounding_box()
    answer = await tab.page.locator(".said.human .bubble").bounding_box()
    assert theirs["x"] + theirs["width"] > PHONE["width"] - 40
    assert answer["x"] < 40
    hebrew = ".said.customer .words"
    first_line = await places(tab, hebrew, "שלום", "אפשר", "לשלם")
    assert in_order(first_line[::-1])
    assert in_order(await places(tab, hebrew, "350", "לשלם", "אפשר"))
    for number in ("350", "+972500000001", "082 000 0009"):
        assert await tab.page.locator(hebrew).evaluate(LEFT_TO_RIGHT, number), number
    assert in_order((await places(tab, ".said.human .words", "כן", "10:30", "Bia"))[::-1])
    assert await tab.page.locator(".said.human .words").evaluate(LEFT_TO_RIGHT, "10:30")
    await tab.keep("inbox-hebrew-order")


async def test_a_name_too_long_for_its_line_is_cut_at_its_end_in_a_hebrew_page_too(
    open_tab: OpenTab, db: Database, business: Business, duma: world.Someone
) -> None:
    await talks.connect(db, business)
    await say(db, business, words("Is there parking?", LONGEST, name=LONG))
    tab = await open_tab(duma, viewport=PHONE, locale="he")
    await tab.go("/inbox")
    await tab.page.locator(".talk").click()
    name = tab.page.locator(".talk-head h2")
    await expect(name).to_be_visible()
    begins = (
        f"(element, part) => {{ {BOXES} return boxes(element, part)[0].left - element.getBoundingClientRect().left; }}"
    )
    assert await name.evaluate(begins, LONG[:3]) >= 0


async def test_an_empty_inbox_on_a_phone(open_tab: OpenTab, business: Business, duma: world.Someone) -> None:
    tab = await open_tab(duma, viewport=PHONE)
    await tab.go("/inbox")
    await expect(tab.page.get_by_text("No messages yet")).to_be_visible()
    assert await tab.violations() == []
    await tab.keep("inbox-empty")
