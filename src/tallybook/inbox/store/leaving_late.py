"""SQL of what was put to be said by itself, or later, and waits to leave: whether it is still true."""

from __future__ import annotations

from tallybook.core.db import Conn

# The cause of a reminder names the meeting and how often it had been moved.
REMINDER = """
select coalesce(a.status in ('booked', 'confirmed'), false),
    coalesce(a.moves::text = split_part(n.cause, ':', 3), false)
from automation_runs n left join appointments a
    on a.business_id = n.business_id
    and a.id = case when n.cause like 'appointment:%%' then split_part(n.cause, ':', 2)::bigint end
where n.business_id = %(business_id)s::int and n.id = %(id)s::bigint and n.cause like 'appointment:%%'
"""
WRITTEN = """
select exists (select from whatsapp_message m where m.business_id = s.business_id
    and m.conversation_id = s.conversation_id and m.direction = 'in' and m.counted and m.created_at > s.made_at)
from scheduled_messages s
where s.business_id = %(business_id)s::int and s.id = %(id)s::bigint and s.unless_written
"""


async def meeting(conn: Conn, business_id: int, run_id: int) -> tuple[bool, bool]:
    """Whether the meeting of which a run reminds takes place, and at the time of then; yes where it reminds of none."""
    row = await (await conn.execute(REMINDER, {"business_id": business_id, "id": run_id})).fetchone()
    return (row[0], row[1]) if row else (True, True)


async def wrote(conn: Conn, business_id: int, number: int) -> bool:
    """Whether a customer has written since a message for later was made that is not to be said then."""
    row = await (await conn.execute(WRITTEN, {"business_id": business_id, "id": number})).fetchone()
    return row is not None and row[0]
