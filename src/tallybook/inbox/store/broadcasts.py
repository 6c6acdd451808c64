"""SQL of broadcasts: whom an audience reaches and whom not, and what became of each recipient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox.broadcast_types import Audience, Broadcast, New, Recipient
from tallybook.inbox.template_types import Template

from .consent import STOPPED

# Everybody of an audience, with why they are left out; null for who is reached.
_AUDIENCE = f"""
select p.id as contact_id, c.last_message_at, coalesce(nullif(l.name, ''), p.name, p.profile_name, '') as name,
    coalesce(p.phone, '') as phone,
    case when c.blocked_at is not null then 'blocked'
        when p.id in {STOPPED} then 'opted_out'
        when c.channel <> 'whatsapp' then 'channel'
        when p.phone is null and not exists (select from contact_identities i where i.business_id = p.business_id
            and i.contact_id = p.id and i.kind = 'user_id') then 'no_phone' end as why
from whatsapp_conversation c
join contacts p on p.business_id = c.business_id and p.id = c.contact_id
left join leads l on l.business_id = p.business_id and l.contact_id = p.id
where c.business_id = %(business_id)s::int and case %(kind)s::text
    when 'label' then exists (select from conversation_labels x where x.business_id = c.business_id
        and x.conversation_id = c.id and x.label_id = %(label)s::bigint)
    when 'status' then l.status = %(status)s::text
    when 'list' then p.id = any(%(contacts)s::bigint[])
    else true end
"""
COUNTS = f"select coalesce(a.why, ''), count(*)::int from ({_AUDIENCE}) a group by 1"
FIRST = f"""
select a.contact_id, a.name, a.phone from ({_AUDIENCE}) a where a.why is null
order by a.last_message_at desc nulls last, a.contact_id limit %(limit)s::int
"""
FILL = f"""
insert into broadcast_recipients (business_id, broadcast_id, contact_id, place, given, state, reason)
select %(business_id)s::int, %(id)s::bigint, a.contact_id,
    row_number() over (order by a.why is not null, a.last_message_at desc nulls last, a.contact_id),
    coalesce(%(given)s::jsonb -> a.contact_id::text, '{{}}'),
    case when a.why is null then 'queued' else 'skipped' end,
    coalesce(%(why)s::jsonb ->> a.why, '')
from ({_AUDIENCE}) a
on conflict {inbox_keys.BROADCAST_RECIPIENT.target} do nothing
"""


def _values(business_id: int, audience: Audience) -> dict[str, Any]:
    return {
        "business_id": business_id, "kind": audience.kind, "label": audience.label, "status": audience.status,
        "contacts": arrays.numbers(audience.contacts),
    }  # fmt: skip


async def counts(conn: Conn, business_id: int, audience: Audience) -> dict[str, int]:
    """How many an audience has, by why they are left out; by "" those who are reached."""
    return dict(await (await conn.execute(COUNTS, _values(business_id, audience))).fetchall())


async def first(conn: Conn, business_id: int, audience: Audience, limit: int) -> list[tuple[int, str, str]]:
    """The first who are reached: (contact, name, phone)."""
    values = _values(business_id, audience) | {"limit": limit}
    return [(row[0], row[1], row[2]) for row in await (await conn.execute(FIRST, values)).fetchall()]


async def fill(
    conn: Conn, business_id: int, broadcast_id: int, audience: Audience, given: Mapping[int, dict[str, str]],
    why: Mapping[str, str],
) -> int:  # fmt: skip
    """Writes down every recipient once, those who are left out with why; how many. ``given`` are a list's columns."""
    values = _values(business_id, audience) | {
        "id": broadcast_id, "given": Jsonb({str(one): row for one, row in given.items()}), "why": Jsonb(dict(why)),
    }  # fmt: skip
    return (await conn.execute(FILL, values)).rowcount


# What is said to a phone that rested is for whoever has it now, and not for who left it.
OF_PHONES = """
select i.value, i.contact_id, exists (select from whatsapp_conversation c
    where c.business_id = i.business_id and c.contact_id = i.contact_id)
from contact_identities i
join contacts p on p.business_id = i.business_id and p.id = i.contact_id
    and (i.left_at is null or i.left_at >= %(left_since)s::timestamptz or p.phone is not distinct from i.value)
where i.business_id = %(business_id)s::int and i.kind = 'phone' and i.value = any(%(phones)s::text[])
"""
# Whoever never wrote to us has a thread that is closed until they do.
MAKE_THREADS = f"""
insert into whatsapp_conversation (business_id, contact_id, canonical_key, customer_number, customer_name, lead_id,
    provider, channel, account, is_open)
select k.business_id, k.id, k.thread_key, coalesce(k.phone, k.thread_key), k.profile_name, l.id, 'meta', 'whatsapp',
    %(account)s::text, false
from contacts k left join leads l on l.business_id = k.business_id and l.contact_id = k.id
where k.business_id = %(business_id)s::int and k.id = any(%(ids)s::bigint[]) and k.merged_into is null
    and not exists (select from whatsapp_conversation c where c.business_id = k.business_id and c.contact_id = k.id)
order by k.thread_key
on conflict {inbox_keys.CONVERSATION.target} do nothing
"""


async def of_phones(
    conn: Conn, business_id: int, phones: Sequence[str], left_since: datetime
) -> dict[str, tuple[int, bool]]:
    """Whose these phones are: the contact, and whether they have a thread. Who left one before that has it no more."""
    values = {"business_id": business_id, "phones": arrays.texts(phones), "left_since": left_since}
    return {row[0]: (row[1], row[2]) for row in await (await conn.execute(OF_PHONES, values)).fetchall()}


async def make_threads(conn: Conn, business_id: int, contacts: Sequence[int], account: str) -> None:
    """Gives a thread to those of these contacts who have none."""
    values = {"business_id": business_id, "ids": arrays.numbers(contacts), "account": account}
    await conn.execute(MAKE_THREADS, values)


ADD = f"""
insert into broadcasts (business_id, key, name, template, language, account, places, audience, who, account_id,
    starts_at)
values (%(business_id)s::int, %(key)s, %(name)s, %(template)s, %(language)s, %(account)s, %(places)s, %(audience)s,
    %(who)s, %(by)s::int, coalesce(%(starts_at)s::timestamptz, now()))
on conflict {inbox_keys.BROADCAST.target} do nothing returning id
"""
OF_KEY = "select id from broadcasts where business_id = %(business_id)s::int and key = %(key)s::text"


async def of_key(conn: Conn, business_id: int, key: str) -> int | None:
    """The broadcast that was asked for under a key."""
    row = await (await conn.execute(OF_KEY, {"business_id": business_id, "key": key})).fetchone()
    return row[0] if row else None


async def add(
    conn: Conn, business_id: int, new: New, template: Template, audience: str, by: tuple[str, int | None]
) -> int | None:
    """Adds a broadcast without recipients; None where its key was there."""
    values = {
        "business_id": business_id, "key": new.key, "name": new.name, "template": template.name,
        "language": template.language, "account": new.account, "places": Jsonb(new.places), "audience": audience[:300],
        "who": by[0][:100], "by": by[1], "starts_at": new.starts_at,
    }  # fmt: skip
    row = await (await conn.execute(ADD, values)).fetchone()
    return row[0] if row else None


# Of one who is ``processing`` the message says it.
_BECAME = """case when r.state::text <> 'processing' then r.state::text
    when m.status = 'failed' and m.failed_reason = %(stopped)s::text then 'cancelled'
    when m.status = 'deleted' then 'sent' when m.id is null then 'failed' else m.status::text end"""
_COLUMNS = """b.id, b.name, b.template, b.language, b.audience, b.state, b.who, b.created_at, b.starts_at,
    b.started_at, b.ended_at, b.account, b.places"""
LISTED = f"""
select {_COLUMNS} from broadcasts b
where b.business_id = %(business_id)s::int and b.id < %(before)s::bigint order by b.id desc limit %(limit)s::int
"""
ONE = f"select {_COLUMNS} from broadcasts b where b.business_id = %(business_id)s::int and b.id = %(id)s::bigint"
RESULTS = f"""
select r.broadcast_id, {_BECAME}, count(*)::int from broadcast_recipients r
left join whatsapp_message m on m.business_id = r.business_id and m.id = r.message_id
where r.business_id = %(business_id)s::int and r.broadcast_id = any(%(ids)s::bigint[])
group by 1, 2
"""


async def listed(conn: Conn, business_id: int, before: int, limit: int, stopped: str) -> list[Broadcast]:
    """The newest broadcasts below a number, with their counts."""
    values = {"business_id": business_id, "before": before, "limit": limit}
    found = [Broadcast(*row) for row in await (await conn.execute(LISTED, values)).fetchall()]
    return await _counted(conn, business_id, found, stopped)


async def one(conn: Conn, business_id: int, broadcast_id: int, stopped: str) -> Broadcast | None:
    row = await (await conn.execute(ONE, {"business_id": business_id, "id": broadcast_id})).fetchone()
    found = await _counted(conn, business_id, [Broadcast(*row)], stopped) if row else []
    return found[0] if found else None


async def _counted(conn: Conn, business_id: int, found: list[Broadcast], stopped: str) -> list[Broadcast]:
    values = {"business_id": business_id, "ids": arrays.numbers(one.id for one in found), "stopped": stopped}
    by: dict[int, dict[str, int]] = {}
    for number, state, count in await (await conn.execute(RESULTS, values)).fetchall():
        by.setdefault(number, {})[state] = count
    return [msgspec.structs.replace(one, counts=by.get(one.id, {})) for one in found]


RECIPIENTS = f"""
select * from (
    select r.place, r.contact_id, coalesce(nullif(l.name, ''), p.name, p.profile_name, ''), p.phone, m.conversation_id,
        {_BECAME} as became, case when r.reason <> '' then r.reason else coalesce(m.failed_reason, '') end,
        coalesce(m.read_at, m.delivered_at, m.sent_at, m.said_at),
        exists (select from whatsapp_message x where x.business_id = m.business_id
            and x.conversation_id = m.conversation_id and x.seq > m.seq and x.counted),
        m.id is not null and p.id in {STOPPED}
    from broadcast_recipients r
    join contacts p on p.business_id = r.business_id and p.id = r.contact_id
    left join leads l on l.business_id = p.business_id and l.contact_id = p.id
    left join whatsapp_message m on m.business_id = r.business_id and m.id = r.message_id
    where r.business_id = %(business_id)s::int and r.broadcast_id = %(id)s::bigint and r.place > %(after)s::int
) x
where %(state)s::text = '' or x.became = %(state)s::text
order by x.place limit %(limit)s::int
"""


async def recipients(
    conn: Conn, business_id: int, broadcast_id: int, asked: tuple[str, int, int], stopped: str
) -> list[Recipient]:
    """Recipients and what became of them, by (state or "" for all, after which place, how many at most)."""
    values = {
        "business_id": business_id, "id": broadcast_id, "state": asked[0], "after": asked[1], "limit": asked[2],
        "stopped": stopped,
    }  # fmt: skip
    return [Recipient(*row) for row in await (await conn.execute(RECIPIENTS, values)).fetchall()]


HOLD = """
select state from broadcasts where business_id = %(business_id)s::int and id = %(id)s::bigint for update
"""
TURN = """
update broadcasts set state = %(state)s::text,
    ended_at = case when %(state)s::text = 'cancelled' then now() end
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
CANCEL = """
update broadcast_recipients set state = 'cancelled', reason = %(reason)s::text
where business_id = %(business_id)s::int and broadcast_id = %(id)s::bigint and state::text = 'queued'
"""
IN_THE_OUTBOX = """
select m.channel, m.outgoing_key from broadcast_recipients r
join whatsapp_message m on m.business_id = r.business_id and m.id = r.message_id
where r.business_id = %(business_id)s::int and r.broadcast_id = %(id)s::bigint and r.state::text = 'processing'
    and m.status = 'queued'
order by m.outgoing_key
"""


async def hold(conn: Conn, business_id: int, broadcast_id: int) -> str | None:
    """Holds a broadcast until the transaction ends; its state."""
    row = await (await conn.execute(HOLD, {"business_id": business_id, "id": broadcast_id})).fetchone()
    return row[0] if row else None


async def turn(conn: Conn, business_id: int, broadcast_id: int, state: str) -> None:
    """Has a broadcast that is held be so from now on."""
    await conn.execute(TURN, {"business_id": business_id, "id": broadcast_id, "state": state})


async def cancel(conn: Conn, business_id: int, broadcast_id: int, reason: str) -> list[tuple[str, str]]:
    """Cancels whoever waits; of those whose message waits in the outbox the (channel, key)."""
    values = {"business_id": business_id, "id": broadcast_id, "reason": reason}
    await conn.execute(CANCEL, values)
    return [(row[0], row[1]) for row in await (await conn.execute(IN_THE_OUTBOX, values)).fetchall()]
