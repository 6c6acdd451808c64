"""SQL of the messages of one thread, in the order in which they were said."""

from __future__ import annotations

from datetime import datetime

from tallybook.core.db import Conn
from tallybook.inbox.thread_types import MEDIA, Bubble

_HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007

# The page first, the newest before a place; then what is looked up for each of its messages, each by a key.
BUBBLES = f"""
select m.id, m.seq, m.body, m.direction, m.source, m.message_type, m.status, m.said_at, m.created_at, m.late,
    (select q.body from whatsapp_message q where q.business_id = {_HIDDEN} and q.id = coalesce(m.reply_to_message_id, (
        select p.id from whatsapp_message p where p.business_id = {_HIDDEN} and p.channel = m.channel
        and p.account = m.account and p.provider_message_id = m.quoted_message_stanza_id))
        and q.conversation_id = m.conversation_id),
    m.media_url is not null or m.message_type = any(%(media)s::text[]), m.failed_reason,
    array(select r.emoji from message_reactions r where r.business_id = {_HIDDEN} and r.channel = m.channel
        and r.account = m.account and r.about = m.provider_message_id and r.emoji <> '' order by r.at, r.who),
    m.edited_at is not null, m.media_url, (
        select r.emoji from message_reactions r where r.business_id = {_HIDDEN} and r.channel = m.channel
        and r.account = m.account and r.about = m.provider_message_id and r.who = '' and r.emoji <> '')
from (
    select * from whatsapp_message x where x.business_id = {_HIDDEN} and x.conversation_id = %(conversation_id)s::bigint
    and (x.said_at, x.seq) < (
        coalesce(%(said_at)s::timestamptz, 'infinity'), coalesce(%(seq)s::bigint, 9223372036854775807))
    order by x.said_at desc, x.seq desc limit %(limit)s) m
order by m.said_at, m.seq
"""


async def bubbles(
    conn: Conn, business_id: int, conversation_id: int, before: tuple[datetime, int] | None, limit: int
) -> list[Bubble]:
    """The newest messages of a thread, or those before a place, the oldest first."""
    values = {
        "business_id": business_id,
        "conversation_id": conversation_id,
        "said_at": before and before[0],
        "seq": before and before[1],
        "limit": limit,
        "media": sorted(MEDIA),
    }
    return [Bubble(*row) for row in await (await conn.execute(BUBBLES, values)).fetchall()]
