"""The page of what is said in groups, and who may turn what on it."""

from __future__ import annotations

from typing import Any

import pytest

from tallybook.core import audit, outbox, stops
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.messages import Outgoing
from tests import world
from tests.web.conftest import Browser

PAGE = "/wa-monitor/replies"
GROUP = "120363000000000001@g.us"


@pytest.fixture
async def bia(db: Database, business: Business) -> world.Someone:
    return await db.run("add", lambda conn: world.bia(conn, business))


async def said(db: Database, business: Business, *states: str) -> None:
    """One message for each state, about DR1, DR2 …"""
    async with db.transaction() as conn:
        for number, state in enumerate(states, 1):
            drop = f"DR{number}"
            body: Any = {"text": f"Invalid Drop Number {drop}", "mention": None}
            await outbox.put(conn, business.id, Outgoing("bridge", "primary", GROUP, drop, body, f"drop:{drop}"))
            values = [state, "The bridge is not connected to WhatsApp." if state == "parked" else None, drop]
            statement = "update outbox set state = %s, reason = %s, done_at = now() where dedup_key = %s"
            await conn.execute(statement, values)


async def states(db: Database) -> list[str]:
    async with db.transaction() as conn:
        return [row[0] for row in await (await conn.execute("select state from outbox order by id")).fetchall()]


async def test_an_empty_page_says_what_would_be_here(browser: Browser, ana: world.Someone) -> None:
    await browser.log_in(ana)
    answer = await browser.get(PAGE)
    assert answer.status_code == 200
    assert "Nothing was said in a group yet" in answer.text


async def test_each_message_says_what_became_of_it(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    await said(db, business, "waiting", "delivered", "parked", "captured", "dropped")
    await browser.log_in(ana)
    text = (await browser.get(PAGE)).text
    for words in ("Waits", "Seen in the group", "Not sent", "only production sends", "Dropped", "not connected"):
        assert words in text
    part = (await browser.get(f"{PAGE}?show=trouble")).text
    assert "DR3" in part
    assert "DR1" not in part
    assert (await browser.get(f"{PAGE}?show=nonsense&below=x")).status_code == 200


async def test_a_long_list_goes_on(browser: Browser, db: Database, business: Business, ana: world.Someone) -> None:
    await said(db, business, *["delivered"] * 51)
    await browser.log_in(ana)
    first = (await browser.get(PAGE)).text
    assert "below=2" in first
    assert "DR51" in first
    rest = (await browser.get(f"{PAGE}?below=2")).text
    assert "Older messages" not in rest
    assert "Invalid Drop Number DR1<" in rest


async def test_a_lead_stops_releases_and_drops(
    browser: Browser, db: Database, business: Business, bia: world.Someone
) -> None:
    await said(db, business, "waiting", "waiting", "parked")
    await browser.log_in(bia)
    assert "Stop all sending" in (await browser.get(PAGE)).text
    assert (await browser.post(f"{PAGE}/stop")).status_code == 303
    assert "Stopped: nothing is said in any group." in (await browser.get(PAGE)).text
    assert (await browser.post(f"{PAGE}/1/drop")).status_code == 303
    assert (await browser.post(f"{PAGE}/3/again")).status_code == 303
    assert await states(db) == ["dropped", "waiting", "waiting"]
    assert (await browser.post(f"{PAGE}/drop")).status_code == 303
    assert (await browser.post(f"{PAGE}/release")).status_code == 303
    assert await states(db) == ["dropped"] * 3
    async with db.transaction() as conn:
        assert await stops.stopped(conn, business.id, "bridge") is None
        told = [(entry.who, entry.action) for entry in await audit.recent(conn, business.id)][:5]
    assert told == [
        ("Bia Dlamini", "sending.released"),
        ("Bia Dlamini", "sending.dropped"),
        ("Bia Dlamini", "sending.replayed"),
        ("Bia Dlamini", "sending.dropped"),
        ("Bia Dlamini", "sending.stopped"),
    ]


async def test_a_reviewer_sees_and_turns_nothing(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    await said(db, business, "waiting", "parked")
    await browser.log_in(ana)
    assert "Stop all sending" not in (await browser.get(PAGE)).text
    for turn in ("stop", "release", "drop", "1/drop", "2/again"):
        assert (await browser.post(f"{PAGE}/{turn}")).status_code == 403, turn
    assert await states(db) == ["waiting", "parked"]


async def test_what_is_not_there_any_more_is_not_found(
    browser: Browser, db: Database, business: Business, bia: world.Someone
) -> None:
    await said(db, business, "delivered")
    await browser.log_in(bia)
    for turn in ("1/drop", "1/again", "99/drop", "99/again"):
        assert (await browser.post(f"{PAGE}/{turn}")).status_code == 404, turn


async def test_another_business_sees_and_turns_its_own(browser: Browser, db: Database, business: Business) -> None:
    await said(db, business, "waiting", "parked")
    caio = await db.run("add", world.caio)
    await browser.log_in(caio)
    assert "DR1" not in (await browser.get(PAGE)).text
    await browser.post(f"{PAGE}/stop")
    await browser.post(f"{PAGE}/drop")
    assert (await browser.post(f"{PAGE}/1/drop")).status_code == 404
    assert (await browser.post(f"{PAGE}/2/again")).status_code == 404
    assert await states(db) == ["waiting", "parked"]
    async with db.transaction() as conn:
        assert await stops.stopped(conn, business.id, "bridge") is None
