"""Replies to posts that were not taken: put into the outbox in the transaction that rejected them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tallybook.core import outbox
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.messages import Outgoing
from tallybook.monitor.reply_rules import is_answered, reply_to
from tallybook.monitor.reply_types import CHANNEL, Manner, Rejected, Reply
from tallybook.monitor.store import replies as store

ANSWERING = Manner()


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
        await outbox.put(conn, business.id, outgoing(reply))
    return len(new)


def outgoing(reply: Reply) -> Outgoing:
    """A reply as the outbox takes it. Pure."""
    post = reply.post
    return Outgoing(
        CHANNEL, post.bridge, post.chat, reply.dedup_key, {"text": reply.text, "mention": reply.mention}, reply.topic
    )
