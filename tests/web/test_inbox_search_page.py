"""The page on which people find what was said, and the way from there into a thread."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tallybook.inbox.service import searching
from tests import world
from tests.web.conftest import Browser
from tests.web.talks import first, say, words


@pytest.fixture
async def agent(db: Database, business: Business) -> world.Someone:
    overrides = {"login": "duma", "name": "Duma Nkosi", "role": Role.AGENT}
    return await db.run("add", lambda conn: world.someone(conn, business, **overrides))


async def talk(db: Database, business: Business) -> None:
    many = [words(f"message {number}", ago=timedelta(minutes=200 - number)) for number in range(100)]
    await say(db, business, words("Where is my <b>invoice</b>?", ago=timedelta(days=3)), *many)
    await searching.read_all(db, business.id)


async def test_people_stand_above_messages_and_each_message_leads_to_its_place(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    await talk(db, business)
    await browser.log_in(agent)
    page = (await browser.get("/inbox/search?q=invoice&who=customer&since=2026-01-01")).text
    assert "&lt;b&gt;<mark>invoice</mark>&lt;/b&gt;" in page
    number = page.split('href="/inbox/said/')[1].split('"')[0]
    led = await browser.get(f"/inbox/said/{number}")
    assert led.status_code == 303
    assert led.headers["location"].startswith(f"/inbox/{await first(db)}?before=")
    assert led.headers["location"].endswith(f"#m{number}")
    shown = (await browser.get(led.headers["location"].partition("#")[0])).text
    assert f'id="m{number}"' in shown
    assert "message 19<" in shown
    assert "message 60<" not in shown
    for search in ("naledi", "082 000 0001", "0001"):
        assert (
            f'<a href="/inbox/{await first(db)}"><span class="one"><b'
            in (await browser.get(f"/inbox/search?q={search}")).text
        )
    assert "Search what was said" in (await browser.get("/inbox?q=naledi")).text


async def test_pages_of_messages_follow_each_other_and_nothing_found_says_what_was_sought(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    await talk(db, business)
    await browser.log_in(agent)
    seen: list[str] = []
    path = "/inbox/search?q=message"
    while path:
        page = (await browser.get(path)).text
        seen += [part.split('"')[0] for part in page.split('href="/inbox/said/')[1:]]
        path = (
            page.split('href="/inbox/search?')[1].split('"')[0].replace("&amp;", "&")
            if "Older messages" in page
            else ""
        )
        path = path and "/inbox/search?" + path
    assert len(seen) == len(set(seen)) == 100
    nothing = (await browser.get("/inbox/search?q=banana%3Cb%3E&until=2026-01-31")).text
    assert "Nothing was said with “banana&lt;b&gt;”" in nothing
    assert "Only those that fit what was chosen above" in nothing
    assert "What are you looking for?" in (await browser.get("/inbox/search")).text
    for query in ("q=" + "x" * 101, "q=a&since=2026", "q=a&after=x", "q=%00"):
        assert (await browser.get(f"/inbox/search?{query}")).status_code == 400
    for number in ("999999", "99999999999999999999"):
        assert (await browser.get(f"/inbox/said/{number}")).status_code == 404


async def test_programs_find_the_same(browser: Browser, db: Database, business: Business, agent: world.Someone) -> None:
    await talk(db, business)
    await browser.log_in(agent)
    answer = (await browser.get("/api/inbox/search?q=invoice", headers={"accept": "application/json"})).json()
    (row,) = answer["data"]["messages"]
    assert row["conversation_id"] == await first(db)
    assert {"text": "invoice", "hit": True} in row["snippet"]
    assert answer["data"]["after"] is None
