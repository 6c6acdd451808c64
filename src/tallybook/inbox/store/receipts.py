"""SQL of receipts: up to which of their messages a customer was shown that we read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tallybook.core import inbox_keys
from tallybook.core.db import Conn


class Newest(msgspec.Struct, frozen=True):
    """The newest message of a thread's customer on the number by which they are answered, and the way to them."""

    message_id: int
    channel: str
    account: str
    external_id: str
    said_at: datetime
    to: str | None
    asked: bool


# By the place, not the time: what came last is what was read last. Who is blocked is shown nothing.
NEWEST = """
select m.id, m.channel, m.account, m.provider_message_id, m.said_at, coalesce(p.phone, (
        select i.value from contact_identities i
        where i.business_id = c.business_id and i.contact_id = c.contact_id and i.kind = 'user_id'
        order by i.is_spare, i.added_at desc, i.value limit 1)),
    exists (select from message_receipts r where r.business_id = m.business_id and r.message_id = m.id)
from whatsapp_conversation c
join contacts p on p.business_id = c.business_id and p.id = c.contact_id
join whatsapp_message m on m.business_id = c.business_id and m.conversation_id = c.id
where c.business_id = %(business_id)s::int and c.id = %(id)s::bigint and m.direction = 'in' and m.counted
    and c.blocked_at is null and m.channel = c.channel and m.account = c.account and m.provider_message_id is not null
order by m.seq desc limit 1
"""


async def newest(conn: Conn, business_id: int, conversation_id: int) -> Newest | None:
    """None where nothing is there to be shown as read."""
    row = await (await conn.execute(NEWEST, {"business_id": business_id, "id": conversation_id})).fetchone()
    return Newest(*row) if row else None


ASK = f"""
insert into message_receipts (business_id, message_id, asked_at)
values (%(business_id)s::int, %(message_id)s::bigint, %(at)s::timestamptz)
on conflict {inbox_keys.RECEIPT.target} do nothing
"""
UNDER_WAY = """
select r.message_id from whatsapp_message m
join message_receipts r on r.business_id = m.business_id and r.message_id = m.id
where m.business_id = %(business_id)s::int and m.conversation_id = %(id)s::bigint
    and r.sent_at is null and r.reason is null and r.message_id <> %(message_id)s::bigint
order by r.message_id
"""


async def ask(conn: Conn, business_id: int, message_id: int, at: datetime) -> bool:
    """Keeps that a receipt was asked for. False: it was before."""
    values = {"business_id": business_id, "message_id": message_id, "at": at}
    return (await conn.execute(ASK, values)).rowcount == 1


async def under_way(conn: Conn, business_id: int, conversation_id: int, message_id: int) -> list[int]:
    """Other messages of the thread for which a receipt was asked and has not left yet."""
    values = {"business_id": business_id, "id": conversation_id, "message_id": message_id}
    return [row[0] for row in await (await conn.execute(UNDER_WAY, values)).fetchall()]


BECAME = """
update message_receipts set sent_at = case when %(yes)s::bool then coalesce(sent_at, now()) else sent_at end,
    reason = %(reason)s::text
where business_id = %(business_id)s::int and message_id = any(%(ids)s::bigint[])
"""


async def became(conn: Conn, business_id: int, ids: Sequence[int], reason: str | None) -> None:
    """Writes down that receipts were sent, or (with a reason) that they were not."""
    values = {"business_id": business_id, "ids": list(ids), "reason": reason, "yes": reason is None}
    await conn.execute(BECAME, values)


class Reading(msgspec.Struct, frozen=True):
    """Three facts of a thread: what the customer read last of ours, when we read, and what they were shown of that.

    ``receipt_at`` is when they were shown that we read the newest that was to be shown; ``receipt_asked_at`` when that
    was asked for.
    """

    customer_read_at: datetime | None
    we_read_at: datetime | None
    receipt_at: datetime | None
    receipt_asked_at: datetime | None
    receipt_failed: str | None


# Each from the newest backwards, so that a long thread is not read whole.
READING = """
select (select m.read_at from whatsapp_message m where m.business_id = c.business_id and m.conversation_id = c.id
        and m.direction = 'out' and m.read_at is not null order by m.said_at desc, m.seq desc limit 1),
    c.last_read_at, r.sent_at, r.asked_at, r.reason
from whatsapp_conversation c
left join lateral (
    select x.sent_at, x.asked_at, x.reason
    from whatsapp_message m join message_receipts x on x.business_id = m.business_id and x.message_id = m.id
    where m.business_id = c.business_id and m.conversation_id = c.id
    order by m.said_at desc, m.seq desc limit 1) r on true
where c.business_id = %(business_id)s::int and c.id = %(id)s::bigint
"""


async def reading(conn: Conn, business_id: int, conversation_id: int) -> Reading | None:
    row = await (await conn.execute(READING, {"business_id": business_id, "id": conversation_id})).fetchone()
    return Reading(*row) if row else None
