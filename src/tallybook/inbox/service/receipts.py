"""Receipts: where the business wishes it, a customer is shown (the two blue ticks) that we read what they wrote.

That somebody of ours read a thread and that the customer was told so are two facts; a third is what the customer read.
One receipt stands for all that was written before, so that the newest overtakes those that have not left.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from tallybook.core import expiry, gates, outbox
from tallybook.core.callers import Caller, Right, may, require
from tallybook.core.db import Conn
from tallybook.core.errors import NotFound
from tallybook.core.messages import Outgoing
from tallybook.inbox.store import receipts as store
from tallybook.inbox.store.receipts import Reading

from .leaving import CHANNELS_WITH_RECEIPTS
from .signs import RECEIPT

OLDEST = timedelta(days=30)  # what is older WhatsApp marks no more
USEFUL = timedelta(hours=24)
OVERTAKEN = "a newer message was read since"


async def show(conn: Conn, caller: Caller, conversation_id: int) -> None:
    """Has the customer shown that their newest message was read, once; by whoever may answer. In his transaction.

    The caller has marked the thread as read, and so holds it.
    """
    if not may(caller, Right.ANSWER):
        return
    business_id, now = caller.business_id, datetime.now(UTC)
    newest = await store.newest(conn, business_id, conversation_id)
    if newest is None or newest.asked or newest.to is None or now - newest.said_at > OLDEST:
        return
    if newest.channel not in CHANNELS_WITH_RECEIPTS or not await store.ask(conn, business_id, newest.message_id, now):
        return
    older = await store.under_way(conn, business_id, conversation_id, newest.message_id)
    if older:
        overtaken = [f"{RECEIPT}{one}" for one in older]
        await expiry.take_back(conn, business_id, newest.channel, overtaken, OVERTAKEN)
        await store.became(conn, business_id, older, OVERTAKEN)
    read = msgspec.Raw(msgspec.json.encode({"about": newest.external_id}))
    key, topic = f"{RECEIPT}{newest.message_id}", f"receipt:{conversation_id}"
    # Pressed: what is not said need not cool down.
    outgoing = Outgoing(
        newest.channel, newest.account, newest.to, key, {"read": read}, topic, now + USEFUL, pressed=True
    )
    await outbox.put(conn, business_id, outgoing)


async def reading(conn: Conn, caller: Caller, conversation_id: int) -> Reading:
    """Who read what in a thread, and what was shown of it. Raises NotAllowed and NotFound."""
    require(caller, Right.SEE)
    found = await store.reading(conn, caller.business_id, conversation_id)
    if found is None:
        raise NotFound("There is no such conversation.")
    return found


class Typing(msgspec.Struct, frozen=True):
    """The message by which a customer is shown that somebody writes to them, and the number that shows it."""

    account: str
    external_id: str


async def typing(conn: Conn, caller: Caller, conversation_id: int) -> Typing | None:
    """By what a customer can be shown that we write; None where they cannot. Raises NotAllowed."""
    require(caller, Right.ANSWER)
    return await typing_in(conn, caller.business_id, conversation_id)


async def typing_in(conn: Conn, business_id: int, conversation_id: int) -> Typing | None:
    """The same of a thread of a business, whoever writes. Nothing is shown by a number that somebody has stopped."""
    newest = await store.newest(conn, business_id, conversation_id)
    if newest is None or newest.channel not in CHANNELS_WITH_RECEIPTS or newest.to is None:
        return None
    if datetime.now(UTC) - newest.said_at >= USEFUL or await gates.is_stopped(conn, business_id, newest.channel):
        return None
    return Typing(newest.account, newest.external_id)
