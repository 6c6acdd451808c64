"""SQL of what other programs are told: written set-wise in the transaction of its cause, one row for event and hook."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox.hook_events import Event, Kind
from tallybook.inbox.types import Place

_HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007
# One that was switched off by itself is written for on, so that nothing is missing when it is switched on soon.
_LISTENS = "(h.state::text = 'on' or h.state::text = 'failed' and h.off_at > now() - interval '7 days')"

ANYBODY = f"""
select exists (select from hooks h where h.business_id = %(business_id)s::int and {_LISTENS}
    and h.events && %(kinds)s::text[])
"""
# Numbers are given in the order in which transactions end, so that whoever delivers by number passes nothing by. In few
# parts, since a batch may be of a thousand threads and there are only so many locks.
TAKE_TURNS = """
select pg_advisory_xact_lock(hashtext('hook events ' || %(business_id)s::int), t.turn)
from (select distinct mod(u.id, 32)::int as turn from unnest(%(conversations)s::bigint[]) as u (id) order by 1) t
"""
_UTC = """to_char({} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
# Each row is looked up by its number: to a planner without statistics a join would look cheaper by way of all the
# business's rows.
TELL = f"""
insert into hook_events (business_id, hook_id, event_key, kind, conversation_id, message_id, at, moved_by, body)
select %(business_id)s::int, h.id, u.key, u.kind, coalesce(c.id, u.conversation_id, 0), u.message_id, u.at,
    u.moved_by::bigint[],
    jsonb_build_object('id', u.key, 'type', u.kind, 'at', {_UTC.format("u.at")}, 'business_id', h.business_id,
        'conversation', case when c.id is not null then jsonb_build_object('id', c.id, 'key', c.canonical_key,
            'is_open', c.is_open, 'assigned_to', c.assigned_to, 'channel', c.channel, 'account', c.account,
            'lead_id', c.lead_id) end,
        'contact', case when p.id is not null then jsonb_build_object('id', p.id, 'phone', p.phone,
            'name', coalesce(nullif(l.name, ''), p.name, p.profile_name)) end,
        'message', case when m.id is not null then jsonb_build_object('id', m.id, 'place', m.seq,
            'direction', m.direction, 'source', m.source, 'type', m.message_type, 'text', m.body, 'status', m.status,
            'said_at', {_UTC.format("m.said_at")}, 'late', m.late, 'failed_reason', m.failed_reason,
            'provider_id', m.provider_message_id) end,
        'details', u.details::jsonb)
from unnest(%(event_keys)s::text[], %(kinds)s::text[], %(conversations)s::bigint[], %(messages)s::bigint[],
    %(at)s::timestamptz[], %(details)s::text[], %(moved_by)s::text[]) with ordinality
    as u (key, kind, conversation_id, message_id, at, details, moved_by, place)
join hooks h on h.business_id = {_HIDDEN} and {_LISTENS} and u.kind = any(h.events)
left join lateral (select x.* from whatsapp_message x
    where x.business_id = h.business_id and x.id = u.message_id limit 1) m on true
left join lateral (select x.* from whatsapp_conversation x
    where x.business_id = h.business_id and x.id = coalesce(m.conversation_id, u.conversation_id) limit 1) c on true
left join lateral (select x.* from contacts x
    where x.business_id = h.business_id and x.id = c.contact_id limit 1) p on true
left join lateral (select x.* from leads x
    where x.business_id = h.business_id and x.contact_id = p.id limit 1) l on true
order by u.place, h.id
on conflict {inbox_keys.HOOK_EVENT.target} do nothing
"""


async def is_anybody(conn: Conn, business_id: int, kinds: Sequence[Kind]) -> bool:
    """Whether any hook of the business wants events of these kinds."""
    values = {"business_id": business_id, "kinds": arrays.texts(kinds)}
    row = await (await conn.execute(ANYBODY, values)).fetchone()
    return row is not None and row[0]


async def tell(conn: Conn, business_id: int, events: Sequence[Event]) -> int:
    """Writes events down for each hook that wants them, in this order; returns how many rows are new."""
    values = {
        "business_id": business_id,
        "event_keys": arrays.texts([one.key for one in events]),
        "kinds": arrays.texts([one.kind for one in events]),
        "conversations": arrays.numbers(one.conversation_id for one in events),
        "messages": arrays.numbers(one.message_id for one in events),
        "at": arrays.times(one.at for one in events),
        "details": arrays.texts([msgspec.json.encode(one.details).decode() for one in events]),
        "moved_by": arrays.texts([arrays.numbers(one.moved_by) for one in events]),
    }
    await conn.execute(TAKE_TURNS, values)
    return (await conn.execute(TELL, values)).rowcount


# A test is of one hook, whatever it wants to be told of.
TELL_ONE = f"""
insert into hook_events (business_id, hook_id, event_key, kind, at, body)
values (%(business_id)s::int, %(hook_id)s::bigint, %(key)s, %(kind)s, %(at)s::timestamptz, %(body)s::jsonb)
on conflict {inbox_keys.HOOK_EVENT.target} do nothing
"""


async def tell_one(conn: Conn, business_id: int, hook_id: int, event: Event) -> None:
    """Writes down what one hook alone is told."""
    at = event.at.astimezone(UTC)
    body = {"id": event.key, "type": event.kind, "at": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}", "business_id": business_id}
    body |= {"conversation": None, "contact": None, "message": None, "details": event.details}
    values = {"business_id": business_id, "hook_id": hook_id, "key": event.key, "kind": event.kind, "at": at}
    await conn.execute(TELL_ONE, values | {"body": msgspec.json.encode(body).decode()})


# A message whose state is the one that was told last has nothing to tell. Who asks holds the messages' rows.
STATES = f"""
select m.id, m.conversation_id, m.status, t.id from whatsapp_message m
left join lateral (
    select e.id, e.body #>> '{{message,status}}' as status from hook_events e
    where e.business_id = {_HIDDEN} and e.message_id = m.id and e.kind = 'message.status'
    order by e.id desc limit 1) t on true
where m.business_id = {_HIDDEN} and m.direction = 'out' and m.status <> 'queued'
    and t.status is distinct from m.status and m.id = any(%(ids)s::bigint[])
order by m.id
"""
IDS_OF_PLACES = f"""
select m.id from unnest(%(channels)s::text[], %(accounts)s::text[], %(external)s::text[])
    as u (channel, account, external)
join lateral (select x.id from whatsapp_message x where x.business_id = {_HIDDEN} and x.channel = u.channel
    and x.account = u.account and x.provider_message_id = u.external limit 1) m on true
"""
IDS_OF_KEYS = f"""
select m.id from whatsapp_message m
where m.business_id = {_HIDDEN} and m.outgoing_key = any(%(keys)s::text[])
"""


class State(msgspec.Struct, frozen=True):
    """What became of a message of ours, and the number of the event that told of it before."""

    message_id: int
    conversation_id: int
    status: str
    told: int | None


async def states_at(conn: Conn, business_id: int, places: Sequence[Place]) -> list[State]:
    """The states that are not told yet, of the messages that providers know by these ids."""
    values = {
        "business_id": business_id, "channels": arrays.texts([one[0] for one in places]),
        "accounts": arrays.texts([one[1] for one in places]), "external": arrays.texts([one[2] for one in places]),
    }  # fmt: skip
    return await _states(conn, business_id, await (await conn.execute(IDS_OF_PLACES, values)).fetchall())


async def states_of(conn: Conn, business_id: int, outgoing_keys: Sequence[str]) -> list[State]:
    """The states that are not told yet, of the messages that the outbox knows by these keys."""
    values = {"business_id": business_id, "keys": arrays.texts(outgoing_keys)}
    return await _states(conn, business_id, await (await conn.execute(IDS_OF_KEYS, values)).fetchall())


async def _states(conn: Conn, business_id: int, ids: Sequence[tuple[Any, ...]]) -> list[State]:
    values = {"business_id": business_id, "ids": arrays.numbers(row[0] for row in ids)}
    return [State(*row) for row in await (await conn.execute(STATES, values)).fetchall()] if ids else []


THREADS_OF = """
select id from whatsapp_conversation
where business_id = %(business_id)s::int and contact_id = any(%(contacts)s::bigint[]) order by id
"""


async def threads_of(conn: Conn, business_id: int, contacts: Sequence[int]) -> list[int]:
    """The threads of contacts."""
    values = {"business_id": business_id, "contacts": arrays.numbers(contacts)}
    return [row[0] for row in await (await conn.execute(THREADS_OF, values)).fetchall()]


FOLLOW = """
update hook_events set conversation_id = %(kept)s::bigint, moved_by = moved_by || %(merge_id)s::bigint
where business_id = %(business_id)s::int and conversation_id = %(gone)s::bigint
"""
GO_BACK = """
update hook_events set conversation_id = %(gone)s::bigint, moved_by = trim_array(moved_by, 1)
where business_id = %(business_id)s::int and conversation_id = %(kept)s::bigint
    and moved_by[cardinality(moved_by)] = %(merge_id)s::bigint
"""


async def follow(conn: Conn, business_id: int, merge_id: int, kept: int, gone: int) -> None:
    """What is of a thread that goes into another is told in the order of the other from now on."""
    await conn.execute(FOLLOW, {"business_id": business_id, "merge_id": merge_id, "kept": kept, "gone": gone})


async def go_back(conn: Conn, business_id: int, merge_id: int, kept: int, gone: int) -> None:
    """What followed into a joined thread is the other's again."""
    await conn.execute(GO_BACK, {"business_id": business_id, "merge_id": merge_id, "kept": kept, "gone": gone})


ERASE = """
delete from hook_events where business_id = %(business_id)s::int and conversation_id = any(%(ids)s::bigint[])
"""


async def erase(conn: Conn, business_id: int, conversations: Sequence[int]) -> int:
    """Takes away everything that hooks were or would be told of these threads; how many events that was."""
    values = {"business_id": business_id, "ids": arrays.numbers(conversations)}
    return (await conn.execute(ERASE, values)).rowcount


HEALTH = """
select count(*) filter (where state::text = 'failed'), min(off_at) filter (where state::text = 'failed'),
    count(*) filter (where state::text = 'on' and failing_since < now() - interval '1 hour'),
    min(failing_since) filter (where state::text = 'on')
from hooks where business_id = %(business_id)s::int
"""


async def health(conn: Conn, business_id: int) -> tuple[int, datetime | None, int, datetime | None]:
    """How many hooks were switched off by themselves, since when; how many fail for an hour, since when."""
    row = await (await conn.execute(HEALTH, {"business_id": business_id})).fetchone()
    return (row[0], row[1], row[2], row[3]) if row else (0, None, 0, None)
