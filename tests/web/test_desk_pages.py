"""The desk's pages and programs' ways to the same: they work without a script, and nobody does what they may not."""

from __future__ import annotations

from typing import Any

import pytest

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tests import world
from tests.core.worked import rows
from tests.web.conftest import Browser
from tests.web.talks import NALEDI, first, say, words

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
async def bia(db: Database, business: Business) -> world.Someone:
    return await db.run("add", lambda conn: world.bia(conn, business))


@pytest.fixture
async def duma(db: Database, business: Business) -> world.Someone:
    changes = {"login": "duma", "name": "Duma Nkosi", "role": Role.AGENT}
    return await db.run("add", lambda conn: world.someone(conn, business, **changes))


async def test_everything_at_the_desk_works_without_a_script(
    browser: Browser, db: Database, business: Business, bia: world.Someone, duma: world.Someone
) -> None:
    await say(db, business, words("Hello"))
    number = await first(db)
    await browser.log_in(bia)
    for path, empty in (("labels", "no labels yet"), ("teams", "no teams yet"), ("canned", "no canned answers yet")):
        assert empty in (await browser.get(f"/inbox/{path}")).text
    assert (await browser.post("/inbox/labels", {"name": HOSTILE, "colour": "red"})).status_code == 303
    again = await browser.post("/inbox/labels", {"name": HOSTILE.upper(), "colour": "red"})
    assert (again.status_code, "There is a label of this name already." in again.text) == (409, True)
    assert (await browser.post("/inbox/teams", {"name": "Sales", "member": [duma.account_id]})).status_code == 303
    for text, status in (("Hello {first name}", 303), ("Hello {nobody}", 400)):
        form = {"shortcut": f"hi {status}", "language": "en", "text": text}
        assert (await browser.post("/inbox/canned", form)).status_code == status
    done = [
        ("labels", {"label": "1"}), ("assign", {"to": "team:1"}), ("notes", {"note": HOSTILE, "key": "k"}),
    ]  # fmt: skip
    for path, form in done:
        answer = await browser.post(f"/inbox/{number}/{path}", form)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/inbox/{number}")
    page = (await browser.get(f"/inbox/{number}?team=1&label=1")).text
    assert HOSTILE not in page
    assert page.count("&lt;script&gt;") >= 3
    assert "Bia Dlamini gave it to Sales" in page
    assert "1 thread" in page
    table = (await browser.get("/inbox/canned.csv")).content
    files = {"file": ("answers.csv", table, "text/csv")}
    token = {"_csrf_token": await browser.token()}
    taken = await browser.client.post("/inbox/canned/import", data=token, files=files, headers=browser.headers)
    assert "Taken in: 0 new, 0 changed, 1 as they were." in taken.text
    assert (await browser.post(f"/inbox/{number}/notes/1", {"note": "Better"})).status_code == 303
    assert "Better" in (await browser.get(f"/inbox/{number}/notes/1")).text
    assert (await browser.post(f"/inbox/{number}/notes/1", {"remove": "1"})).status_code == 303
    assert (await browser.post("/inbox/labels/1/remove")).status_code == 303
    assert (await browser.post("/inbox/teams/1/remove")).status_code == 303
    assert await rows(db, "select team_id from whatsapp_conversation") == [(None,)]
    for path in ("labels/1/remove", "teams/1/remove", "canned/9/remove", "99/assign", "99/notes", f"{number}/labels"):
        form = {"to": "", "note": "x", "key": "x", "label": "1"}
        assert (await browser.post(f"/inbox/{path}", form)).status_code == 404


async def test_a_customer_is_blocked_and_heard_again(
    browser: Browser, db: Database, business: Business, duma: world.Someone
) -> None:
    await say(db, business, words("Hello"))
    number = await first(db)
    await browser.log_in(duma)
    assert (await browser.post(f"/inbox/{number}/block", {"reason": HOSTILE})).status_code == 303
    page = (await browser.get(f"/inbox/{number}?show=blocked")).text
    assert "Blocked by Duma Nkosi" in page
    assert HOSTILE not in page
    assert "This customer is blocked: nothing can be sent to them." in page
    assert f'id="talk-{number}"' in page
    assert f'id="talk-{number}"' not in (await browser.get("/inbox")).text
    refused = await browser.post(f"/inbox/{number}/send", {"text": "Hi", "key": "k"})
    assert (refused.status_code, "This customer is blocked" in refused.text) == (409, True)
    assert (await browser.post(f"/inbox/{number}/unblock")).status_code == 303
    assert f'id="talk-{number}"' in (await browser.get("/inbox")).text
    headers = {"x-csrftoken": await browser.token(), "accept": "application/json"}
    for what, is_blocked in (("block", True), ("unblock", False)):
        answer = await browser.client.post(f"/api/crm/threads/{NALEDI}/{what}", json={}, headers=headers)
        assert answer.json()["data"] == {"conversation_id": number, "is_blocked": is_blocked}


async def test_leads_stand_by_status_and_are_changed_beside_their_thread(
    browser: Browser, db: Database, business: Business, bia: world.Someone
) -> None:
    await say(db, business, words("Hello"))
    number = await first(db)
    await browser.log_in(bia)
    assert "There are no leads yet." in (await browser.get("/inbox/leads")).text
    assert (await browser.post(f"/inbox/{number}/lead-status", {"status": "won", "key": "k"})).status_code == 404
    await browser.post(f"/inbox/{number}/lead", {"name": ""})
    page = (await browser.get(f"/inbox/{number}")).text
    assert "Status of the lead" in page
    assert (await browser.post(f"/inbox/{number}/lead-status", {"status": "won", "key": "k"})).status_code == 303
    facts = {"name": HOSTILE, "email": "naledi@example.com", "notes": "=1+1"}
    assert (await browser.post(f"/inbox/{number}/lead-facts", facts)).status_code == 303
    listed = (await browser.get("/inbox/leads?status=won&q=naledi")).text
    assert f'href="/inbox/{number}"' in listed
    assert HOSTILE not in listed
    assert f'href="/inbox/{number}"' not in (await browser.get("/inbox/leads?status=lost")).text
    table = (await browser.get("/inbox/leads.csv?status=won")).text
    assert "naledi@example.com" in table
    assert "'=1+1" in table
    status = {"name": "Offer", "colour": "teal", "status": ""}
    assert (await browser.post("/inbox/leads/statuses", status)).status_code == 303
    assert (await browser.post("/inbox/leads/statuses", status)).status_code == 400
    assert (await browser.post("/inbox/leads/statuses", {"status": "offer", "do": "up"})).status_code == 303
    gone = {"status": "won", "do": "remove", "into": "offer"}
    assert (await browser.post("/inbox/leads/statuses", gone)).status_code == 303
    headers = {"x-csrftoken": await browser.token(), "accept": "application/json"}

    async def ask(method: str, path: str, code: int = 200, **body: Any) -> Any:
        answer = await browser.client.request(method, f"/api/crm/leads{path}", json=body or None, headers=headers)
        assert answer.status_code == code, answer.text
        return answer.json().get("data")

    kept = await ask("GET", "/statuses")
    assert [(one["status"], one["leads"]) for one in kept][-2:] == [("offer", 1), ("lost", 0)]
    (lead,) = (await ask("GET", "?status=offer"))["leads"]
    assert (await ask("POST", f"/{lead['id']}/status", status="lost", key="k2"))["status"] == "lost"
    assert (await ask("PATCH", f"/{lead['id']}", name="Naledi"))["email"] == "naledi@example.com"
    assert [one["status"] for one in await ask("GET", f"/{lead['id']}/history")] == ["lost", "offer", "won"]
    for path in ("/99", "/99/history"):
        await ask("GET", path, 404)
    await ask("POST", f"/{lead['id']}/status", 400, status="nothing", key="k3")


async def test_programs_do_the_same(
    browser: Browser, db: Database, business: Business, bia: world.Someone, duma: world.Someone
) -> None:
    await say(db, business, words("Hello"))
    await browser.log_in(bia)
    headers = {"x-csrftoken": await browser.token(), "accept": "application/json"}
    thread = f"/api/crm/threads/{NALEDI}"

    async def ask(method: str, path: str, status: int = 200, **body: Any) -> Any:
        answer = await browser.client.request(method, path, json=body or None, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json().get("data") if answer.content else None

    team = (await ask("POST", "/api/crm/teams", 201, name="Sales", members=[duma.account_id]))["id"]
    given = await ask("POST", f"{thread}/assign", team=team)
    assert (given["person"], given["team"]) == (None, team)
    assert (await ask("POST", f"{thread}/assign", person=duma.account_id))["team"] == team
    await ask("POST", f"{thread}/assign", 409, only_if_nobodys=True)
    assert [one["person"] for one in await ask("GET", f"{thread}/assignments")] == [None, duma.name]
    label = (await ask("POST", "/api/crm/labels", 201, name="VIP", colour="amber"))["id"]
    assert await ask("POST", f"/api/crm/labels/{label}/threads", threads=[NALEDI]) == {"threads": 1}
    assert (await ask("GET", f"/api/crm/threads?label={label}&team={team}"))["threads"][0]["phone"] == NALEDI
    assert (await ask("GET", "/api/crm/threads?label=99"))["threads"] == []
    other = (await ask("POST", "/api/crm/labels", 201, name="Big"))["id"]
    assert await ask("POST", f"/api/crm/labels/{label}/merge", into=other) == {"threads": 1}
    assert [one["name"] for one in await ask("GET", f"{thread}/labels")] == ["Big"]
    assert (await ask("PUT", f"/api/crm/labels/{other}", name="Bigger", colour="red"))["threads"] == 1
    note = await ask("POST", f"{thread}/notes", text="For @duma", key="k")
    assert note == await ask("POST", f"{thread}/notes", text="For @duma", key="k")
    assert note["mentions"] == [duma.account_id]
    assert (await ask("PUT", f"/api/crm/notes/{note['id']}", text="Nobody"))["mentions"] == []
    await ask("DELETE", f"/api/crm/notes/{note['id']}", 204)
    assert await ask("GET", f"{thread}/notes") == []
    answer = (await ask("POST", "/api/crm/canned", 201, language="en", shortcut="hi", text="Hi {first name}"))["id"]
    (filled,) = await ask("GET", f"{thread}/canned?q=h")
    assert (filled["text"], filled["missing"]) == ("Hi Naledi", [])
    await ask("PUT", f"/api/crm/canned/{answer}", language="en", shortcut="hi", text="Hi")
    await ask("DELETE", f"/api/crm/canned/{answer}", 204)
    assert await ask("DELETE", f"/api/crm/labels/{other}") == {"threads": 1}
    assert await ask("DELETE", f"/api/crm/teams/{team}") == {"threads": 1}
    for path in ("labels/99", "teams/99", "notes/99", "canned/99", f"labels/{2**70}"):
        await ask("DELETE", f"/api/crm/{path}", 404)


async def test_who_only_looks_changes_nothing(browser: Browser, db: Database, business: Business, ana: Any) -> None:
    await say(db, business, words("Hello"))
    number = await first(db)
    await browser.log_in(ana)
    page = (await browser.get(f"/inbox/{number}")).text
    assert 'id="assign"' not in page
    assert 'id="note-pad"' not in page
    form = {"to": "", "note": "x", "key": "x", "label": "1", "name": "x", "colour": "red"}
    for path in (f"{number}/assign", f"{number}/notes", f"{number}/labels", "labels", "teams"):
        assert (await browser.post(f"/inbox/{path}", form)).status_code == 403
