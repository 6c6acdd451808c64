"""The bot's pages: how customers' messages ended, what nobody knew, and the answers that people keep there."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tallybook.app import App
from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tallybook.inbox.answer_types import Bot, Mode, Unknown
from tallybook.inbox.service import answering, bot_board
from tallybook.inbox.service.answering import Turn
from tallybook.web import inbox, inbox_bot, inbox_bot_answers
from tallybook.web.asgi import build
from tests import world
from tests.core.worked import rows
from tests.inbox.test_answering import ADD, KNOWN
from tests.web import talks
from tests.web.conftest import Browser
from tests.web.talks import say, words

NOON = datetime(2026, 2, 10, 10, 0, tzinfo=UTC)
ONE, TWO, THREE = "+27820000001", "+27820000002", "+27820000003"
KEPT = "select question, answer, language, active from inbox_answers order by id"


@pytest.fixture
def asgi_app(app: App) -> Any:
    app.settings.config.write_text('[inbox.bot]\nmode = "auto"\n')
    return build(app, [*inbox.HANDLERS, *inbox_bot.HANDLERS, *inbox_bot_answers.HANDLERS])


@pytest.fixture
async def lead(db: Database, business: Business) -> world.Someone:
    overrides = {"login": "duma", "name": "Duma Nkosi", "role": Role.LEAD}
    return await db.run("add", lambda conn: world.someone(conn, business, **overrides))


async def a_day(db: Database, business: Business) -> None:
    """One answered, two who asked the same that nobody knows, one who got silence."""
    await talks.connect(db, business)
    async with db.transaction() as conn:
        for one in KNOWN:
            await conn.execute(ADD, one)
    await say(
        db, business, words("What are your opening hours?", ONE), words("Do you sell phone batteries?", TWO),
        words("You sell batteries for a phone?", THREE), words("", "+27820000004", type="image"),
    )  # fmt: skip
    await answering.decide_due(db, Turn(business, Bot(Mode.AUTO), datetime.now(UTC) + timedelta(seconds=10)))


async def test_a_new_business_is_told_how_it_begins(browser: Browser, lead: world.Someone) -> None:
    await browser.log_in(lead)
    assert "Nothing was decided in this period" in (await browser.get("/inbox/bot")).text
    assert "No decision fits" in (await browser.get("/inbox/bot/decisions?show=answered")).text
    assert "The bot knows nothing yet" in (await browser.get("/inbox/bot/answers")).text


async def test_the_rate_the_times_the_reasons_and_what_nobody_knew(
    browser: Browser, db: Database, business: Business, lead: world.Someone
) -> None:
    await a_day(db, business)
    await browser.log_in(lead)
    shown = (await browser.get("/inbox/bot")).text
    assert re.findall(r"<b>(33\.3%|66\.7%)</b>", shown) == ["33.3%", "66.7%"]
    assert "of 3 in which the bot was to answer" in shown
    assert "asked 2 times" in shown
    assert "it is not only text" in shown
    listed = (await browser.get("/inbox/bot/decisions?show=handed_over")).text
    assert listed.count("no known answer fits surely enough") == 2
    assert "known answer 1 fits" in (await browser.get("/inbox/bot/decisions")).text
    asked = re.search(r'href="(/inbox/bot/answers\?ask=[^"#]+)', shown)
    assert asked is not None
    assert "batteries" in (await browser.get(asked[1])).text
    await browser.post("/inbox/bot/answers", {"question": "Do you sell batteries for phones?", "answer": "Yes."})
    assert "asked 2 times" not in (await browser.get("/inbox/bot")).text


async def test_answers_are_kept_on_the_page_and_each_change_stands_in_the_record(
    browser: Browser, db: Database, lead: world.Someone
) -> None:
    await browser.log_in(lead)
    await browser.post("/inbox/bot/answers", {"question": "Are you open?", "answer": "<b>Yes</b>"})
    twice = await browser.post("/inbox/bot/answers", {"question": "Are you open?", "answer": "No"})
    assert twice.status_code == 409
    assert "This question has an answer already." in twice.text
    assert "&lt;b&gt;Yes" in (await browser.get("/inbox/bot/answers?q=open")).text
    await browser.post("/inbox/bot/answers/1", {"question": "מתי אתם פתוחים?", "answer": "תמיד"})
    assert await rows(db, KEPT) == [("מתי אתם פתוחים?", "תמיד", "he", False)]
    wrong = await browser.post("/inbox/bot/answers/1", {"question": "the", "answer": "x"})
    assert "no word by which it could be told" in wrong.text
    assert (await browser.post("/inbox/bot/answers/7", {"question": "Where?", "answer": "x"})).status_code == 404
    await browser.post("/inbox/bot/answers/1", {"remove": "1"})
    record = "select action, who from audit_log where subject = 'answer' order by id"
    who = "Duma Nkosi"
    actions = ["answer.added", "answer.changed", "answer.removed"]
    assert await rows(db, record) == [(action, who) for action in actions]


async def test_what_goes_out_as_a_file_comes_in_again_and_half_a_list_is_none(
    browser: Browser, db: Database, business: Business, lead: world.Someone
) -> None:
    await a_day(db, business)
    await browser.log_in(lead)
    given = (await browser.get("/inbox/bot/answers.csv")).content
    before = await rows(db, KEPT)

    async def bring(content: bytes) -> Any:
        return await browser.post("/inbox/bot/answers/file", files={"file": ("a.csv", content, "text/csv")})

    again = await bring(given)
    assert again.headers["location"].endswith("?done=0-0-3")
    half = await bring(given + b"A new one?,Yes,fr\r\n")
    assert half.status_code == 400
    assert "The language must be en or he." in half.text
    assert await rows(db, KEPT) == before
    await bring(given + b"A new one?,Yes,en\r\n")
    assert len(await rows(db, KEPT)) == len(before) + 1
    assert "0 added, 0 changed, 3 known already" in (await browser.get(again.headers["location"])).text


async def test_who_only_answers_customers_looks_and_changes_nothing(
    browser: Browser, db: Database, business: Business
) -> None:
    overrides = {"login": "vela", "name": "Vela", "role": Role.AGENT}
    await browser.log_in(await db.run("add", lambda conn: world.someone(conn, business, **overrides)))
    assert (await browser.get("/inbox/bot/answers")).status_code == 200
    for path in ("/inbox/bot/answers", "/inbox/bot/answers/1", "/inbox/bot/answers/file"):
        assert (await browser.post(path, {"question": "Where?", "answer": "x"})).status_code == 403


async def test_a_page_of_decisions_goes_on_where_it_ended(
    browser: Browser, db: Database, business: Business, lead: world.Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_bot, "PAGE_SIZE", 3)
    await a_day(db, business)
    await browser.log_in(lead)
    first = (await browser.get("/inbox/bot/decisions")).text
    more = re.search(r'href="(/inbox/bot/decisions\?[^"]*after=[^"]+)"', first)
    assert more is not None
    second = (await browser.get(more[1].replace("&amp;", "&"))).text
    threads = [re.findall(r'href="/inbox/(\d+)"', page) for page in (first, second)]
    assert sorted(threads[0] + threads[1]) == sorted({*threads[0], *threads[1]})
    assert [len(one) for one in threads] == [3, 1]
    assert (await browser.get("/inbox/bot/decisions?after=nonsense")).status_code == 400


def test_questions_that_ask_the_same_are_one_and_what_says_nothing_is_none() -> None:
    asked = ["Do you sell batteries?", "batteries, do you sell them", "Hello", "Where are you?"]
    found = bot_board.grouped([Unknown(number, NOON, text) for number, text in enumerate(asked)])
    assert [(one.text, one.count) for one in found] == [("Do you sell batteries?", 2), ("Where are you?", 1)]


def test_half_of_them_and_nearly_all_of_them_ended_within_a_time() -> None:
    waits = [(8, 50), (9, 44), (60, 5), (7200, 1)]
    assert bot_board.within(waits, 0.5) == timedelta(seconds=8)
    assert bot_board.within(waits, 0.95) == timedelta(seconds=60)
    assert bot_board.within([], 0.5) is None
