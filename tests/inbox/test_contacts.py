"""The promise: whoever becomes a lead, or another number, keeps the one thread with all that was said in it."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta

import msgspec
import pytest

from tallybook.core.businesses import Business
from tallybook.core.content import Person
from tallybook.core.db import Database
from tallybook.core.errors import Invalid, NotFound
from tallybook.core.messages import Stored
from tallybook.inbox import rules_identity
from tallybook.inbox.rules_identity import Move
from tallybook.inbox.service import contacts, merging, moving
from tests import world
from tests.core.worked import rows
from tests.inbox.people import BY_ID, LERATO, NALEDI, NOON, THABO, everything, said, write
from tests.world import Someone

THREADS = "select canonical_key, customer_number, last_seq, lead_id from whatsapp_conversation order by id"
WHOSE = "select distinct contact_id from contact_identities"


async def lead_of(db: Database, who: Someone, contact_id: int, name: str = "") -> int:
    return await db.run("lead", lambda conn: contacts.make_lead(conn, who.caller, contact_id, name))


async def news(db: Database, business: Business, before: Person, after: Person, minute: int) -> int | None:
    at = NOON + timedelta(minutes=minute)
    return await db.run("moved", lambda conn: moving.moved(conn, business, before, after, at))


async def test_a_contact_becomes_a_lead_and_its_thread_stays_the_same_row(
    db: Database, business: Business, ana: Someone
) -> None:
    await write(db, business, said(NALEDI, 1), said(NALEDI, 2))
    before = await rows(db, "select id from whatsapp_conversation")
    lead = await lead_of(db, ana, 1, " Naledi of the lodge ")
    assert await rows(db, THREADS) == [(f"lead:{business.id}:{lead}", NALEDI.phone, 2, lead)]
    assert await rows(db, "select id from whatsapp_conversation") == before
    assert await rows(db, "select distinct lead_id from whatsapp_message") == [(lead,)]
    assert await rows(db, "select name, contact_id, status from leads") == [("Naledi of the lodge", 1, "new")]
    assert await rows(db, "select action, subject_id, who from audit_log where subject = 'lead'") == [
        ("lead.made", str(lead), ana.name)
    ]


async def test_what_a_lead_writes_next_comes_to_the_same_thread(db: Database, business: Business, ana: Someone) -> None:
    await write(db, business, said(NALEDI, 1))
    lead = await lead_of(db, ana, 1)
    await write(db, business, said(NALEDI, 2))
    assert await rows(db, THREADS) == [(f"lead:{business.id}:{lead}", NALEDI.phone, 2, lead)]
    assert await rows(db, "select name from leads") == [("Naledi",)]


async def test_a_contact_has_one_lead_however_often_and_however_many_ask(
    db: Database, business: Business, ana: Someone
) -> None:
    await write(db, business, said(NALEDI, 1))
    made = await asyncio.gather(*(lead_of(db, ana, 1) for _ in range(8)))
    assert len({*made, await lead_of(db, ana, 1, "Another name")}) == 1
    assert await rows(db, "select count(*)::int from audit_log where action = 'lead.made'") == [(1,)]


async def test_a_lead_is_made_while_messages_come_and_none_is_elsewhere(
    db: Database, business: Business, ana: Someone
) -> None:
    await write(db, business, said(NALEDI, 1))
    await asyncio.gather(*(write(db, business, said(NALEDI, minute)) for minute in range(2, 8)), lead_of(db, ana, 1))
    lead = await lead_of(db, ana, 1)
    assert await rows(db, THREADS) == [(f"lead:{business.id}:{lead}", NALEDI.phone, 7, lead)]


async def test_the_customer_of_a_thread_is_made_a_lead(db: Database, business: Business, ana: Someone) -> None:
    await write(db, business, said(NALEDI, 1))
    ((thread,),) = await rows(db, "select id from whatsapp_conversation")
    lead = await db.run("lead", lambda conn: contacts.make_lead_of(conn, ana.caller, thread))
    assert lead == await lead_of(db, ana, 1)


async def test_nothing_of_another_business_can_be_touched(db: Database, business: Business, ana: Someone) -> None:
    await write(db, business, said(NALEDI, 1), said(THABO, 2))
    caio = await db.run("add", world.caio)
    merge = await db.run("join", lambda conn: merging.join(conn, business, 1, 2, ana.caller))
    before = await everything(db)
    for attempt in (
        lambda conn: contacts.make_lead(conn, caio.caller, 1),
        lambda conn: contacts.make_lead_of(conn, caio.caller, before["threads"][0]["id"]),
        lambda conn: merging.join(conn, caio.business, 1, 2, caio.caller),
        lambda conn: merging.undo(conn, caio.caller, merge),
    ):
        with pytest.raises(NotFound):
            await db.run("foreign", attempt)
    assert await everything(db) == before


async def test_a_name_that_is_too_long_is_refused(db: Database, business: Business, ana: Someone) -> None:
    await write(db, business, said(NALEDI, 1))
    with pytest.raises(Invalid):
        await lead_of(db, ana, 1, "N" * 201)


async def test_a_new_number_takes_the_thread_along(db: Database, business: Business) -> None:
    await write(db, business, said(NALEDI, 1))
    await news(db, business, NALEDI, THABO, 2)
    await write(db, business, said(THABO, 3), said(NALEDI, 4))
    assert await rows(db, THREADS) == [(f"phone:{business.id}:{THABO.phone}", THABO.phone, 3, None)]
    assert await rows(db, WHOSE) == [(1,)]


async def test_a_lead_s_new_number_leaves_the_thread_the_lead_s(db: Database, business: Business, ana: Someone) -> None:
    await write(db, business, said(NALEDI, 1))
    lead = await lead_of(db, ana, 1)
    await news(db, business, NALEDI, THABO, 2)
    assert await rows(db, THREADS) == [(f"lead:{business.id}:{lead}", THABO.phone, 1, lead)]
    assert await rows(db, "select phone from contacts") == [(THABO.phone,)]


async def test_news_that_comes_late_or_again_changes_nothing(db: Database, business: Business) -> None:
    await write(db, business, said(NALEDI, 1))
    await news(db, business, NALEDI, THABO, 5)
    await news(db, business, THABO, LERATO, 9)
    before = await everything(db)
    await news(db, business, NALEDI, THABO, 5)
    await news(db, business, THABO, LERATO, 9)
    assert await everything(db) == before
    await news(db, business, LERATO, NALEDI, 7)
    assert await rows(db, "select phone from contacts") == [(LERATO.phone,)]


async def test_whoever_has_the_new_number_already_is_the_same_person(db: Database, business: Business) -> None:
    await write(db, business, said(NALEDI, 1), said(THABO, 2))
    await news(db, business, NALEDI, THABO, 3)
    assert await rows(db, THREADS) == [(f"phone:{business.id}:{THABO.phone}", THABO.phone, 2, None)]
    assert await rows(db, "select id, merged_into from contacts order by id") == [(1, None), (2, 1)]


STEPS = ("old number", "new number", "first news", "second news")


@pytest.mark.parametrize("order", list(itertools.permutations(STEPS)), ids=" then ".join)
async def test_in_whatever_order_it_comes_there_is_one_thread_with_the_last_number(
    db: Database, business: Business, order: tuple[str, ...]
) -> None:
    for step in order:
        if step == "old number":
            await write(db, business, said(NALEDI, 1))
        elif step == "new number":
            await write(db, business, said(LERATO, 8))
        elif step == "first news":
            await news(db, business, NALEDI, THABO, 3)
        else:
            await news(db, business, THABO, LERATO, 6)
    assert await rows(db, THREADS) == [(f"phone:{business.id}:{LERATO.phone}", LERATO.phone, 2, None)]
    assert len(await rows(db, WHOSE)) == 1


async def test_the_same_news_from_eight_sides_at_once_makes_one_of_two(db: Database, business: Business) -> None:
    await write(db, business, said(NALEDI, 1), said(THABO, 2))
    await asyncio.gather(*(news(db, business, NALEDI, THABO, 3) for _ in range(8)))
    assert await rows(db, THREADS) == [(f"phone:{business.id}:{THABO.phone}", THABO.phone, 2, None)]
    assert await rows(db, "select count(*)::int from contact_merges") == [(1,)]


async def test_news_of_nobody_known_from_eight_sides_at_once_makes_one_contact(
    db: Database, business: Business
) -> None:
    await asyncio.gather(*(news(db, business, NALEDI, THABO, 3) for _ in range(8)))
    assert len(await rows(db, WHOSE)) == 1
    await write(db, business, said(NALEDI, 1), said(THABO, 2))
    assert await rows(db, THREADS) == [(f"phone:{business.id}:{THABO.phone}", THABO.phone, 2, None)]


async def test_another_opaque_id_is_one_more_name_of_the_same_person(db: Database, business: Business) -> None:
    await write(db, business, said(Person(phone=NALEDI.phone, user_id=BY_ID.user_id), 1))
    await news(db, business, BY_ID, Person(user_id="ZA.2"), 2)
    await write(db, business, said(Person(user_id="ZA.2"), 3))
    assert await rows(db, THREADS) == [(f"phone:{business.id}:{NALEDI.phone}", NALEDI.phone, 2, None)]


UPPER = "ZA.ENT.11111"
OWN, NEXT, OTHERS = (Person(user_id=own, parent_user_id=UPPER) for own in ("ZA.1", "ZA.2", "ZA.3"))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_one_upper_id_under_several_own_ones_is_one_person_in_whatever_order_they_come(
    db: Database, business: Business, order: tuple[int, ...]
) -> None:
    some = [said(OWN, 0), said(Person(user_id=NEXT.user_id), 1), said(msgspec.structs.replace(NEXT, name="N"), 2)]
    for place in order:
        await write(db, business, some[place])
    ((_, _, messages, _),) = await rows(db, THREADS)
    assert messages == 3
    assert len(await rows(db, WHOSE)) == 1
    assert await rows(db, "select value, is_spare from contact_identities order by value") == [
        ("ZA.1", False), ("ZA.2", False), (UPPER, True),
    ]  # fmt: skip


async def test_an_upper_id_that_joins_a_phone_and_an_own_id_at_once_from_eight_sides_makes_one(
    db: Database, business: Business
) -> None:
    by_phone = msgspec.structs.replace(NALEDI, parent_user_id=UPPER)
    some = [said(person, minute) for minute, person in enumerate([by_phone, OWN, NEXT, OTHERS] * 2)]
    await asyncio.gather(*(write(db, business, one) for one in some))
    assert await rows(db, THREADS) == [(f"phone:{business.id}:{NALEDI.phone}", NALEDI.phone, 8, None)]
    assert len(await rows(db, WHOSE)) == 1


async def test_news_of_another_upper_id_keeps_the_person(db: Database, business: Business) -> None:
    await write(db, business, said(OWN, 1))
    later = Person(user_id=NEXT.user_id, parent_user_id="ZA.ENT.2")
    await news(db, business, OWN, later, 2)
    await write(db, business, said(Person(parent_user_id="ZA.ENT.2"), 3), said(Person(user_id=NEXT.user_id), 4))
    ((_, _, messages, _),) = await rows(db, THREADS)
    assert messages == 3
    assert await rows(db, "select value from contact_identities where not is_spare") == [(NEXT.user_id,)]


def of_kind(kind: str, stored: Stored) -> Stored:
    return msgspec.structs.replace(stored, incoming=msgspec.structs.replace(stored.incoming, kind=kind))


def test_only_news_of_another_name_is_a_move_and_the_earlier_comes_first() -> None:
    early, late = (said(NALEDI, minute, changed_to=THABO) for minute in (0, 1))
    batch = [
        of_kind("system", late), of_kind("identity", early), late, of_kind("contact", late),
        of_kind("system", said(NALEDI, 1, changed_to=NALEDI)), of_kind("system", said(NALEDI, 2)),
    ]  # fmt: skip
    assert rules_identity.moves(batch) == [
        Move(NALEDI, THABO, NOON), Move(NALEDI, THABO, NOON + timedelta(minutes=1)),
    ]  # fmt: skip
