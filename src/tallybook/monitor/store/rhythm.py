"""SQL of the groups' rhythm: how often each usually speaks."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from tallybook.core.db import Conn


class Rhythm(msgspec.Struct, frozen=True):
    """A group's recent life: messages of the window, the newest, and the longest silence between two of them."""

    project: str
    messages: int
    last_at: datetime | None
    longest_silence: timedelta | None


RHYTHMS = """
with recent as (
    select p.name, m.said_at, m.said_at - lag(m.said_at) over (partition by p.name order by m.said_at) as silence
    from monitor_projects p
    join messages m on m.business_id = p.business_id and m.chat = p.group_jid and m.channel <> 'manual'
    where p.business_id = %(business_id)s and p.active and m.said_at > %(since)s
)
select p.name, count(r.said_at), max(r.said_at), max(r.silence)
from monitor_projects p
left join recent r on r.name = p.name
where p.business_id = %(business_id)s and p.active
group by p.name
order by p.name
"""


async def rhythms(conn: Conn, business_id: int, since: datetime) -> list[Rhythm]:
    """Each active project's rhythm since a time."""
    cursor = await conn.execute(RHYTHMS, {"business_id": business_id, "since": since})
    return [Rhythm(*row) for row in await cursor.fetchall()]
