"""Phones that change hands, beside what people do: joinings, broadcasts, forgetting, imports, a new version."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import tallybook.core
from tallybook.core import audit, channel_accounts, jobs, people
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.content import Person
from tallybook.core.db import Conn, Database
from tallybook.core.jobs import NewJob
from tallybook.inbox.personal import HOLDINGS
from tallybook.inbox.service import broadcasts, erasing, merging
from tallybook.inbox.service.erasing import Places
from tallybook.inbox.store import contacts, whole
from tests.channels.whatsapp import bodies
from tests.channels.whatsapp.test_received import HOOK, SEAL, add, come, process
from tests.core.worked import rows, until
from tests.inbox.people import BY_ID, LERATO, NALEDI, NOON, NUMBER, THABO, said, write
from tests.inbox.test_broadcasts import TEMPLATE, Line, new, send
from tests.inbox.test_importing import brought
from tests.inbox.test_recycled_phones import BARE, DAY, LEFT, STRANGER, WITH_ID, day, key, moves, sayings
from tests.inbox.test_sending import is_in_the_way
from tests.world import Someone

FOURTH, FIFTH = Person(phone="+27820000004"), Person(phone="+27820000005")
MIGRATION = Path(tallybook.core.__file__).parent / "migrations/0023_pre_left_phones.sql"
MARKED = "select value, left_at from contact_identities where left_at is not null order by 1"
STAYS = "select contact_id, phone from left_phones order by until"
HIS_ID = "ZA.99999999999999999999"


@pytest.fixture
async def left(db: Database, business: Business) -> None:
    """Naledi is known by an id and by her first phone, and left that for another."""
    await write(db, business, said(WITH_ID, 1), moves(NALEDI, THABO, LEFT))


@pytest.fixture
def lead(business: Business) -> Caller:
    return Caller(None, "Zanele", business, Role.LEAD)


async def join(db: Database, by: Someone, kept: int, gone: int) -> int:
    return await db.run("join", lambda conn: merging.join(conn, by.caller.business, kept, gone, by.caller))


async def test_of_phones_left_before_only_those_are_marked_that_were_surely_left(
    db: Database, business: Business, ana: Someone
) -> None:
    """Two whom a person joined have a phone each, and who left one of three may have left either of two."""
    six, seven, eight = (Person(phone=f"+2782000000{number}") for number in (6, 7, 8))
    for one in (NALEDI, LERATO, FOURTH, six):
        await write(db, business, said(one, 1))
    await write(db, business, moves(NALEDI, THABO, LEFT), moves(FOURTH, FIFTH, LEFT))
    await write(db, business, moves(six, seven, LEFT), moves(seven, eight, LEFT + 1))
    await join(db, ana, 2, 3)
    await rows(db, "update contact_identities set left_at = null returning value")
    told = [line for line in MIGRATION.read_text().splitlines() if not line.startswith("--")]
    (fill,) = [one for one in "\n".join(told).split(";") if "set left_at" in one]
    await rows(db, fill + " returning value")
    assert await rows(db, MARKED) == [(NALEDI.phone, NOON + timedelta(minutes=LEFT))]


async def test_news_of_one_of_two_who_were_joined_says_nothing_of_the_other_s_phone(
    db: Database, business: Business, ana: Someone
) -> None:
    await write(db, business, said(NALEDI, 1), said(BY_ID, 2))
    await join(db, ana, 1, 2)
    await write(db, business, moves(BY_ID, THABO, LEFT), said(NALEDI, day(60)))
    assert await rows(db, MARKED) == []
    assert await sayings(db) == {key(THABO): [1, 2, day(60)]}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=str)
async def test_who_came_back_has_not_left_whatever_phone_a_joining_brings(
    db: Database, business: Business, ana: Someone, order: tuple[int, ...]
) -> None:
    news = (moves(NALEDI, THABO, LEFT), moves(THABO, NALEDI, day(1)))
    await write(db, business, said(NALEDI, 1), said(LERATO, 2))
    for place in order:
        await write(db, business, news[place])
    assert await rows(db, MARKED) == [(THABO.phone, NOON + timedelta(days=1))]
    await write(db, business, moves(LERATO, FOURTH, day(2)))
    await join(db, ana, 1, 2)
    await write(db, business, said(STRANGER, day(3)), said(BARE, day(60)))
    assert await sayings(db) == {key(FOURTH): [1, 2, day(3), day(60)]}


async def test_who_is_parted_takes_along_what_was_theirs_of_a_phone_that_was_taken_meanwhile(
    db: Database, business: Business, ana: Someone
) -> None:
    await write(db, business, said(NALEDI, 1), said(THABO, 2))
    merge = await join(db, ana, 1, 2)
    him = Person(name="Sipho", phone=THABO.phone, user_id="ZA.2")
    await write(db, business, moves(THABO, LERATO, LEFT), said(him, day(2)))
    assert await rows(db, STAYS) == [(1, THABO.phone)]
    await db.run("undo", lambda conn: merging.undo(conn, ana.caller, merge))
    assert await rows(db, STAYS) == [(2, THABO.phone)]
    await write(db, business, said(THABO, 5))
    assert await sayings(db) == {key(LERATO): [1], "contact:1:2": [2, 5], key(THABO): [day(2)]}


async def test_whoever_meets_a_stranger_waits_for_the_contact_before_what_it_is_known_by(
    db: Database, business: Business, left: None
) -> None:
    """As whoever joins, moves or forgets somebody does: else each could hold what the other waits for."""
    held = asyncio.Event()

    async def meet() -> None:
        await held.wait()
        await write(db, business, said(STRANGER, day(2)))

    met = asyncio.create_task(meet())
    async with db.transaction() as conn:
        await contacts.lock(conn, business.id, [1])
        held.set()
        await until(lambda: is_in_the_way(conn))
        await conn.execute("select from contact_identities where contact_id = 1 for update nowait")
    await met
    assert await sayings(db) == {key(THABO): [1], key(NALEDI): [day(2)]}


def ago(days: int) -> int:
    """The minute that is so many days ago."""
    return int((datetime.now(UTC) - NOON).total_seconds() // 60) - days * DAY


@pytest.mark.parametrize(("days", "to"), [(31, NALEDI.phone), (29, THABO.phone)])
async def test_a_list_reaches_whoever_has_a_phone_now_and_not_who_left_it_long_ago(
    db: Database, business: Business, lead: Caller, days: int, to: str
) -> None:
    account = NewAccount("whatsapp", NUMBER, token="a-token-of-the-tests")
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, people.command_line(business.id), account))
    await rows(db, TEMPLATE)
    await write(db, business, said(NALEDI, ago(40)), moves(NALEDI, THABO, ago(days)))
    listed = b"phone;deal\n+27820000001;for Bob"
    asked = new(kind="list", listed=listed, places={"body.1": "you", "body.2": "{Deal}"})
    preview = await db.run("look", lambda conn: broadcasts.look(conn, lead, asked))
    assert (preview.reaches, preview.new) == (1, int(to == NALEDI.phone))
    assert await rows(db, STAYS) == [], "nothing is done by a look"
    await db.run("begin", lambda conn: broadcasts.start(conn, lead, asked))
    line = Line()
    await send(db, line, business)
    assert [(one.to, one.body["text"]) for one in line.sent] == [(to, "Hello you, today only: for Bob.")]
    taken = await rows(db, "select subject_id, after from audit_log where action = 'contact.took_phone'")
    assert taken == ([("2", {"from": 1})] if to == NALEDI.phone else [])


def told(second: int, words: str, contact: dict[str, Any], number: str = bodies.NUMBER) -> bytes:
    """What is said from the phone that changes hands, so many seconds after noon."""
    return bodies.body(bodies.change("messages", bodies.text(words, second), contacts=[contact], number=number))


HERS, HIS = bodies.contact(), bodies.contact(user_id=HIS_ID, name="Sipho")
NOBODY = bodies.contact(user_id=None)
LATER = 2 * 86_400


async def _named(conn: Conn, business: Business) -> None:
    """An entry of the record, and a job, in which the phone stands."""
    entry = ("elsewhere", "thing", "1", None, {"phone": NALEDI.phone})
    await audit.record(conn, business.id, "x", None, *entry)
    await jobs.enqueue(conn, [NewJob("of.them", "1", {"to": NALEDI.phone}, business.id)])


@pytest.mark.parametrize(
    ("forgotten", "phone", "stays"), [(1, THABO.phone, ["his"]), (2, NALEDI.phone, ["hers", "hers too"])]
)
async def test_who_is_forgotten_takes_nothing_along_of_who_had_the_phone_at_another_time(
    db: Database, business: Business, lead: Caller, tmp_path: Path, forgotten: int, phone: str, stays: list[str]
) -> None:
    await add(db, business)
    await come(db, told(1, "x", HERS), bodies.body(bodies.change("messages", bodies.NEW_NUMBER)), told(LATER, "y", HIS))
    aside = [told(2, "hers", NOBODY, "-"), told(LATER + 1, "his", NOBODY, "-"), told(LATER + 2, "hers too", HERS, "-")]
    await come(db, *aside)
    await db.run("name", lambda conn: _named(conn, business))
    ((thread,),) = await rows(db, f"select id from whatsapp_conversation where contact_id = {forgotten}")
    places = Places(tmp_path / "files", tmp_path / "spool", {"whatsapp": HOOK.parse})
    number = await db.run("erase", lambda conn: erasing.erase(conn, lead, thread, phone, places))
    assert await erasing.finish(db, places, business.id, number)
    await add(db, business, "-")
    await process(db)
    assert [
        row[0] for row in await rows(db, "select body from whatsapp_message where body like 'h%' order by 1")
    ] == stays
    entries = await rows(db, "select after from audit_log where action = 'elsewhere'")
    asked = await rows(db, "select args from jobs where kind = 'of.them'")
    named = {"phone": NALEDI.phone}
    assert (entries, asked) == (([(named,)], [({"to": NALEDI.phone},)]) if forgotten == 1 else ([(None,)], []))


async def test_a_process_of_the_version_before_can_forget_who_left_a_phone(
    db: Database, business: Business, left: None
) -> None:
    """It knows nothing of the table."""
    await write(db, business, said(STRANGER, day(2)))
    ((thread,),) = await rows(db, "select id from whatsapp_conversation where contact_id = 1")

    async def forget(conn: Conn) -> None:
        one = await whole.whole(conn, business.id, thread)
        assert one is not None
        for holding in HOLDINGS:
            if holding.goes and holding.table != "left_phones":
                await conn.execute(holding.taken.encode(), one.values)

    await db.run("forget", forget)
    assert await rows(db, STAYS) == []
    assert await rows(db, "select id from contacts") == [(2,)]


@pytest.mark.parametrize("made", ["2025-03-01T10:00:00", None], ids=["with a time", "without"])
async def test_an_old_lead_of_whom_nothing_was_said_ends_no_stay(
    db: Database, business: Business, left: None, made: str | None
) -> None:
    lead = {"id": 7, "tenant_id": 1, "name": "Naledi Khumalo", "phone_e164": NALEDI.phone, "created_at": made}
    await brought(db, business, {"leads": [lead], "whatsapp_conversation": [], "whatsapp_message": []})
    assert await rows(db, STAYS) == []
    assert await rows(db, "select contact_id, name from leads") == [(1, "Naledi Khumalo")]
