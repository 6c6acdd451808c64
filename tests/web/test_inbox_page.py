"""The inbox's pages as answers: what they show, what opening one does, and what they never show."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tallybook.core import content
from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tallybook.inbox.service import merging
from tests import world
from tests.web import talks
from tests.web.conftest import Browser
from tests.web.talks import NALEDI, first, say, words

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \" ' {{ 7*7 }} \u202egnp.exe"
THEIR_UNREAD = "select inbound - read_inbound from whatsapp_conversation"


@pytest.fixture
async def agent(db: Database, business: Business) -> world.Someone:
    overrides = {"login": "duma", "name": "Duma Nkosi", "role": Role.AGENT}
    return await db.run("add", lambda conn: world.someone(conn, business, **overrides))


def part(name: str) -> dict[str, Any]:
    """The headers by which the script asks for a part."""
    return {"headers": {"hx-request": "true", "x-part": name}}


async def unread(db: Database) -> int:
    async with db.transaction() as conn:
        row = await (await conn.execute(THEIR_UNREAD)).fetchone()
    assert row is not None
    return int(row[0])


async def test_an_empty_inbox_says_how_messages_come(browser: Browser, agent: world.Someone) -> None:
    await browser.log_in(agent)
    answer = await browser.get("/inbox")
    assert answer.status_code == 200
    assert "No messages yet" in answer.text
    assert "tallybook channel add whatsapp" in answer.text
    assert "No thread fits these filters" in (await browser.get("/inbox?show=mine")).text


async def test_a_thread_s_badge_is_gone_in_the_very_answer_that_opens_it(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    await say(db, business, words("One"), words("Two"))
    await browser.log_in(agent)
    listed = (await browser.get("/inbox")).text
    assert 'data-unread="2"' in listed
    number = await first(db)
    opened = (await browser.get(f"/inbox/{number}")).text
    assert 'data-unread="2"' not in opened
    assert f'id="talk-{number}" data-id="{number}" data-unread="0"' in opened
    assert await unread(db) == 0


async def test_a_look_at_the_list_or_at_what_is_new_reads_nothing(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    await say(db, business, words("One"))
    await browser.log_in(agent)
    number = await first(db)
    await browser.get("/inbox")
    for name in ("fresh", "rows", "threads", "older"):
        assert (await browser.get(f"/inbox/{number}", **part(name))).status_code == 200
    await browser.get(f"/inbox/{number}", headers={"sec-purpose": "prefetch"})
    assert await unread(db) == 1
    await browser.get(f"/inbox/{number}", **part("read"))
    assert await unread(db) == 0


async def test_a_thread_waits_again_and_is_read_again(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    await say(db, business, words("One"), words("Two"))
    await browser.log_in(agent)
    number = await first(db)
    await browser.get(f"/inbox/{number}")
    answer = await browser.post(f"/inbox/{number}/mark-unread?show=unread")
    assert (answer.status_code, answer.headers["location"]) == (303, "/inbox?show=unread")
    assert await unread(db) == 1
    answer = await browser.post(f"/inbox/{number}/mark-read")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/inbox/{number}")
    assert await unread(db) == 0


async def test_who_may_not_answer_reads_for_themselves_alone(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    await say(db, business, words("One"))
    await browser.log_in(ana)
    number = await first(db)
    assert 'data-unread="0"' in (await browser.get(f"/inbox/{number}")).text
    assert await unread(db) == 1


async def test_every_message_says_who_wrote_it_and_how_far_it_came(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    await talks.whole_talk(db, business)
    await browser.log_in(agent)
    text = (await browser.get(f"/inbox/{await first(db)}")).text
    for said in (
        "🤖</span> Bot", "⚡</span> Automation", "👤</span> Person", "Read by the customer", "Delivered",
        "Sent, not delivered yet", "Not sent", "Re-engagement message (131047)",
        "Nobody knows yet whether it was sent", "📷 Photo", "arrived late", "Today",
        '<blockquote dir="auto">Good morning, are you open on Sunday?</blockquote>',
    ):  # fmt: skip
        assert said in text, said


async def test_a_customer_s_new_number_is_a_line_of_its_own_in_the_middle_with_nothing_to_do_to_it(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    news = content.Content(
        type="system", person=content.Person(phone=NALEDI), changed_to=content.Person(phone="+27820000002")
    )
    hello = words("Hello")
    moved = msgspec.structs.replace(words("Changed"), kind="system", content=content.written(news))
    await say(db, business, hello, moved)
    await browser.log_in(agent)
    number = await first(db, "+27820000002")
    text = (await browser.get(f"/inbox/{number}")).text
    line = text.partition('<li class="said system"')[2].partition("</li>")[0]
    assert "The customer has a new number" in line
    assert all(one in line for one in (NALEDI, "→", "+27820000002"))
    assert "data-quote" in text
    assert "data-quote" not in line
    assert "data-react" not in line
    assert 'data-unread="0"' in text
    rows = (await browser.get(f"/api/crm/threads/{number}/messages")).json()["data"]["messages"]
    assert [(row["source"], row["direction"], row["message_type"]) for row in rows] == [
        ("customer", "in", "text"), ("system", "out", "new_number"),
    ]  # fmt: skip


async def test_what_customers_write_is_text_and_never_markup(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    await say(db, business, words(HOSTILE, name=HOSTILE))
    await browser.log_in(agent)
    number = await first(db)
    for answer in (
        await browser.get(f"/inbox/{number}"),
        await browser.get(f"/inbox?q={HOSTILE[:20]}"),
        await browser.get(f"/inbox/{number}", **part("fresh")),
    ):
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
        assert "{{ 7*7 }}" in answer.text or "q=" in str(answer.url)


async def test_threads_are_found_by_name_and_by_phone_and_listed_in_pages(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    phones = [f"+278200000{number:02}" for number in range(2, 54)]
    await say(db, business, words("Hello"), *[words("Hi", phone, name=f"Customer {phone[-2:]}") for phone in phones])
    await browser.log_in(agent)
    whole = (await browser.get("/inbox")).text
    assert "53 threads" in whole
    assert whole.count('class="talk unread"') == 50
    older = whole.split('id="older"><a class="button" href="')[1].split('"')[0].replace("&amp;", "&")
    rest = (await browser.get(older, **part("rows"))).text
    assert rest.count('class="talk unread"') == 3
    assert NALEDI not in whole.split('id="older"')[0]
    assert "Naledi Khumalo" in (await browser.get("/inbox?q=khumalo")).text
    assert "1 thread<" in (await browser.get("/inbox?q=082 000 0001")).text


async def test_a_long_thread_goes_back_in_pieces(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    said = [words(f"Message {number}.", ago=timedelta(minutes=90 - number)) for number in range(65)]
    await say(db, business, *said)
    await browser.log_in(agent)
    number = await first(db)
    newest = (await browser.get(f"/inbox/{number}")).text
    assert "Message 64." in newest
    assert "Message 4." not in newest
    earlier = newest.split('id="earlier"><a class="button" href="')[1].split('"')[0]
    rest = (await browser.get(earlier, **part("older"))).text
    assert rest.count('<li class="said') == 5
    assert "Message 0." in rest
    whole = (await browser.get(earlier)).text
    assert "Newest messages" in whole


async def test_an_answer_is_sent_once_however_often_its_form_is(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    await talks.connect(db, business)
    await say(db, business, words("Is it open?"))
    await browser.log_in(agent)
    number = await first(db)
    page = (await browser.get(f"/inbox/{number}")).text
    assert "Can be answered freely until" in page
    answer = {"text": "Until <b>six</b>", "key": page.split('name="key" value="')[1].split('"')[0]}
    for _ in range(2):
        sent = await browser.post(f"/inbox/{number}/send", answer)
        assert (sent.status_code, sent.headers["location"]) == (303, f"/inbox/{number}")
    page = (await browser.get(f"/inbox/{number}")).text
    assert page.count('dir="auto">Until &lt;b&gt;six&lt;/b&gt;</p>') == 1
    assert "Waits to be sent" in page


async def test_what_cannot_be_sent_is_still_there_with_the_reason(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    await say(db, business, words("Is it open?"))
    await browser.log_in(agent)
    number = await first(db)
    for headers in ({}, {"hx-request": "true", "x-part": "composer"}):
        answer = await browser.post(
            f"/inbox/{number}/send", {"text": "Until </textarea>six", "key": "k"}, headers=headers
        )
        assert answer.status_code == 409
        assert ">Until &lt;/textarea&gt;six</textarea>" in answer.text
        assert "The number to which the customer wrote is not one of this business any more." in answer.text
    assert (await browser.post(f"/inbox/{number}/send", {"text": " ", "key": "k"})).status_code == 400


async def test_a_closed_window_says_so_and_takes_no_words(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    await talks.connect(db, business)
    await say(db, business, words("Is it open?", ago=timedelta(hours=25)))
    await browser.log_in(agent)
    number = await first(db)
    page = (await browser.get(f"/inbox/{number}")).text
    assert "More than 24 hours have passed since the customer wrote: only a template can be sent." in page
    assert 'aria-describedby="note" disabled>' in page
    assert (await browser.post(f"/inbox/{number}/send", {"text": "Late", "key": "k"})).status_code == 409


async def test_who_may_not_answer_has_nowhere_to_write(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    await say(db, business, words("Is it open?"))
    await browser.log_in(ana)
    number = await first(db)
    assert 'id="composer"' not in (await browser.get(f"/inbox/{number}")).text
    assert (await browser.post(f"/inbox/{number}/send", {"text": "Yes", "key": "k"})).status_code == 403


async def test_nothing_of_another_business_is_there(browser: Browser, db: Database, business: Business) -> None:
    await say(db, business, words("Ours alone"))
    number = await first(db)
    caio = await db.run("add", world.caio)
    await browser.log_in(caio)
    assert "Naledi Khumalo" not in (await browser.get("/inbox?q=Naledi")).text
    answer = await browser.get(f"/inbox/{number}")
    assert answer.status_code == 404
    assert "Ours alone" not in answer.text
    for turn in ("mark-read", "mark-unread"):
        assert (await browser.post(f"/inbox/{number}/{turn}")).status_code == 404, turn
    assert (await browser.post(f"/inbox/{number}/send", {"text": "Hi", "key": "k"})).status_code == 404
    assert await unread(db) == 1


@pytest.mark.parametrize("path", ["/inbox/99", "/inbox/99999999999999999999999", "/inbox/0"])
async def test_a_thread_that_is_not_there_is_said_so(browser: Browser, agent: world.Someone, path: str) -> None:
    await browser.log_in(agent)
    answer = await browser.get(path)
    assert answer.status_code == 404
    assert "There is no such conversation." in answer.text


@pytest.mark.parametrize("query", ["after=x", "after=2026-01-01T00:00~x", "after=~1", f"q={'x' * 101}", "q=%00"])
async def test_an_address_that_means_nothing_is_refused(browser: Browser, agent: world.Someone, query: str) -> None:
    await browser.log_in(agent)
    assert (await browser.get(f"/inbox?{query}")).status_code == 400
    assert (await browser.get("/inbox?show=nonsense")).status_code == 200


SIPHO = "+27820000002"
JOINING = re.compile(r'name="joining" value="(\d+)"')
CONTACT = re.compile(r'name="contact" value="(\d+)"')
LEADS = "select name from leads order by id"
THREADS = "select id from whatsapp_conversation order by id"
SENT = "select body from whatsapp_message where direction = 'out' order by id"


async def column(db: Database, statement: str) -> list[Any]:
    async with db.transaction() as conn:
        return [row[0] for row in await (await conn.execute(statement)).fetchall()]


async def two(db: Database, business: Business) -> tuple[int, int]:
    """The threads of two customers, Naledi's of one message and Sipho's of two."""
    await say(db, business, words("One"), words("Two", SIPHO, name=HOSTILE), words("Three", SIPHO, name=HOSTILE))
    return await first(db), await first(db, SIPHO)


async def test_a_customer_is_made_a_lead_once_and_the_thread_stays(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    await say(db, business, words("One"))
    await browser.log_in(ana)
    number = await first(db)
    assert f'action="/inbox/{number}/lead"' in (await browser.get(f"/inbox/{number}")).text
    for name in (HOSTILE, "Another"):
        made = await browser.post(f"/inbox/{number}/lead?show=unread", {"name": name})
        assert (made.status_code, made.headers["location"]) == (303, f"/inbox/{number}?show=unread")
    assert await column(db, LEADS) == [HOSTILE]
    page = (await browser.get(f"/inbox/{number}")).text
    assert "Sales lead" in page
    assert f'action="/inbox/{number}/lead"' not in page
    assert "<script>alert" not in page
    assert (await browser.post(f"/inbox/{number}/lead", {"name": "x" * 201})).status_code == 400


async def test_two_are_joined_after_a_look_at_what_moves_and_parted_again(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    naledi, sipho = await two(db, business)
    await browser.log_in(ana)
    looks = [
        (await browser.post(f"/inbox/{at}/same", {"who": who})).text
        for at, who in ((naledi, "082 000 0002"), (naledi, str(sipho)), (sipho, "+27 82 000 0001"))
    ]
    for look in looks:
        assert "2 messages of the second move into the thread of the first" in look
        assert f'action="/inbox/{naledi}/join"' in look
        assert "<script>alert" not in look
    for _ in range(2):
        joined = await browser.post(f"/inbox/{naledi}/join", {"contact": CONTACT.findall(looks[0])[0]})
        assert (joined.status_code, joined.headers["location"]) == (303, f"/inbox/{naledi}")
    assert await column(db, THREADS) == [naledi]
    await say(db, business, words("Four"))
    page = (await browser.get(f"/inbox/{naledi}")).text
    assert "Joined with" in page
    assert "2 messages go back into a thread of their own." in page
    assert "1 that came since stays here." in page
    assert "<script>alert" not in page
    for _ in range(2):
        parted = await browser.post(f"/inbox/{naledi}/part", {"joining": JOINING.findall(page)[0]})
        assert (parted.status_code, parted.headers["location"]) == (303, f"/inbox/{naledi}")
    assert await column(db, THREADS) == [naledi, sipho]
    assert "Joined with" not in (await browser.get(f"/inbox/{naledi}")).text


@pytest.mark.parametrize("who", ["", "nobody", "082 000 0009", "\0", "x" * 101])
async def test_nobody_else_is_found_by_what_no_thread_is_called(
    browser: Browser, db: Database, business: Business, ana: world.Someone, who: str
) -> None:
    naledi, _ = await two(db, business)
    await browser.log_in(ana)
    assert "Who else is this?" in (await browser.get(f"/inbox/{naledi}/same")).text
    answer = await browser.post(f"/inbox/{naledi}/same", {"who": who})
    assert answer.status_code == 404
    assert "There is no such conversation." in answer.text
    assert (await browser.post(f"/inbox/{naledi}/same", {"who": str(naledi)})).status_code == 400


async def test_only_who_may_lead_or_review_says_who_a_customer_is(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    naledi, sipho = await two(db, business)
    await browser.log_in(agent)
    assert 'class="tidy"' not in (await browser.get(f"/inbox/{naledi}")).text
    assert (await browser.get(f"/inbox/{naledi}/same")).status_code == 403
    for act in ("lead", "part", "same", "join"):
        answer = await browser.post(f"/inbox/{naledi}/{act}", {"who": str(sipho), "joining": "1", "contact": "2"})
        assert answer.status_code == 403, act
    assert await column(db, THREADS) == [naledi, sipho]
    assert await column(db, LEADS) == []


async def test_who_a_customer_is_cannot_be_said_from_another_business(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    naledi, sipho = await two(db, business)
    contacts = await column(db, "select id from contacts order by id")
    joining = await db.run("join", lambda conn: merging.join(conn, business, contacts[0], contacts[1]))
    caio = await db.run("add", world.caio)
    await browser.log_in(caio)
    asked = {"who": str(naledi), "joining": str(joining), "contact": str(contacts[0])}
    for number in (naledi, sipho, 0, 99999999999999999999999):
        for act in ("lead", "part", "same", "join"):
            assert (await browser.post(f"/inbox/{number}/{act}", asked)).status_code == 404, (number, act)
    assert await column(db, THREADS) == [naledi]
    assert await column(db, LEADS) == []


async def test_the_number_of_an_address_is_never_taken_for_a_phone(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    await talks.connect(db, business)
    await say(db, business, words("Is it open?"))
    await browser.log_in(agent)
    assert (await browser.get("/inbox/27820000001")).status_code == 404
    for act in ("send", "mark-read", "mark-unread"):
        answer = await browser.post(f"/inbox/27820000001/{act}", {"text": "Not for Naledi", "key": "k"})
        assert answer.status_code == 404, act
    assert await column(db, SENT) == []
    assert await unread(db) == 1


async def test_an_answer_to_a_thread_that_was_joined_meanwhile_goes_to_the_kept_one_once(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    await talks.connect(db, business)
    naledi, sipho = await two(db, business)
    contacts = await column(db, "select id from contacts order by id")
    await browser.log_in(agent)
    await browser.post(f"/inbox/{sipho}/send", {"text": "Before", "key": "k"})
    await db.run("join", lambda conn: merging.join(conn, business, *contacts))
    for text, key in (("Before", "k"), ("After", "k2"), ("After", "k2")):
        sent = await browser.post(f"/inbox/{sipho}/send", {"text": text, "key": key})
        assert (sent.status_code, sent.headers["location"]) == (303, f"/inbox/{naledi}")
    assert await column(db, SENT) == ["Before", "After"]
    assert await column(db, "select distinct conversation_id from whatsapp_message") == [naledi]
    assert f'action="/inbox/{naledi}/send"' in (await browser.get(f"/inbox/{sipho}")).text


async def test_who_was_joined_twice_is_found_by_the_first_address(
    browser: Browser, db: Database, business: Business, agent: world.Someone
) -> None:
    await two(db, business)
    await say(db, business, words("Four", "+27820000003"))
    threads = await column(db, THREADS)
    one, other, third = await column(db, "select id from contacts order by id")
    await db.run("join", lambda conn: merging.join(conn, business, other, third))
    await db.run("join", lambda conn: merging.join(conn, business, one, other))
    await browser.log_in(agent)
    for number in threads:
        assert f'id="talk" data-id="{threads[0]}"' in (await browser.get(f"/inbox/{number}")).text


async def test_what_was_typed_to_a_thread_that_is_not_there_is_still_shown(
    browser: Browser, agent: world.Someone
) -> None:
    await browser.log_in(agent)
    for headers in ({}, {"hx-request": "true", "x-part": "composer"}):
        answer = await browser.post("/inbox/99/send", {"text": "Until </textarea>six", "key": "k"}, headers=headers)
        assert answer.status_code == 404
        assert "readonly>Until &lt;/textarea&gt;six</textarea>" in answer.text
        assert "There is no such conversation." in answer.text


async def test_a_number_in_an_address_is_not_taken_for_a_phone(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    await two(db, business)
    await browser.log_in(ana)
    for act in ("lead", "same", "join"):
        answer = await browser.post(f"/inbox/{NALEDI[1:]}/{act}", {"who": SIPHO, "contact": "1"})
        assert answer.status_code == 404, act
    assert await column(db, LEADS) == []
