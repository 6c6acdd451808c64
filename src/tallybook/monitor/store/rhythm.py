"""SQL of the groups' rhythm: how often each usually speaks."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from tallybook.core.db import Conn


class Rhythm(msgspec.Struct, frozen=True):
    """A group until its newest message: how many in the window that ends with it, and its longest silence."""

    project: str
    messages: int
    last_at: datetime | None
    longest_silence: timedelta | None


# The window ends with the newest message: one that ended now would slide past a silence, until there was none. What a
# phone with a wrong clock dates ahead does not count yet.
RHYTHMS = """
select p.name, coalesce(life.messages, 0), newest.at, life.longest
from monitor_projects p
left join lateral (
    select max(m.said_at) as at from messages m
    where m.business_id = p.business_id and m.chat = p.group_jid and m.channel <> 'manual'
        and m.said_at <= %(now)s::timestamptz
) newest on true
left join lateral (
    select count(*) as messages, max(silence) as longest
    from (
        select m.said_at - lag(m.said_at) over (order by m.said_at) as silence from messages m
        where m.business_id = p.business_id and m.chat = p.group_jid and m.channel <> 'manual'
            and m.said_at > newest.at - %(window)s::interval and m.said_at <= newest.at
    ) said
) life on true
where p.business_id = %(business_id)s::int and p.active
order by p.name
"""


async def rhythms(conn: Conn, business_id: int, now: datetime, window: timedelta) -> list[Rhythm]:
    """Each active project's rhythm, over a window before its newest message."""
    asked = {"business_id": business_id, "now": now, "window": window}
    return [Rhythm(*row) for row in await (await conn.execute(RHYTHMS, asked)).fetchall()]
