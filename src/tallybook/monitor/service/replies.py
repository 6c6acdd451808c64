"""Replies to posts that were not taken: put into the outbox in the transaction that rejected them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from tallybook.core import expiry, outbox
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.messages import Outgoing
from tallybook.monitor.reply_rules import is_answered, reply_to
from tallybook.monitor.reply_types import CHANNEL, Manner, Rejected, Reply
from tallybook.monitor.store import replies as store

ANSWERING = Manner()
LIST_CHANGED = "the lists have changed since"


async def answer_rejected(
    conn: Conn, business: Business, rejected: Sequence[Rejected], now: datetime, manner: Manner = ANSWERING
) -> int:
    """Puts one reply for each rejected post that is still to be answered, in the caller's transaction.

    Called again for the same posts, it puts nothing. Returns how many were put.
    """
    # Without a look into the database: on a catch-up nothing comes further than this.
    young = [one for one in rejected if is_answered(one.post.said_at, one.post.said_at, now, manner)]
    if not young:
        return 0
    since = await store.watched_since(conn, business.id, {one.post.project.name for one in young})
    due = [
        reply_to(one, business.locale)
        for one in young
        if is_answered(one.post.said_at, since.get(one.post.project.name), now, manner)
    ]
    new = await store.add(conn, business.id, due) if due else []
    for reply in new:
        await outbox.put(conn, business.id, outgoing(reply, min(reply.post.said_at, now) + manner.max_age))
    return len(new)


def outgoing(reply: Reply, expires_at: datetime) -> Outgoing:
    """A reply as the outbox takes it: of no use after ``expires_at``. Pure."""
    post = reply.post
    body: dict[str, msgspec.Raw | str | int | bool | list[str] | None] = {"text": reply.text, "mention": reply.mention}
    return Outgoing(CHANNEL, post.bridge, post.chat, reply.dedup_key, body, reply.topic, expires_at)


async def take_back(conn: Conn, business_id: int, drops: Collection[str]) -> int:
    """Drops the replies about these drops that still wait, since the lists have changed; returns how many."""
    keys = await store.keys_of(conn, business_id, drops) if drops else []
    return await expiry.take_back(conn, business_id, CHANNEL, keys, LIST_CHANGED) if keys else 0
