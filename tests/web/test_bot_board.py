"""The bot's pages: how customers' messages ended, what nobody knew, and the answers that people keep there."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tallybook.app import App
from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tallybook.inbox.answer_types import BoardDay, Bot, Line, Mode, Unknown
from tallybook.inbox.service import answering, bot_board
from tallybook.inbox.service.answering import Turn
from tallybook.web import inbox_bot, inbox_bot_lists
from tests import world
from tests.core.worked import rows
from tests.inbox.test_answering import ADD, KNOWN
from tests.web import talks
from tests.web.built_once import application
from tests.web.conftest import Browser
from tests.web.talks import say, words

NOON = datetime(2026, 2, 10, 10, 0, tzinfo=UTC)
ONE, TWO, THREE = "+27820000001", "+27820000002", "+27820000003"
KEPT = "select question, answer, language, active from inbox_answers order by id"


@pytest.fixture
def asgi_app(app: App) -> Any:
    app.settings.config.write_text('[inbox.bot]\nmode = "auto"\n')
    return application(app)


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
    figures, _, rest = shown.partition("</dl>")
    assert re.findall(r"<b>(33\.3%|66\.7%)</b>", figures) == ["33.3%", "66.7%"]
    assert "The target is not reached:" in rest
    assert "The bot answered or drafted 33.3% of what it was to answer, and it is to be over 95%." in rest
    assert "2 more answers would have been enough." in rest
    assert re.search(r"tallybook_reply_rate</code> tells them: <b>33\.3%</b>", rest)
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


@pytest.mark.parametrize(
    ("answered", "handed_over", "reached", "lacks"),
    [(0, 0, None, 1), (1, 0, True, 0), (19, 1, False, 1), (20, 1, True, 0), (96, 4, True, 0), (95, 5, False, 1)],
)
def test_the_target_is_reached_by_more_than_95_of_100(
    answered: int, handed_over: int, reached: bool | None, lacks: int
) -> None:
    day = BoardDay(None, answered + handed_over + 7, answered, 0, handed_over, 7, None, None)
    assert (day.reached, day.lacks) == (reached, lacks)


async def test_a_target_that_is_reached_is_said_to_be_in_words(
    browser: Browser, db: Database, business: Business, lead: world.Someone
) -> None:
    await talks.connect(db, business)
    async with db.transaction() as conn:
        for one in KNOWN:
            await conn.execute(ADD, one)
    await say(db, business, words("What are your opening hours?", ONE))
    await answering.decide_due(db, Turn(business, Bot(Mode.AUTO), datetime.now(UTC) + timedelta(seconds=10)))
    await browser.log_in(lead)
    for language, said in (("en", "The target is reached:"), ("he", "היעד הושג:")):
        assert said in (await browser.get("/inbox/bot", headers={"accept-language": language})).text


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


FIELD = re.compile(r'name="(list|mark|withdraw|over)" value="([^"]*)"')


async def look_at(browser: Browser, content: bytes, **more: str) -> Any:
    """What the page says that a file would change."""
    return await browser.post("/inbox/bot/answers/file", more, files={"file": ("a.csv", content, "text/csv")})


async def press(browser: Browser, shown: str, *, over: bool = False) -> Any:
    """The preview's button, with what stands on the page."""
    form = {name: value for name, value in FIELD.findall(shown) if name != "over" or over}
    return await browser.post("/inbox/bot/answers/file/write", form)


async def test_what_goes_out_as_a_file_comes_in_again_and_half_a_list_is_none(
    browser: Browser, db: Database, business: Business, lead: world.Someone
) -> None:
    await a_day(db, business)
    await browser.log_in(lead)
    given = (await browser.get("/inbox/bot/answers.csv")).content
    before = await rows(db, KEPT)
    again = await look_at(browser, given)
    assert (again.status_code, "Nothing would change" in again.text) == (200, True)
    half = await look_at(browser, given + b"A new one?,Yes,fr\r\nAnother?,,en\r\n")
    assert half.status_code == 400
    for row, reason in ((5, "The language must be en or he."), (6, "There is no answer.")):
        assert f"row {row}</b> · {reason}" in half.text
    assert "/answers/file/write" not in half.text
    shown = (await look_at(browser, given + b"A new one?,<b>Yes</b>,en\r\n")).text
    assert "It would add 1 answers, change 0 and withdraw 0." in shown
    assert "&lt;b&gt;Yes" in shown
    assert await rows(db, KEPT) == before
    done = [await press(browser, shown) for _ in range(2)]
    assert [one.headers["location"].partition("=")[2] for one in done] == ["1-0-3-0", "0-0-4-0"]
    assert "1 added, 0 changed, 0 withdrawn, 3 known already" in (await browser.get(done[0].headers["location"])).text
    assert len(await rows(db, KEPT)) == len(before) + 1
    assert len(await rows(db, "select 1 from audit_log where action = 'answer.added'")) == 1


async def test_a_file_withdraws_what_it_lacks_in_its_languages_once_it_was_shown_and_much_only_if_meant(
    browser: Browser, db: Database, lead: world.Someone
) -> None:
    await browser.log_in(lead)
    head, both = b"question,answer,language\n", "מתי אתם פתוחים?,תמיד,he\n".encode()
    some = b"Are you open?,Yes.,en\nWhere are you?,Here.,en\n"
    await press(browser, (await look_at(browser, head + some + both)).text)
    shown = (await look_at(browser, head + b"Are you open?,No.,en\n", withdraw="1")).text
    assert "It would add 0 answers, change 1 and withdraw 1." in shown
    assert "1 of 2 answers would be given no more" in shown
    unmeant = await press(browser, shown)
    assert (unmeant.status_code, "Say that it is meant" in unmeant.text) == (409, True)
    # Somebody changes an answer meanwhile: what would be written now is shown, and not written.
    await browser.post("/inbox/bot/answers/1", {"question": "Are you open?", "answer": "Perhaps.", "given": "1"})
    late = await press(browser, shown, over=True)
    assert (late.status_code, "The answers were changed meanwhile" in late.text, "Perhaps." in late.text) == (
        409, True, True,
    )  # fmt: skip
    assert (await press(browser, late.text, over=True)).headers["location"].endswith("=0-1-0-1")
    assert [(row[1], row[3]) for row in await rows(db, KEPT)] == [("No.", True), ("Here.", False), ("תמיד", True)]
    assert len(await rows(db, "select 1 from audit_log where action = 'answer.withdrawn'")) == 1
    given_again = (await look_at(browser, head + b"Where are you?,Here.,en\n")).text
    assert "not given so far, given again" in given_again


async def test_a_list_that_the_page_did_not_show_is_not_written(
    browser: Browser, db: Database, lead: world.Someone
) -> None:
    await browser.log_in(lead)
    lists = (
        [Line("en", "Where?", "Here."), Line("en", "Where?", "There.")], [Line("fr", "Where?", "x")],
        [Line("en", "the", "x")], [Line("en", f"Where is {number}?", "x" * 1999) for number in range(10_500)],
    )  # fmt: skip
    cut = inbox_bot_lists.pack([Line("en", "Where?", "Here.")])[:-6]
    for carried in ("", "x", "=", "é", cut, *map(inbox_bot_lists.pack, lists)):
        answer = await browser.post("/inbox/bot/answers/file/write", {"list": carried, "mark": "x"})
        assert (answer.status_code, "Choose the file again" in answer.text) == (400, True)
    assert await rows(db, KEPT) == []


async def test_two_who_press_at_once_write_a_list_once(browser: Browser, db: Database, lead: world.Someone) -> None:
    await browser.log_in(lead)
    shown = (await look_at(browser, b"question,answer,language\nAre you open?,Yes.,en\n")).text
    await browser.token()
    done = await asyncio.gather(*(press(browser, shown) for _ in range(6)))
    assert sorted(one.headers["location"].partition("=")[2] for one in done) == ["0-0-1-0"] * 5 + ["1-0-0-0"]
    assert len(await rows(db, "select 1 from audit_log where action = 'answer.added'")) == 1


async def test_of_two_who_add_an_answer_to_one_question_at_once_the_first_stands_and_the_other_is_told(
    browser: Browser, db: Database, lead: world.Someone
) -> None:
    await browser.log_in(lead)
    await browser.token()
    path = "/inbox/bot/answers"
    typed = [{"question": "Are you open?", "answer": f"Answer {number}."} for number in range(6)]
    done = await asyncio.gather(*(browser.post(path, one) for one in typed))
    assert sorted(one.status_code for one in done) == [303] + [409] * 5
    ((kept,),) = await rows(db, "select answer from inbox_answers")
    assert [one["answer"] for one, answer in zip(typed, done, strict=True) if answer.status_code == 303] == [kept]
    # A list, a change and a removal of the same one wait for each other, and for nothing else.
    shown = (await look_at(browser, b"question,answer,language\nAre you open?,From the list.,en\n")).text
    change = {"question": "Are you open?", "answer": "Changed.", "given": "1"}
    await asyncio.gather(
        press(browser, shown), *(browser.post(f"{path}/1", change) for _ in range(3)),
        *(browser.post(f"{path}/1", {"remove": "1"}) for _ in range(2)),
    )  # fmt: skip
    removed = await rows(db, "select before from audit_log where action = 'answer.removed'")
    assert len(removed) <= 1, "what is gone is taken out once"


async def test_who_only_answers_customers_looks_and_changes_nothing(
    browser: Browser, db: Database, business: Business
) -> None:
    overrides = {"login": "vela", "name": "Vela", "role": Role.AGENT}
    await browser.log_in(await db.run("add", lambda conn: world.someone(conn, business, **overrides)))
    assert (await browser.get("/inbox/bot/answers")).status_code == 200
    for path in (
        "/inbox/bot/answers",
        "/inbox/bot/answers/1",
        "/inbox/bot/answers/file",
        "/inbox/bot/answers/file/write",
    ):
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
