"""SQL of what is said of joinings before somebody makes or undoes one. Nothing is changed here."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tallybook.core import arrays
from tallybook.core.db import Conn
from tallybook.inbox import naming
from tallybook.inbox.naming import Names


class Joining(msgspec.Struct, frozen=True):
    """The latest joining that a thread's customer stands by. ``name`` is what the other was called, else their phone.

    ``goes_back`` and ``stays`` are messages: those that were the other's, and those that came since.
    """

    id: int
    at: datetime
    name: str
    goes_back: int
    stays: int


LATEST = """
select g.id, g.at, l.name, g.gone #>> '{contact,name}', g.gone #>> '{contact,profile_name}',
    g.gone #>> '{contact,phone}', g.gone #>> '{contact,username}',
    (select count(*)::int from merged_messages mm
        join whatsapp_message m on m.business_id = mm.business_id and m.id = mm.message_id
        where mm.business_id = g.business_id and mm.merge_id = g.id and m.conversation_id = t.id),
    (select count(*)::int from whatsapp_message m
        where m.business_id = t.business_id and m.conversation_id = t.id
            and m.seq > (g.joined #>> '{thread,last_seq}')::bigint)
from whatsapp_conversation t
join contact_merges g on g.business_id = t.business_id and g.kept_id = t.contact_id and g.undone_at is null
left join leads l on l.business_id = g.business_id and l.id = (g.gone ->> 'lead')::bigint
where t.business_id = %(business_id)s::int and t.id = %(conversation_id)s::bigint
order by g.id desc limit 1
"""
HAS = """
select t.contact_id, (select count(*)::int from whatsapp_message m
    where m.business_id = t.business_id and m.conversation_id = t.id)
from whatsapp_conversation t
where t.business_id = %(business_id)s::int and t.id = %(conversation_id)s::bigint
"""
THREAD_OF = """
select id from whatsapp_conversation
where business_id = %(business_id)s::int and contact_id = any(%(contacts)s::bigint[])
order by contact_id <> %(first)s::bigint limit 1
"""


async def latest(conn: Conn, business_id: int, conversation_id: int) -> Joining | None:
    values = {"business_id": business_id, "conversation_id": conversation_id}
    row = await (await conn.execute(LATEST, values)).fetchone()
    if row is None:
        return None
    lead, given, profile, phone, username = row[2:7]
    return Joining(row[0], row[1], naming.shown(Names(lead, given, profile, phone, username)), *row[7:])


async def has(conn: Conn, business_id: int, conversation_id: int) -> tuple[int, int] | None:
    """Whose thread it is, and how many messages are in it; None where there is no such thread in the business."""
    values = {"business_id": business_id, "conversation_id": conversation_id}
    row = await (await conn.execute(HAS, values)).fetchone()
    return (row[0], row[1]) if row else None


async def thread_of(conn: Conn, business_id: int, first: int, other: int) -> int | None:
    """The thread of the first of two contacts, else of the other; None where neither has one."""
    values = {"business_id": business_id, "first": first, "contacts": arrays.numbers([first, other])}
    row = await (await conn.execute(THREAD_OF, values)).fetchone()
    return row[0] if row else None
