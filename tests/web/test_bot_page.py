"""What the pages show of the bot, and what people do there about it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tallybook.app import App
from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tallybook.inbox.answer_types import Bot, Mode
from tallybook.inbox.service import answering
from tallybook.inbox.service.answering import Turn
from tallybook.web import i18n, inbox_bot_words
from tests import world
from tests.core.worked import rows
from tests.inbox.test_answering import ADD, KNOWN, OPENING
from tests.web import talks
from tests.web.built_once import application
from tests.web.conftest import Browser
from tests.web.talks import first, say, words

QUESTION = "What are your opening hours?"
DRAFT = {"place": "1", "draft": OPENING}


@pytest.fixture
def asgi_app(app: App) -> Any:
    app.settings.config.write_text('[inbox.bot]\nmode = "draft"\n')
    return application(app)


@pytest.fixture
async def agent(db: Database, business: Business) -> world.Someone:
    overrides = {"login": "duma", "name": "Duma Nkosi", "role": Role.AGENT}
    return await db.run("add", lambda conn: world.someone(conn, business, **overrides))


async def learn(db: Database) -> None:
    async with db.transaction() as conn:
        for one in KNOWN:
            await conn.execute(ADD, one)


async def decide(db: Database, business: Business, mode: Mode = Mode.DRAFT) -> None:
    await answering.decide_due(db, Turn(business, Bot(mode), datetime.now(UTC) + timedelta(seconds=10)))


async def drafted(db: Database, business: Business) -> int:
    """A thread in which a draft waits."""
    await talks.connect(db, business)
    await learn(db)
    await say(db, business, words(QUESTION))
    await decide(db, business)
    return await first(db)


async def test_a_draft_stands_above_the_composer_and_one_press_sends_it_once(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    thread = await drafted(db, business)
    await browser.log_in(agent)
    shown = (await browser.get(f"/inbox/{thread}")).text
    assert shown.index('id="draft-send"') < shown.index('id="composer"')
    assert "Bot: drafted, because the known answer 1 fits" in shown
    assert "The bot writes drafts, which people send." in shown
    edited = (await browser.get(f"/inbox/{thread}/draft")).text
    assert f">{OPENING}</textarea>" in edited
    answers = await asyncio.gather(*(browser.post(f"/inbox/{thread}/draft/send", DRAFT) for _ in range(3)))
    assert {one.status_code for one in answers} == {303}
    assert await rows(db, "select count(*)::int from outbox") == [(1,)]
    shown = (await browser.get(f"/inbox/{thread}")).text
    assert 'id="draft-send"' not in shown
    assert "Duma Nkosi sent it" in shown


async def test_a_draft_that_answers_no_longer_says_so_and_cannot_be_sent(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    thread = await drafted(db, business)
    await say(db, business, words("And on Friday?"))
    await browser.log_in(agent)
    shown = (await browser.get(f"/inbox/{thread}")).text
    assert 'class="draft stale"' in shown
    assert 'id="draft-send"' not in shown
    assert (await browser.post(f"/inbox/{thread}/draft/send", DRAFT)).status_code == 409
    assert (await browser.post(f"/inbox/{thread}/draft/discard", DRAFT)).status_code == 303
    assert "draft-edit" not in (await browser.get(f"/inbox/{thread}")).text


async def test_the_bot_is_switched_in_the_thread(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    thread = await drafted(db, business)
    await browser.log_in(agent)
    assert "Speaks in this thread" in (await browser.get(f"/inbox/{thread}")).text
    await browser.post(f"/inbox/{thread}/bot", {"active": "no"})
    assert "Switched off in this thread" in (await browser.get(f"/inbox/{thread}")).text
    told = (await browser.get(f"/api/crm/threads/{thread}/bot")).json()["data"]
    assert (told["mode"], told["active"], told["paused_until"]) == ("draft", False, None)


async def test_who_only_looks_sees_the_draft_and_cannot_touch_it(
    browser: Browser, db: Database, business: Business
) -> None:
    thread = await drafted(db, business)
    overrides = {"login": "vela", "name": "Vela", "role": Role.VIEWER}
    await browser.log_in(await db.run("add", lambda conn: world.someone(conn, business, **overrides)))
    shown = (await browser.get(f"/inbox/{thread}")).text
    assert OPENING in shown
    assert "draft-edit" not in shown
    for path, form in ((f"/inbox/{thread}/draft/send", DRAFT), (f"/inbox/{thread}/bot", {"active": "no"})):
        assert (await browser.post(path, form)).status_code == 403
    assert (await browser.get(f"/inbox/{thread}/draft")).status_code == 403


async def test_programs_do_what_the_page_does(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    thread = await drafted(db, business)
    await browser.log_in(agent)
    at = f"/api/crm/threads/{thread}"
    draft = (await browser.get(f"{at}/draft")).json()["data"]
    assert (draft["place"], draft["text"], draft["stale"]) == (1, OPENING, False)
    (made,) = (await browser.get(f"{at}/decisions")).json()["data"]
    assert (made["decision"], made["place"]) == ("drafted", 1)
    headers = {"x-csrftoken": await browser.token(), "accept": "application/json"}
    seen = {"place": 1, "text": OPENING}
    sent = [await browser.client.post(f"{at}/draft/send", json=seen, headers=headers) for _ in range(2)]
    assert sent[0].json()["data"] == sent[1].json()["data"]
    gone = await browser.client.post(f"{at}/draft/discard", json=seen, headers=headers)
    assert gone.status_code == 409
    off = await browser.client.post(f"{at}/bot", json={"active": False}, headers=headers)
    assert off.json()["data"]["active"] is False
    assert (await browser.get("/api/crm/threads/999999/draft")).status_code == 404


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("the known answer 7 fits", "התשובה הידועה 7 מתאימה"),
        (
            "no known answer fits surely enough; the model took too long",
            "אין תשובה ידועה שמתאימה בוודאות; המודל התעכב יותר מדי",
        ),
        ("the model handed over: the customer is upset", "המודל העביר לאדם: הלקוח כועס"),
        ("something of tomorrow", "something of tomorrow"),
    ],
)
def test_each_reason_is_told_in_the_reader_s_language(reason: str, says: str) -> None:
    assert inbox_bot_words.why(reason, i18n.words("he")) == says
