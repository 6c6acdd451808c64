"""Contacts after the first meeting: held against everybody else, and made leads. The thread follows its contact."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tallybook.core import audit
from tallybook.core.callers import Caller
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.inbox import rules
from tallybook.inbox.store import contacts as store
from tallybook.inbox.store.contacts import Held
from tallybook.inbox.types import Customer, Known

from . import hooks

LONGEST_NAME = 200
PRODUCT = "Tallybook"  # who the record says it was, where nobody did it


async def hold(conn: Conn, business_id: int, ids: Sequence[int]) -> dict[int, int]:
    """Holds contacts until the transaction ends; who each of them is by now. Those that there are none of are left out.

    Whoever joined one of them meanwhile was waited for, and is followed.
    """
    while True:
        roots = await store.roots(conn, business_id, ids)
        wanted = sorted(set(roots.values()))
        found = await store.lock(conn, business_id, wanted)
        if list(found) == wanted and not any(found.values()):
            return roots


async def settled(conn: Conn, business_id: int, ids: Sequence[int]) -> dict[int, int]:
    """Who contacts are that have something to be filed: nobody re-keys or joins them until the transaction ends."""
    found = await store.share(conn, business_id, sorted(set(ids)))
    if not any(found.values()):
        return {one: one for one in found}
    roots = await store.roots(conn, business_id, ids)
    again = await settled(conn, business_id, list(roots.values()))
    return {one: again[root] for one, root in roots.items()}


def key_of(business_id: int, contact: Held) -> str:
    """What names a contact's thread: their lead, else their phone, else what it was."""
    if contact.lead_id is not None:
        return rules.lead_key(business_id, contact.lead_id)
    if contact.phone is not None:
        return rules.thread_key(business_id, Customer((Known("phone", contact.phone),)))
    return contact.thread_key


async def settle(conn: Conn, business_id: int, contact_id: int) -> None:
    """Gives a contact that the caller holds, and its thread, the key that it should have by now."""
    contact = (await store.held(conn, business_id, [contact_id]))[contact_id]
    right = msgspec.structs.replace(contact, thread_key=key_of(business_id, contact))
    await store.rekey(conn, business_id, right)


async def make_lead(conn: Conn, caller: Caller, contact_id: int, name: str = "") -> int:
    """Makes a contact a lead, and its thread the lead's. Returns the lead's number; a second time changes nothing.

    Raises NotFound where the caller's business has no such contact, Invalid for a name that is too long.
    """
    if len(name) > LONGEST_NAME or "\0" in name:
        raise Invalid(f"A name has at most {LONGEST_NAME} characters.")
    business_id = caller.business_id
    root = (await hold(conn, business_id, [contact_id])).get(contact_id)
    if root is None:
        raise NotFound("There is no such contact.")
    lead_id, is_new = await store.add_lead(conn, business_id, root, name.strip())
    if is_new:
        await settle(conn, business_id, root)
        await store.mark_lead(conn, business_id, root, lead_id)
        who = (caller.name, caller.account_id)
        await audit.record(conn, business_id, *who, "lead.made", "lead", str(lead_id), None, {"contact": root})
        await hooks.contact_changed(conn, business_id, [root], "lead")
    return lead_id


async def make_lead_of(conn: Conn, caller: Caller, conversation_id: int, name: str = "") -> int:
    """As ``make_lead``, of the customer of a thread. Raises NotFound, Invalid."""
    contact_id = await store.of_thread(conn, caller.business_id, conversation_id)
    if contact_id is None:
        raise NotFound("There is no such conversation.")
    return await make_lead(conn, caller, contact_id, name)
