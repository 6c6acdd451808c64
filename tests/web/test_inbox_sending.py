"""Templates, quotes, reactions and blue ticks as pages and API: what they show, refuse, and leave to be sent once."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallybook.app import App
from tallybook.core import api_tokens
from tallybook.core.businesses import Business
from tallybook.core.callers import Role, Scope
from tallybook.core.db import Conn, Database
from tallybook.inbox.store import templates as store
from tallybook.inbox.store.templates import Sync
from tallybook.inbox.template_types import Listed
from tests import world
from tests.cloud_api.templates import a_template
from tests.core.worked import rows
from tests.web import talks
from tests.web.conftest import HERE, Browser
from tests.web.talks import first, say, words

OUTBOX = "select body from outbox order by id"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
async def agent(db: Database, business: Business) -> world.Someone:
    overrides = {"login": "duma", "name": "Duma Nkosi", "role": Role.AGENT}
    return await db.run("add", lambda conn: world.someone(conn, business, **overrides))


async def read_templates(db: Database, business: Business, *some: dict[str, Any]) -> None:
    """As if they had been read from WhatsApp just now."""
    now = datetime.now(UTC)

    async def work(conn: Conn) -> None:
        await store.asked(conn, business.id, "777", now)
        listed = [Listed(**{name: one[name] for name in ("name", "language", "status", "components")}) for one in some]
        await store.take(conn, business.id, "777", listed, now)
        await store.done(conn, business.id, Sync("777", now, None, len(listed), [talks.NUMBER], ""))

    await db.run("take", work)


VISIT = a_template("visit", "Hello {{1}}, we come on {{2}}.")


@pytest.fixture
async def thread(db: Database, business: Business) -> int:
    """Naledi wrote two days ago; a template is there for her."""
    await talks.connect(db, business)
    await say(db, business, words("Is it open?", ago=timedelta(days=2), external_id="wamid.q"))
    await read_templates(db, business, VISIT, a_template("paused", "No.", status="PAUSED"))
    return int(await first(db))


@pytest.fixture
async def api(app: App, asgi_app: Any, agent: world.Someone, root: world.Someone) -> AsyncIterator[httpx.AsyncClient]:
    token = await app.db.run("token", lambda conn: api_tokens.create(conn, root.caller, "a program", frozenset(Scope)))
    transport = httpx.ASGITransport(asgi_app, raise_app_exceptions=False)
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url=HERE, headers=headers) as client:
        yield client


async def message(db: Database) -> int:
    ((number,),) = await rows(db, "select id from whatsapp_message where provider_message_id = 'wamid.q'")
    return int(number)


async def test_after_a_day_a_template_is_offered_filled_shown_and_sent_once(
    browser: Browser, db: Database, agent: world.Someone, thread: int
) -> None:
    await browser.log_in(agent)
    page = (await browser.get(f"/inbox/{thread}")).text
    assert f'href="/inbox/{thread}/templates"' in page
    offered = (await browser.get(f"/inbox/{thread}/templates")).text
    assert "Hello {{1}}, we come on {{2}}." in offered
    assert "paused" not in offered
    assert "No template fits." in (await browser.get(f"/inbox/{thread}/templates?find=nothing")).text
    (path,) = re.findall(rf'href="(/inbox/{thread}/templates/\d+)"', offered)
    form = (await browser.get(path)).text
    (key,) = re.findall(r'name="key" value="(\w+)"', form)
    filled = {"key": key, "body.1": HOSTILE, "body.2": "Monday"}
    shown = (await browser.post(path, filled | {"do": "preview"}, headers={"hx-target": "shown"})).text
    assert "Hello &lt;script&gt;alert(1)&lt;/script&gt;, we come on Monday." in shown
    assert "<html" not in shown
    wrong = await browser.post(path, filled | {"do": "send", "body.2": "Mon\tday"})
    assert wrong.status_code == 400
    assert "no lines, no tabs" in wrong.text
    assert 'value="Mon\tday" required' in wrong.text
    for _ in range(2):
        assert (await browser.post(path, filled | {"do": "send"})).headers["location"] == f"/inbox/{thread}"
    ((body,),) = await rows(db, OUTBOX)
    assert body["text"] == f"Hello {HOSTILE}, we come on Monday."
    assert body["template"]["name"] == "visit"


async def test_every_template_and_why_one_cannot_be_sent_stands_on_a_page(
    browser: Browser, db: Database, business: Business, agent: world.Someone, thread: int
) -> None:
    await browser.log_in(agent)
    page = (await browser.get("/inbox/templates")).text
    assert "approved" in page
    assert "paused" in page
    assert (await browser.post("/inbox/templates/read")).headers["location"] == "/inbox/templates"
    assert await rows(db, "select business_id from jobs where kind = 'inbox.templates'") == [(business.id,)]


async def test_without_templates_the_page_says_what_is_missing(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    await talks.connect(db, business)
    await say(db, business, words("Hello"))
    await browser.log_in(agent)
    assert "--waba-id" in (await browser.get("/inbox/templates")).text
    assert "There is no approved template" in (await browser.get(f"/inbox/{await first(db)}/templates")).text


async def test_a_message_is_quoted_and_reacted_to_without_any_script(
    browser: Browser, db: Database, business: Business, agent: world.Someone, thread: int
) -> None:
    await say(db, business, words("Are you there?"))
    await browser.log_in(agent)
    number = await message(db)
    page = (await browser.get(f"/inbox/{thread}?quote={number}")).text
    assert f'name="quote" value="{number}"' in page
    assert '<blockquote dir="auto">Is it open?</blockquote>' in page
    sent = {"text": "Until six.", "key": "k", "quote": str(number)}
    assert (await browser.post(f"/inbox/{thread}/send", sent)).status_code == 303
    assert '<blockquote dir="auto">Is it open?</blockquote>' in (await browser.get(f"/inbox/{thread}")).text
    assert "👍" in (await browser.get(f"/inbox/{thread}/messages/{number}/react")).text
    put = {"message": str(number), "key": "r", "emoji": "👍"}
    assert (await browser.post(f"/inbox/{thread}/react", put)).headers["location"] == f"/inbox/{thread}#m{number}"
    assert "<span>👍</span>" in (await browser.get(f"/inbox/{thread}")).text
    assert (await browser.post(f"/inbox/{thread}/react", put | {"emoji": "no", "key": "x"})).status_code == 400
    assert (await browser.get(f"/inbox/{thread}?quote=99999999")).status_code == 200
    lost = await browser.post(f"/inbox/{thread}/send", sent | {"quote": "99999999", "key": "k3"})
    assert lost.status_code == 404
    assert [body for (body,) in await rows(db, OUTBOX)] == [
        {"text": "Until six.", "quote": "wamid.q"}, {"reaction": {"about": "wamid.q", "emoji": "👍"}},
    ]  # fmt: skip


async def test_a_message_without_words_is_quoted_and_reacted_to_by_what_it_is(
    browser: Browser, db: Database, business: Business, agent: world.Someone, thread: int
) -> None:
    await rows(db, "update whatsapp_message set body = '', message_type = 'image' returning id")
    await browser.log_in(agent)
    number = await message(db)
    for page in (f"/inbox/{thread}?quote={number}", f"/inbox/{thread}/messages/{number}/react"):
        assert '<blockquote dir="auto">📷 Photo</blockquote>' in (await browser.get(page)).text


async def test_blue_ticks_are_shown_only_where_the_business_wishes_it(
    browser: Browser, app: App, db: Database, business: Business, agent: world.Someone, thread: int, tmp_path: Path
) -> None:
    await browser.log_in(agent)
    page = (await browser.get(f"/inbox/{thread}")).text
    assert await rows(db, OUTBOX) == []
    assert "no, it is switched off" in page
    app.settings.config.write_text("[inbox]\nread_receipts = true\n")
    await say(db, business, words("Hello?", external_id="wamid.r"))
    await browser.get(f"/inbox/{thread}")
    assert "on its way" in (await browser.get(f"/inbox/{thread}")).text
    assert await rows(db, OUTBOX) == [({"read": {"about": "wamid.r"}},)]
    assert (await browser.post(f"/inbox/{thread}/typing")).status_code == 204
    app.settings.config.unlink()


async def test_programs_do_all_of_it(
    api: httpx.AsyncClient, db: Database, business: Business, agent: world.Someone, thread: int
) -> None:
    listed = (await api.get("/api/inbox/templates")).json()["data"]
    assert [(one["name"], one["usable"]) for one in listed] == [("paused", False), ("visit", True)]
    assert [one["key"] for one in listed[1]["places"]] == ["body.1", "body.2"]
    where = f"/api/crm/threads/{thread}"
    asked = {"name": "visit", "language": "en", "key": "a", "values": {"body.1": "Dana"}}
    refused = await api.post(f"{where}/template", json=asked)
    assert (refused.status_code, refused.json()["error"]["details"]["place"]) == (400, "body.2")
    asked["values"] = {"body.1": "Dana", "body.2": "Monday"}
    answers = [(await api.post(f"{where}/template", json=asked)).json()["data"]["id"] for _ in range(2)]
    assert answers[0] == answers[1]
    assert (await api.post(f"{where}/template", json=asked | {"name": "none", "key": "b"})).status_code == 404
    closed = {"text": "Yes", "key": "c"}
    number = await message(db)
    assert (await api.post(f"{where}/messages/{number}/answer", json=closed)).json()["error"]["code"] == "WINDOW_CLOSED"
    await say(db, business, words("Hello?"))
    assert (await api.post(f"{where}/messages/{number}/answer", json=closed)).status_code == 200
    question = {"kind": "buttons", "text": "Come?", "key": "d", "choices": [{"id": "y", "title": "Yes"}]}
    assert (await api.post(f"{where}/question", json=question)).status_code == 200
    four = [{"id": str(one), "title": str(one)} for one in range(4)]
    assert (await api.post(f"{where}/question", json=question | {"choices": four, "key": "e"})).status_code == 400
    put = {"emoji": "🙏", "key": "f"}
    assert (await api.post(f"{where}/messages/{number}/reaction", json=put)).status_code == 200
    assert (await api.get(f"{where}/reading")).json()["data"]["receipt_at"] is None
    assert (await api.post("/api/inbox/templates/read")).status_code == 202
    assert len(await rows(db, OUTBOX)) == 4
