"""Reading the inbox: the list, one thread by any name of it, and counts that never lose a message."""

from __future__ import annotations

import asyncio
import contextvars
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import structlog

from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.content import Person
from tallybook.core.db import Conn, Database
from tallybook.core.errors import NotFound
from tallybook.core.regions import region_of
from tallybook.inbox import naming
from tallybook.inbox.service import threads
from tallybook.inbox.service.threads import Filter, Place
from tallybook.inbox.store import threads as thread_store
from tests import world as office
from tests.core.worked import rows
from tests.inbox import world
from tests.inbox.people import NALEDI, said, write
from tests.inbox.world import AVI, LIOR, NOA, NOON

BIA, CAIO = 71, 72
# The first inbox's own, to the letter: what waits is what came after the thread was last read.
SEEDS_COUNT = """
SELECT COUNT(*) FILTER (
  WHERE direction = 'in'
  AND m.status != 'deleted'
  AND (
    -- If never read: count messages after conversation started
    (last_read_at IS NULL AND m.created_at >= conversation.started_at)
    -- If read before: count messages after last read
    OR (last_read_at IS NOT NULL AND m.created_at > last_read_at)
  )
) as unread_count
FROM whatsapp_message m JOIN whatsapp_conversation conversation ON conversation.id = m.conversation_id
WHERE conversation.id = %s
"""
POINTERS = """
select (select count(*) from whatsapp_message m where m.conversation_id = c.id and m.counted and m.seq > c.read_seq),
    c.inbound - c.read_inbound,
    (select count(*) from whatsapp_message m where m.conversation_id = c.id and m.counted and m.seq > r.seq),
    c.inbound - r.inbound
from whatsapp_conversation c join conversation_reads r on r.conversation_id = c.id where c.id = %s
"""


def person(business: Business, account_id: int | None = BIA, role: Role | None = Role.AGENT) -> Caller:
    """Somebody of the business; with no number, a token that belongs to no person."""
    return Caller(account_id, "Bia", business, role)


@pytest.fixture
def bia(business: Business) -> Caller:
    return person(business)


async def listed(conn: Conn, caller: Caller, shown: Filter = Filter.ALL, search: str = "") -> list[str]:
    found = await threads.threads(conn, caller, shown, search, None, 50)
    assert await threads.count(conn, caller, shown, search) == len(found)
    return [one.name for one in found]


async def test_a_page_goes_on_where_the_one_before_ended_though_many_were_said_at_once(
    conn: Conn, business: Business, bia: Caller
) -> None:
    for number in range(7):
        moment = NOON + timedelta(minutes=number // 3)
        await world.customer(conn, business, f"+2782000003{number}", profile=f"Customer {number}", at=moment)
    names: list[str] = []
    after = None
    while page := await threads.threads(conn, bia, Filter.ALL, "", after, 2):
        names += [one.name for one in page]
        assert page[-1].last_message_at
        after = Place(page[-1].last_message_at, page[-1].id)
    assert names == [f"Customer {number}" for number in reversed(range(7))]


async def test_filters_are_for_what_waits_is_mine_is_nobody_s_and_is_closed(
    conn: Conn, business: Business, bia: Caller
) -> None:
    noa = await world.customer(conn, business, NOA, profile="Noa", assigned=BIA)
    await world.customer(conn, business, AVI, profile="Avi")
    await world.customer(conn, business, LIOR, profile="Lior", open=False, assigned=CAIO)
    await world.says(conn, noa)
    assert await listed(conn, bia) == ["Noa", "Lior", "Avi"]
    assert await listed(conn, bia, Filter.UNREAD) == ["Noa"]
    assert await listed(conn, bia, Filter.MINE) == ["Noa"]
    assert await listed(conn, bia, Filter.UNASSIGNED) == ["Avi"]
    assert await listed(conn, bia, Filter.CLOSED) == ["Lior"]
    assert await listed(conn, person(business, None, None), Filter.MINE) == []


async def test_what_others_have_read_waits_for_him_who_has_not(conn: Conn, business: Business, bia: Caller) -> None:
    noa = await world.customer(conn, business, NOA, profile="Noa")
    avi = await world.customer(conn, business, AVI, profile="Avi")
    for who in (noa, avi):
        await world.said(conn, who, "Are you there?", "Hello?")
    await threads.mark_read(conn, bia, noa.id)
    other, token = person(business, CAIO), person(business, None, None)
    assert await listed(conn, bia, Filter.UNREAD) == ["Avi"]
    assert await listed(conn, other, Filter.UNREAD) == ["Avi", "Noa"]
    assert await listed(conn, token, Filter.UNREAD) == ["Avi"]
    theirs = await threads.thread(conn, other, str(noa.id))
    assert (theirs.unread, theirs.team_unread) == (2, 0)
    await threads.mark_unread(conn, other, noa.id)
    assert await listed(conn, bia, Filter.UNREAD) == ["Avi"], "for her it is read"
    assert await listed(conn, token, Filter.UNREAD) == ["Avi", "Noa"]


async def test_what_waits_for_one_person_is_found_however_old_a_page_at_a_time_and_each_once(
    conn: Conn, business: Business, bia: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_FOUND_UNREAD", "UNREAD_PAGE", "END"):
        statement = getattr(thread_store, name)
        fewer = statement.replace("limit 1000", "limit 2").replace("offset 999", "offset 1")
        monkeypatch.setattr(thread_store, name, fewer)
    monkeypatch.setitem(thread_store._PAGES, "unread", thread_store.UNREAD_PAGE)
    for number in range(20):
        who = await world.customer(
            conn, business, f"+278200000{number:02}", profile=f"C{number}", at=NOON + timedelta(minutes=number // 3)
        )
        await world.says(conn, who, said_at=NOON)
        if number not in {0, 1, 9, 19}:
            await threads.mark_read(conn, bia, who.id)
    names: list[str] = []
    sizes: list[int] = []
    page = await threads.listing(conn, bia, Filter.UNREAD, "", None, 2)
    while True:
        names += [one.name for one in page.threads]
        sizes.append(len(page.threads))
        if page.after is None:
            break
        page = await threads.listing(conn, bia, Filter.UNREAD, "", page.after, 2)
    assert names == ["C19", "C9", "C1", "C0"]
    assert 0 in sizes[:-1] or 1 in sizes[:-1], "a page that is short is not the last"
    assert not (await threads.counted(conn, bia, Filter.UNREAD, "")).whole
    assert (await threads.counted(conn, person(business, None, None), Filter.UNREAD, "")).whole


@pytest.mark.parametrize(
    "search",
    ["noa", "נועה", "cohen", "o_b%", "+27820000011", "082 000 0011", "0027820000011", "27820000011", "000 0011", "11"],
)
async def test_a_search_is_by_any_name_or_a_phone_in_any_format(
    conn: Conn, business: Business, bia: Caller, search: str
) -> None:
    names = {"profile": "Noa o_b%", "name": "נועה", "lead": "Noa Cohen" if search != "11" else "Room 11"}
    noa = await world.customer(conn, business, NOA, **names)
    await world.customer(conn, business, AVI, profile="Avi oxby")
    await world.customer(conn, business, None, lid="27820000011000", profile="Nobody's phone")
    (found,) = await threads.threads(conn, bia, Filter.ALL, search, None, 50)
    assert found.id == noa.id
    assert await threads.count(conn, bia, Filter.UNREAD, search) == 0


async def test_a_user_name_finds_whoever_bears_it_and_makes_nobody_somebody_else(
    db: Database, business: Business, bia: Caller
) -> None:
    """It is for display and changes hands: two who bore it are two, and one who changes it is one."""

    async def found(search: str) -> list[str]:
        return sorted(one.phone or "" for one in await db.run("list", lambda conn: threads.threads(
            conn, bia, Filter.ALL, search, None, 50)))  # fmt: skip

    first, other = (Person(user_id=known, username="noa.tours") for known in ("IL.1", "IL.2"))
    by_phone = Person(phone=NALEDI.phone, username="noa.tours")
    await write(db, business, said(first, 1), said(other, 2), said(by_phone, 3), said(Person(username="noa.tours"), 4))
    assert await rows(db, "select count(*) from contacts") == [(4,)], "one of whom no id is told stands alone"
    assert await found("noa.to") == ["", "", "", NALEDI.phone]
    await write(db, business, said(msgspec.structs.replace(by_phone, username="naledi.k"), 5))
    assert await rows(db, "select count(*) from contacts") == [(4,)]
    assert await found("naledi.k") == [NALEDI.phone]
    assert await found("NOA.tours") == [""] * 3, "what was given away finds them no more"
    assert await rows(db, "select distinct kind from contact_identities order by 1") == [
        ("chat",), ("phone",), ("user_id",),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("known", "name"),
    [
        ({"lead": "Noa Cohen", "name": "Noa", "profile": "n."}, "Noa Cohen"),
        ({"lead": "", "name": "Noa", "profile": "n."}, "Noa"),
        ({"profile": "n."}, "n."),
        ({"profile": "27820000011000@lid"}, NOA),
        ({"profile": "27820000011000"}, NOA),
        ({}, NOA),
        ({"phone": None, "lid": "27820000011000", "profile": "27820000011000@lid"}, ""),
        ({"phone": None, "lid": "27820000011000", "username": "noa.c"}, "noa.c"),
        ({"phone": None, "lid": "27820000011000"}, ""),
    ],
)
async def test_the_surest_name_is_shown_and_never_a_lid(
    conn: Conn, business: Business, bia: Caller, known: dict[str, Any], name: str
) -> None:
    noa = await world.customer(conn, business, **known)
    thread = await threads.thread(conn, bia, noa.key)
    assert thread.name == name
    assert "@lid" not in f"{thread.push_name}{thread.phone}{thread.lead_name}"


async def test_a_thread_is_found_by_its_number_its_key_and_a_phone(conn: Conn, business: Business, bia: Caller) -> None:
    noa = await world.customer(conn, business, NOA, lead="Noa")
    refs = [str(noa.id), noa.key, f"phone:{business.id}:{NOA}", NOA, "27820000011", "082 000 0011", "082-000-0011"]
    refs += ["0027820000011", "27820000011@s.whatsapp.net", "tel:+27 82 000 0011"]
    for ref in refs:
        assert (await threads.thread(conn, bia, ref)).id == noa.id, ref
    for ref in (
        "",
        "0",
        "0" + str(noa.id),
        str(2**63),
        "9" * 5000,
        "lead:1",
        "noa",
        f"phone:{business.id + 1}:{NOA}",
        AVI,
    ):
        with pytest.raises(NotFound):
            await threads.thread(conn, bia, ref)


async def test_of_another_business_nothing_is_found(conn: Conn, business: Business, bia: Caller) -> None:
    other = await office.kinneret_tours(conn)
    theirs = await world.customer(conn, other, NOA, lead="Noa")
    await world.says(conn, theirs)
    for ref in (str(theirs.id), theirs.key, NOA, "082 000 0011", f"phone:{other.id}:{NOA}"):
        with pytest.raises(NotFound):
            await threads.thread(conn, bia, ref)
    for change in (threads.mark_read, threads.mark_unread):
        with pytest.raises(NotFound):
            await change(conn, bia, theirs.id)
    assert await threads.bubbles(conn, bia, theirs.id, None, 50) == []
    for search in ("", "noa", NOA, "0011"):
        assert await listed(conn, bia, Filter.ALL, search) == await listed(conn, bia, Filter.UNREAD, search) == []
    (still,) = await threads.threads(conn, person(other), Filter.ALL, "", None, 50)
    assert (still.unread, still.team_unread) == (1, 1)


async def test_messages_stand_as_they_were_said_and_a_late_one_among_those_of_its_time(
    conn: Conn, business: Business, bia: Caller
) -> None:
    noa = await world.customer(conn, business)
    await world.said(conn, noa, "one", "three", external=None)
    await world.says(conn, noa, "two", said_at=NOON + timedelta(seconds=30), late=True)
    await world.said(conn, noa, "four", "five", since=NOON + timedelta(minutes=2), source="bot")
    everything = await threads.bubbles(conn, bia, noa.id, None, 50)
    assert [one.body for one in everything] == ["one", "two", "three", "four", "five"]
    assert [one.seq for one in everything] == [1, 3, 2, 4, 5]
    assert [one.late for one in everything] == [False, True, False, False, False]
    newest = await threads.bubbles(conn, bia, noa.id, None, 2)
    before = await threads.bubbles(conn, bia, noa.id, (newest[0].said_at, newest[0].seq), 2)
    assert [one.body for one in before + newest] == ["two", "three", "four", "five"]


async def test_a_message_brings_what_it_quotes_its_reactions_and_whether_it_is_more_than_words(
    conn: Conn, business: Business, bia: Caller
) -> None:
    noa = await world.customer(conn, business)
    await world.says(conn, noa, "Which colour?", external="a", said_at=NOON)
    await world.says(conn, noa, "", type="image", external="b", quotes="a", said_at=NOON + timedelta(minutes=1))
    await world.says(conn, noa, "Not here", quotes="gone", said_at=NOON + timedelta(minutes=2))
    reaction = """insert into message_reactions (business_id, channel, account, about, who, emoji, at)
        values (%s, 'whatsapp', '', 'a', %s, %s, now())"""
    for who, emoji in (("x", "👍"), ("y", "")):
        await conn.execute(reaction, (business.id, who, emoji))
    first, second, third = await threads.bubbles(conn, bia, noa.id, None, 50)
    assert (first.reactions, first.quotes, first.media) == (["👍"], None, False)
    assert (second.reactions, second.quotes, second.media) == ([], "Which colour?", True)
    assert third.quotes is None
    assert (await threads.thread(conn, bia, str(noa.id))).has_media is False


async def test_everybody_says_something_and_only_what_the_customer_says_waits(
    conn: Conn, business: Business, bia: Caller
) -> None:
    noa = await world.customer(conn, business)
    for source in ("customer", "bot", "automation", "human", "system"):
        await world.says(conn, noa, source, source=source)
    await world.says(conn, noa, "From long ago", past=True)
    thread = await threads.thread(conn, bia, str(noa.id))
    assert (thread.unread, thread.team_unread) == (1, 1)
    sources = {one.source for one in await threads.bubbles(conn, bia, noa.id, None, 50)}
    assert sources == {"customer", "bot", "automation", "human", "system"}


async def test_marking_as_read_takes_the_count_away_once_and_says_so(
    db: Database, business: Business, bia: Caller
) -> None:
    noa = await db.run("customer", lambda conn: world.customer(conn, business))
    await db.run("say", lambda conn: world.said(conn, noa, "one", "two"))

    async def pointer(conn: Conn) -> Any:
        row = "select last_read_at, read_seq from whatsapp_conversation where id = %s"
        return await (await conn.execute(row, (noa.id,))).fetchone()

    first = await db.run("mark", lambda conn: threads.mark_read(conn, bia, noa.id))
    assert (first.unread, first.team_unread) == (0, 0)
    read_at, seq = await db.run("look", pointer)
    assert seq == 2
    assert await db.run("again", lambda conn: threads.mark_read(conn, bia, noa.id)) == first
    assert await db.run("look", pointer) == (read_at, seq), "a repeat moves nothing"
    with structlog.testing.capture_logs() as logs:
        threads.tell_read(bia, noa.id)
    assert [one["event"] for one in logs] == [
        f"[WA-MARK-READ] ✅ Marked conversation {noa.id} as read for business {business.id}"
    ]


async def test_a_token_moves_the_team_s_pointer_and_a_viewer_only_his_own(
    conn: Conn, business: Business, bia: Caller
) -> None:
    noa = await world.customer(conn, business)
    await world.says(conn, noa)
    viewed = await threads.mark_read(conn, person(business, CAIO, Role.VIEWER), noa.id)
    assert (viewed.unread, viewed.team_unread) == (0, 1)
    token = await threads.mark_read(conn, person(business, None, None), noa.id)
    assert (token.unread, token.team_unread) == (0, 0)
    assert (await threads.thread(conn, bia, str(noa.id))).unread == 1


async def test_what_is_marked_unread_is_the_newest_and_waits_once(conn: Conn, business: Business, bia: Caller) -> None:
    noa = await world.customer(conn, business)
    await world.says(conn, noa, "From long ago", past=True)
    await threads.mark_read(conn, bia, noa.id)
    assert (await threads.mark_unread(conn, bia, noa.id)).unread == 0, "nothing ever waited"
    await world.said(conn, noa, "one", "two")
    assert (await threads.mark_unread(conn, bia, noa.id)).unread == 2, "both wait as it is"
    await threads.mark_read(conn, bia, noa.id)
    for _ in range(2):
        waiting = await threads.mark_unread(conn, bia, noa.id)
        assert (waiting.unread, waiting.team_unread) == (1, 1)
    await world.says(conn, noa, "three")
    assert (await threads.thread(conn, bia, str(noa.id))).unread == 2
    assert (await threads.mark_read(conn, bia, noa.id)).unread == 0


async def test_who_counts_by_the_seeds_own_query_counts_the_same(db: Database, business: Business) -> None:
    """That query knows the team's pointer alone, so it is held against what a token of nobody's sees."""
    token = person(business, None, None)
    noa = await db.run("customer", lambda conn: world.customer(conn, business))
    counts = []

    async def both(conn: Conn) -> tuple[int, int]:
        row = await (await conn.execute(SEEDS_COUNT, (noa.id,))).fetchone()
        assert row is not None
        return (await threads.thread(conn, token, noa.key)).unread, row[0]

    def come(body: str, **more: Any) -> Any:
        return db.run("say", lambda conn: world.says(conn, noa, body, **more))

    def mark(how: Any) -> Any:
        return db.run("mark", lambda conn: how(conn, token, noa.id))

    await come("From long ago", past=True, created_at=NOON, said_at=NOON)
    counts.append(await db.run("count", both))
    await come("one")
    await come("two")
    await come("ours", source="human")
    counts.append(await db.run("count", both))
    await mark(threads.mark_read)
    counts.append(await db.run("count", both))
    await mark(threads.mark_unread)
    counts.append(await db.run("count", both))
    await come("three")
    counts.append(await db.run("count", both))
    assert counts == [(0, 0), (2, 2), (0, 0), (1, 1), (2, 2)]


async def test_who_reads_while_messages_arrive_loses_none(db: Database, business: Business, bia: Caller) -> None:
    noa = await db.run("customer", lambda conn: world.customer(conn, business))
    other = person(business, CAIO)

    def one(number: int) -> Any:
        if number % 3 == 0:
            return db.run("mark", lambda conn: threads.mark_read(conn, other if number % 2 else bia, noa.id))
        return db.run("say", lambda conn: world.says(conn, noa, f"message {number}"))

    await asyncio.gather(*(one(number) for number in range(60)))

    async def pointers(conn: Conn) -> Any:
        return await (await conn.execute(POINTERS, (noa.id,))).fetchall()

    for team, team_unread, own, own_unread in await db.run("look", pointers):
        assert (team, own) == (team_unread, own_unread)
    assert (await db.run("mark", lambda conn: threads.mark_read(conn, bia, noa.id))).unread == 0


async def test_what_arrives_while_it_is_marked_waits_afterwards(db: Database, business: Business, bia: Caller) -> None:
    noa = await db.run("customer", lambda conn: world.customer(conn, business))
    await db.run("say", lambda conn: world.says(conn, noa, "one"))
    outside = contextvars.copy_context()
    async with db.transaction() as marking:
        await threads.mark_read(marking, bia, noa.id)
        coming = db.run("say", lambda conn: world.says(conn, noa, "two"))
        arriving = asyncio.create_task(coming, context=outside)
        done, _ = await asyncio.wait({arriving}, timeout=0.2)
        assert not done, "it waits for the thread's row"
    await arriving
    thread = await db.run("look", lambda conn: threads.thread(conn, bia, noa.key))
    assert (thread.unread, thread.team_unread) == (1, 1)


def test_a_business_reads_local_phones_by_its_time_zone() -> None:
    assert region_of("Africa/Johannesburg") == "ZA"
    assert region_of("Israel") == "IL"
    assert region_of("Etc/UTC") is region_of("Nowhere/At_All") is None
    assert naming.phone("050-000-0001", 1, "IL") == "+972500000001"
