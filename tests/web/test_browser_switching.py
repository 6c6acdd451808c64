"""The menu of businesses and the health page as people use them: mouse, keyboard, phone, Hebrew, dark."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tallybook.core.heartbeats import beat
from tests import world
from tests.web.browser import DESK, PHONE, OpenTab, Tab, looks, set_up

GIVE_ROLE = "insert into account_roles (business_id, account_id, role) values (%(business)s, %(account)s, %(role)s)"
PARKED = "insert into jobs (business_id, kind, state, reason) values (%(id)s, 'k', 'parked', 'no')"
LONG = "The Sea of Galilee Guided Walking and Cycling Tours Company of Tiberias and Beyond, Northern Branch"


@pytest.fixture
async def both(db: Database, business: Business) -> world.Someone:
    """An admin of the fibre installer, and a viewer of two businesses more, one with a very long name."""
    await set_up(db, business)
    root = await db.run("add", lambda conn: world.root(conn, business))
    tours = await db.run("add", world.kinneret_tours)
    long = await db.run("add", lambda conn: world.kinneret_tours(conn, name=LONG[:100]))
    async with db.transaction() as conn:
        for other in (tours, long):
            values = {"business": other.id, "account": root.account_id, "role": Role.VIEWER}
            await conn.execute(GIVE_ROLE, values)
        await conn.execute(PARKED, {"id": business.id})
        await beat(conn, "worker", {"says": "Working.", "host": "vf-server", "process": 4711})
        problem = "There is no file /srv/bridge/messages.db. Is the path right, and has the bridge been started?"
        await beat(conn, "bridge", {"problem": problem, "business_id": business.id})
    return root


async def open_menu(tab: Tab) -> Any:
    await tab.page.locator(".person summary").click()
    return tab.page.locator('form[action="/business"] button')


async def test_the_menu_shows_the_other_businesses_and_the_keyboard_takes_one_there(
    open_tab: OpenTab, both: world.Someone
) -> None:
    tab = await open_tab(both)
    await tab.go("/health")
    choices = await open_menu(tab)
    await expect(choices).to_have_count(2)
    await tab.keep("switching-menu")
    assert await tab.violations() == []
    await tab.page.locator(".person summary").focus()
    await tab.page.keyboard.press("Tab")
    await expect(choices.first).to_be_focused()
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator(".person .who")).to_contain_text("Kinneret Tours")
    assert tab.page.url.endswith("/health")
    await expect(tab.page.get_by_text("/srv/bridge")).to_have_count(0)
    await open_menu(tab)
    await tab.keep("switching-menu-other")


@pytest.mark.parametrize("scheme", looks("light", ["light", "dark"]))
async def test_on_a_phone_in_hebrew_nothing_is_cut_off(open_tab: OpenTab, both: world.Someone, scheme: str) -> None:
    tab = await open_tab(both, viewport=PHONE, locale="he", color_scheme=scheme)
    await tab.go("/health")
    choices = await open_menu(tab)
    for choice in await choices.all():
        box = await choice.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
    wide = await tab.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE["width"]
    await tab.keep(f"switching-menu-phone-{scheme}")
    assert await tab.violations() == []
    await tab.page.keyboard.press("Escape")
    await tab.page.reload()
    await tab.keep(f"switching-health-phone-{scheme}")


async def test_a_viewer_sees_how_it_goes_and_an_admin_sees_why(
    open_tab: OpenTab, db: Database, business: Business, both: world.Someone
) -> None:
    viewer = await db.run("add", lambda conn: world.ana(conn, business, role=Role.VIEWER))
    for someone, name, paths in ((both, "admin", 2), (viewer, "viewer", 0)):
        tab = await open_tab(someone, viewport=DESK)
        await tab.go("/health")
        await expect(tab.page.get_by_text("/srv/bridge")).to_have_count(paths)
        await expect(tab.page.locator("td .says", has_text="1 item is parked.")).to_have_count(1)
        await tab.keep(f"switching-health-{name}")
        assert await tab.violations() == []


async def test_a_password_that_is_shown_once_is_where_one_looks_also_on_a_long_page(
    open_tab: OpenTab, both: world.Someone
) -> None:
    tab = await open_tab(both, viewport={"width": 390, "height": 360})
    await tab.go("/account")
    await tab.page.fill("#person-name", "Naledi Khumalo")
    await tab.page.fill("#person-login", "naledi")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.get_by_text("good for one time and shown only now")).to_be_in_viewport()
