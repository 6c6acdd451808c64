"""The promise: two that are one person become one thread with exact counts, and parted each has its own again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tallybook.core import people
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller
from tallybook.core.content import Person
from tallybook.core.db import Database
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.inbox import rules_identity
from tallybook.inbox.rules_identity import Reading
from tallybook.inbox.service import contacts, merging, threads
from tallybook.inbox.service.merging import Undone
from tallybook.inbox.types import Customer, Known
from tests import world
from tests.core.worked import rows
from tests.inbox.people import LERATO, NALEDI, THABO, everything, said, taken_back, write
from tests.world import Someone

COUNTS = "select last_seq, inbound, inbound - read_inbound from whatsapp_conversation order by id"
WINDOWS = """
select account, extract(minute from last_inbound_at)::int from conversation_windows order by conversation_id, account
"""
SEQS = "select conversation_id, seq, body from whatsapp_message order by conversation_id, seq"


async def join(db: Database, business: Business, kept: int, gone: int, who: Caller | None = None) -> int:
    return await db.run("join", lambda conn: merging.join(conn, business, kept, gone, who))


async def undo(db: Database, who: Someone, merge: int) -> Undone:
    return await db.run("undo", lambda conn: merging.undo(conn, who.caller, merge))


async def read(db: Database, who: Someone, thread: int) -> None:
    await db.run("read", lambda conn: threads.mark_read(conn, who.caller, thread))


async def unread(db: Database, who: Someone) -> dict[int, int]:
    """What each thread has unread for somebody."""
    statement = f"""
        select c.id, (c.inbound - coalesce(r.inbound, 0))::int from whatsapp_conversation c
        left join conversation_reads r on r.conversation_id = c.id and r.account_id = {who.account_id}"""
    return dict(await rows(db, statement))


async def thread_of(db: Database, contact: int) -> int:
    ((number,),) = await rows(db, f"select id from whatsapp_conversation where contact_id = {contact}")
    return int(number)


@pytest.fixture
async def two(db: Database, business: Business, ana: Someone, root: Someone) -> tuple[int, int]:
    """The threads of Naledi and Thabo, each with three messages, of which Ana, Root and so the team have read two."""
    await write(db, business, said(NALEDI, 1), said(NALEDI, 5))
    await write(db, business, said(THABO, 2), said(THABO, 3, account="another"))
    naledi, thabo = await thread_of(db, 1), await thread_of(db, 2)
    for thread in (naledi, thabo):
        await read(db, ana, thread)
        await read(db, root, thread)
    await write(db, business, said(NALEDI, 6), said(THABO, 9, account="another"), said(THABO, 7, ours=True))
    return naledi, thabo


async def test_one_thread_has_all_that_was_said_with_exact_counts(
    db: Database, business: Business, ana: Someone, two: tuple[int, int]
) -> None:
    bia = await db.run("add", lambda conn: world.bia(conn, business))
    waiting = await unread(db, ana)
    teams = sum(row[2] for row in await rows(db, COUNTS))
    await join(db, business, 1, 2, ana.caller)
    assert await rows(db, COUNTS) == [(7, 6, teams)]
    assert await unread(db, ana) == {two[0]: sum(waiting.values())}
    assert await unread(db, bia) == {two[0]: 6}
    assert await rows(db, SEQS) == [
        (two[0], seq, f"No. {minute}") for seq, minute in enumerate((1, 5, 6, 2, 3, 7, 9), 1)
    ]
    assert await rows(db, "select last_body, account from whatsapp_conversation") == [("No. 9", "another")]
    assert await rows(db, WINDOWS) == [("106540352242922", 6), ("another", 9)]
    assert await rows(db, "select distinct contact_id from contact_identities") == [(1,)]
    assert await rows(db, "select merged_into from contacts where id = 2") == [(1,)]


async def test_undoing_gives_back_every_row_as_it_was(
    db: Database, business: Business, ana: Someone, two: tuple[int, int]
) -> None:
    await write(db, business, said(LERATO, 4))
    before = await everything(db)
    merge = await join(db, business, 1, 2, ana.caller)
    assert await undo(db, ana, merge) == Undone(1, 2, went_back=4, stayed=0)
    assert await everything(db) == before


@pytest.mark.parametrize("leads", [(1,), (2,), (1, 2)], ids=str)
@pytest.mark.parametrize("pair", [(1, 2), (2, 1)], ids=str)
async def test_with_leads_too_every_row_is_as_it_was(
    db: Database, business: Business, ana: Someone, two: tuple[int, int], leads: tuple[int, ...], pair: tuple[int, int]
) -> None:
    for contact in leads:
        await db.run("lead", lambda conn, contact=contact: contacts.make_lead(conn, ana.caller, contact))
    await write(db, business, said(NALEDI, 11), said(THABO, 12))
    before = await everything(db)
    kept, gone = pair
    merge = await join(db, business, kept, gone)
    ((key, lead),) = await rows(db, "select canonical_key, lead_id from whatsapp_conversation")
    whose = await rows(db, f"select id from leads where contact_id = {kept}")
    assert ([(lead,)], key) == (whose, f"lead:{business.id}:{lead}")
    assert await rows(db, f"select count(*)::int from leads where contact_id = {gone}") == [(len(leads) - 1,)]
    await undo(db, ana, merge)
    assert await everything(db) == before


async def test_a_contact_without_a_thread_takes_the_other_s_and_gives_it_back(
    db: Database, business: Business, ana: Someone, root: Someone
) -> None:
    customer = "insert into contacts (business_id, name, thread_key, phone) values (1, 'Lerato', 'x', '+27820000003')"
    await rows(db, f"{customer} returning id")
    await write(db, business, said(NALEDI, 1), said(NALEDI, 2))
    await read(db, root, await thread_of(db, 2))
    before = await everything(db)
    merge = await join(db, business, 1, 2)
    assert await rows(db, "select contact_id, last_seq, inbound, read_inbound, is_open from whatsapp_conversation") == [
        (1, 2, 2, 2, True)
    ]
    await undo(db, ana, merge)
    assert await everything(db) == before


async def test_messages_that_came_since_stay_with_the_kept_one(
    db: Database, business: Business, ana: Someone, two: tuple[int, int]
) -> None:
    merge = await join(db, business, 1, 2)
    await write(db, business, said(THABO, 20), said(NALEDI, 21))
    assert await undo(db, ana, merge) == Undone(1, 2, went_back=4, stayed=2)
    assert await rows(db, COUNTS) == [(9, 5, 3), (4, 3, 1)]
    assert await unread(db, ana) == {two[0]: 3, two[1]: 1}
    assert [row[1] for row in await rows(db, SEQS)] == [1, 2, 3, 8, 9, 1, 2, 3, 4]
    # Thabo wrote to the first number since, and to the other before.
    assert await rows(db, WINDOWS) == [("106540352242922", 21), ("106540352242922", 2), ("another", 9)]
    await write(db, business, said(THABO, 22))
    assert await rows(db, COUNTS) == [(9, 5, 3), (5, 4, 2)]


async def test_who_read_since_has_read_both(
    db: Database, business: Business, ana: Someone, root: Someone, two: tuple[int, int]
) -> None:
    merge = await join(db, business, 1, 2)
    await read(db, ana, two[0])
    await read(db, root, two[0])
    await write(db, business, said(NALEDI, 20))
    await undo(db, ana, merge)
    assert await unread(db, ana) == {two[0]: 1, two[1]: 0}
    assert [row[2] for row in await rows(db, COUNTS)] == [1, 0]


async def test_a_message_taken_back_since_is_counted_where_it_was(
    db: Database, business: Business, ana: Someone, two: tuple[int, int]
) -> None:
    merge = await join(db, business, 1, 2)
    await rows(db, "update whatsapp_message set status = 'deleted' where body = 'No. 9' returning id")
    await rows(db, "update whatsapp_conversation set inbound = inbound - 1 returning id")
    await undo(db, ana, merge)
    assert await rows(db, COUNTS) == [(3, 3, 1), (4, 2, 0)]


async def test_what_was_read_before_a_joining_and_is_taken_back_lets_wait_what_waits(
    db: Database, business: Business, ana: Someone, root: Someone
) -> None:
    """Behind one that waits lie some that were read: by one place alone it cannot be told which."""
    await write(db, business, said(NALEDI, 1))
    read_ones = [said(THABO, 2), said(THABO, 3)]
    await write(db, business, *read_ones)
    for who in (ana, root):
        await read(db, who, await thread_of(db, 2))
    before = await everything(db)
    merge = await join(db, business, 1, 2)
    await undo(db, ana, merge)
    assert await everything(db) == before
    merge = await join(db, business, 1, 2)
    thread = await thread_of(db, 1)
    assert (await unread(db, ana), await rows(db, COUNTS)) == ({thread: 1}, [(3, 3, 1)])
    for one in read_ones:
        await write(db, business, taken_back(one))
    assert (await unread(db, ana), await rows(db, COUNTS)) == ({thread: 1}, [(3, 1, 1)])
    await undo(db, ana, merge)
    assert await rows(db, COUNTS) == [(1, 1, 1), (2, 0, 0)]


async def test_twice_or_the_other_way_round_is_once(
    db: Database, business: Business, ana: Someone, two: tuple[int, int]
) -> None:
    merge = await join(db, business, 1, 2)
    joined = await everything(db)
    assert [await join(db, business, *pair) for pair in ((1, 2), (2, 1))] == [merge, merge]
    assert await everything(db) == joined
    first = await undo(db, ana, merge)
    parted = await everything(db)
    assert await undo(db, ana, merge) == first
    assert await everything(db) == parted


async def test_eight_at_once_in_either_order_make_one_joining_and_one_undoing(
    db: Database, business: Business, ana: Someone, two: tuple[int, int]
) -> None:
    before = await everything(db)
    pairs = [(1, 2), (2, 1)] * 4
    merges = await asyncio.gather(*(join(db, business, *pair) for pair in pairs))
    assert len(set(merges)) == 1
    assert [row[:2] for row in await rows(db, COUNTS)] == [(7, 6)]
    await asyncio.gather(*(undo(db, ana, merges[0]) for _ in range(8)))
    assert await everything(db) == before
    assert sorted(await rows(db, "select action from audit_log where subject = 'contact'")) == [
        ("contact.joined",), ("contact.parted",),
    ]  # fmt: skip


async def test_three_are_one_and_are_parted_the_last_first(
    db: Database, business: Business, ana: Someone, two: tuple[int, int]
) -> None:
    await write(db, business, said(LERATO, 4))
    before = await everything(db)
    first = await join(db, business, 2, 3)
    second = await join(db, business, 1, 3)  # who 3 is by now is 2
    assert [row[:2] for row in await rows(db, COUNTS)] == [(8, 7)]
    with pytest.raises(Conflict):
        await undo(db, ana, first)
    await undo(db, ana, second)
    await undo(db, ana, first)
    assert await everything(db) == before


async def test_messages_that_come_meanwhile_are_in_the_one_thread(
    db: Database, business: Business, two: tuple[int, int]
) -> None:
    coming = [write(db, business, said(who, minute)) for minute in range(20, 25) for who in (NALEDI, THABO)]
    await asyncio.gather(*coming[:5], join(db, business, 1, 2), *coming[5:])
    assert [row[:2] for row in await rows(db, COUNTS)] == [(17, 16)]
    assert await rows(db, "select count(*)::int, count(distinct conversation_id)::int from whatsapp_message") == [
        (17, 1)
    ]


async def test_a_customer_who_is_two_contacts_becomes_the_older(
    db: Database, business: Business, two: tuple[int, int]
) -> None:
    both = Customer((Known("phone", str(THABO.phone)), Known("phone", str(NALEDI.phone))))
    found = await asyncio.gather(*(db.run("one", lambda conn: merging.on_one(conn, business, both)) for _ in range(6)))
    assert set(found) == {1}
    assert await rows(db, "select kept_id, gone_id, who from contact_merges") == [(1, 2, "Tallybook")]


async def test_whom_somebody_parted_are_joined_by_a_person_alone(
    db: Database, business: Business, ana: Someone, two: tuple[int, int]
) -> None:
    await undo(db, ana, await join(db, business, 1, 2))
    both = Customer((Known("phone", str(NALEDI.phone)), Known("phone", str(THABO.phone))))
    assert await db.run("one", lambda conn: merging.on_one(conn, business, both)) == 1
    assert len(await rows(db, COUNTS)) == 2
    await join(db, business, 1, 2, ana.caller)
    assert len(await rows(db, COUNTS)) == 1


async def test_a_customer_of_whom_nothing_is_known_is_nobody(db: Database, business: Business) -> None:
    nobody = Customer((Known("phone", "+27820000009"),))
    assert await db.run("one", lambda conn: merging.on_one(conn, business, nobody)) is None


async def test_one_contact_or_none_cannot_be_joined(db: Database, business: Business, two: tuple[int, int]) -> None:
    with pytest.raises(Invalid):
        await join(db, business, 1, 1)
    for pair in ((1, 99), (99, 1)):
        with pytest.raises(NotFound):
            await join(db, business, *pair)
    caller = people.command_line(business.id)
    with pytest.raises(NotFound):
        await db.run("undo", lambda conn: merging.undo(conn, caller, 99))


async def test_what_is_changed_since_stays_as_it_is(
    db: Database, business: Business, ana: Someone, two: tuple[int, int]
) -> None:
    merge = await join(db, business, 1, 2)
    await rows(db, "update contacts set name = 'Naledi of the lodge' where id = 1 returning id")
    await rows(db, "update whatsapp_conversation set is_open = false, assigned_to = 7 returning id")
    await undo(db, ana, merge)
    assert await rows(db, "select name from contacts order by id") == [("Naledi of the lodge",), (None,)]
    assert await rows(db, "select is_open, assigned_to from whatsapp_conversation order by id") == [
        (False, 7), (True, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("now", "kept", "gone"),
    [
        (Reading(7, 4), Reading(3, 1), Reading(4, 3)),  # nothing happened
        (Reading(9, 4), Reading(5, 1), Reading(4, 3)),  # two came, nobody read
        (Reading(9, 9), Reading(5, 5), Reading(4, 4)),  # and then everything was read
        (Reading(9, 7), Reading(5, 3), Reading(4, 4)),  # read, and two came
        (Reading(7, 6), Reading(3, 3), Reading(4, 3)),  # read, and the newest put back
        (Reading(7, 0), Reading(3, 0), Reading(4, 0)),  # all put back
    ],
)
def test_what_waits_in_one_waits_in_one_of_two(now: Reading, kept: Reading, gone: Reading) -> None:
    before = (Reading(now.inbound - 4, 1), Reading(4, 3), Reading(7, 4))
    assert rules_identity.parted(*before, now) == (kept, gone)
    assert kept.inbound - kept.read + gone.inbound - gone.read == now.inbound - now.read


def test_a_row_goes_back_but_for_what_was_changed_since() -> None:
    before: dict[str, Any] = {"name": "A", "phone": None, "lead": 1}
    joined = {"name": "A", "phone": "2", "lead": 1}
    assert rules_identity.put_back({"name": "A", "phone": "2", "lead": 9}, joined, before) == {
        "name": "A", "phone": None, "lead": 9,
    }  # fmt: skip


def test_a_phone_of_which_nothing_was_said_does_not_displace_another() -> None:
    assert not rules_identity.is_newer((None, "2"), (None, "1"))
    assert Person() == Person(phone=None)
