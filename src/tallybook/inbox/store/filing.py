"""SQL of filing messages in their threads, a batch at a time. Every write takes its rows in key order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox.types import PROVIDERS, Place, Said

from .searching import said_anew

_HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007


class Tracked(msgspec.Struct, frozen=True):
    """What a batch does to one thread: how many messages it adds, and what the newest of them says.

    ``wrote_at`` is when the customer last wrote in it live, None where they did not. ``last_at`` is None where nobody
    said anything: a thread that has only lines of its own is in no list.
    """

    key: str
    contact_id: int
    number: str
    name: str | None
    wa_id: str | None
    lead_id: int | None
    messages: int
    inbound: int
    last_at: datetime | None
    last_customer_at: datetime | None
    wrote_at: datetime | None
    channel: str
    account: str
    body: str
    type: str
    source: str


class Conversation(msgspec.Struct, frozen=True):
    """A thread once it is written, locked until the transaction ends. ``previous_at`` is its clock before this.

    ``is_back``: it was closed or snoozed until now. ``is_blocked``: what its customer writes waits for nobody.
    """

    id: int
    key: str
    last_seq: int
    inbound: int
    previous_at: datetime | None
    number: str
    lead_id: int | None
    is_back: bool
    is_blocked: bool


IDS = """
select nextval((select pg_get_serial_sequence('whatsapp_conversation', 'id')::regclass))
from generate_series(1, %(count)s::int)
"""
# A customer wrote live after the thread was put away, or, where it was not, after all they wrote before. What was said
# earlier is late or a repeat, and like history and what we say ourselves it reopens nothing.
_ANEW = """(c.blocked_at is null and coalesce(excluded.wrote_at >= greatest(c.closed_at, c.snoozed_at),
        excluded.wrote_at > c.wrote_at, excluded.inbound > 0))"""
_BEGINS = f"(not c.session_open and {_ANEW})"
# The one statement by which a thread is found or made. Clocks only move on, each for what it is about: what we say
# moves no customer's clock. What the list shows is the newest that was said. Where a run of conversation begins,
# ``started_at`` is its; what was never read stays unread to whoever counts by that and by ``last_read_at``.
TRACK = f"""
insert into whatsapp_conversation as c (business_id, id, canonical_key, contact_id, customer_number, customer_name,
    customer_wa_id, lead_id, last_seq, inbound, last_message_at, last_customer_message_at, channel, account, last_body,
    last_type, last_source, provider, wrote_at, session_number, session_open)
select %(business_id)s::int, u.*, (u.inbound > 0)::int, u.inbound > 0
from unnest(%(ids)s::bigint[], %(keys)s::text[], %(contacts)s::bigint[],
    %(numbers)s::text[], %(names)s::text[], %(wa_ids)s::text[], %(leads)s::bigint[], %(messages)s::bigint[],
    %(inbound)s::bigint[], %(last_at)s::timestamptz[], %(last_customer_at)s::timestamptz[], %(channels)s::text[],
    %(accounts)s::text[], %(bodies)s::text[], %(types)s::text[], %(sources)s::text[], %(providers)s::text[],
    %(wrote_at)s::timestamptz[]) as u (id, key, contact_id, number, name, wa_id, lead_id, messages, inbound)
on conflict {inbox_keys.CONVERSATION.target} do update set
    last_seq = c.last_seq + excluded.last_seq,
    inbound = c.inbound + case when c.blocked_at is null then excluded.inbound else 0 end,
    previous_message_at = c.last_message_at,
    last_message_at = greatest(c.last_message_at, excluded.last_message_at),
    last_customer_message_at = greatest(c.last_customer_message_at, excluded.last_customer_message_at),
    customer_name = coalesce(excluded.customer_name, c.customer_name),
    wrote_at = greatest(c.wrote_at, excluded.wrote_at),
    is_open = c.is_open or {_ANEW},
    back_at = case when (not c.is_open or c.snoozed_at is not null) and {_ANEW} then now() else c.back_at end,
    closed_at = case when {_ANEW} then null else c.closed_at end,
    snoozed_at = case when {_ANEW} then null else c.snoozed_at end,
    snoozed_until = case when {_ANEW} then null else c.snoozed_until end,
    session_open = c.session_open or {_ANEW},
    session_number = c.session_number + {_BEGINS}::int,
    started_at = case when {_BEGINS} then now() else c.started_at end,
    last_read_at = case when {_BEGINS} and c.inbound > c.read_inbound
        then coalesce(c.last_read_at, c.started_at - interval '1 microsecond') else c.last_read_at end,
    summary_created = c.summary_created and not {_BEGINS},
    channel = case when excluded.last_customer_message_at >= coalesce(c.last_customer_message_at, '-infinity')
        then excluded.channel else c.channel end,
    account = case when excluded.last_customer_message_at >= coalesce(c.last_customer_message_at, '-infinity')
        then excluded.account else c.account end,
    provider = case when excluded.last_customer_message_at >= coalesce(c.last_customer_message_at, '-infinity')
        then excluded.provider else c.provider end,
    last_body = case when excluded.last_message_at >= coalesce(c.last_message_at, '-infinity')
        then excluded.last_body else c.last_body end,
    last_type = case when excluded.last_message_at >= coalesce(c.last_message_at, '-infinity')
        then excluded.last_type else c.last_type end,
    last_source = case when excluded.last_message_at >= coalesce(c.last_message_at, '-infinity')
        then excluded.last_source else c.last_source end,
    updated_at = now()
returning c.id, c.canonical_key, c.last_seq, c.inbound, c.previous_message_at, c.customer_number, c.lead_id,
    c.back_at is not distinct from now(), c.blocked_at is not null
"""


async def track(conn: Conn, business_id: int, tracked: Sequence[Tracked]) -> tuple[dict[str, Conversation], set[int]]:
    """Finds or makes the thread of each key, and counts what comes to it; which of them were made, by number.

    The numbers are given before, so that the database tells what it made: a thread that bears another was there.
    """
    ordered = sorted(tracked, key=lambda one: one.key)
    ids = [row[0] for row in await (await conn.execute(IDS, {"count": len(ordered)})).fetchall()]
    values = {"business_id": business_id, "ids": arrays.numbers(ids), **_tracked_columns(ordered)}
    found = [Conversation(*row) for row in await (await conn.execute(TRACK, values)).fetchall()]
    return {one.key: one for one in found}, {one.id for one in found} & set(ids)


def _tracked_columns(tracked: Sequence[Tracked]) -> dict[str, object]:
    return {
        "keys": arrays.texts([one.key for one in tracked]),
        "contacts": arrays.numbers(one.contact_id for one in tracked),
        "numbers": arrays.texts([one.number for one in tracked]),
        "names": arrays.texts([one.name for one in tracked]),
        "wa_ids": arrays.texts([one.wa_id for one in tracked]),
        "leads": arrays.numbers(one.lead_id for one in tracked),
        "messages": arrays.numbers(one.messages for one in tracked),
        "inbound": arrays.numbers(one.inbound for one in tracked),
        "last_at": [one.last_at for one in tracked],
        "last_customer_at": [one.last_customer_at for one in tracked],
        "wrote_at": [one.wrote_at for one in tracked],
        "channels": arrays.texts([one.channel for one in tracked]),
        "accounts": arrays.texts([one.account for one in tracked]),
        "bodies": arrays.texts([one.body for one in tracked]),
        "types": arrays.texts([one.type for one in tracked]),
        "sources": arrays.texts([one.source for one in tracked]),
        "providers": arrays.texts([PROVIDERS[one.channel] for one in tracked]),
    }


# A number at a time: to a planner without statistics a join would look cheaper by way of all the business's rows.
THERE = f"""
select m.provider_message_id from whatsapp_message m
where m.business_id = {_HIDDEN} and m.channel = %(channel)s and m.account = %(account)s
    and m.provider_message_id = any(%(external)s::text[])
"""


async def there(conn: Conn, business_id: int, said: Sequence[Said]) -> set[Place]:
    """Which of these messages are in a thread already: told as history and live, or sent by us and come back."""
    found: set[Place] = set()
    for channel, account in sorted({(one.channel, one.account) for one in said}):
        external = [one.external_id for one in said if (one.channel, one.account) == (channel, account)]
        values = {"channel": channel, "account": account, "external": arrays.texts(external)}
        cursor = await conn.execute(THERE, {"business_id": business_id, **values})
        found |= {(channel, account, row[0]) for row in await cursor.fetchall()}
    return found


class Row(msgspec.Struct, frozen=True):
    """A message as it is written into its thread."""

    said: Said
    conversation: Conversation
    seq: int
    late: bool


# Seen when it is written, under the thread's lock: whoever counts by the clock of the last look counts the same.
SAVE = """
insert into whatsapp_message (business_id, conversation_id, to_number, direction, body, message_type, status, provider,
    provider_message_id, created_at, source, quoted_message_stanza_id, lead_id, seq, said_at, late, channel, account,
    message_id, counted)
select %(business_id)s::int, u.conversation_id, u.to_number,
    case when u.source = 'customer' then 'in' else 'out' end, u.body, u.type,
    case when u.source in ('customer', 'system') then 'received' else 'sent' end, u.provider, u.external,
    case when u.past then least(u.said_at, now()) else clock_timestamp() end, u.source, nullif(u.quotes, ''), u.lead_id,
    u.seq, u.said_at, u.late, u.channel, u.account, u.message_id, u.source = 'customer' and not u.past and not u.blocked
from unnest(%(conversations)s::bigint[], %(numbers)s::text[], %(bodies)s::text[], %(types)s::text[],
    %(providers)s::text[], %(external)s::text[], %(past)s::bool[], %(sources)s::text[], %(quotes)s::text[],
    %(seqs)s::bigint[], %(said_at)s::timestamptz[], %(late)s::bool[], %(channels)s::text[], %(accounts)s::text[],
    %(messages)s::bigint[], %(leads)s::bigint[], %(blocked)s::bool[]) as u (conversation_id, to_number, body, type,
    provider, external, past, source, quotes, seq, said_at, late, channel, account, message_id, lead_id, blocked)
returning id, conversation_id, message_id
"""


async def save(conn: Conn, business_id: int, rows: Sequence[Row]) -> list[tuple[int, int, int]]:
    """Writes messages into their threads: (its id, its thread's, core's row) of each.

    The caller holds their numbers and their threads. That one is there already cannot be: it is an error, which has
    the batch filed in halves, at last one by one.
    """
    said = [row.said for row in rows]
    cursor = await conn.execute(
        SAVE,
        {
            "business_id": business_id,
            **_place_columns(said),
            "conversations": arrays.numbers(row.conversation.id for row in rows),
            "numbers": arrays.texts([row.conversation.number for row in rows]),
            "bodies": arrays.texts([one.body for one in said]),
            "types": arrays.texts([one.type for one in said]),
            "providers": arrays.texts([PROVIDERS[one.channel] for one in said]),
            "past": arrays.truths(one.past for one in said),
            "blocked": arrays.truths(row.conversation.is_blocked for row in rows),
            "sources": arrays.texts([one.source for one in said]),
            "quotes": arrays.texts([one.quotes for one in said]),
            "seqs": arrays.numbers(row.seq for row in rows),
            "said_at": arrays.times(one.said_at for one in said),
            "late": arrays.truths(row.late for row in rows),
            "messages": arrays.numbers(one.message_id for one in said),
            "leads": arrays.numbers(row.conversation.lead_id for row in rows),
        },
    )
    return [(row[0], row[1], row[2]) for row in await cursor.fetchall()]


# When a customer last wrote to each of our numbers, live.
OPEN_WINDOWS = f"""
insert into conversation_windows as w (business_id, conversation_id, channel, account, last_inbound_at)
select %(business_id)s::int, u.* from unnest(%(ids)s::bigint[], %(channels)s::text[], %(accounts)s::text[],
    %(at)s::timestamptz[]) as u
on conflict {inbox_keys.CONVERSATION_WINDOW.target} do update set
    last_inbound_at = greatest(w.last_inbound_at, excluded.last_inbound_at)
"""


async def open_windows(conn: Conn, business_id: int, newest: Mapping[tuple[int, str, str], datetime]) -> None:
    """Keeps when the customer of a thread last wrote to a number: (thread, channel, account)."""
    places = sorted(newest)
    await conn.execute(
        OPEN_WINDOWS,
        {
            "business_id": business_id,
            "ids": arrays.numbers(place[0] for place in places),
            "channels": arrays.texts([place[1] for place in places]),
            "accounts": arrays.texts([place[2] for place in places]),
            "at": arrays.times(newest[place] for place in places),
        },
    )


# A re-delivery that tells more: a caption, the photo in place of its placeholder.
ENRICH = f"""
update whatsapp_message m set body = u.body, message_type = u.type
from unnest(%(channels)s::text[], %(accounts)s::text[], %(external)s::text[], %(bodies)s::text[], %(types)s::text[],
    %(messages)s::bigint[]) as u (channel, account, external, body, type, message_id)
where m.business_id = {_HIDDEN} and m.channel = u.channel and m.account = u.account
    and m.provider_message_id = u.external and m.provider_message_id = any(%(external)s::text[])
    and m.status <> 'deleted'
    and (m.message_id = u.message_id and m.edited_at is null or m.message_type = 'media_placeholder')
    and (m.body, m.message_type) <> (u.body, u.type)
"""


async def enrich(conn: Conn, business_id: int, said: Sequence[Said]) -> None:
    """Has messages that are there say what they say now."""
    values = {
        "bodies": arrays.texts([one.body for one in said]),
        "types": arrays.texts([one.type for one in said]),
        "messages": arrays.numbers(one.message_id for one in said),
    }
    changed = await conn.execute(ENRICH, {"business_id": business_id, **_place_columns(said), **values})
    for number in sorted({(one.channel, one.account) for one in said} if changed.rowcount else ()):
        external = [one.external_id for one in said if (one.channel, one.account) == number]
        await said_anew(conn, business_id, number, external)


def _place_columns(said: Iterable[Said]) -> dict[str, str]:
    listed = list(said)
    return {
        "channels": arrays.texts([one.channel for one in listed]),
        "accounts": arrays.texts([one.account for one in listed]),
        "external": arrays.texts([one.external_id for one in listed]),
    }
