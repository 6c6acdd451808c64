"""Putting threads away and taking them back: closed, open again, snoozed until a moment or until the customer writes.

A repeat changes nothing. What a customer writes afterwards brings a thread back by itself, in the statement that files.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from tallybook.core import audit
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Invalid
from tallybook.core.wakeups import wake_up
from tallybook.inbox import session_rules
from tallybook.inbox.hook_events import Event, Kind
from tallybook.inbox.session_types import Ended
from tallybook.inbox.store import marks
from tallybook.inbox.store import states as store
from tallybook.inbox.store.marks import Mark
from tallybook.inbox.store.sessions import End
from tallybook.inbox.store.states import Standing

from . import hooks, session_ends
from .contacts import PRODUCT
from .filing import TOPIC

AT_MOST = 200  # threads at once
AT_ONCE = 200


class Back(msgspec.Struct, frozen=True):
    """A thread whose snooze is over, and whose it is."""

    conversation_id: int
    assigned_to: int | None


async def close(conn: Conn, caller: Caller, conversations: Sequence[int]) -> list[int]:
    """Closes threads, and with each the conversation that goes on in it; the numbers of those that were open.

    Raises NotAllowed, and Invalid for more than 200.
    """
    held = await _hold(conn, caller, conversations)
    changed = [one.id for one in held if one.is_open]
    going_on = [one.id for one in held if one.session_open]
    count = await session_ends.end(conn, caller.business, going_on, End(datetime.now(UTC), Ended.PERSON, caller.name))
    session_ends.ended.labels(Ended.PERSON).inc(count)
    if changed:
        await store.close(conn, caller.business_id, changed)
        await _told(conn, caller, "conversation.closed", changed)
        await _tell(conn, caller, Kind.CONVERSATION_CLOSED, changed)
    return changed


async def reopen(conn: Conn, caller: Caller, conversations: Sequence[int]) -> list[int]:
    """Opens closed threads and wakes snoozed ones; the numbers of those. Raises NotAllowed, Invalid."""
    held = await _hold(conn, caller, conversations)
    changed = [one.id for one in held if not one.is_open or one.snoozed_until is not None]
    if changed:
        await store.reopen(conn, caller.business_id, changed)
        await _told(conn, caller, "conversation.reopened", changed)
        await _tell(conn, caller, Kind.CONVERSATION_REOPENED, [one.id for one in held if not one.is_open])
    return changed


async def snooze(conn: Conn, caller: Caller, conversations: Sequence[int], until: datetime) -> list[int]:
    """Snoozes threads until a moment, or for ``SOMEDAY`` until the customer writes; closed ones are open by that.

    The numbers of those that were not snoozed until then. Raises NotAllowed, Invalid for a moment of no use.
    """
    if not session_rules.is_useful(until, datetime.now(UTC)):
        raise Invalid("A thread is snoozed until a moment that comes, within a year.")
    held = await _hold(conn, caller, conversations)
    changed = [one.id for one in held if not one.is_open or one.snoozed_until != until]
    if changed:
        await store.snooze(conn, caller.business_id, changed, until)
        await _told(conn, caller, "conversation.snoozed", changed, {"until": until.isoformat()})
    return changed


async def _hold(conn: Conn, caller: Caller, conversations: Sequence[int]) -> list[Standing]:
    require(caller, Right.ANSWER)
    if not 1 <= len(conversations) <= AT_MOST:
        raise Invalid(f"Give 1 to {AT_MOST} threads.")
    return await store.hold(conn, caller.business_id, conversations)


async def _told(
    conn: Conn, caller: Caller, action: str, changed: Sequence[int], after: dict[str, Any] | None = None
) -> None:
    await audit.record_all(conn, caller, action, "conversation", [str(one) for one in changed], after or {})
    await wake_up(conn, TOPIC, caller.business_id)


async def _tell(conn: Conn, caller: Caller, kind: Kind, changed: Sequence[int]) -> None:
    """All at once: who takes the turns of threads one by one meets another who takes them in another order."""
    now = datetime.now(UTC)
    events = [Event(kind, now, number, details={"who": caller.name}) for number in sorted(changed)]
    await hooks.tell(conn, caller.business_id, events)


async def wake_due(db: Database, business: Business, now: datetime) -> int:
    """Wakes every thread whose snooze is over; how many. May be repeated, and run by several at once."""
    total = 0
    while True:
        count = await db.run("wake threads", partial(_wake_some, business, now))
        total += count
        if count < AT_ONCE:
            return total


async def _wake_some(business: Business, now: datetime, conn: Conn) -> int:
    held = await store.hold_due(conn, business.id, now, AT_ONCE)
    if not held:
        return 0
    numbers = [one.id for one in held]
    await store.wake(conn, business.id, numbers, now)
    for one in held:
        await _waits_again(conn, business.id, Back(one.id, one.assigned_to))
    subjects = [str(one) for one in numbers]
    product = audit.Named(business.id, PRODUCT)
    await audit.record_all(conn, product, "conversation.woken", "conversation", subjects, {})
    await wake_up(conn, TOPIC, business.id)
    return len(held)


async def _waits_again(conn: Conn, business_id: int, back: Back) -> None:
    """Has the customer's newest message wait for whose thread it is, or for the team where it is nobody's."""
    person = back.assigned_to
    counters = await marks.lock(conn, business_id, back.conversation_id, person)
    newest = await marks.newest(conn, business_id, back.conversation_id)
    if counters is None or newest is None or counters.last.inbound == 0:
        return
    seq, before = newest
    mark = Mark(seq - 1, counters.last.inbound - 1)
    if person is not None and counters.own is not None and counters.own.inbound > mark.inbound:
        await marks.mark_own(conn, business_id, back.conversation_id, person, mark)
    if person is None and counters.team.inbound > mark.inbound:
        await marks.mark_team(conn, business_id, back.conversation_id, mark, before)
