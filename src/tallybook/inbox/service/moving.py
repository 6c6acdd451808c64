"""People who are known by another phone or id from now on: the same contact, with its thread."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tallybook.core import audit
from tallybook.core.businesses import Business
from tallybook.core.content import Person
from tallybook.core.db import Conn
from tallybook.inbox import rules, rules_identity
from tallybook.inbox.rules_identity import known_of
from tallybook.inbox.store import contacts as store
from tallybook.inbox.store import identities
from tallybook.inbox.store import phones as phone_store
from tallybook.inbox.store.identities import NewContact
from tallybook.inbox.types import Customer, Known

from . import contacts, hooks, merging, phones


async def moved(conn: Conn, business: Business, before: Person, after: Person, said_at: datetime) -> int | None:
    """Has the contact that is known by ``before`` be known by ``after`` too, and its thread bear the phone that holds.

    Whoever was known by ``after`` already is the same person, unless somebody parted the two. Of two phones the one of
    the newest news holds, in whatever order they come; the other is left, and may be somebody else's in time. The same
    news again changes nothing. Nobody known yet is made a contact, so that what they said under either name comes to
    one thread. Returns the contact; None where the news names nobody.
    """
    old, new = known_of(before), known_of(after)
    if not old or not new:
        return None
    bearers = await phones.bearers(conn, business.id, [(Customer(tuple(dict.fromkeys((*old, *new)))), said_at)])
    old, new = bearers.each(old, new, said_at)
    everything = tuple(dict.fromkeys((*old, *new)))
    if not await identities.find(conn, business.id, everything):
        await _make(conn, business.id, Customer(everything))
    whose = await merging.on_one(conn, business, Customer(old)) or await merging.on_one(conn, business, Customer(new))
    if whose is None:
        return None
    known = await identities.find(conn, business.id, everything)
    claimed = {one: whose for one in everything if one not in known}
    if claimed:
        await identities.claim(conn, business.id, claimed)
    await identities.spare(conn, business.id, rules_identity.spare_of(before, after))
    await merging.on_one(conn, business, Customer(everything))
    contact_id = (await contacts.hold(conn, business.id, [whose]))[whose]
    await _take_phone(conn, business.id, contact_id, (before.phone, after.phone), said_at)
    await phones.note_takers(conn, business, bearers.takers(dict.fromkeys(everything, contact_id)))
    if claimed:
        kinds = sorted({one.kind for one in claimed})
        told = ("contact.known_otherwise", "contact", str(contact_id), None, {"by": kinds})
        await audit.record(conn, business.id, contacts.PRODUCT, None, *told)
        await hooks.contact_changed(conn, business.id, [contact_id], "known_otherwise")
    return contact_id


async def _make(conn: Conn, business_id: int, customer: Customer) -> None:
    """Makes somebody of whom there is only news; whoever was quicker has the names, and this one goes again."""
    (number,) = await identities.numbers(conn, 1)
    key = rules.thread_key(business_id, customer)
    await identities.make(conn, business_id, [NewContact(number, key, None, None, customer.phone)])
    claimed = await identities.claim(conn, business_id, dict.fromkeys(customer.known, number))
    if number not in claimed.values():
        await identities.forget(conn, business_id, [number])


async def _take_phone(
    conn: Conn, business_id: int, contact_id: int, told: tuple[str | None, str | None], said_at: datetime
) -> None:
    """Has the newest phone hold. One that is told without a change is only taken where none is known.

    Only a phone that the news names is left: the one that is known may be that of another of two who were joined.
    """
    before, after = told
    if after is None:
        return
    if not await _is_another_s(conn, business_id, contact_id, after):
        await _go_by(conn, business_id, contact_id, (before, after), said_at)
    if before is not None and before != after:
        await phone_store.leave(conn, business_id, contact_id, before, said_at)


async def _go_by(
    conn: Conn, business_id: int, contact_id: int, told: tuple[str | None, str], said_at: datetime
) -> None:
    before, after = told
    contact = (await store.held(conn, business_id, [contact_id]))[contact_id]
    if before != after and rules_identity.is_newer((said_at, after), (contact.phone_at, contact.phone)):
        contact = msgspec.structs.replace(contact, phone=after, phone_at=said_at)
    elif contact.phone is None:
        contact = msgspec.structs.replace(contact, phone=after)
    right = msgspec.structs.replace(contact, thread_key=contacts.key_of(business_id, contact))
    await store.rekey(conn, business_id, right)
    await phone_store.come_back(conn, business_id, [contact_id])


async def _is_another_s(conn: Conn, business_id: int, contact_id: int, phone: str) -> bool:
    """Whether the phone is somebody's who was parted from this one."""
    known = Known("phone", phone)
    return (await identities.find(conn, business_id, [known])).get(known, contact_id) != contact_id
