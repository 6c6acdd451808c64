"""SQL of who is blocked: it stands on their thread, of which there is one."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tallybook.core.db import Conn


class Blocked(msgspec.Struct, frozen=True):
    """Since when somebody is blocked, by whom, and why."""

    at: datetime
    by: str
    reason: str


BLOCK = """
update whatsapp_conversation set blocked_at = now(), blocked_by = %(by)s, blocked_reason = %(reason)s,
    updated_at = now()
where business_id = %(business_id)s::int and id = %(id)s::bigint and blocked_at is null
"""
UNBLOCK = """
update whatsapp_conversation set blocked_at = null, blocked_by = null, blocked_reason = null, updated_at = now()
where business_id = %(business_id)s::int and id = %(id)s::bigint and blocked_at is not null
"""
ONE = """
select c.blocked_at, coalesce(c.blocked_by, ''), coalesce(c.blocked_reason, '') from whatsapp_conversation c
where c.business_id = %(business_id)s::int and c.id = %(id)s::bigint and c.blocked_at is not null
"""
LEAVING = """
select exists (select from whatsapp_message m
    join whatsapp_conversation c on c.business_id = m.business_id and c.id = m.conversation_id
    where m.business_id = %(business_id)s::int and m.outgoing_key = %(key)s::text and c.blocked_at is not null)
"""


# Reactions and receipts are no messages of a thread: by the message that they are about.
LEAVING_ABOUT = """
select exists (select from whatsapp_message m
    join whatsapp_conversation c on c.business_id = m.business_id and c.id = m.conversation_id
    where m.business_id = %(business_id)s::int and m.id = %(message_id)s::bigint and c.blocked_at is not null)
"""


async def block(conn: Conn, business_id: int, conversation_id: int, by: str, reason: str) -> bool:
    """Whether that changed anything."""
    values = {"business_id": business_id, "id": conversation_id, "by": by[:100], "reason": reason}
    return (await conn.execute(BLOCK, values)).rowcount == 1


async def unblock(conn: Conn, business_id: int, conversation_id: int) -> bool:
    """Whether that changed anything."""
    return (await conn.execute(UNBLOCK, {"business_id": business_id, "id": conversation_id})).rowcount == 1


async def one(conn: Conn, business_id: int, conversation_id: int) -> Blocked | None:
    """How the customer of a thread is blocked; None where they are not."""
    row = await (await conn.execute(ONE, {"business_id": business_id, "id": conversation_id})).fetchone()
    return Blocked(*row) if row else None


async def is_leaving(conn: Conn, business_id: int, key: str) -> bool:
    """Whether the message that the outbox has under this key is for somebody who is blocked."""
    row = await (await conn.execute(LEAVING, {"business_id": business_id, "key": key})).fetchone()
    return row is not None and row[0]


async def is_leaving_about(conn: Conn, business_id: int, message_id: int) -> bool:
    """Whether what is about a message of a thread is for somebody who is blocked."""
    values = {"business_id": business_id, "message_id": message_id}
    row = await (await conn.execute(LEAVING_ABOUT, values)).fetchone()
    return row is not None and row[0]
