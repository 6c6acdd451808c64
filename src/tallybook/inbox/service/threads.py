"""Reading: the list of threads, one thread with its messages, and how far each of us has read it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime

import msgspec
import structlog

from tallybook.core.callers import Caller, Right, may
from tallybook.core.db import Conn
from tallybook.core.errors import NotFound
from tallybook.core.regions import region_of
from tallybook.core.wakeups import wake_up
from tallybook.inbox import naming, search_rules
from tallybook.inbox.store import bubbles as bubbles_store
from tallybook.inbox.store import marks
from tallybook.inbox.store import threads as store
from tallybook.inbox.store.marks import Mark
from tallybook.inbox.store.threads import Range
from tallybook.inbox.thread_types import Bubble, Filter, Narrow, Place, Shown, Sought, Thread

from .filing import TOPIC

__all__ = [
    "Bubble", "Filter", "Listed", "Narrow", "Place", "Shown", "Thread", "bubbles", "by_number", "count", "counted",
    "exported", "listing", "mark_read", "mark_unread", "tell_read", "thread", "threads",
]  # fmt: skip

BATCH = 1000  # threads of an export at a time
LOOKS = 3  # times so many threads, for one page of what waits for one person

log = structlog.get_logger()


async def threads(
    conn: Conn, caller: Caller, shown: Filter | Shown, search: str, after: Place | None, limit: int
) -> list[Thread]:
    """At most ``limit`` threads, the newest first, or those after a place.

    ``search`` is a part of any name, or a phone or a part of one in any format; empty for all.
    """
    return (await listing(conn, caller, shown, search, after, limit)).threads


class Listed(msgspec.Struct, frozen=True):
    """A page of threads. ``after`` is where the next one begins, None on the last.

    A page may be short, even empty, and not the last: what waits for one person is sought in so many threads at a time.
    """

    threads: list[Thread]
    after: Place | None


async def listing(
    conn: Conn, caller: Caller, shown: Filter | Shown, search: str, after: Place | None, limit: int
) -> Listed:
    """As ``threads``, with where to go on."""
    asked = await _range(conn, caller, shown, search)
    found: list[Thread] = []
    for _ in range(LOOKS):
        found += await store.page(conn, asked, after, limit + 1 - len(found))
        if len(found) > limit:
            last = found[limit - 1]
            return Listed(found[:limit], Place(last.last_message_at, last.id) if last.last_message_at else None)
        after = await store.looked_to(conn, asked, after)
        if after is None:
            break
    return Listed(found, after)


async def exported(conn: Conn, caller: Caller, shown: Shown, search: str, most: int) -> AsyncGenerator[list[Thread]]:
    """Every thread of a list in its order, in batches, as they stood at the first; no batch begins beyond ``most``.

    The first thing that its transaction is asked.
    """
    await store.stand_still(conn)
    after, told = None, 0
    while told < most:
        page = await listing(conn, caller, shown, search, after, BATCH)
        yield page.threads
        after, told = page.after, told + len(page.threads)
        if after is None:
            return


class Counted(msgspec.Struct, frozen=True):
    """How many threads fit. ``whole``: there are no more; else only so many were counted, or looked through."""

    count: int
    whole: bool


async def counted(conn: Conn, caller: Caller, shown: Filter | Shown, search: str) -> Counted:
    """``store.COUNTED`` at most; of what waits for one person, and of a label on very many, in the newest thousand."""
    asked = await _range(conn, caller, shown, search)
    found = await store.count(conn, asked)
    return Counted(found, found < store.COUNTED and await store.looked_to(conn, asked, None) is None)


async def count(conn: Conn, caller: Caller, shown: Filter | Shown, search: str) -> int:
    """How many threads fit, as far as ``counted`` looks."""
    return await store.count(conn, await _range(conn, caller, shown, search))


async def _range(conn: Conn, caller: Caller, shown: Filter | Shown, search: str) -> Range:
    what = Shown(shown) if isinstance(shown, Filter) else shown
    return await store.range_of(conn, caller, what, await _sought(conn, caller, search))


async def thread(conn: Conn, caller: Caller, ref: str) -> Thread:
    """One thread of the caller's business: by our number, its canonical key, or a phone in any format, in this order.

    A key by the phone finds it also when the thread has another key by now. Raises NotFound.
    """
    number = naming.number(ref)
    found = await store.one(conn, caller, number) if number is not None else None
    if found is not None:
        return found
    known = await store.by_key(conn, caller.business_id, ref)
    phone = naming.phone(ref, caller.business_id, region_of(caller.business.time_zone))
    if known is None and phone is not None:
        known = await store.by_phone(conn, caller.business_id, phone)
    return await _one(conn, caller, known)


async def by_number(conn: Conn, caller: Caller, number: int) -> Thread:
    """One thread of the caller's business by our number alone, or the one into which it went by a joining.

    For the addresses of pages, where a number that is no thread's must not be taken for a phone. Raises NotFound.
    """
    if naming.number(str(number)) is None:
        raise _no_thread()
    found = await store.one(conn, caller, number)
    return found or await _one(conn, caller, await store.kept(conn, caller.business_id, number))


async def bubbles(
    conn: Conn, caller: Caller, conversation_id: int, before: tuple[datetime, int] | None, limit: int
) -> list[Bubble]:
    """The newest ``limit`` messages of a thread, or those before (said_at, seq), the oldest first."""
    return await bubbles_store.bubbles(conn, caller.business_id, conversation_id, before, limit)


async def mark_read(conn: Conn, caller: Caller, conversation_id: int) -> Thread:
    """Everything that is in the thread now is read: by the caller, and, if he may answer, by the team.

    A repeat does nothing and wakes nobody. Tell it with ``tell_read`` once it is committed. Raises NotFound.
    """
    business_id, person = caller.business_id, caller.account_id
    counters = await marks.lock(conn, business_id, conversation_id, person)
    if counters is None:
        raise _no_thread()
    last, moved = counters.last, False
    if person is not None and counters.own != last:
        await marks.mark_own(conn, business_id, conversation_id, person, last)
        moved = True
    if may(caller, Right.ANSWER) and counters.team != last:
        await marks.mark_team(conn, business_id, conversation_id, last)
        moved = True
    if moved:
        await wake_up(conn, TOPIC, business_id)
    return await _one(conn, caller, conversation_id)


def tell_read(caller: Caller, conversation_id: int) -> None:
    """Says that it was marked, once that is committed, in the words that people's own searches know."""
    told = f"[WA-MARK-READ] ✅ Marked conversation {conversation_id} as read for business {caller.business_id}"
    log.info(told)


async def mark_unread(conn: Conn, caller: Caller, conversation_id: int) -> Thread:
    """The newest message of the customer waits again: for the caller, and, if he may answer, for the team.

    Where something waits already, it stays as it is; where nothing ever waited, nothing does. Raises NotFound.
    """
    business_id, person = caller.business_id, caller.account_id
    counters = await marks.lock(conn, business_id, conversation_id, person)
    if counters is None:
        raise _no_thread()
    newest = await marks.newest(conn, business_id, conversation_id)
    if newest is not None and counters.last.inbound > 0:
        seq, before = newest
        back, moved = Mark(seq - 1, counters.last.inbound - 1), False
        if person is not None and counters.own is not None and counters.own.inbound > back.inbound:
            await marks.mark_own(conn, business_id, conversation_id, person, back)
            moved = True
        if may(caller, Right.ANSWER) and counters.team.inbound > back.inbound:
            await marks.mark_team(conn, business_id, conversation_id, back, before)
            moved = True
        if moved:
            await wake_up(conn, TOPIC, business_id)
    return await _one(conn, caller, conversation_id)


async def _one(conn: Conn, caller: Caller, number: int | None) -> Thread:
    found = await store.one(conn, caller, number) if number is not None else None
    if found is None:
        raise _no_thread()
    return found


def _no_thread() -> NotFound:
    return NotFound("There is no such conversation.")


async def _sought(conn: Conn, caller: Caller, search: str) -> Sought:
    text = search.strip()
    if not text:
        return Sought()
    phone = naming.phone(text, caller.business_id, region_of(caller.business.time_zone))
    contacts = await store.contacts_of(conn, caller.business_id, phone) if phone else ()
    if contacts:
        return Sought(contacts)
    words = search_rules.names_query(caller.business_id, text, naming.digits_of(text))
    return Sought(None, words) if words else Sought(())
