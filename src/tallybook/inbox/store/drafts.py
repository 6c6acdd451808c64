"""SQL of what people see of the bot in a thread: what it decided, what it drafted, and whether it may speak."""

from __future__ import annotations

from datetime import datetime

from tallybook.core.db import Conn
from tallybook.inbox.answer_types import Draft, Told

LOOKED_THROUGH = 20  # decisions of a thread, the newest first

# Nobody has answered since: then it is of no use any more.
DRAFT = """
select d.seq, d.body, d.decided_at, d.responder, exists (
        select from whatsapp_message m where m.business_id = %(business_id)s::int and m.conversation_id = %(id)s::bigint
            and m.counted and m.status <> 'deleted' and m.seq > d.seq)
from (
    select * from reply_decisions x
    where x.business_id = %(business_id)s::int and x.conversation_id = %(id)s::bigint
    order by x.seq desc limit %(limit)s::int) d
where d.decision = 'drafted' and d.draft_state is null and not exists (
    select from whatsapp_message m where m.business_id = %(business_id)s::int and m.conversation_id = %(id)s::bigint
        and m.seq > d.seq and m.source in ('human', 'bot') and m.status <> 'failed')
order by d.seq desc limit 1
"""


async def draft(conn: Conn, business_id: int, conversation_id: int) -> Draft | None:
    """The newest draft on which nobody has decided, in a thread where nobody has answered since."""
    values = {"business_id": business_id, "id": conversation_id, "limit": LOOKED_THROUGH}
    row = await (await conn.execute(DRAFT, values)).fetchone()
    return Draft(*row) if row else None


SETTLED = """
select draft_state, body from reply_decisions
where business_id = %(business_id)s::int and conversation_id = %(id)s::bigint and seq = %(seq)s::bigint
    and decision = 'drafted'
"""
SETTLE = """
update reply_decisions set draft_state = %(state)s::text, draft_by = %(who)s::text, draft_at = now()
where business_id = %(business_id)s::int and conversation_id = %(id)s::bigint and seq = %(seq)s::bigint
    and decision = 'drafted' and draft_state is null
"""


async def settled(conn: Conn, business_id: int, conversation_id: int, seq: int) -> tuple[str | None, str] | None:
    """What somebody did with a draft, and its text; None where there is none at this place."""
    values = {"business_id": business_id, "id": conversation_id, "seq": seq}
    row = await (await conn.execute(SETTLED, values)).fetchone()
    return (row[0], row[1]) if row else None


async def settle(conn: Conn, business_id: int, place: tuple[int, int], state: str, who: str) -> bool:
    """Writes down what somebody did with the draft of a thread and place; False where somebody did before."""
    values = {"business_id": business_id, "id": place[0], "seq": place[1], "state": state, "who": who[:100]}
    return (await conn.execute(SETTLE, values)).rowcount == 1


TOLD = """
select seq, decision, reason, decided_at, responder, draft_state, draft_by from reply_decisions
where business_id = %(business_id)s::int and conversation_id = %(id)s::bigint
    and seq >= %(first)s::bigint and seq <= %(last)s::bigint
order by seq desc limit %(limit)s::int
"""


async def told(conn: Conn, business_id: int, conversation_id: int, between: tuple[int, int], limit: int) -> list[Told]:
    """What was decided between two places of a thread, both included, in their order; the last ``limit``."""
    values = {
        "business_id": business_id, "id": conversation_id, "first": between[0], "last": between[1], "limit": limit,
    }  # fmt: skip
    rows = await (await conn.execute(TOLD, values)).fetchall()
    return [Told(*row) for row in reversed(rows)]


SPEAKS = """
select c.bot_active, (
    select max(m.said_at) from whatsapp_message m
    where m.business_id = c.business_id and m.conversation_id = c.id and m.source = 'human'
        and m.said_at > greatest(%(since)s::timestamptz, c.bot_called_at))
from whatsapp_conversation c where c.business_id = %(business_id)s::int and c.id = %(id)s::bigint
"""
SWITCH = """
update whatsapp_conversation set bot_active = %(active)s::bool, updated_at = now(),
    bot_called_at = case when %(active)s::bool then %(now)s::timestamptz else bot_called_at end
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""


async def speaks(
    conn: Conn, business_id: int, conversation_id: int, since: datetime
) -> tuple[bool, datetime | None] | None:
    """Whether the bot is switched on in a thread, and when a person last spoke there after ``since``."""
    values = {"business_id": business_id, "id": conversation_id, "since": since}
    row = await (await conn.execute(SPEAKS, values)).fetchone()
    return (row[0], row[1]) if row else None


async def switch(conn: Conn, business_id: int, conversation_id: int, now: datetime, *, active: bool) -> None:
    """Switches the bot on or off in a thread that the caller holds."""
    values = {"business_id": business_id, "id": conversation_id, "active": active, "now": now}
    await conn.execute(SWITCH, values)
