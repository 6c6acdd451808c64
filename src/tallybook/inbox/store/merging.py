"""SQL of two contacts becoming one: what is kept of both, so that they can be parted, and the moves themselves.

The caller holds both contacts. Threads are held after them, in the order of their keys, as everybody does.
"""

from __future__ import annotations

from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn

Row = dict[str, Any]


class Side(msgspec.Struct, frozen=True):
    """All that is known of one contact, as JSON has the rows; ``known`` are the kinds and values of its identities."""

    contact: Row
    lead: int | None
    thread: Row | None
    windows: list[Row]
    reads: list[Row]
    known: list[tuple[str, str]]


LOCK_THREADS = """
select id from whatsapp_conversation
where business_id = %(business_id)s::int and contact_id = any(%(ids)s::bigint[]) order by canonical_key for update
"""
# So that a moment is written alike by whoever reads it, and can be compared.
IN_UTC = "select set_config('TimeZone', 'UTC', true)"


async def lock_threads(conn: Conn, business_id: int, contacts: list[int]) -> None:
    """Holds the threads of contacts."""
    await conn.execute(IN_UTC)
    await conn.execute(LOCK_THREADS, {"business_id": business_id, "ids": arrays.numbers(contacts)})


SIDE = """
select to_jsonb(c), (select l.id from leads l where l.business_id = c.business_id and l.contact_id = c.id),
    to_jsonb(t),
    (select coalesce(jsonb_agg(to_jsonb(w) order by w.channel, w.account), '[]') from conversation_windows w
        where w.business_id = t.business_id and w.conversation_id = t.id),
    (select coalesce(jsonb_agg(to_jsonb(r) order by r.account_id), '[]') from conversation_reads r
        where r.business_id = t.business_id and r.conversation_id = t.id),
    (select coalesce(jsonb_agg(jsonb_build_array(i.kind, i.value) order by i.kind, i.value), '[]')
        from contact_identities i where i.business_id = c.business_id and i.contact_id = c.id)
from contacts c
left join whatsapp_conversation t on t.business_id = c.business_id and t.contact_id = c.id
where c.business_id = %(business_id)s::int and c.id = %(id)s::bigint
"""


async def side(conn: Conn, business_id: int, contact_id: int) -> Side:
    """All that is known of a contact that the caller holds."""
    cursor = await conn.execute(SIDE, {"business_id": business_id, "id": contact_id})
    ((contact, lead, thread, windows, reads, known),) = await cursor.fetchall()
    return Side(contact, lead, thread, windows, reads, [(kind, value) for kind, value in known])


MAKE_THREAD = """
insert into whatsapp_conversation (business_id, contact_id, canonical_key, customer_number, provider, channel, account,
    is_open, started_at)
select k.business_id, k.id, k.thread_key, g.customer_number, g.provider, g.channel, g.account, false, g.started_at
from contacts k
join whatsapp_conversation g on g.business_id = k.business_id and g.contact_id = %(gone)s::bigint
where k.business_id = %(business_id)s::int and k.id = %(kept)s::bigint
    and not exists (select from whatsapp_conversation t where t.business_id = k.business_id and t.contact_id = k.id)
"""
BEGIN = """
insert into contact_merges (business_id, kept_id, gone_id, who, made_thread, kept, gone)
values (%(business_id)s::int, %(kept)s::bigint, %(gone)s::bigint, %(who)s, %(made)s::bool, %(before)s, %(of_gone)s)
returning id
"""
END = """
update contact_merges set joined = %(joined)s where business_id = %(business_id)s::int and id = %(id)s::bigint
"""


async def make_thread(conn: Conn, business_id: int, kept: int, gone: int) -> bool:
    """Gives the kept contact an empty thread where only the other has one."""
    values = {"business_id": business_id, "kept": kept, "gone": gone}
    return (await conn.execute(MAKE_THREAD, values)).rowcount == 1


async def begin(conn: Conn, business_id: int, who: str, sides: tuple[Side, Side], *, made: bool) -> int:
    """Keeps what both were before; the number of the joining."""
    kept, gone = sides
    values = {
        "business_id": business_id, "kept": kept.contact["id"], "gone": gone.contact["id"], "who": who[:100],
        "made": made, "before": Jsonb(msgspec.structs.asdict(kept)), "of_gone": Jsonb(msgspec.structs.asdict(gone)),
    }  # fmt: skip
    ((number,),) = await (await conn.execute(BEGIN, values)).fetchall()
    return int(number)


async def end(conn: Conn, business_id: int, merge_id: int, joined: Side) -> None:
    """Keeps what the one is after."""
    values = {"business_id": business_id, "id": merge_id, "joined": Jsonb(msgspec.structs.asdict(joined))}
    await conn.execute(END, values)


MOVE_KNOWN = """
update contact_identities set contact_id = %(kept)s::bigint
where business_id = %(business_id)s::int and contact_id = %(gone)s::bigint
"""
MOVE_LEAD = """
update leads set contact_id = %(kept)s::bigint
where business_id = %(business_id)s::int and contact_id = %(gone)s::bigint
    and not exists (select from leads l where l.business_id = %(business_id)s::int and l.contact_id = %(kept)s::bigint)
"""
# What our people call them, and what they call themselves, where the kept one has nothing of it.
JOIN_CONTACT = """
update contacts k set name = coalesce(k.name, g.name), profile_name = coalesce(k.profile_name, g.profile_name),
    username = coalesce(k.username, g.username), updated_at = now()
from contacts g
where k.business_id = %(business_id)s::int and k.id = %(kept)s::bigint
    and g.business_id = k.business_id and g.id = %(gone)s::bigint
"""
# A key of its own, so that whoever still means to write into its thread is refused instead of beginning it anew.
LEAVE = """
update contacts set merged_into = %(kept)s::bigint, thread_key = %(key)s, updated_at = now()
where business_id = %(business_id)s::int and id = %(gone)s::bigint
"""


async def move_person(conn: Conn, business_id: int, kept: int, gone: int) -> None:
    """Moves what a contact is known by, and its lead where the other has none. Its thread is gone already."""
    values = {"business_id": business_id, "kept": kept, "gone": gone, "key": f"merged:{business_id}:{gone}"}
    for statement in (MOVE_KNOWN, MOVE_LEAD, JOIN_CONTACT, LEAVE):
        await conn.execute(statement, values)


NOTE_MESSAGES = """
insert into merged_messages (business_id, message_id, merge_id, seq, lead_id)
select business_id, id, %(merge_id)s::bigint, seq, lead_id from whatsapp_message
where business_id = %(business_id)s::int and conversation_id = %(gone)s::bigint
"""
MOVE_MESSAGES = """
update whatsapp_message set conversation_id = %(kept)s::bigint, seq = seq + %(last_seq)s::bigint,
    lead_id = coalesce(%(lead)s::bigint, lead_id)
where business_id = %(business_id)s::int and conversation_id = %(gone)s::bigint
"""
# Of two clocks the later; what the list shows is the newest that was said; unread is what is unread in either. The
# one moment of ``last_read_at`` is where something is unread that thread's own, so that it stays unread by it.
JOIN_THREADS = """
update whatsapp_conversation k set
    last_seq = k.last_seq + g.last_seq, inbound = k.inbound + g.inbound, read_inbound = k.read_inbound + g.read_inbound,
    decided_inbound = k.decided_inbound + g.decided_inbound,
    read_seq = case when k.read_inbound >= k.inbound and g.read_seq > 0 then k.last_seq + g.read_seq
        else k.read_seq end,
    last_read_at = case
        when k.inbound > k.read_inbound and g.inbound > g.read_inbound then case
            when k.last_read_at is null or g.last_read_at is null then null
            else least(k.last_read_at, g.last_read_at) end
        when k.inbound > k.read_inbound then k.last_read_at
        when g.inbound > g.read_inbound then g.last_read_at
        else greatest(k.last_read_at, g.last_read_at) end,
    started_at = least(k.started_at, g.started_at),
    last_message_at = greatest(k.last_message_at, g.last_message_at),
    previous_message_at = greatest(k.previous_message_at, g.previous_message_at),
    last_customer_message_at = greatest(k.last_customer_message_at, g.last_customer_message_at),
    lead_id = coalesce(%(lead)s::bigint, k.lead_id),
    customer_name = coalesce(k.customer_name, g.customer_name),
    customer_wa_id = coalesce(k.customer_wa_id, g.customer_wa_id),
    is_open = k.is_open or g.is_open, bot_active = k.bot_active and g.bot_active,
    bot_called_at = least(k.bot_called_at, g.bot_called_at),
    assigned_to = coalesce(k.assigned_to, g.assigned_to),
    team_id = case when k.assigned_to is null and k.team_id is null then g.team_id else k.team_id end,
    blocked_at = coalesce(k.blocked_at, g.blocked_at),
    blocked_by = case when k.blocked_at is null then g.blocked_by else k.blocked_by end,
    blocked_reason = case when k.blocked_at is null then g.blocked_reason else k.blocked_reason end,
    channel = case when n.wrote then g.channel else k.channel end,
    account = case when n.wrote then g.account else k.account end,
    provider = case when n.wrote then g.provider else k.provider end,
    last_body = case when n.spoke then g.last_body else k.last_body end,
    last_type = case when n.spoke then g.last_type else k.last_type end,
    last_source = case when n.spoke then g.last_source else k.last_source end,
    updated_at = now()
from whatsapp_conversation g
cross join lateral (select
    coalesce(g.last_customer_message_at, '-infinity') > coalesce((select x.last_customer_message_at
        from whatsapp_conversation x where x.business_id = g.business_id and x.id = %(kept)s::bigint), '-infinity')
        as wrote,
    coalesce(g.last_message_at, '-infinity') > coalesce((select x.last_message_at
        from whatsapp_conversation x where x.business_id = g.business_id and x.id = %(kept)s::bigint), '-infinity')
        as spoke) n
where k.business_id = %(business_id)s::int and k.id = %(kept)s::bigint
    and g.business_id = k.business_id and g.id = %(gone)s::bigint
"""
MOVE_DECISIONS = """
update reply_decisions set conversation_id = %(kept)s::bigint, seq = seq + %(last_seq)s::bigint
where business_id = %(business_id)s::int and conversation_id = %(gone)s::bigint
"""
JOIN_WINDOWS = f"""
insert into conversation_windows as w (business_id, conversation_id, channel, account, last_inbound_at, referred_at)
select business_id, %(kept)s::bigint, channel, account, last_inbound_at, referred_at from conversation_windows
where business_id = %(business_id)s::int and conversation_id = %(gone)s::bigint
on conflict {inbox_keys.CONVERSATION_WINDOW.target} do update set
    last_inbound_at = greatest(w.last_inbound_at, excluded.last_inbound_at),
    referred_at = greatest(w.referred_at, excluded.referred_at)
"""
# Who read one of the two only has the other's unread still; the place moves on only over what was read whole.
JOIN_READS = f"""
insert into conversation_reads as r (business_id, conversation_id, account_id, seq, inbound, read_at)
select business_id, %(kept)s::bigint, account_id,
    case when %(inbound)s::bigint = 0 then %(last_seq)s::bigint + seq else 0 end, inbound, read_at
from conversation_reads where business_id = %(business_id)s::int and conversation_id = %(gone)s::bigint
on conflict {inbox_keys.CONVERSATION_READ.target} do update set
    inbound = r.inbound + excluded.inbound, read_at = greatest(r.read_at, excluded.read_at),
    seq = case when r.inbound >= %(inbound)s::bigint then greatest(r.seq, %(last_seq)s::bigint + (
        select g.seq from conversation_reads g where g.business_id = r.business_id
            and g.conversation_id = %(gone)s::bigint and g.account_id = r.account_id)) else r.seq end
"""
DROP_THREAD = """
delete from whatsapp_conversation where business_id = %(business_id)s::int and id = %(gone)s::bigint
"""


async def move_thread(conn: Conn, business_id: int, merge_id: int, sides: tuple[Row, Row], lead: int | None) -> int:
    """Moves all of the second thread behind all of the first, and takes it away. Returns how many messages moved."""
    kept, gone = sides
    values = {
        "business_id": business_id, "merge_id": merge_id, "kept": kept["id"], "gone": gone["id"],
        "last_seq": kept["last_seq"], "inbound": kept["inbound"], "lead": lead,
    }  # fmt: skip
    moved = (await conn.execute(NOTE_MESSAGES, values)).rowcount
    for statement in (MOVE_MESSAGES, MOVE_DECISIONS, JOIN_WINDOWS, JOIN_READS, JOIN_THREADS, DROP_THREAD):
        await conn.execute(statement, values)
    return moved


LEAD_THREAD = """
update whatsapp_conversation set lead_id = %(lead)s::bigint, updated_at = now()
where business_id = %(business_id)s::int and contact_id = %(kept)s::bigint
"""
LEAD_MESSAGES = """
update whatsapp_message m set lead_id = %(lead)s::bigint
from whatsapp_conversation t
where t.business_id = %(business_id)s::int and t.contact_id = %(kept)s::bigint
    and m.business_id = t.business_id and m.conversation_id = t.id and m.lead_id is null
"""


async def take_lead(conn: Conn, business_id: int, kept: int, lead: int) -> None:
    """Says on the thread of a contact, and on what is nobody's in it, that it is the other's lead."""
    values = {"business_id": business_id, "kept": kept, "lead": lead}
    await conn.execute(LEAD_THREAD, values)
    await conn.execute(LEAD_MESSAGES, values)


STANDING = """
select id from contact_merges
where business_id = %(business_id)s::int and undone_at is null
    and gone_id in (%(one)s::bigint, %(other)s::bigint)
order by id desc limit 1
"""
PARTED = """
select exists (select from contact_merges
    where business_id = %(business_id)s::int and undone_at is not null
        and (kept_id, gone_id) in ((%(one)s::bigint, %(other)s::bigint), (%(other)s::bigint, %(one)s::bigint)))
"""


async def standing(conn: Conn, business_id: int, one: int, other: int) -> int:
    """The joining that made one of two contacts, which are the same by now."""
    cursor = await conn.execute(STANDING, {"business_id": business_id, "one": one, "other": other})
    ((number,),) = await cursor.fetchall()
    return int(number)


async def parted(conn: Conn, business_id: int, one: int, other: int) -> bool:
    """Whether somebody said that these two are not one person."""
    row = await (await conn.execute(PARTED, {"business_id": business_id, "one": one, "other": other})).fetchone()
    return row is not None and row[0]
