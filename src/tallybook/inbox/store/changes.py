"""SQL of what happens to messages later: reactions, edits, and messages taken back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox.rules import TAKEN_BACK, preview
from tallybook.inbox.types import Change, Known, Place, Reaction

from .searching import said_anew

_HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007

# The last one holds, whichever comes first. It needs no message: one that comes before its message waits as a row.
REACT = f"""
insert into message_reactions as r (business_id, channel, account, about, who, emoji, at)
select distinct on (u.channel, u.account, u.about, u.who) %(business_id)s::int, u.*
from unnest(%(channels)s::text[], %(accounts)s::text[], %(about)s::text[], %(who)s::text[], %(emojis)s::text[],
    %(at)s::timestamptz[]) as u (channel, account, about, who, emoji, at)
order by u.channel, u.account, u.about, u.who, u.at desc, u.emoji desc
on conflict {inbox_keys.REACTION.target} do update set emoji = excluded.emoji, at = excluded.at
where (excluded.at, excluded.emoji) > (r.at, r.emoji)
"""


async def react(conn: Conn, business_id: int, reactions: Sequence[Reaction]) -> None:
    await conn.execute(
        REACT,
        {
            "business_id": business_id,
            "channels": arrays.texts([one.channel for one in reactions]),
            "accounts": arrays.texts([one.account for one in reactions]),
            "about": arrays.texts([one.about for one in reactions]),
            "who": arrays.texts([one.who for one in reactions]),
            "emojis": arrays.texts([one.emoji for one in reactions]),
            "at": arrays.times([one.at for one in reactions]),
        },
    )


# Only who said a message may change it: a gateway vouches for nobody. In a group that is anybody in it.
_THEIR_OWN = f"""m.direction = case when %(by_us)s::bool then 'out' else 'in' end and (%(by_us)s::bool or exists (
        select from whatsapp_conversation c
        join contact_identities i on i.business_id = c.business_id and i.contact_id = c.contact_id
        where c.business_id = {_HIDDEN} and c.id = m.conversation_id
        and i.kind || ':' || i.value = any(%(known)s::text[])))"""
# Of several edits the last one said holds; of two in one second the greater, so that no order of coming decides. What
# was taken back says nothing any more.
EDIT = f"""
update whatsapp_message m set edited_at = greatest(m.edited_at, %(at)s::timestamptz),
    body = case
        when m.status = 'deleted' or m.edited_at > %(at)s::timestamptz then m.body
        when m.edited_at = %(at)s::timestamptz then greatest(m.body, %(body)s::text)
        else %(body)s::text end
where m.business_id = {_HIDDEN} and m.channel = %(channel)s and m.account = %(account)s
    and m.provider_message_id = %(about)s and {_THEIR_OWN}
returning m.conversation_id, m.id, m.body,
    case when m.status = 'deleted' then %(taken_back)s::text else m.message_type end
"""
# Where it is the newest of its thread. What is written at this moment holds the thread's row, and then is newer.
SHOW = f"""
update whatsapp_conversation c set last_body = %(preview)s::text, last_type = %(type)s::text
from whatsapp_message m
where c.business_id = {_HIDDEN} and c.id = %(conversation_id)s::bigint
    and m.business_id = {_HIDDEN} and m.id = %(id)s::bigint and m.said_at = c.last_message_at
    and not exists (
        select from whatsapp_message l
        where l.business_id = {_HIDDEN} and l.conversation_id = %(conversation_id)s::bigint and l.said_at = m.said_at
            and l.seq > m.seq and l.source <> 'system')
"""
# The thread's row first, as everybody takes it; what is not there any more waits for nobody, so that the counters of
# those who have not read so far stay exact.
LOCK_THREAD = f"""
select c.id from whatsapp_conversation c
where c.business_id = {_HIDDEN} and c.id = (
    select m.conversation_id from whatsapp_message m
    where m.business_id = {_HIDDEN} and m.channel = %(channel)s and m.account = %(account)s
    and m.provider_message_id = %(about)s)
for update
"""
TAKE_BACK = f"""
update whatsapp_message m set status = 'deleted', body = ''
where m.business_id = {_HIDDEN} and m.channel = %(channel)s and m.account = %(account)s
    and m.provider_message_id = %(about)s and m.status <> 'deleted' and {_THEIR_OWN}
returning m.conversation_id, m.seq, m.counted, m.id
"""
THERE = f"""
select from whatsapp_message m where m.business_id = {_HIDDEN} and m.channel = %(channel)s
    and m.account = %(account)s and m.provider_message_id = %(about)s and {_THEIR_OWN}
"""
# What lay before a joining in the other thread may have been read there, and lie behind what waits here.
_READ_BEFORE = f"""exists (select from merged_messages b
    join contact_merges j on j.business_id = b.business_id and j.id = b.merge_id and j.undone_at is null
    where b.business_id = {_HIDDEN} and b.message_id = %(id)s::bigint and b.seq <= """
UNCOUNT = f"""
update whatsapp_conversation c set inbound = c.inbound - 1,
    read_inbound = least(c.inbound - 1, c.read_inbound - case
        when c.read_seq >= %(seq)s::bigint or {_READ_BEFORE} (j.gone -> 'thread' ->> 'read_seq')::bigint) then 1
        else 0 end),
    decided_inbound = c.decided_inbound - (
        select m.decided::int from whatsapp_message m where m.business_id = {_HIDDEN} and m.id = %(id)s::bigint)
where c.business_id = {_HIDDEN} and c.id = %(conversation_id)s::bigint
"""
UNCOUNT_READERS = f"""
update conversation_reads r
set inbound = least(c.inbound, r.inbound - case
    when r.seq >= %(seq)s::bigint or {_READ_BEFORE} (
        select g.seq from jsonb_populate_recordset(null::conversation_reads, j.gone -> 'reads') g
        where g.account_id = r.account_id)) then 1
    else 0 end)
from whatsapp_conversation c
where r.business_id = {_HIDDEN} and r.conversation_id = %(conversation_id)s::bigint
    and c.business_id = {_HIDDEN} and c.id = r.conversation_id
"""


async def edit(conn: Conn, business_id: int, change: Change) -> bool:
    """Has a message say something else, unless it says something newer. False: it is not there."""
    values = _named(business_id, change) | {"body": change.body, "at": change.at, "taken_back": TAKEN_BACK}
    row = await (await conn.execute(EDIT, values)).fetchone()
    if row is None:
        return False
    await _show(conn, business_id, *row)
    await said_anew(conn, business_id, (change.channel, change.account), [change.about])
    return True


async def _show(conn: Conn, business_id: int, conversation_id: int, number: int, body: str, kind: str) -> None:
    """Has the list of threads show what a message says now, if it is the one that it shows."""
    shown = {"conversation_id": conversation_id, "id": number, "preview": preview(body, kind), "type": kind}
    await conn.execute(SHOW, {"business_id": business_id, **shown})


async def take_back(conn: Conn, business_id: int, change: Change) -> bool:
    """Empties a message that was taken back, and counts it as unread no longer. False: it is not there."""
    values = _named(business_id, change)
    await conn.execute(LOCK_THREAD, values)
    row = await (await conn.execute(TAKE_BACK, values)).fetchone()
    if row is None:
        return (await conn.execute(THERE, values)).rowcount == 1
    conversation_id, seq, counted, number = row
    await _show(conn, business_id, conversation_id, number, "", TAKEN_BACK)
    await said_anew(conn, business_id, (change.channel, change.account), [change.about])
    if counted:
        counts = {"business_id": business_id, "conversation_id": conversation_id, "seq": seq, "id": number}
        await conn.execute(UNCOUNT, counts)
        await conn.execute(UNCOUNT_READERS, counts)
    return True


AWAIT = f"""
insert into waiting_changes as w (business_id, channel, account, about, kind, who, known, at, body)
values (%(business_id)s::int, %(channel)s, %(account)s, %(about)s, %(kind)s, %(who)s, %(known)s::text[],
    %(at)s::timestamptz, %(body)s)
on conflict {inbox_keys.WAITING_CHANGE.target} do update set at = excluded.at, body = excluded.body
where (excluded.at, excluded.body) > (w.at, w.body)
"""
TAKE = f"""
delete from waiting_changes w
using unnest(%(channels)s::text[], %(accounts)s::text[], %(external)s::text[]) as u (channel, account, external)
where w.business_id = {_HIDDEN} and w.channel = u.channel and w.account = u.account and w.about = u.external
returning w.channel, w.account, w.about, w.at, case when w.kind = 'edit' then w.body end, w.who = '', w.known
"""


async def wait(conn: Conn, business_id: int, change: Change) -> None:
    """Keeps a change until its message comes."""
    kind = "revoke" if change.body is None else "edit"
    named = _named(business_id, change)
    who = "" if change.by_us else named["known"][0]
    await conn.execute(AWAIT, named | {"kind": kind, "who": who, "at": change.at, "body": change.body or ""})


async def take(conn: Conn, business_id: int, places: Sequence[Place]) -> list[Change]:
    """Takes away the changes that waited for these messages."""
    values = {
        "channels": arrays.texts([place[0] for place in places]),
        "accounts": arrays.texts([place[1] for place in places]),
        "external": arrays.texts([place[2] for place in places]),
    }
    rows = await (await conn.execute(TAKE, {"business_id": business_id, **values})).fetchall()
    return [
        Change(channel, account, about, at, body, by_us, tuple(_known(one) for one in known))
        for channel, account, about, at, body, by_us, known in rows
    ]


def _known(told: str) -> Known:
    kind, _, value = told.partition(":")
    return Known(kind, value)


def _named(business_id: int, change: Change) -> dict[str, Any]:
    return {
        "business_id": business_id, "channel": change.channel, "account": change.account, "about": change.about,
        "by_us": change.by_us, "known": [f"{one.kind}:{one.value}" for one in change.known],
    }  # fmt: skip
