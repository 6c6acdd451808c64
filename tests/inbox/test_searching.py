"""Finding what was said: by the beginning of any word, in Hebrew as in English, and never another business's."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.db import Conn, Database
from tallybook.core.errors import NotFound
from tallybook.core.messages import Stored
from tallybook.inbox import search_rules
from tallybook.inbox.search_rules import Piece
from tallybook.inbox.service import merging, searching
from tallybook.inbox.service.searching import Found, Narrowed, Wanted
from tallybook.inbox.store import searching as store
from tests import world as office
from tests.inbox import people, world
from tests.inbox.world import AVI, NOA

NOW = datetime.now(UTC)
WORDS = "select tsvector_to_array(said_words(7, %s, %s))"
OLD = timedelta(minutes=1)
AGE = "update message_words_marks set at = at - interval '1 minute'"


@pytest.fixture
def bia(business: Business) -> Caller:
    return Caller(71, "Bia", business, Role.AGENT)


async def find(db: Database, caller: Caller, words: str, **more: Any) -> list[str]:
    wanted = Wanted(words, **more)
    found = await db.run("find", lambda conn: searching.find(conn, caller, wanted, None, 50))
    return [one.body for one in found.hits]


async def talk(db: Database, business: Business, *bodies: str, phone: str = NOA, **more: Any) -> world.Someone:
    async def work(conn: Conn) -> world.Someone:
        who = await world.customer(conn, business, phone, profile="Noa Cohen")
        for number, body in enumerate(bodies):
            await world.says(conn, who, body, said_at=NOW - timedelta(days=len(bodies) - number), **more)
        return who

    who = await db.run("talk", work)
    await searching.read_all(db, business.id)
    return who


def edited(stored: Stored, text: str) -> Stored:
    """Its writer says something else instead."""
    changed = people.taken_back(stored)
    return msgspec.structs.replace(changed, incoming=msgspec.structs.replace(changed.incoming, kind="edit", text=text))


@pytest.mark.parametrize(
    ("search", "body"),
    [
        ("invoice", "Where is my INVOICE?"),
        ("invo", "the invoices"),
        ("my where", "Where is my invoice?"),
        ("חשבונית", "שלחו לי את החשבונית בבקשה"),
        ("בחשבונית", "איפה חשבונית המס"),
        ("חשבון", "קיבלתי חשבונות"),
        ("שלום", "שָׁלוֹם וברכה"),
        ("בית ספר", "ליד בית־הספר"),
        ('צה"ל', "שירות בצה״ל"),
        ("cohen", "Cohen/Levy"),
        ("how", "Hello.How are you"),
        ("noa@example.org", "write to noa@example.org"),
        ("12", "gate 12b"),
        ("17", "between 0 ~17"),
        ("17", "0~17"),
    ],
)
async def test_a_word_is_found_by_its_beginning_with_or_without_what_hebrew_puts_before_it(
    db: Database, business: Business, bia: Caller, search: str, body: str
) -> None:
    await talk(db, business, "Something else", "משהו אחר", body)
    assert await find(db, bia, search) == [body]
    pieces = search_rules.snippet(body, search)
    assert "".join(piece.text for piece in pieces) == body
    assert any(piece.hit for piece in pieces)


@pytest.mark.parametrize(
    "search", ["", " ", "?!", "nvoice", "ום", "'", "a' | 'b", "ǁ1", "\\", "invoice gone", "i", "א ב"]
)
async def test_what_is_no_beginning_of_a_word_finds_nothing_and_breaks_nothing(
    db: Database, business: Business, bia: Caller, search: str
) -> None:
    await talk(db, business, "Where is my invoice? שלום")
    assert await find(db, bia, search) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(st.text(max_size=60))
async def test_the_database_and_the_page_see_the_same_words(conn: Conn, text: str) -> None:
    text = text.replace("\0", "")
    row = await (await conn.execute(WORDS, (NOW, text))).fetchone()
    assert row is not None
    whose = search_rules.said_by(7)
    theirs = {word.removeprefix(whose) for word in row[0] if word.startswith(whose)}
    ours = {word for word in search_rules.words_of(text) if word.isascii()}
    assert ours <= theirs, "what is sought can be found"


async def test_pages_go_on_through_years_and_show_each_once_the_newest_first(
    db: Database, business: Business, bia: Caller
) -> None:
    ages = [0.1, 0.2, 2, 6, 8, 20, 60, 100, 300, 400, 900, 4000]

    async def work(conn: Conn) -> None:
        who = await world.customer(conn, business)
        for age in ages:
            await world.says(conn, who, f"visit {age}", said_at=NOW - timedelta(days=age))
        for _ in range(2):
            await world.says(conn, who, "visit twice", said_at=NOW - timedelta(days=50))

    await db.run("talk", work)
    await searching.read_all(db, business.id)
    found: list[str] = []
    page = Found([], None)
    while True:
        page = await db.run(
            "find", partial(searching.find, caller=bia, wanted=Wanted("visit"), after=page.after, limit=3)
        )
        found += [one.body for one in page.hits]
        if page.after is None:
            break
    expected = [f"visit {age}" for age in ages]
    assert found == [*expected[:6], "visit twice", "visit twice", *expected[6:]]
    week = {"since": NOW - timedelta(days=21), "until": NOW - timedelta(days=5)}
    assert await find(db, bia, "visit", **week) == ["visit 6", "visit 8", "visit 20"]


async def test_it_is_narrowed_to_who_said_it_and_to_a_label(db: Database, business: Business, bia: Caller) -> None:
    who = await talk(db, business, "Ours is ready", source="human")
    await talk(db, business, "Is mine ready?", phone=AVI)
    assert await find(db, bia, "ready", narrowed=Narrowed(("customer",))) == ["Is mine ready?"]
    assert await find(db, bia, "ready", narrowed=Narrowed(("human", "bot"))) == ["Ours is ready"]

    async def label(conn: Conn) -> int:
        put = "insert into inbox_labels (business_id, name, folded, colour) values (%s, 'x', 'x', 'red') returning id"
        row = await (await conn.execute(put, (business.id,))).fetchone()
        assert row is not None
        on = "insert into conversation_labels (business_id, conversation_id, label_id) values (%s, %s, %s)"
        await conn.execute(on, (business.id, who.id, row[0]))
        return int(row[0])

    number = await db.run("label", label)
    assert await find(db, bia, "ready", narrowed=Narrowed(label=number)) == ["Ours is ready"]


async def test_of_another_business_nothing_is_found(db: Database, business: Business, bia: Caller) -> None:
    other = await db.run("other", office.kinneret_tours)
    who = await talk(db, other, "Where is my invoice?")
    assert await find(db, bia, "invoice") == []
    await searching.read_all(db, business.id)
    assert await find(db, bia, "invoice") == []
    theirs = Caller(1, "x", other, Role.AGENT)
    hit = (await db.run("find", lambda conn: searching.find(conn, theirs, Wanted("invoice"), None, 5))).hits
    assert [one.conversation_id for one in hit] == [who.id]
    with pytest.raises(NotFound):
        await db.run("place", lambda conn: searching.place_of(conn, bia, hit[0].id))


async def test_what_is_edited_is_found_by_what_it_says_now_and_what_was_taken_back_by_nothing(
    db: Database, business: Business, bia: Caller
) -> None:
    first, second = people.said(people.NALEDI, 0), people.said(people.NALEDI, 1)
    await people.write(db, business, first, second)
    await searching.read_all(db, business.id)
    assert len(await find(db, bia, "no")) == 2
    await people.write(db, business, people.taken_back(first), edited(second, "a banana"))
    assert await find(db, bia, "no") == [], "nothing is shown that is not said any more"
    await searching.read_all(db, business.id)
    assert await find(db, bia, "banana") == ["a banana"]


async def test_what_is_taken_back_while_it_is_read_leaves_no_word_behind(
    db: Database, business: Business, bia: Caller
) -> None:
    first = people.said(people.NALEDI, 0)
    await people.write(db, business, first)

    async def reading() -> None:
        async with db.transaction() as conn:
            assert (await store.read_new(conn, business.id, 0))[0] == 1
            begun.set()
            await may_end.wait()

    begun, may_end = asyncio.Event(), asyncio.Event()
    other = asyncio.create_task(reading())
    await begun.wait()
    await people.write(db, business, people.taken_back(first))
    may_end.set()
    await other
    assert await find(db, bia, "no") == [], "nothing is shown that is not said any more"
    await searching.read_all(db, business.id)
    async with db.transaction() as conn:
        assert await (await conn.execute(b"select message_id from message_words")).fetchall() == []


async def test_a_message_that_is_committed_late_is_found_too(
    db: Database, business: Business, bia: Caller, database_url: str
) -> None:
    who = await talk(db, business, "first apple")

    async def late() -> None:
        async with db.transaction() as conn:
            await world.says(conn, who, "late apple")
            begun.set()
            await may_end.wait()

    begun, may_end = asyncio.Event(), asyncio.Event()
    other = asyncio.create_task(late())
    await begun.wait()
    await talk(db, business, "third apple", phone=AVI)
    for _ in range(3):
        await db.run("time passes", lambda conn: conn.execute(AGE))
        await searching.read_all(db, business.id)
    may_end.set()
    await other
    await searching.read_all(db, business.id)
    assert sorted(await find(db, bia, "apple")) == ["first apple", "late apple", "third apple"]
    for _ in range(50):  # as long as another's open transaction may hide something
        await db.run("time passes", lambda conn: conn.execute(AGE))
        await searching.read_all(db, business.id)
        if not await db.run("rest", lambda conn: store.waits(conn, business.id)):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it does not come to rest")


async def test_two_that_read_at_once_read_everything_once(db: Database, business: Business, bia: Caller) -> None:
    await talk(db, business, *(f"pear {number}" for number in range(40)))
    await asyncio.gather(*(searching.read_all(db, business.id) for _ in range(4)))
    assert len(await find(db, bia, "pear")) == 40


async def test_a_message_far_back_is_led_to_with_what_came_after_it(
    db: Database, business: Business, bia: Caller
) -> None:
    await talk(db, business, *(f"plum {number}" for number in range(60)))
    hits = (await db.run("find", lambda conn: searching.find(conn, bia, Wanted("plum"), None, 60))).hits
    thread, before = await db.run("place", lambda conn: searching.place_of(conn, bia, hits[50].id))
    assert thread == hits[50].conversation_id
    assert before is not None
    assert before[0] == hits[50 - searching.BELOW - 1].said_at
    assert (await db.run("place", lambda conn: searching.place_of(conn, bia, hits[3].id)))[1] is None


async def test_what_was_found_follows_its_thread_into_another_and_back(
    db: Database, business: Business, bia: Caller
) -> None:
    noa = await talk(db, business, "my melon")
    avi = await talk(db, business, "his melon", phone=AVI)

    async def where(conn: Conn) -> dict[str, int]:
        hits = (await searching.find(conn, bia, Wanted("melon"), None, 9)).hits
        return {one.body: (await searching.place_of(conn, bia, one.id))[0] for one in hits}

    joining = await db.run("join", lambda conn: merging.join(conn, business, noa.contact_id, avi.contact_id))
    assert await db.run("look", where) == {"my melon": noa.id, "his melon": noa.id}
    nobody = Caller(None, "Zanele", business, Role.LEAD)
    await db.run("part", lambda conn: merging.undo(conn, nobody, joining))
    assert await db.run("look", where) == {"my melon": noa.id, "his melon": avi.id}


def test_a_snippet_begins_near_the_first_hit_and_marks_each() -> None:
    body = "a " * 200 + "needle in the hay, Needles " + "b " * 200
    pieces = search_rules.snippet(body, "needle")
    assert pieces[0] == Piece("…", hit=False)
    assert [piece.text for piece in pieces if piece.hit] == ["needle", "Needles"]
    assert len("".join(piece.text for piece in pieces)) <= search_rules.AROUND + 2
    assert search_rules.snippet("nothing here", "needle") == [Piece("nothing here", hit=False)]


async def test_a_small_business_does_not_go_through_what_a_large_one_says(
    db: Database, business: Business, bia: Caller, owner_url: str
) -> None:
    """The index goes through the words that begin so: those of the business alone, however many there are."""
    large = await db.run("large", office.kinneret_tours)
    await talk(db, business, "invoice and more")
    many = """insert into whatsapp_message (business_id, conversation_id, to_number, direction, status, source, seq,
            said_at, body)
        select %s, %s, 'x', 'in', 'received', 'customer', n, %s, 'invoice in' || n from generate_series(1, 3000) n"""
    week = next(search_rules.slices(business.id, None, NOW)).key
    found = "select message_id from message_words where words @@ to_tsquery('simple', %s)"

    async def buffers(conn: Conn, query: str) -> int:
        explained = f"explain (analyze, buffers, format json) {found}"
        row = await (await conn.execute(explained.encode(), (f"{week} & {query}",))).fetchone()
        assert row is not None
        plan = row[0][0]["Plan"]
        assert "Bitmap Index Scan" in str(plan)
        return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

    async def look(conn: Conn, whose: Business) -> int:
        await conn.execute("set local enable_seqscan = off")
        return await buffers(conn, search_rules.query_of("in", 2, search_rules.said_by(whose.id)))

    async def talks(conn: Conn) -> None:
        who = await world.customer(conn, large)
        await conn.execute(many, (large.id, who.id, NOW))

    alone = await db.run("look", lambda conn: look(conn, business))
    await db.run("talk", talks)
    await searching.read_all(db, large.id)
    with psycopg.connect(owner_url, autocommit=True) as conn:
        conn.execute("vacuum message_words")  # what was added last lies in a list of its own, everybody's
    beside = await db.run("look", lambda conn: look(conn, business))
    theirs = await db.run("look", lambda conn: look(conn, large))
    assert beside <= alone + 8, "as many pages as before, and some levels more"
    assert theirs > 4 * beside
    assert await find(db, bia, "in") == ["invoice and more"]


async def test_a_word_as_long_as_a_message_is_read_and_found_by_its_beginning(
    db: Database, business: Business, bia: Caller
) -> None:
    long = ["a" * 2040, "א" * 900, "\U00010400" * 505]
    await talk(db, business, *long)
    for body in long:
        assert await find(db, bia, body[:600]) == [body]
