"""The promise: a phone that a customer left is somebody else's in time, and nobody sees what the other said."""

from __future__ import annotations

import asyncio
import itertools
import random
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallybook.core.businesses import Business
from tallybook.core.content import Person
from tallybook.core.db import Database
from tallybook.core.messages import Stored
from tallybook.inbox import rules_phones
from tallybook.inbox.service import merging, threads
from tallybook.inbox.store import sending, whole
from tests.channels.whatsapp import bodies
from tests.channels.whatsapp.test_received import add, come
from tests.core.worked import rows
from tests.inbox.people import BY_ID, LERATO, NALEDI, NOON, THABO, everything, said, write
from tests.inbox.test_hooks import hook
from tests.inbox.test_recorded_day import empty
from tests.world import Someone

DAY = 24 * 60  # minutes
LEFT = 10  # minutes after noon: Naledi leaves her first phone for Thabo's
WITH_ID = Person(name="Naledi", phone=NALEDI.phone, user_id=BY_ID.user_id)
STRANGER = Person(name="Sipho", phone=NALEDI.phone, user_id="ZA.2")
BARE = Person(name="Sipho", phone=NALEDI.phone)
SAYINGS = """
select c.canonical_key, array_agg(m.body order by m.said_at, m.id) from whatsapp_conversation c
join whatsapp_message m on m.conversation_id = c.id where m.source <> 'system' group by 1 order by 1
"""
LINES = """
select c.canonical_key, m.body from whatsapp_conversation c
join whatsapp_message m on m.conversation_id = c.id where m.source = 'system'
"""
HOLDER = "select i.contact_id from contact_identities i where i.value = '+27820000001'"
STAYS = "select contact_id, left_at, until from left_phones order by until"
TOLD = "select body #>> '{contact,phone}', body #>> '{details,what}' from hook_events"
TAKEN = "select subject_id, after from audit_log where action = 'contact.took_phone'"


def moves(before: Person, after: Person, minute: int) -> Stored:
    """The news that somebody has another phone, as a batch has it."""
    stored = said(before, minute, changed_to=after)
    return msgspec.structs.replace(stored, incoming=msgspec.structs.replace(stored.incoming, kind="system"))


def day(number: int, minute: int = 0) -> int:
    return number * DAY + minute


def key(person: Person) -> str:
    return f"phone:1:{person.phone}"


async def sayings(db: Database) -> dict[str, list[int]]:
    """What is said in each thread, by the minute in which it was."""
    return {row[0]: [int(body.removeprefix("No. ")) for body in row[1]] for row in await rows(db, SAYINGS)}


async def test_our_words_to_the_old_phone_and_hers_from_the_new_one_are_in_her_thread(
    db: Database, business: Business
) -> None:
    await write(db, business, said(NALEDI, 1))
    await write(
        db, business, said(NALEDI, LEFT + 5, ours=True), moves(NALEDI, THABO, LEFT), said(THABO, LEFT + 6)
    )  # fmt: skip
    assert await sayings(db) == {key(THABO): [1, LEFT + 5, LEFT + 6]}


@pytest.fixture
async def left(db: Database, business: Business) -> None:
    """Naledi is known by an id and by her first phone, and left that for another."""
    await write(db, business, said(WITH_ID, 1), moves(NALEDI, THABO, LEFT))


async def test_a_number_that_rested_is_a_stranger_s_with_a_thread_of_their_own(
    db: Database, business: Business, left: None
) -> None:
    await write(db, business, said(BARE, day(30, LEFT)), said(THABO, day(31)))
    assert await sayings(db) == {key(THABO): [1, day(30, LEFT), day(31)]}
    await write(db, business, said(BARE, day(30, LEFT + 1)), said(BARE, day(40), ours=True), said(THABO, day(41)))
    assert await sayings(db) == {
        key(NALEDI): [day(30, LEFT + 1), day(40)], key(THABO): [1, day(30, LEFT), day(31), day(41)],
    }  # fmt: skip
    assert await rows(db, HOLDER) == [(2,)]
    left_at = NOON + timedelta(minutes=LEFT)
    assert await rows(db, STAYS) == [(1, left_at, left_at + rules_phones.RESTS)]
    assert await rows(db, "select id, phone from contacts order by id") == [(1, THABO.phone), (2, NALEDI.phone)]
    assert await rows(db, TAKEN) == [("2", {"from": 1})]


async def test_who_has_an_id_of_their_own_is_a_stranger_on_the_second_day(
    db: Database, business: Business, left: None
) -> None:
    await write(db, business, said(NALEDI, day(1)), said(STRANGER, day(2)), said(BARE, day(3)))
    assert await sayings(db) == {key(NALEDI): [day(2), day(3)], key(THABO): [1, day(1)]}
    assert await rows(db, "select kind, value, contact_id from contact_identities order by 3, 1") == [
        ("phone", THABO.phone, 1), ("user_id", BY_ID.user_id, 1), ("phone", NALEDI.phone, 2), ("user_id", "ZA.2", 2),
    ]  # fmt: skip


LATE = (said(WITH_ID, 5), said(NALEDI, 6), said(WITH_ID, LEFT + 1), said(WITH_ID, day(1)), said(NALEDI, day(1)))


@pytest.mark.parametrize("at_once", [True, False], ids=["in one batch", "one by one"])
async def test_what_she_said_before_is_hers_however_late_it_comes(
    db: Database, business: Business, left: None, at_once: bool
) -> None:
    """With an id or with the phone alone, and with the id what she said after the stranger came too."""
    after = said(WITH_ID, day(4))
    some = [said(STRANGER, day(2)), *LATE, after]
    for batch in [some] if at_once else [[one] for one in some]:
        await write(db, business, *batch)
    assert await sayings(db) == {
        key(NALEDI): [day(2)], key(THABO): [1, 5, 6, LEFT + 1, day(1), day(1), day(4)],
    }  # fmt: skip
    assert await rows(db, "select count(*)::int from contact_merges") == [(0,)]


async def test_two_workers_that_meet_the_stranger_at_once_make_one(
    db: Database, business: Business, left: None
) -> None:
    await hook(db, business, ["contact.changed"])
    some = [said(STRANGER, day(2, minute), account=f"account {minute}") for minute in range(8)]
    await asyncio.gather(*(write(db, business, one) for one in some))
    assert await sayings(db) == {key(NALEDI): [day(2, minute) for minute in range(8)], key(THABO): [1]}
    assert await rows(db, "select count(*)::int from contacts where merged_into is null") == [(2,)]
    assert len(await rows(db, TAKEN)) == 1
    assert await rows(db, "select until from left_phones") == [(NOON + timedelta(days=2),)]
    assert sorted(await rows(db, TOLD)) == [(one.phone, "phone_taken") for one in (NALEDI, THABO)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_the_stranger_s_time_begins_with_the_first_they_said_in_whatever_order_it_comes(
    db: Database, business: Business, left: None, order: tuple[int, ...]
) -> None:
    some = [said(STRANGER, day(2)), said(STRANGER, day(5)), said(BARE, day(50))]
    for place in order:
        await write(db, business, some[place])
    assert await sayings(db) == {key(NALEDI): [day(2), day(5), day(50)], key(THABO): [1]}
    assert await rows(db, STAYS) == [(1, NOON + timedelta(minutes=LEFT), NOON + timedelta(days=2))]


NEWS = (moves(NALEDI, THABO, LEFT), moves(THABO, LERATO, LEFT + 10))


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0, 1), (1, 0, 0, 1)], ids=str)
async def test_news_twice_and_in_the_wrong_order_leaves_both_phones(
    db: Database, business: Business, order: tuple[int, ...]
) -> None:
    await write(db, business, said(NALEDI, 1))
    for place in order:
        await write(db, business, NEWS[place])
    await write(db, business, said(LERATO, LEFT + 11), said(STRANGER, day(2)))
    await write(db, business, said(Person(phone=THABO.phone, user_id="ZA.3"), day(3)))
    assert await sayings(db) == {key(LERATO): [1, LEFT + 11], key(NALEDI): [day(2)], key(THABO): [day(3)]}
    before = await everything(db)
    await write(db, business, *NEWS)
    assert await everything(db) == before


async def test_who_comes_back_has_the_phone_again_unless_somebody_else_has_it(
    db: Database, business: Business, left: None
) -> None:
    await write(db, business, moves(THABO, NALEDI, day(1)), said(NALEDI, day(2)), said(STRANGER, day(3)))
    assert await sayings(db) == {key(NALEDI): [1, day(2), day(3)]}, "nothing says that she left again"
    await write(db, business, moves(NALEDI, THABO, day(4)), said(Person(phone=NALEDI.phone, user_id="ZA.9"), day(5)))
    await write(db, business, moves(THABO, NALEDI, day(6)), said(THABO, day(7)))
    assert await sayings(db) == {key(THABO): [1, day(2), day(3), day(7)], key(NALEDI): [day(5)]}
    assert await rows(db, "select count(*)::int from contact_merges") == [(0,)]


async def test_the_stranger_s_own_moves_are_the_stranger_s(db: Database, business: Business, left: None) -> None:
    await write(db, business, said(STRANGER, day(2)), moves(NALEDI, LERATO, day(3)), said(LERATO, day(4)))
    await write(db, business, moves(NALEDI, THABO, LEFT), said(BARE, day(60)))
    assert await sayings(db) == {key(THABO): [1], key(LERATO): [day(2), day(4)], key(NALEDI): [day(60)]}
    assert await rows(db, "select contact_id from left_phones order by until") == [(1,), (2,)]


async def test_who_moves_to_a_phone_that_another_left_is_not_that_other(
    db: Database, business: Business, left: None
) -> None:
    await write(db, business, said(LERATO, day(1)), moves(LERATO, NALEDI, day(2)), said(NALEDI, day(3)))
    assert await sayings(db) == {key(NALEDI): [day(1), day(3)], key(THABO): [1]}
    assert await rows(db, TAKEN) == [("2", {"from": 1})]


async def test_two_who_had_it_one_after_the_other_are_joined_by_a_person_and_parted_as_they_were(
    db: Database, business: Business, ana: Someone, left: None
) -> None:
    await write(db, business, said(STRANGER, day(2)), said(THABO, day(2)))
    before = await everything(db)
    merge = await db.run("join", lambda conn: merging.join(conn, business, 1, 2, ana.caller))
    await db.run("undo", lambda conn: merging.undo(conn, ana.caller, merge))
    assert await everything(db) == before
    again = await db.run("join", lambda conn: merging.join(conn, business, 1, 2, ana.caller))
    await write(db, business, said(NALEDI, 7), said(BARE, day(3)))
    assert await sayings(db) == {key(THABO): [1, 7, day(2), day(2), day(3)]}
    await db.run("undo", lambda conn: merging.undo(conn, ana.caller, again))
    await write(db, business, said(NALEDI, 8), said(BARE, day(4)))
    assert (await sayings(db))[key(NALEDI)] == [day(2), day(4)]


async def test_who_is_parted_gets_no_phone_back_that_a_stranger_has(
    db: Database, business: Business, ana: Someone
) -> None:
    await write(db, business, said(NALEDI, 1), said(THABO, 2))
    await write(db, business, moves(NALEDI, THABO, LEFT), said(STRANGER, day(2)))
    ((merge,),) = await rows(db, "select id from contact_merges")
    await db.run("undo", lambda conn: merging.undo(conn, ana.caller, merge))
    assert await sayings(db) == {"contact:1:1": [1], key(THABO): [2], key(NALEDI): [day(2)]}
    assert await rows(db, "select phone from contacts order by id") == [(None,), (THABO.phone,), (NALEDI.phone,)]


async def test_a_phone_is_looked_up_at_whoever_has_it(
    db: Database, business: Business, ana: Someone, left: None
) -> None:
    async def found() -> str | None:
        return (await db.run("find", lambda conn: threads.thread(conn, ana.caller, str(NALEDI.phone)))).phone

    assert await found() == THABO.phone
    await write(db, business, said(STRANGER, day(2)))
    assert await found() == NALEDI.phone


HERS = (1, LEFT, LEFT + 2, day(1), day(3), day(41))
HIS = (day(2), day(5), day(31), day(50))


@given(st.randoms(use_true_random=False))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_in_any_order_repetition_and_batching_each_keeps_their_own(
    db: Database, business: Business, chance: random.Random
) -> None:
    news = moves(NALEDI, THABO, LEFT)
    some = [
        said(WITH_ID, 1), said(NALEDI, LEFT), said(WITH_ID, LEFT + 2), said(NALEDI, day(1), ours=True),
        said(WITH_ID, day(3)), said(THABO, day(41)), news,
        said(STRANGER, day(2)), said(STRANGER, day(5)), said(BARE, day(31)), said(BARE, day(50), ours=True),
    ]  # fmt: skip
    some = [*some, *chance.choices(some, k=4)]
    chance.shuffle(some)
    # What they are known by was known before; only then does an id that is new say that it is somebody else's.
    await write(db, business, said(WITH_ID, 0), news)
    while some:
        many = chance.randint(1, 5)
        await write(db, business, *some[:many])
        del some[:many]
    assert await sayings(db) == {key(THABO): [0, *HERS], key(NALEDI): list(HIS)}
    assert await rows(db, LINES) == [(key(THABO), f"{NALEDI.phone} → {THABO.phone}")]
    assert await rows(db, "select until from left_phones") == [(NOON + timedelta(days=2),)]
    await empty(db)


async def test_each_is_written_to_where_they_are(db: Database, business: Business, left: None) -> None:
    await write(db, business, said(STRANGER, day(2)))
    ids = [row[0] for row in await rows(db, "select id from whatsapp_conversation order by contact_id")]
    held = [await db.run("hold", lambda conn, one=one: sending.hold(conn, business.id, one)) for one in ids]
    assert [one and one.to for one in held] == [THABO.phone, NALEDI.phone]


def webhook(second: int, one: dict[str, Any], **who: Any) -> bytes:
    """One of a customer's from the phone that changes hands, so many seconds after noon."""
    told = one | {"id": f"wamid.{second}", "timestamp": str(bodies.NOON + second)}
    return bodies.body(bodies.change("messages", told, **who))


async def test_what_is_told_of_either_is_told_apart_in_exports_and_in_forgetting(
    db: Database, business: Business
) -> None:
    """What hangs on no message has only the phone, and its time."""
    await add(db, business)
    hers, his = [bodies.contact()], [bodies.contact(user_id="ZA.2", name="Sipho")]
    later = 2 * 86_400
    await come(
        db,
        webhook(1, bodies.text(), contacts=hers),
        webhook(2, bodies.REACTION, contacts=hers),
        webhook(3, bodies.NEW_NUMBER),
        webhook(later, bodies.text("A stranger"), contacts=his),
        webhook(later + 1, bodies.REACTION, contacts=his),
    )
    out = """insert into outbox (business_id, channel, account, recipient, dedup_key, body, created_at)
        select 1, 'whatsapp', 'x', '+27820000001', 'x:' || days, '{}', to_timestamp({}) + days * interval '1 day'
        from generate_series(0, 4, 4) days returning id"""
    await rows(db, out.format("{}", bodies.NOON))
    seen = []
    for contact in (1, 2):
        ((thread,),) = await rows(db, f"select id from whatsapp_conversation where contact_id = {contact}")
        one = await db.run("whole", lambda conn, thread=thread: whole.whole(conn, business.id, thread))
        assert one is not None
        found = await db.run("count", lambda conn, one=one: whole.count(conn, one))
        seen.append({name: found.get(name, 0) for name in ("messages", "outbox", "left_phones", "message_reactions")})
    assert seen == [
        {"messages": 3, "outbox": 1, "left_phones": 1, "message_reactions": 1},
        {"messages": 2, "outbox": 1, "left_phones": 0, "message_reactions": 1},
    ]  # fmt: skip
