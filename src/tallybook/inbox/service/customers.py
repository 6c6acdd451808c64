"""What people say of who a customer is: a lead, the same person as another, or not the same after all."""

from __future__ import annotations

import msgspec

from tallybook.core.callers import Caller
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.core.wakeups import wake_up
from tallybook.inbox.store import joinings as store
from tallybook.inbox.store import parting
from tallybook.inbox.store.joinings import Joining
from tallybook.inbox.thread_types import Thread

from . import contacts, merging, threads
from .filing import TOPIC

__all__ = ["Joining", "Pair", "Side", "join", "joining", "make_lead", "pair", "part"]


class Side(msgspec.Struct, frozen=True):
    """A thread, whose it is, and how many messages are in it."""

    thread: Thread
    contact_id: int
    messages: int


class Pair(msgspec.Struct, frozen=True):
    """Two that may be one person. ``kept`` was known first, and the messages of ``gone`` would move into its thread."""

    kept: Side
    gone: Side


async def make_lead(conn: Conn, caller: Caller, conversation_id: int, name: str) -> Thread:
    """The customer of a thread is a lead; the thread keeps its number. A repeat changes nothing.

    Raises NotFound, and Invalid for a name that is too long.
    """
    await contacts.make_lead_of(conn, caller, conversation_id, name)
    await wake_up(conn, TOPIC, caller.business_id)
    return await threads.by_number(conn, caller, conversation_id)


async def joining(conn: Conn, caller: Caller, conversation_id: int) -> Joining | None:
    """The joining that a thread's customer stands by, the latest of several; None where there is none."""
    return await store.latest(conn, caller.business_id, conversation_id)


async def pair(conn: Conn, caller: Caller, conversation_id: int, ref: str) -> Pair:
    """What joining the customer of a thread with that of another would do; nothing is done.

    ``ref`` is a phone in any format, or a thread's number or key. Raises NotFound, Invalid for the same thread.
    """
    ours = await threads.by_number(conn, caller, conversation_id)
    theirs = await threads.thread(conn, caller, ref)
    if ours.id == theirs.id:
        raise Invalid("This is the thread that is open. Give the phone or the number of the other one.")
    sides = [await _side(conn, caller, one) for one in (ours, theirs)]
    return Pair(*sorted(sides, key=lambda side: side.contact_id))


async def _side(conn: Conn, caller: Caller, thread: Thread) -> Side:
    found = await store.has(conn, caller.business_id, thread.id)
    if found is None:
        raise NotFound("There is no such conversation.")
    return Side(thread, *found)


async def join(conn: Conn, caller: Caller, conversation_id: int, contact_id: int) -> int:
    """Joins the customer of a thread with another contact, into whoever was known first. The number of their thread.

    A repeat changes nothing. Raises NotFound, Invalid for a contact and itself.
    """
    found = await store.has(conn, caller.business_id, conversation_id)
    if found is None:
        raise NotFound("There is no such conversation.")
    kept, gone = sorted((found[0], contact_id))
    await merging.join(conn, caller.business, kept, gone, caller)
    await wake_up(conn, TOPIC, caller.business_id)
    return await store.thread_of(conn, caller.business_id, kept, found[0]) or conversation_id


async def part(conn: Conn, caller: Caller, conversation_id: int, joining_id: int) -> int:
    """Undoes a joining that made this thread what it is. The number of the thread of who was kept, else of the other.

    A repeat changes nothing. Raises NotFound, Conflict while a later joining stands upon it.
    """
    merge = await parting.merge(conn, caller.business_id, joining_id)
    if merge is None or (merge.joined.thread or {}).get("id") != conversation_id:
        raise NotFound("There is no such joining.")
    undone = await merging.undo(conn, caller, joining_id)
    await wake_up(conn, TOPIC, caller.business_id)
    return await store.thread_of(conn, caller.business_id, undone.kept, undone.gone) or conversation_id
