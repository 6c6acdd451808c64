"""The health page tells each reader of their own business, and of the machine only what they have to know."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tallybook.core.heartbeats import beat
from tests import world
from tests.web.browser import LAWLEY, set_up
from tests.web.conftest import Browser

PARKED = """
insert into jobs (business_id, kind, state, reason)
select %(id)s, 'k', 'parked', 'no' from generate_series(1, 41)
"""


@pytest.fixture
async def trouble(db: Database, business: Business) -> Business:
    """The fibre installer's bridge is away, and something of theirs is parked."""
    await set_up(db, business, (LAWLEY,))
    async with db.transaction() as conn:
        await conn.execute(PARKED, {"id": business.id})
        await beat(conn, "worker", {"says": "Working.", "host": "vf-server"})
        await beat(conn, "bridge", {"problem": "There is no file /srv/a/messages.db.", "business_id": business.id})
    return business


async def page_of(browser: Browser, someone: world.Someone) -> str:
    await browser.log_in(someone)
    return (await browser.get("/health")).text


async def test_an_admin_reads_all_of_it(browser: Browser, db: Database, trouble: Business) -> None:
    page = await page_of(browser, await db.run("add", lambda conn: world.root(conn, trouble)))
    for shown in ("Lawley", "41 items are parked.", "/srv/a/messages.db", "vf-server"):
        assert shown in page


async def test_a_viewer_reads_the_numbers_of_the_business_and_no_path(
    browser: Browser, db: Database, trouble: Business
) -> None:
    page = await page_of(browser, await db.run("add", lambda conn: world.ana(conn, trouble, role=Role.VIEWER)))
    for shown in ("Lawley", "41 items are parked.", "Something is wrong here. An admin sees what it is."):
        assert shown in page
    for hidden in ("/srv", "vf-server"):
        assert hidden not in page


async def test_what_is_wrong_is_told_in_sentences_that_end(browser: Browser, db: Database, business: Business) -> None:
    """One of them ends with a command, which somebody copies."""
    page = await page_of(browser, await db.run("add", lambda conn: world.root(conn, business)))
    assert "Start one with: tallybook work." in re.findall(r"<h2>(.*?)</h2>", page)[0]
    assert "Start one with: tallybook work</p>" in page


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ADMIN])
async def test_who_belongs_to_another_business_reads_nothing_of_this_one(
    open_browser: Callable[..., Browser], db: Database, trouble: Business, role: Role
) -> None:
    page = await page_of(open_browser(), await db.run("add", lambda conn: world.caio(conn, role=role)))
    assert "No items are parked." in page or "אין פריטים" in page
    for hidden in ("Lawley", "41 items", "/srv", "There is no file", "bridge"):
        assert hidden not in page
