"""SQL of answers of the bot that are taken back before they leave, and of their bursts, which are decided on anew."""

from __future__ import annotations

import msgspec

from tallybook.core.db import Conn


class Standing(msgspec.Struct, frozen=True):
    """What has come since an answer of the bot was put: its place and thread, and who wrote behind the burst."""

    conversation_id: int
    seq: int
    bot_active: bool
    customer_wrote: bool
    person_wrote: bool


WHERE = """
select conversation_id from whatsapp_message
where business_id = %(business_id)s::int and outgoing_key = %(key)s::text and source = 'bot'
"""
# As whoever files in it does, so that what is filed now is seen afterwards.
HOLD = """
select id from whatsapp_conversation
where business_id = %(business_id)s::int and id = %(conversation_id)s::bigint for no key update
"""


async def hold(conn: Conn, business_id: int, key: str) -> int | None:
    """Holds the thread in which the bot's answer of this key is; None where the key is not the bot's.

    By a joining it may go to another thread while we wait.
    """
    values = {"business_id": business_id, "key": key}
    held: int | None = None
    while True:
        row = await (await conn.execute(WHERE, values)).fetchone()
        if row is None or row[0] == held:
            return held if row else None
        held = row[0]
        await conn.execute(HOLD, values | {"conversation_id": held})


STANDING = """
select d.conversation_id, d.seq, c.bot_active,
    exists (select from whatsapp_message m where m.business_id = d.business_id
        and m.conversation_id = d.conversation_id and m.seq > d.seq and m.counted and m.status <> 'deleted'),
    exists (select from whatsapp_message m where m.business_id = d.business_id
        and m.conversation_id = d.conversation_id and m.seq > d.seq and m.source = 'human')
from reply_decisions d
join whatsapp_conversation c on c.business_id = d.business_id and c.id = d.conversation_id
where d.business_id = %(business_id)s::int and d.outgoing_key = %(key)s::text
    and d.conversation_id = %(conversation_id)s::bigint and d.decision = 'answered'
"""


async def standing(conn: Conn, business_id: int, conversation_id: int, key: str) -> Standing | None:
    """What has come since, in a thread that the caller holds; None where no decision has this answer."""
    values = {"business_id": business_id, "conversation_id": conversation_id, "key": key}
    row = await (await conn.execute(STANDING, values)).fetchone()
    return Standing(*row) if row else None


WITHDRAW = """
update reply_decisions set decision = 'withdrawn', reason = %(reason)s::text, withdrawn = withdrawn + 1,
    outgoing_key = null
where business_id = %(business_id)s::int and conversation_id = %(conversation_id)s::bigint and seq = %(seq)s::bigint
"""
# The messages of that burst: those behind the decision before it that still stands.
OPEN = """
with open as (
    update whatsapp_message m set decided = false
    where m.business_id = %(business_id)s::int and m.conversation_id = %(conversation_id)s::bigint
        and m.counted and m.decided and m.seq <= %(seq)s::bigint and m.seq > (
            select coalesce(max(d.seq), 0) from reply_decisions d
            where d.business_id = %(business_id)s::int and d.conversation_id = %(conversation_id)s::bigint
                and d.seq < %(seq)s::bigint and d.decision <> 'withdrawn')
    returning m.status
)
update whatsapp_conversation set
    decided_inbound = decided_inbound - (select count(*) from open where status <> 'deleted')
where business_id = %(business_id)s::int and id = %(conversation_id)s::bigint
"""


async def withdraw(conn: Conn, business_id: int, found: Standing, reason: str) -> None:
    """The burst waits to be decided on again, in a thread that the caller holds."""
    values = {
        "business_id": business_id, "conversation_id": found.conversation_id, "seq": found.seq, "reason": reason,
    }  # fmt: skip
    await conn.execute(WITHDRAW, values)
    await conn.execute(OPEN, values)
