"""Customers whom nobody wants to hear: what they write is filed and waits for nobody, and nothing is sent to them.

Filing knows it from the thread's own row (store/filing.py), and tells no other program; whoever sends knows it from
leaving.may_leave(), and what waited to be sent is taken back when it is about to leave.
"""

from __future__ import annotations

from tallybook.core import audit
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.core.wakeups import wake_up
from tallybook.core.withdrawing import Claimed
from tallybook.inbox.hook_events import Kind
from tallybook.inbox.store import blocking as store
from tallybook.inbox.store.blocking import Blocked
from tallybook.inbox.thread_types import Thread
from tallybook.inbox.types import CHANNELS

from . import hooks, signs, threads
from .filing import TOPIC

LONGEST_REASON = 500
WAS_BLOCKED = "the customer was blocked before it left"


async def block(conn: Conn, caller: Caller, conversation_id: int, reason: str) -> Thread:
    """Blocks the customer of a thread. A repeat changes nothing, not the reason either.

    Raises NotAllowed, NotFound, Invalid for a reason that is too long.
    """
    require(caller, Right.ANSWER)
    reason = " ".join(reason.split())
    if len(reason) > LONGEST_REASON or not reason.isprintable():
        raise Invalid("A reason has at most 500 characters.", longest=LONGEST_REASON)
    thread = await threads.by_number(conn, caller, conversation_id)
    if await store.block(conn, caller.business_id, thread.id, caller.name, reason):
        await _tell(conn, caller, thread.id, "blocked", {"reason": reason})
    return await threads.by_number(conn, caller, thread.id)


async def unblock(conn: Conn, caller: Caller, conversation_id: int) -> Thread:
    """Hears the customer of a thread again; what they wrote meanwhile stands in it and waits for nobody.

    A repeat changes nothing. Raises NotAllowed and NotFound.
    """
    require(caller, Right.ANSWER)
    thread = await threads.by_number(conn, caller, conversation_id)
    if await store.unblock(conn, caller.business_id, thread.id):
        await _tell(conn, caller, thread.id, "unblocked", None)
    return await threads.by_number(conn, caller, thread.id)


async def blocked(conn: Conn, caller: Caller, conversation_id: int) -> Blocked | None:
    """How the customer of a thread is blocked; None where they are not. Raises NotAllowed."""
    require(caller, Right.SEE)
    return await store.one(conn, caller.business_id, conversation_id)


async def stands(conn: Conn, business_id: int, claimed: Claimed) -> str | None:
    """Why what is about to leave no longer stands; None where it does. See core/withdrawing.py."""
    out = claimed.outgoing
    if out.channel not in CHANNELS:
        return None
    about = signs.about(out.dedup_key)
    if about is None:
        is_blocked = await store.is_leaving(conn, business_id, out.dedup_key)
    else:
        is_blocked = await store.is_leaving_about(conn, business_id, about)
    return WAS_BLOCKED if is_blocked else None


async def _tell(conn: Conn, caller: Caller, number: int, what: str, after: dict[str, object] | None) -> None:
    subject = ("conversation", str(number))
    await audit.record_by(conn, caller, f"conversation.{what}", *subject, None, after)
    # The reason is for us: it may say what nobody would say to the customer.
    await hooks.happened(conn, caller.business_id, Kind.CONTACT_CHANGED, number, {"what": what, "who": caller.name})
    await wake_up(conn, TOPIC, caller.business_id)
