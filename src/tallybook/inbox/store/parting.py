"""SQL of parting two contacts that were joined: each gets back what was its own. The caller holds all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn

from .merging import Row, Side


class Merge(msgspec.Struct, frozen=True):
    """A joining as it was written down."""

    id: int
    kept_id: int
    gone_id: int
    made_thread: bool
    kept: Side
    gone: Side
    joined: Side
    undone_at: datetime | None
    went_back: int | None
    stayed: int | None


MERGE = """
select id, kept_id, gone_id, made_thread, kept, gone, joined, undone_at, went_back, stayed from contact_merges
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
LATER = """
select exists (select from contact_merges
    where business_id = %(business_id)s::int and kept_id = %(kept)s::bigint and id > %(id)s::bigint
        and undone_at is null)
"""
DONE = """
update contact_merges
set undone_at = now(), undone_by = %(who)s, went_back = %(went_back)s::int, stayed = %(stayed)s::int
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""


async def merge(conn: Conn, business_id: int, merge_id: int) -> Merge | None:
    row = await (await conn.execute(MERGE, {"business_id": business_id, "id": merge_id})).fetchone()
    if row is None:
        return None
    sides = [msgspec.convert(side, Side) for side in row[4:7]]
    return Merge(*row[:4], *sides, *row[7:])


async def is_latest(conn: Conn, business_id: int, merge: Merge) -> bool:
    """Whether nobody was joined with the kept one since."""
    values = {"business_id": business_id, "id": merge.id, "kept": merge.kept_id}
    row = await (await conn.execute(LATER, values)).fetchone()
    return row is not None and not row[0]


async def done(conn: Conn, business_id: int, merge_id: int, who: str, counts: tuple[int, int]) -> None:
    """Writes down that it was undone: how many messages went back, and how many stayed."""
    values = {"business_id": business_id, "id": merge_id, "who": who[:100]}
    await conn.execute(DONE, values | {"went_back": counts[0], "stayed": counts[1]})


RETURN_KNOWN = """
update contact_identities i set contact_id = %(gone)s::bigint
from unnest(%(kinds)s::text[], %(values)s::text[]) as u (kind, value)
where i.business_id = %(business_id)s::int and i.kind = u.kind and i.value = u.value and i.contact_id = %(kept)s::bigint
"""
# Of a phone that the other brought, and that somebody else took while the two were one. A stay of the kept one's from
# before that is told by one of the two having the phone still, or by a later stay.
RETURN_STAYS = """
update left_phones l set contact_id = %(gone)s::bigint
from unnest(%(kinds)s::text[], %(values)s::text[]) as u (kind, value)
where l.business_id = %(business_id)s::int and u.kind = 'phone' and l.phone = u.value
    and l.contact_id = %(kept)s::bigint
    and not exists (select from contact_identities i where i.business_id = l.business_id and i.kind = u.kind
        and i.value = u.value and i.contact_id in (%(kept)s::bigint, %(gone)s::bigint))
    and not exists (select from left_phones x where x.business_id = l.business_id and x.phone = l.phone
        and x.contact_id = l.contact_id and x.left_at > l.left_at)
"""
RETURN_LEAD = """
update leads set contact_id = %(gone)s::bigint
where business_id = %(business_id)s::int and id = %(lead)s::bigint and contact_id = %(kept)s::bigint
"""
FORGET_LEAD = """
update whatsapp_message m set lead_id = null
from whatsapp_conversation t
where t.business_id = %(business_id)s::int and t.contact_id = %(kept)s::bigint
    and m.business_id = t.business_id and m.conversation_id = t.id and m.lead_id = %(lead)s::bigint
    and not exists (select from merged_messages mm
        where mm.business_id = m.business_id and mm.message_id = m.id and mm.merge_id = %(merge_id)s::bigint)
"""
RESTORE_CONTACT = """
update contacts c set name = r.name, profile_name = r.profile_name, username = r.username, phone = r.phone,
    phone_at = r.phone_at, thread_key = r.thread_key, merged_into = r.merged_into, updated_at = r.updated_at
from jsonb_populate_record(null::contacts, %(row)s) r
where c.business_id = %(business_id)s::int and c.id = r.id
"""


async def return_person(conn: Conn, business_id: int, merge: Merge, kept: Row) -> None:
    """Gives back what the other was known by, and its lead if that was taken; both contacts are as these rows say."""
    known = merge.gone.known
    values = {
        "business_id": business_id, "kept": merge.kept_id, "gone": merge.gone_id, "lead": merge.gone.lead,
        "kinds": arrays.texts([one[0] for one in known]), "values": arrays.texts([one[1] for one in known]),
        "merge_id": merge.id,
    }  # fmt: skip
    await conn.execute(RETURN_KNOWN, values)
    await conn.execute(RETURN_STAYS, values)
    if merge.gone.lead is not None and merge.kept.lead is None:
        await conn.execute(RETURN_LEAD, values)
        await conn.execute(FORGET_LEAD, values)
    for row in (kept, merge.gone.contact):
        await conn.execute(RESTORE_CONTACT, {"business_id": business_id, "row": Jsonb(row)})


# What the table knows since has the kept one's value.
RETURN_THREAD = """
insert into whatsapp_conversation
select r.* from whatsapp_conversation k cross join lateral jsonb_populate_record(k, %(row)s) r
where k.business_id = %(business_id)s::int and k.id = %(kept)s::bigint
"""
RETURN_MESSAGES = """
update whatsapp_message m set conversation_id = %(gone)s::bigint, seq = mm.seq, lead_id = mm.lead_id
from merged_messages mm
where mm.business_id = %(business_id)s::int and mm.merge_id = %(merge_id)s::bigint
    and m.business_id = mm.business_id and m.id = mm.message_id and m.conversation_id = %(kept)s::bigint
"""
# Each decision is at the place of the last message it was made on, and goes where that goes.
RETURN_DECISIONS = """
update reply_decisions set conversation_id = %(gone)s::bigint, seq = seq - %(before)s::bigint
where business_id = %(business_id)s::int and conversation_id = %(kept)s::bigint
    and seq > %(before)s::bigint and seq <= %(last_seq)s::bigint
"""
COUNTED = """
select count(*) filter (where counted and status <> 'deleted')::int from whatsapp_message
where business_id = %(business_id)s::int and conversation_id = %(gone)s::bigint
"""
SINCE = """
select count(*)::int from whatsapp_message
where business_id = %(business_id)s::int and conversation_id = %(kept)s::bigint and seq > %(last_seq)s::bigint
"""


async def return_thread(conn: Conn, business_id: int, merge: Merge, threads: tuple[Row, Row]) -> tuple[int, int, int]:
    """Makes the other's thread again, with its messages; how many they are, how many of them count, how many stay.

    ``threads``: the kept one as it was right after the joining, and the other's as it was before.
    """
    joined, gone = threads
    values = {"business_id": business_id, "merge_id": merge.id, "kept": joined["id"], "gone": gone["id"]}
    await conn.execute(RETURN_THREAD, values | {"row": Jsonb(gone)})
    went_back = (await conn.execute(RETURN_MESSAGES, values)).rowcount
    places = {"before": joined["last_seq"] - gone["last_seq"], "last_seq": joined["last_seq"]}
    await conn.execute(RETURN_DECISIONS, values | places)
    ((counted,),) = await (await conn.execute(COUNTED, values)).fetchall()
    ((stayed,),) = await (await conn.execute(SINCE, values | places)).fetchall()
    return went_back, counted, stayed


# The clocks of what came since are those of the kept one, whatever it was before.
RESTORE_THREAD = """
update whatsapp_conversation t set customer_number = r.customer_number, customer_name = r.customer_name,
    provider = r.provider, customer_wa_id = r.customer_wa_id, lead_id = r.lead_id, started_at = r.started_at,
    last_message_at = greatest(r.last_message_at, s.said_at), previous_message_at = r.previous_message_at,
    last_customer_message_at = greatest(r.last_customer_message_at, s.written_at), last_read_at = r.last_read_at,
    is_open = r.is_open, bot_active = r.bot_active, bot_called_at = r.bot_called_at,
    assigned_to = r.assigned_to, team_id = r.team_id,
    closed_at = r.closed_at, snoozed_at = r.snoozed_at, snoozed_until = r.snoozed_until, back_at = r.back_at,
    wrote_at = r.wrote_at, summary = r.summary, summary_created = r.summary_created,
    blocked_at = r.blocked_at, blocked_by = r.blocked_by, blocked_reason = r.blocked_reason, channel = r.channel,
    account = r.account, last_body = r.last_body, last_type = r.last_type, last_source = r.last_source,
    last_seq = r.last_seq, inbound = r.inbound, read_seq = r.read_seq, read_inbound = r.read_inbound,
    decided_inbound = s.decided, updated_at = r.updated_at
from jsonb_populate_record(null::whatsapp_conversation, %(row)s) r
cross join lateral (
    select max(m.said_at) filter (where m.seq > %(last_seq)s::bigint and m.source <> 'system') as said_at,
        max(m.said_at) filter (where m.seq > %(last_seq)s::bigint and m.direction = 'in') as written_at,
        count(*) filter (where m.counted and m.decided and m.status <> 'deleted') as decided
    from whatsapp_message m where m.business_id = %(business_id)s::int and m.conversation_id = r.id) s
where t.business_id = %(business_id)s::int and t.id = r.id
"""
DROP_EMPTY = """
delete from whatsapp_conversation t where t.business_id = %(business_id)s::int and t.id = %(id)s::bigint
    and not exists (select from whatsapp_message m where m.business_id = t.business_id and m.conversation_id = t.id)
"""


async def restore_thread(conn: Conn, business_id: int, row: Row, last_seq: int) -> None:
    """Has a thread be as this row says; what came after ``last_seq`` moves its clocks on."""
    await conn.execute(RESTORE_THREAD, {"business_id": business_id, "row": Jsonb(row), "last_seq": last_seq})


async def drop_empty(conn: Conn, business_id: int, conversation_id: int) -> None:
    """Takes away a thread in which nothing is said."""
    await conn.execute(DROP_EMPTY, {"business_id": business_id, "id": conversation_id})


FORGET_WINDOWS = """
delete from conversation_windows w using jsonb_populate_recordset(null::conversation_windows, %(joined)s) j
where w.business_id = %(business_id)s::int and w.conversation_id = j.conversation_id and w.channel = j.channel
    and w.account = j.account and w.last_inbound_at = j.last_inbound_at
"""
# One that was opened further since is there still.
RETURN_WINDOWS = f"""
insert into conversation_windows as w (business_id, conversation_id, channel, account, last_inbound_at, referred_at)
select %(business_id)s::int, r.conversation_id, r.channel, r.account, r.last_inbound_at, r.referred_at
from jsonb_populate_recordset(null::conversation_windows, %(rows)s) r
on conflict {inbox_keys.CONVERSATION_WINDOW.target} do update set
    last_inbound_at = greatest(w.last_inbound_at, excluded.last_inbound_at),
    referred_at = greatest(w.referred_at, excluded.referred_at)
"""


async def return_windows(conn: Conn, business_id: int, merge: Merge) -> None:
    """Gives each thread the times at which its customer last wrote."""
    values = {"business_id": business_id, "joined": Jsonb(merge.joined.windows)}
    await conn.execute(FORGET_WINDOWS, values)
    await conn.execute(RETURN_WINDOWS, values | {"rows": Jsonb([*merge.kept.windows, *merge.gone.windows])})


FORGET_READS = """
delete from conversation_reads where business_id = %(business_id)s::int and conversation_id = %(kept)s::bigint
"""
RETURN_READS = """
insert into conversation_reads (business_id, conversation_id, account_id, seq, inbound, read_at)
select %(business_id)s::int, r.conversation_id, r.account_id, r.seq, r.inbound, r.read_at
from jsonb_populate_recordset(null::conversation_reads, %(rows)s) r
"""


async def return_reads(conn: Conn, business_id: int, kept: int, rows: Sequence[Mapping[str, Any]]) -> None:
    """Has people have read so much of either thread, and no more."""
    values = {"business_id": business_id, "kept": kept}
    await conn.execute(FORGET_READS, values)
    await conn.execute(RETURN_READS, values | {"rows": Jsonb(list(rows))})
