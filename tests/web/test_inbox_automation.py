"""The pages and the API of automation, of messages for later and of appointments: what they show, keep and refuse."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tallybook.inbox.service import automation, automation_firing, labels
from tallybook.web import inbox_automation_form as forms
from tests import world
from tests.core.worked import rows
from tests.web import talks
from tests.web.conftest import Browser
from tests.web.talks import first, say, words

RULE = {
    "name": "Prices",
    "on": "keyword",
    "words": "price, מחיר",
    "whole": "yes",
    "text": "Hello {name}",
    "opening": "",
}
HOSTILE = "<script>alert(1)</script> {{ 7*7 }} \" '"


@pytest.fixture
async def bia(db: Database, business: Business) -> world.Someone:
    return await db.run("add", lambda conn: world.bia(conn, business))


@pytest.fixture
async def duma(db: Database, business: Business) -> world.Someone:
    values = {"login": "duma", "name": "Duma Nkosi", "role": Role.AGENT}
    return await db.run("add", lambda conn: world.someone(conn, business, **values))


def wall(business: Business, hours: float) -> str:
    return f"{(datetime.now(UTC) + timedelta(hours=hours)).astimezone(business.zone):%Y-%m-%dT%H:%M}"


async def test_an_empty_page_offers_three_rules_and_one_of_them_is_kept(
    browser: Browser, db: Database, bia: world.Someone
) -> None:
    await browser.log_in(bia)
    page = (await browser.get("/inbox/automation")).text
    assert "Nothing is done by itself yet" in page
    assert page.count("/inbox/automation/new?example=") == 3
    for number in (1, 2, 3):
        form = (await browser.get(f"/inbox/automation/new?example={number}")).text
        assert 'name="text"' in form
    answer = await browser.post("/inbox/automation", RULE | {"do": "on"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/inbox/automation")
    page = (await browser.get("/inbox/automation")).text
    assert "When a customer writes “price” or “מחיר”, then send “Hello {name}”" in page
    assert 'aria-checked="true"' in page
    ((number, active),) = await rows(db, "select id, active from automation_rules")
    assert active
    await browser.post(f"/inbox/automation/{number}/switch", {"on": "false"})
    assert await rows(db, "select active from automation_rules") == [(False,)]
    assert "Prices" in (await browser.get(f"/inbox/automation/{number}")).text
    await browser.post(f"/inbox/automation/{number}/remove")
    assert await rows(db, "select count(*)::int from automation_rules") == [(0,)]


async def test_a_rule_is_tried_before_it_is_kept_and_what_is_wrong_stays_typed(
    browser: Browser, db: Database, business: Business, bia: world.Someone
) -> None:
    await say(db, business, words("What is the price?", ago=timedelta(hours=30)))
    await browser.log_in(bia)
    tried = await browser.post("/inbox/automation", RULE | {"do": "try"})
    assert "It would have done something 1 time in the last 7 days." in tried.text
    assert "Hello Naledi Khumalo" in tried.text
    assert await rows(db, "select count(*)::int from automation_rules") == [(0,)]
    for changed in ({"text": ""}, {"words": " "}, {"on": "label"}, {"on": "nonsense"}, {"on": "daily", "at": "25:00"}):
        wrong = await browser.post("/inbox/automation", RULE | {"name": HOSTILE, "do": "save"} | changed)
        assert wrong.status_code == 400
        assert 'role="alert"' in wrong.text
        assert "<script>alert(1)" not in wrong.text
        assert "&lt;script&gt;alert(1)" in wrong.text


async def test_runs_are_listed_with_their_reasons_and_filtered(
    browser: Browser, db: Database, business: Business, bia: world.Someone
) -> None:
    await browser.log_in(bia)
    assert "Nothing yet" in (await browser.get("/inbox/automation/runs")).text
    await browser.post("/inbox/automation", RULE | {"on": "any", "text": "", "hand_over": "yes", "do": "on"})
    async with db.transaction() as conn:
        await conn.execute("update automation_rules set active_since = now() - interval '1 day'")
    await say(db, business, words("Hello"), words("Too old", ago=timedelta(hours=2)))
    await automation_firing.fire_due(db, business, datetime.now(UTC))
    page = (await browser.get("/inbox/automation/runs")).text
    assert "it happened too long ago" in page
    assert "Naledi Khumalo" in page
    assert "it happened too long ago" not in (await browser.get("/inbox/automation/runs?outcome=done")).text
    assert "Fired 1 time in 30 days" in (await browser.get("/inbox/automation")).text


async def test_opening_hours_are_kept_as_they_are_typed_or_it_is_said_what_is_wrong(
    browser: Browser, db: Database, bia: world.Someone
) -> None:
    await browser.log_in(bia)
    week = {f"day{number}": "9:00-13:00, 14-18" for number in range(5)}
    typed = {"kept": "yes", "country": "ZA", "dates": "2026-12-24 09:00-12:00\n2026-12-26"} | week
    assert (await browser.post("/inbox/automation/hours", typed)).status_code == 303
    ((country, kept, dates),) = await rows(db, "select country, week, dates from inbox_hours")
    assert country == "ZA"
    assert kept[0] == [["09:00", "13:00"], ["14:00", "18:00"]]
    assert kept[6] == []
    assert dates == {"2026-12-24": [["09:00", "12:00"]], "2026-12-26": []}
    page = (await browser.get("/inbox/automation/hours")).text
    assert "09:00-13:00, 14:00-18:00" in page
    for wrong in ({"day0": "9 to 5"}, {"dates": "tomorrow"}, {"country": "XX"}, {"day0": "18:00-09:00"}):
        assert (await browser.post("/inbox/automation/hours", typed | wrong)).status_code == 400


async def test_who_may_not_lead_looks_and_changes_nothing(
    browser: Browser, db: Database, business: Business, duma: world.Someone, bia: world.Someone
) -> None:
    told = forms.draft(forms.Typed(name="Prices", on="any", text="Hi"))
    number = await db.run("add", lambda conn: automation.add(conn, bia.caller, told))
    await browser.log_in(duma)
    assert "Prices" in (await browser.get("/inbox/automation")).text
    assert "New rule" not in (await browser.get("/inbox/automation")).text
    assert (await browser.get("/inbox/automation/new")).status_code == 403
    for path in ("", "/hours", f"/{number}/switch", f"/{number}/remove"):
        assert (await browser.post("/inbox/automation" + path, RULE)).status_code == 403
    assert await rows(db, "select active from automation_rules") == [(False,)]


async def test_what_is_typed_in_a_thread_is_sent_later_changed_and_cancelled(
    browser: Browser, db: Database, business: Business, duma: world.Someone
) -> None:
    await talks.connect(db, business)
    await say(db, business, words("Hello"))
    thread = await first(db)
    await browser.log_in(duma)
    assert f'formaction="/inbox/{thread}/later"' in (await browser.get(f"/inbox/{thread}")).text
    page = (await browser.post(f"/inbox/{thread}/later", {"do": "compose", "text": HOSTILE})).text
    assert "&lt;script&gt;alert(1)" in page
    assert "Nothing waits here" in page
    key = re.findall(r'name="key" value="(\w+)"', page)[0]
    form = {"text": "See you", "at": wall(business, 3), "key": key, "unless_written": "yes"}
    for _ in range(2):
        assert (await browser.post(f"/inbox/{thread}/later", form)).headers["location"] == f"/inbox/{thread}"
    ((number,),) = await rows(db, "select id from scheduled_messages")
    assert "See you" in (await browser.get(f"/inbox/{thread}")).text
    wrong = await browser.post(f"/inbox/{thread}/later", form | {"at": wall(business, -3), "key": "other"})
    assert (wrong.status_code, "Choose a time that is still to come." in wrong.text) == (400, True)
    path = f"/inbox/{thread}/later/{number}"
    changed = {"text": "See you then", "at": wall(business, 4), "seen": "0"}
    assert (await browser.post(path + "/change", changed)).status_code == 303
    assert (await browser.post(path + "/change", changed)).status_code == 409
    assert (await browser.post(path + "/cancel")).status_code == 303
    assert await rows(db, "select state, words from scheduled_messages") == [("cancelled", "See you then")]


async def test_an_appointment_is_made_moved_and_cancelled_beside_the_thread(
    browser: Browser, db: Database, business: Business, duma: world.Someone
) -> None:
    await say(db, business, words("Hello"))
    thread = await first(db)
    path = f"/inbox/{thread}/appointments"
    await browser.log_in(duma)
    assert "No appointments" in (await browser.get(path)).text
    form = {"title": "Visit", "starts": wall(business, 24), "ends": wall(business, 25), "place": "1 Road", "key": "k"}
    for _ in range(2):
        assert (await browser.post(path, form)).status_code == 303
    ((number,),) = await rows(db, "select id from appointments")
    assert "Visit" in (await browser.get(f"/inbox/{thread}")).text
    assert (await browser.post(path, form | {"ends": form["starts"], "key": "x"})).status_code == 400
    moved = form | {"starts": wall(business, 48), "ends": wall(business, 49)}
    assert (await browser.post(f"{path}/{number}", moved)).status_code == 303
    assert (await browser.post(f"{path}/{number}", {"status": "confirmed"})).status_code == 303
    assert (await browser.post(f"{path}/{number}", {"status": "cancelled"})).status_code == 303
    assert await rows(db, "select moves, status from appointments") == [(1, "cancelled")]


async def test_programs_do_what_the_pages_do_and_reach_no_other_business(
    browser: Browser, db: Database, business: Business, bia: world.Someone
) -> None:
    await talks.connect(db, business)
    await say(db, business, words("Hello"))
    await browser.log_in(bia)
    label = await db.run("label", lambda conn: labels.add(conn, bia.caller, "VIP", "blue"))
    headers = {"accept": "application/json", "x-csrftoken": await browser.token()}

    async def ask(method: str, path: str, data: Any = None) -> tuple[int, Any]:
        answer = await browser.client.request(method, path, json=data, headers=headers)
        return answer.status_code, answer.json().get("data")

    rule = {"name": "VIPs", "trigger": {"on": "any"}, "conditions": {"labels": [label]}, "actions": {"text": "Hi"}}
    status, made = await ask("POST", "/api/inbox/automation/rules", rule)
    assert (status, made["active"]) == (201, False)
    path = f"/api/inbox/automation/rules/{made['id']}"
    assert (await ask("POST", path + "/switch", {"on": True}))[1]["active"] is True
    assert (await ask("PUT", path, rule | {"name": "Best"}))[1]["name"] == "Best"
    assert (await ask("POST", "/api/inbox/automation/rules/try", rule))[1]["skipped"] == {
        "the thread has none of the labels": 1
    }
    assert (await ask("POST", "/api/inbox/automation/rules", rule | {"conditions": {"labels": [999]}}))[0] == 400
    assert (await ask("GET", "/api/inbox/automation/runs?outcome=maybe"))[0] == 400
    assert (await ask("PUT", "/api/inbox/automation/hours", {"week": [[["09:00", "17:00"]]] * 7}))[0] == 200
    assert (await ask("GET", "/api/inbox/automation/hours"))[1]["week"][6] == [["09:00", "17:00"]]
    thread = f"/api/crm/threads/{await first(db)}"
    later = {"at": wall(business, 2), "text": "Hi", "key": "k"}
    status, waiting = await ask("POST", thread + "/scheduled", later)
    assert (status, waiting["state"]) == (201, "waiting")
    assert len((await ask("GET", thread + "/scheduled"))[1]) == 1
    meeting = {"title": "Visit", "starts": wall(business, 2), "ends": wall(business, 3), "key": "k"}
    assert (await ask("POST", thread + "/appointments", meeting))[1]["status"] == "booked"
    assert len((await ask("GET", "/api/inbox/appointments"))[1]) == 1
    caio = await db.run("add", world.caio)
    await browser.post("/logout")
    await browser.log_in(caio)
    headers["x-csrftoken"] = await browser.token()
    for method, where, data in (
        ("GET", path, None), ("PUT", path, rule | {"conditions": {}}), ("POST", path + "/switch", {"on": False}),
        ("DELETE", path, None), ("DELETE", f"/api/inbox/scheduled/{waiting['id']}", None),
        ("PUT", f"/api/inbox/scheduled/{waiting['id']}", later), ("GET", thread + "/scheduled", None),
        ("POST", thread + "/appointments", meeting), ("PUT", "/api/inbox/appointments/1", meeting),
        ("POST", "/api/inbox/appointments/1/status", {"status": "done"}),
    ):  # fmt: skip
        assert (await ask(method, where, data))[0] == 404, where
    assert (await ask("GET", "/api/inbox/appointments"))[1] == []
