"""One act on several threads: all of them or none, each written down once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from tallybook.core import audit
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.core.wakeups import wake_up
from tallybook.inbox.store import states

from . import threads
from .filing import TOPIC

AT_ONCE = 100  # threads of one act
Show = Callable[[Conn, Caller, int], Awaitable[None]]


async def chosen(conn: Conn, caller: Caller, given: Collection[int]) -> list[int]:
    """The threads that somebody chose; those that went into another one by a joining stand for that.

    Raises NotAllowed, Invalid for none and for more than 100, NotFound where one is not the business's.
    """
    require(caller, Right.ANSWER)
    if not 1 <= len(given) <= AT_ONCE:
        raise Invalid("Choose 1 to 100 threads.", limit=AT_ONCE)
    return sorted({(await threads.by_number(conn, caller, one)).id for one in given})


async def mark_read(conn: Conn, caller: Caller, conversations: Collection[int], show: Show) -> list[int]:
    """Everything in these threads is read now, and ``show`` may tell their customers; those in which anything waited.

    Threads that are not the business's are left out. Raises NotAllowed, and whatever ``show`` raises.
    """
    require(caller, Right.ANSWER)
    # In the order in which who files holds them, so that neither waits for the other.
    held = [one.id for one in await states.hold(conn, caller.business_id, conversations)]
    found = [await threads.by_number(conn, caller, one) for one in held]
    waited = [one.id for one in found if one.unread or one.team_unread]
    for number in waited:
        await threads.mark_read(conn, caller, number)
        await show(conn, caller, number)
    if waited:
        subjects = [str(one) for one in waited]
        await audit.record_all(conn, caller, "conversation.marked_read", "conversation", subjects, {})
        await wake_up(conn, TOPIC, caller.business_id)
    return waited
