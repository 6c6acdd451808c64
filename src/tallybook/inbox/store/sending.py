"""SQL of what we send ourselves: its place in the thread, and what the outbox says became of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg.errors import UniqueViolation

from tallybook.core import arrays, inbox_keys, violations
from tallybook.core.db import Conn
from tallybook.inbox.types import PROVIDERS, Source
from tallybook.inbox.window import Times


class Held(msgspec.Struct, frozen=True):
    """A thread, locked until the transaction ends, and by what its customer can be written to."""

    id: int
    channel: str
    account: str
    number: str
    phone: str | None
    user_id: str | None
    is_blocked: bool = False

    @property
    def to(self) -> str | None:
        """The address to send to: the phone in E.164, else the provider's id of them."""
        return self.phone or self.user_id


# The same lock as that under which messages are filed, so that no two of them get one place. Of several ids that a
# provider gave somebody, the last holds, and their own before one above it.
HOLD = """
select c.id, c.channel, c.account, c.customer_number, p.phone, (
    select i.value from contact_identities i
    where i.business_id = c.business_id and i.contact_id = c.contact_id
        and i.kind = case c.channel when 'gateway' then 'lid' else 'user_id' end
    order by i.is_spare, i.added_at desc, i.value limit 1), c.blocked_at is not null
from whatsapp_conversation c join contacts p on p.business_id = c.business_id and p.id = c.contact_id
where c.business_id = %(business_id)s::int and c.id = %(id)s::bigint
for update of c
"""


async def hold(conn: Conn, business_id: int, conversation_id: int) -> Held | None:
    """The thread, which nobody else writes to until the transaction ends; None where the business has no such."""
    row = await (await conn.execute(HOLD, {"business_id": business_id, "id": conversation_id})).fetchone()
    return Held(*row) if row else None


PUT_BEFORE = """
select id, body from whatsapp_message
where business_id = %(business_id)s::int and outgoing_key = %(key)s::text
"""


async def put_before(conn: Conn, business_id: int, key: str) -> tuple[int, str] | None:
    """The id and the text of the message that was put under this key."""
    row = await (await conn.execute(PUT_BEFORE, {"business_id": business_id, "key": key})).fetchone()
    return (row[0], row[1]) if row else None


# An answer is what was sent, by whom ever; looked for only where somebody came by an advertisement.
TIMES = """
select c.channel, w.last_inbound_at, w.referred_at, case when w.referred_at is not null then (
    select min(m.said_at) from whatsapp_message m
    where m.business_id = c.business_id and m.conversation_id = c.id and m.channel = c.channel
        and m.account = c.account and m.direction = 'out' and m.said_at >= w.referred_at
        and m.status in ('sent', 'delivered', 'read')) end
from whatsapp_conversation c
left join conversation_windows w on w.business_id = c.business_id and w.conversation_id = c.id
    and w.channel = c.channel and w.account = c.account
where c.business_id = %(business_id)s::int and c.id = %(id)s::bigint
"""


async def times(conn: Conn, business_id: int, conversation_id: int) -> tuple[str, Times] | None:
    """The channel by which the thread is answered, and what its window is reckoned from."""
    row = await (await conn.execute(TIMES, {"business_id": business_id, "id": conversation_id})).fetchone()
    return (row[0], Times(*row[1:])) if row else None


class New(msgspec.Struct, frozen=True):
    """A message that somebody of ours wrote, or the bot. ``quote`` is the provider's id of the message it answers."""

    conversation: Held
    text: str
    preview: str
    key: str
    at: datetime
    sent_by: int | None = None
    source: Source = Source.HUMAN
    type: str = "text"
    quote: str = ""


# What we say moves no customer's clock and no counter of what waits to be read.
NEXT = """
update whatsapp_conversation c set last_seq = c.last_seq + 1, previous_message_at = c.last_message_at,
    last_message_at = greatest(c.last_message_at, %(at)s::timestamptz), updated_at = now(),
    last_body = case when n.newest then %(preview)s::text else c.last_body end,
    last_type = case when n.newest then %(type)s::text else c.last_type end,
    last_source = case when n.newest then %(source)s::text else c.last_source end
from (
    select %(at)s::timestamptz >= coalesce(l.last_message_at, '-infinity') as newest from whatsapp_conversation l
    where l.business_id = %(business_id)s::int and l.id = %(id)s::bigint) n
where c.business_id = %(business_id)s::int and c.id = %(id)s::bigint
returning c.last_seq, not n.newest
"""
ADD = """
insert into whatsapp_message (business_id, conversation_id, to_number, direction, body, message_type, status, provider,
    source, seq, said_at, late, channel, account, outgoing_key, sent_by, quoted_message_stanza_id)
values (%(business_id)s::int, %(id)s::bigint, %(number)s::text, 'out', %(text)s::text, %(type)s::text, 'queued',
    %(provider)s::text, %(source)s::text, %(seq)s::bigint, %(at)s::timestamptz, %(late)s::bool, %(channel)s::text,
    %(account)s::text, %(key)s::text, %(sent_by)s::int, nullif(%(quote)s::text, ''))
returning id
"""


async def add(conn: Conn, business_id: int, new: New) -> int:
    """Gives a message the next place in its thread, whose lock the caller holds; returns its id."""
    values = msgspec.structs.asdict(new.conversation) | msgspec.structs.asdict(new) | {"business_id": business_id}
    del values["conversation"]
    ((seq, late),) = await (await conn.execute(NEXT, values)).fetchall()
    values |= {"seq": seq, "late": late, "provider": PROVIDERS[new.conversation.channel]}
    ((message_id,),) = await (await conn.execute(ADD, values)).fetchall()
    return int(message_id)


# The provider told our own message as one typed on a phone, before we knew its id: they are one message.
TAKE_OVER = """
with told as (
    delete from whatsapp_message e
    using whatsapp_message m, outbox o
    where m.business_id = %(business_id)s::int and m.outgoing_key = any(%(keys)s::text[])
        and o.business_id = %(business_id)s::int and o.channel = m.channel and o.dedup_key = m.outgoing_key
        and e.business_id = %(business_id)s::int and e.channel = m.channel and e.account = m.account
        and e.provider_message_id = o.external_id and e.id <> m.id and e.direction = 'out' and e.outgoing_key is null
    returning m.id, e.message_id
)
update whatsapp_message m set message_id = told.message_id
from told where m.business_id = %(business_id)s::int and m.id = told.id
"""
# What the provider itself told of a sending stands: the outbox hears of it only that it was sent. What has no id of the
# provider's was refused before it left, or is being sent once more.
HEAR = """
with heard as (
    select m.id, o.external_id, o.done_at, o.state in ('sent', 'delivered', 'read') as is_yes,
        case o.state when 'captured' then 'only the environment prod sends' else o.reason end as reason,
        case
            when o.state in ('sent', 'delivered', 'read') and (m.status in ('queued', 'unknown')
                or m.status = 'failed' and m.provider_message_id is distinct from o.external_id) then 'sent'
            when o.state in ('parked', 'dropped', 'captured') and m.status in ('queued', 'unknown', 'sent')
                then 'failed'
            when o.state in ('waiting', 'unknown') and m.status in ('queued', 'unknown', 'failed')
                and m.provider_message_id is null then case o.state when 'waiting' then 'queued' else 'unknown' end
            else m.status
        end as status
    from whatsapp_message m
    join outbox o on o.business_id = %(business_id)s::int and o.channel = m.channel and o.dedup_key = m.outgoing_key
    where m.business_id = %(business_id)s::int and m.outgoing_key = any(%(keys)s::text[])
    order by m.id for update of m
)
update whatsapp_message m set status = h.status,
    provider_message_id = coalesce(h.external_id, m.provider_message_id),
    sent_at = case when h.is_yes then coalesce(m.sent_at, h.done_at, now()) else m.sent_at end,
    failed_reason = case when h.status in ('queued', 'unknown', 'failed') then coalesce(h.reason, m.failed_reason) end
from heard h where m.business_id = %(business_id)s::int and m.id = h.id
returning m.channel, m.account, m.provider_message_id
"""


async def hear(conn: Conn, business_id: int, outgoing_keys: Sequence[str]) -> list[tuple[str, str, str | None]]:
    """Has messages say what the outbox says of them; (channel, account, the provider's id or None) of each of ours.

    Whoever calls holds the outbox's rows.
    """
    values = {"business_id": business_id, "keys": arrays.texts(outgoing_keys)}
    # An echo that is being filed is not seen and stands in the way. Each refusal waited until one was committed, which
    # the next look sees, and there is no more than one for each of ours.
    for _ in outgoing_keys:
        try:
            return await _hear(conn, values)
        except UniqueViolation as error:
            if not violations.answers(error, inbox_keys.INBOX_MESSAGE):
                raise
    return await _hear(conn, values)


async def _hear(conn: Conn, values: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    async with conn.transaction():
        await conn.execute(TAKE_OVER, values)
        rows = await (await conn.execute(HEAR, values)).fetchall()
    return [(row[0], row[1], row[2]) for row in rows]


OURS = """
select outgoing_key, account from whatsapp_message
where business_id = %(business_id)s::int and channel = %(channel)s::text and outgoing_key = any(%(keys)s::text[])
"""
# Who is forgotten is sought by core's rows too.
CAME_BACK = """
update whatsapp_message set message_id = coalesce(message_id, %(message_id)s::bigint)
where business_id = %(business_id)s::int and channel = %(channel)s::text and outgoing_key = %(key)s::text
"""


async def ours(conn: Conn, business_id: int, channel: str, outgoing_keys: Sequence[str]) -> set[tuple[str, str]]:
    """Which of these keys are of messages of ours, each with the account that it left by."""
    values = {"business_id": business_id, "channel": channel, "keys": arrays.texts(outgoing_keys)}
    return {(row[0], row[1]) for row in await (await conn.execute(OURS, values)).fetchall()}


async def came_back(conn: Conn, business_id: int, channel: str, key: str, message_id: int) -> None:
    """Keeps core's row in which a provider told our own message back."""
    values = {"business_id": business_id, "channel": channel, "key": key, "message_id": message_id}
    await conn.execute(CAME_BACK, values)
