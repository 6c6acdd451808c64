"""SQL of whose a thread is, and of how it became so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tallybook.core.audit import Doer
from tallybook.core.db import Conn
from tallybook.inbox.desk_types import Assignment, Owner

# The lock under which messages are filed and answers written, so that the last who gives it somebody is the last.
HELD = """
select assigned_to, team_id from whatsapp_conversation
where business_id = %(business_id)s::int and id = %(id)s::bigint for update
"""
GIVE = """
update whatsapp_conversation set assigned_to = %(person)s::int, team_id = %(team)s::bigint, updated_at = now()
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
WRITE_DOWN = """
insert into conversation_assignments (business_id, conversation_id, at, who, person, team)
values (%(business_id)s::int, %(id)s::bigint, clock_timestamp(), %(who)s, %(person)s, %(team)s)
"""


async def hold(conn: Conn, business_id: int, conversation_id: int) -> Owner | None:
    """Whose a thread is, held until the transaction ends; None where there is no such thread in the business."""
    row = await (await conn.execute(HELD, {"business_id": business_id, "id": conversation_id})).fetchone()
    return Owner(*row) if row else None


async def give(
    conn: Conn, doer: Doer, conversation_id: int, owner: Owner, names: tuple[str | None, str | None]
) -> None:
    """Has a thread, which the caller holds, be somebody's, and writes down who did it by the names of the moment."""
    values = {"business_id": doer.business_id, "id": conversation_id}
    await conn.execute(GIVE, values | {"person": owner.person, "team": owner.team})
    await conn.execute(WRITE_DOWN, values | {"who": doer.name[:100], "person": names[0], "team": names[1]})


BETWEEN = """
select a.id, a.at, a.who, a.person, a.team from conversation_assignments a
where a.business_id = %(business_id)s::int and a.conversation_id = %(id)s::bigint
    and a.at >= coalesce(%(since)s::timestamptz, '-infinity') and a.at < coalesce(%(until)s::timestamptz, 'infinity')
order by a.at desc, a.id desc limit %(limit)s
"""


async def between(
    conn: Conn, business_id: int, conversation_id: int, times: tuple[datetime | None, datetime | None], limit: int
) -> Sequence[Assignment]:
    """Whose a thread became from one moment until another, the oldest first; the latest of very many."""
    values = {"business_id": business_id, "id": conversation_id, "since": times[0], "until": times[1], "limit": limit}
    rows = await (await conn.execute(BETWEEN, values)).fetchall()
    return [Assignment(*row) for row in reversed(rows)]
