"""A question with buttons or a list is written, checked in plain words, shown and sent once, without any script."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tallybook.core.errors import Invalid
from tallybook.inbox.contents import Interactive
from tallybook.web.inbox_question_form import question_of, read
from tests import world
from tests.core.worked import rows
from tests.web import talks
from tests.web.conftest import Browser
from tests.web.talks import first, say, words

OUTBOX = "select body from outbox order by id"
ASKED = {"kind": "buttons", "text": "When may we come?", "button1": "Monday", "button2": "Tuesday", "key": "k"}
LISTED = {"kind": "list", "text": "Which?", "label": "Choose", "row1": "Screen", "detail1": "from 400", "row2": "Case"}


@pytest.fixture
async def thread(db: Database, business: Business) -> int:
    await talks.connect(db, business)
    await say(db, business, words("Is it open?", external_id="wamid.q"))
    return int(await first(db))


@pytest.fixture
async def agent(db: Database, business: Business, browser: Browser) -> world.Someone:
    overrides = {"login": "duma", "name": "Duma Nkosi", "role": Role.AGENT}
    someone = await db.run("add", lambda conn: world.someone(conn, business, **overrides))
    await browser.log_in(someone)
    return someone


def test_what_is_written_is_asked_as_whatsapp_takes_it() -> None:
    plain = question_of(read(ASKED | {"button2": "  ", "button3": " Tuesday ", "row1": "of the other kind"}))
    assert [(one.id, one.title) for one in plain.choices] == [("choice-1", "Monday"), ("choice-2", "Tuesday")]
    listed = question_of(read(LISTED | {"button1": "of the other kind"}))
    assert [(one.title, one.detail) for one in listed.choices] == [("Screen", "from 400"), ("Case", "")]
    assert (listed.kind, listed.label, plain.label) == ("list", "Choose", "")
    for asked in (plain, listed):
        assert isinstance(asked.checked(), Interactive)
    most = {f"row{one}": f"{one} " + "x" * 21 for one in range(1, 11)} | {"label": "y" * 20, "row10": "z" * 24}
    assert len(question_of(read(LISTED | most | {"detail3": "d" * 72})).checked().choices) == 10


@pytest.mark.parametrize(
    ("given", "place", "says"),
    [
        ({"text": " "}, "text", "Write the question first"),
        ({"text": "x" * 1025}, "text", "1,024"),
        ({"button1": "", "button2": ""}, "button1", "at least one answer"),
        ({"button2": "x" * 21}, "button2", "20 characters"),
        ({"button3": "Monday"}, "button3", "called the same"),
        ({"button1": "a\u200fb"}, "button1", "cannot be seen"),
        (LISTED | {"label": ""}, "label", "opens the list"),
        (LISTED | {"label": "x" * 21}, "label", "20 characters"),
        (LISTED | {"row2": "x" * 25}, "row2", "24 characters"),
        (LISTED | {"detail1": "x" * 73}, "detail1", "72 characters"),
        (LISTED | {"detail5": "about nothing"}, "row5", "said about"),
        (LISTED | {"row1": "", "row2": "", "detail1": ""}, "row1", "at least one answer"),
    ],
)
def test_what_whatsapp_would_refuse_is_told_in_words_and_with_its_place(
    given: Mapping[str, str], place: str, says: str
) -> None:
    with pytest.raises(Invalid, match=says) as told:
        question_of(read(ASKED | dict(given)))
    assert told.value.details["place"] == place


async def test_from_the_composer_it_is_written_looked_at_and_sent_once_without_any_script(
    browser: Browser, db: Database, thread: int, agent: world.Someone
) -> None:
    path = f"/inbox/{thread}/question"
    assert f'form="composer" formaction="{path}"' in (await browser.get(f"/inbox/{thread}")).text
    ((number,),) = await rows(db, "select id from whatsapp_message")
    taken = (await browser.post(path, {"do": "compose", "text": "When?", "quote": str(number), "key": "old"})).text
    assert ">When?</textarea>" in taken
    assert '<blockquote dir="auto">Is it open?</blockquote>' in taken
    assert 'value="old"' not in taken
    shown = (await browser.post(path, ASKED | {"do": "preview", "button3": "<b>"})).text
    assert '<p class="press" dir="auto">&lt;b&gt;</p>' in shown
    part = (await browser.post(path, LISTED | {"key": "k"}, headers={"hx-target": "shown"})).text
    assert "<html" not in part
    assert '<b dir="auto">Screen</b><span class="meta" dir="auto">from 400</span>' in part
    wrong = await browser.post(path, ASKED | {"do": "send", "button3": "Monday"})
    assert wrong.status_code == 400
    assert "Two answers to choose are called the same." in wrong.text
    assert (
        'name="button3" value="Monday" maxlength="20" placeholder=" " autocomplete="off" dir="auto" aria-in'
        in wrong.text
    )
    assert await rows(db, OUTBOX) == []
    for _ in range(2):
        sent = await browser.post(path, ASKED | {"do": "send", "quote": str(number)})
        assert (sent.status_code, sent.headers["location"]) == (303, f"/inbox/{thread}")
    ((body,),) = await rows(db, OUTBOX)
    assert body["quote"] == "wamid.q"
    titles = [one["reply"]["title"] for one in body["interactive"]["action"]["buttons"]]
    assert (body["interactive"]["type"], titles) == ("button", ["Monday", "Tuesday"])
    assert "▫ Monday" in (await browser.get(f"/inbox/{thread}")).text
    back = (await browser.post(path, ASKED | {"do": "back", "quote": str(number)})).text
    assert ">When may we come?</textarea>" in back
    assert f'name="quote" value="{number}"' in back


async def test_where_nothing_may_be_said_freely_it_is_not_offered_and_tells_why(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    await talks.connect(db, business)
    await say(db, business, words("Is it open?", ago=timedelta(days=2)))
    thread = await first(db)
    assert "/question" not in (await browser.get(f"/inbox/{thread}")).text
    page = await browser.get(f"/inbox/{thread}/question")
    assert "only a template can be sent" in page.text
    refused = await browser.post(f"/inbox/{thread}/question", ASKED | {"do": "send"})
    assert refused.status_code == 409
    assert 'value="Tuesday"' in refused.text
    assert (await browser.get("/inbox/99999/question")).status_code == 404
    assert await rows(db, OUTBOX) == []
