"""Statistics and marketing as people see them: in both languages, narrow and wide, light and dark, full and empty."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import expect

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.monitor import statistics_jobs
from tallybook.monitor.service import locations, reviews
from tallybook.monitor.types import STEP_COLUMNS, Changes
from tests import world
from tests.web.browser import LAWLEY, LOOKS, MARKETING, MOHADIN, OpenTab, Tab, looks, post, seen_as, set_up

REVIEWS = "select id from qa_photo_reviews order by drop_number"
PLACES = b"drop,lat,long\nDR1752100,-26.383,27.818\nDR1752101,-26.384,27.819\n"
LISTED = """
update marketing_activations set validation_message = null, is_valid = case drop_number
    when 'DR1752102' then null when 'DR1752103' then false else true end
"""


@pytest.fixture
async def bia(db: Database, business: Business) -> world.Someone:
    await set_up(db, business)
    return await db.run("add", lambda conn: world.bia(conn, business))


async def lived(db: Database, business: Business, who: world.Someone, days: int = 15) -> None:
    """Some weeks of a business: posts every working day, some posted again, some judged."""
    chance = random.Random(7)
    for ago in range(days):
        for group, most in ((LAWLEY, 5), (MOHADIN, 3), (MARKETING, 2)):
            numbers = [f"DR17{chance.randint(0, 400):05}" for _ in range(chance.randint(most // 2, most))]
            if numbers:
                at = timedelta(days=ago, minutes=chance.randint(1, 50))
                await post(db, business, " ".join(numbers), group, at, chance.randint(1, 6))
    async with db.transaction() as conn:
        ids = [row[0] for row in await (await conn.execute(REVIEWS)).fetchall()]
    for number, review_id in enumerate(ids):
        if number % 3:
            wrong = {"step_08_ont_barcode": "Blurry"} if number % 5 == 0 else {}
            ticks = {column: chance.random() < 0.97 or number % 4 == 0 for column in STEP_COLUMNS}
            changes = Changes(ticks, wrong, posts=1)

            async def judge(conn: Conn, review_id: Any = review_id, changes: Changes = changes) -> None:
                await reviews.save(conn, business, review_id, reviews.Reviewer(who.account_id, who.name), changes)

            await db.run("judge", judge)
    await statistics_jobs.whole(db, business)


async def activated(db: Database, business: Business) -> None:
    for number in range(4):
        await post(db, business, f"DR175210{number}", MARKETING, timedelta(seconds=number))
    async with db.transaction() as conn:
        await conn.execute(LISTED)
        await locations.keep(conn, business, locations.read(PLACES))


async def holds(tab: Tab, name: str) -> None:
    await tab.keep(f"statistics-{name}", whole=True)
    assert await tab.violations() == [], name
    assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"


async def test_statistics_read_well_in_every_look(
    open_tab: OpenTab, db: Database, business: Business, bia: world.Someone
) -> None:
    tabs = {look: await open_tab(bia, **seen_as(look)) for look in looks("hebrew phone dark", LOOKS)}
    for look, tab in tabs.items():
        await tab.go("/wa-monitor/statistics")
        await expect(tab.page.locator(".empty")).to_be_visible()
        await holds(tab, f"statistics {look} empty")
    await lived(db, business, bia)
    for look, tab in tabs.items():
        await tab.go("/wa-monitor/statistics")
        await expect(tab.page.locator(".trend svg")).to_be_visible()
        await tab.page.locator(".same summary").click()
        await holds(tab, f"statistics {look}")


async def test_a_figure_leads_to_the_list_whose_length_it_is(
    open_tab: OpenTab, db: Database, business: Business, bia: world.Someone
) -> None:
    await lived(db, business, bia, 10)
    tab = await open_tab(bia)
    await tab.go("/wa-monitor/statistics?days=7")
    row = tab.page.locator(".projects tr", has_text="Lawley")
    week = row.locator("td").nth(1).get_by_role("link")
    figure = await week.inner_text()
    await week.click()
    await expect(tab.page.locator("#count")).to_contain_text(figure)


async def test_a_project_is_chosen_and_stays_chosen(
    open_tab: OpenTab, db: Database, business: Business, bia: world.Someone
) -> None:
    await lived(db, business, bia, 5)
    tab = await open_tab(bia)
    await tab.go("/wa-monitor/statistics")
    await tab.page.get_by_label("Project", exact=True).select_option("Mohadin")
    await tab.page.get_by_role("button", name="Show").click()
    await tab.page.wait_for_url("**project=Mohadin")
    await tab.page.get_by_role("link", name="Last 7 days").click()
    await tab.page.wait_for_url("**days=7&project=Mohadin")
    await expect(tab.page.get_by_label("Project", exact=True)).to_have_value("Mohadin")


async def test_marketing_reads_well_in_every_look(
    open_tab: OpenTab, db: Database, business: Business, bia: world.Someone
) -> None:
    tabs = {look: await open_tab(bia, **seen_as(look)) for look in looks("dark phone", LOOKS)}
    for look, tab in tabs.items():
        await tab.go("/wa-monitor/marketing")
        await expect(tab.page.locator(".empty")).to_be_visible()
        await holds(tab, f"marketing {look} empty")
    await activated(db, business)
    for look, tab in tabs.items():
        await tab.go("/wa-monitor/marketing")
        await expect(tab.page.locator(".activated li")).to_have_count(4)
        await holds(tab, f"marketing {look}")


async def test_marketing_is_searched_and_walked_by_day_with_the_keyboard(
    open_tab: OpenTab, db: Database, business: Business, bia: world.Someone
) -> None:
    await activated(db, business)
    tab = await open_tab(bia)
    await tab.go("/wa-monitor/marketing")
    place = tab.page.get_by_role("link", name="DR1752101 on OpenStreetMap")
    assert "mlat=-26.384&mlon=27.819" in (await place.get_attribute("href") or "")
    await tab.page.get_by_label("Find a drop by its number").fill("2103")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator(".activated li")).to_have_count(1)
    await tab.go("/wa-monitor/marketing")
    await tab.page.get_by_role("link", name="Not known 1").click()
    await expect(tab.page.locator(".activated li")).to_have_count(1)
    await tab.page.get_by_role("link", name="The day before").press("Enter")
    await expect(tab.page.get_by_role("heading", name="No drop fits these filters")).to_be_visible()
