"""Putting threads away, by programs and by people, and what was said in them summed up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from playwright.async_api import expect

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tests import world as office
from tests.web import talks
from tests.web.browser import PHONE, PICTURES, OpenTab
from tests.web.conftest import Browser, OpenApi
from tests.web.talks import first, ours, say, words

SIPHO = "+27820000002"
STATE = "/api/whatsapp/conversations/{}/{}"
SUMMARY = "/api/crm/threads/{}/summary"


@pytest.fixture
async def duma(db: Database, business: Business) -> office.Someone:
    overrides = {"login": "duma", "name": "Duma Nkosi", "role": Role.AGENT}
    return await db.run("add", lambda conn: office.someone(conn, business, **overrides))


@pytest.fixture
async def api(open_api: OpenApi, root: office.Someone) -> httpx.AsyncClient:
    return await open_api(root)


async def told(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()["data"] if status == 200 else answer.json()["error"]


async def test_a_thread_is_closed_reopened_and_snoozed_by_any_name_of_its(
    api: httpx.AsyncClient, db: Database, business: Business
) -> None:
    ago = timedelta(minutes=9)
    await say(db, business, words("Do you open on Sunday?", ago=ago), words("Hi", SIPHO, name="Sipho", ago=ago))
    number = await first(db)
    closed = await told(await api.post(STATE.format("+27 82 000 0001", "close")))
    assert (closed["conversation_id"], closed["state"], closed["snoozed_until"]) == (number, "closed", None)
    assert [one["is_closed"] for one in (await told(await api.get("/api/crm/threads?show=closed")))["threads"]] == [
        True
    ]
    found = await told(await api.get(SUMMARY.format(number)))
    assert (found["is_active"], found["summary_created"], found["detected_topic_id"]) == (False, True, None)
    (over,) = found["sessions"]
    assert over["ended_by"] == "person"
    assert over["messages"] == {"customer": 1, "bot": 0, "automation": 0, "human": 0}
    assert found["summary"] == over["summary"]
    written = await told(await api.put(SUMMARY.format(number), json={"summary": "Wants to come on Sunday."}))
    assert (written["summary"], written["sessions"][0]["by"]) == ("Wants to come on Sunday.", "person")
    snoozed = await told(await api.post(STATE.format(number, "snooze"), json={"until": "tomorrow"}))
    assert snoozed["state"] == "snoozed"
    assert datetime.fromisoformat(snoozed["snoozed_until"]).astimezone(business.zone).hour == 9
    for until in ("2001-01-01", "soon", "9998-01-01T00:00:00Z"):
        answer = await told(await api.post(STATE.format(number, "snooze"), json={"until": until}), 400)
        assert answer["code"] == "VALIDATION_ERROR"
    assert (await told(await api.post(STATE.format(number, "reopen"))))["state"] == "open"
    await told(await api.post(STATE.format(number + 99, "close")), 404)


async def test_what_a_conversation_suggests_is_shown_and_taken_over_by_a_press_and_by_programs(
    browser: Browser, api: httpx.AsyncClient, db: Database, business: Business, duma: office.Someone
) -> None:
    async with db.transaction() as conn:
        await conn.execute(
            "insert into inbox_answers (question, answer) values ('When do you open on Sunday?', 'At nine.')"
        )
    await say(db, business, words("Do you open on Sunday?"), words("I am at naledi@example.org"))
    number = await first(db)
    await told(await api.post(f"/api/whatsapp/conversations/{number}/lead", json={}))
    await ours(db, business, "At nine", "human", "sent")
    await told(await api.post(STATE.format(number, "close")))
    await browser.log_in(duma)
    page = (await browser.get(f"/inbox/{number}")).text
    for shown in ("When do you open on Sunday?", "Like a known question:", "Suggested status", "naledi@example.org"):
        assert shown in page, shown
    path = f"/inbox/{number}/summary/1/take"
    assert (await browser.post(f"{path}/status")).status_code == 303
    page = (await browser.get(f"/inbox/{number}")).text
    assert f"{path}/status" not in page
    assert f"{path}/email" in page
    assert (await browser.post(f"{path}/everything")).status_code == 404
    found = await told(await api.get(SUMMARY.format(number)))
    (over,) = found["sessions"]
    assert (over["topic"], over["topic_source"], over["open"]) == (
        "When do you open on Sunday?", "known_answer", ["email"],
    )  # fmt: skip
    assert (over["topic_id"], over["topic_confidence"]) == (
        found["detected_topic_id"], found["detected_topic_confidence"],
    )  # fmt: skip
    for _ in range(2):
        answer = await api.post(SUMMARY.format(number) + "/take", json={"session": 1, "what": "email"})
        assert (await told(answer))["sessions"][0]["open"] == []
    await told(await api.post(SUMMARY.format(number) + "/take", json={"session": 1, "what": "name"}), 409)
    await told(await api.post(SUMMARY.format(number) + "/take", json={"session": 2, "what": "name"}), 404)
    async with db.transaction() as conn:
        leads = await (await conn.execute("select status, email from leads")).fetchall()
    assert leads == [("contacted", "naledi@example.org")]


async def test_many_are_put_away_at_once_and_another_business_s_are_not_among_them(
    api: httpx.AsyncClient,
    open_api: OpenApi,
    db: Database,
    business: Business,
) -> None:
    await say(db, business, words("Hi"), words("Hi", SIPHO, name="Sipho"))
    one = await first(db)
    several = {"threads": [one, one + 1, one + 99], "state": "snoozed"}
    path = "/api/whatsapp/conversations/state"
    assert (await told(await api.post(path, json=several)))["changed"] == [one, one + 1]
    assert (await told(await api.post(path, json=several)))["changed"] == []
    listed = (await told(await api.get("/api/crm/threads?show=snoozed")))["threads"]
    assert {each["conversation_id"] for each in listed} == {one, one + 1}
    outsider = await db.run("add", office.caio)
    others = await open_api(outsider)
    assert (await told(await others.post(path, json=several | {"state": "closed"})))["changed"] == []
    await told(await others.get(SUMMARY.format(one)), 404)
    await told(await others.post(STATE.format(one, "close")), 404)


async def test_people_close_snooze_and_choose_several_with_the_keyboard(
    open_tab: OpenTab, db: Database, business: Business, duma: office.Someone
) -> None:
    await talks.connect(db, business)
    await talks.whole_talk(db, business)
    await say(db, business, words("Thank you, the new screen is perfect", SIPHO, name="Sipho Mthembu"))
    tab = await open_tab(duma)
    await tab.go(f"/inbox/{await first(db)}")
    row = tab.page.locator(".talk", has_text="Naledi")
    await tab.page.keyboard.press("e")
    await expect(row).to_contain_text("Thread closed")
    await expect(tab.page.locator(".customer .summary .words:visible").first).to_contain_text("Closed by Duma Nkosi")
    await expect(tab.page.locator("#settle button")).to_have_attribute("value", "reopen")
    await tab.page.keyboard.press("z")
    await expect(tab.page.locator("#do-hour")).to_be_focused()
    await tab.keep("states-snooze")
    await tab.page.click("#do-customer")
    await expect(row).to_contain_text("Snoozed")
    await tab.keep("states-snoozed")
    await say(db, business, words("One thing more"))
    await expect(row).to_contain_text("Back")
    await tab.page.keyboard.press("x")
    await expect(tab.page.locator("#choose .acts")).to_be_visible()
    await expect(tab.page.locator(".pick-one:checked")).to_have_count(1)
    await tab.keep("states-choose")
    assert await tab.violations() == []
    await tab.page.click("#choose button[value=close]")
    await expect(row).to_contain_text("Thread closed")
    if PICTURES:
        await tab.page.set_viewport_size(PHONE)
        await tab.go(f"/inbox/{await first(db)}")
        await tab.page.click("#snooze summary")
        await tab.keep("states-phone")
