"""SQL of replies: which causes were answered, and what became of what was sent into groups."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from tallybook.core import arrays, keys
from tallybook.core.db import Conn
from tallybook.monitor.reply_types import CHANNEL, Reply

WATCHED_SINCE = """
select name, watched_since from monitor_projects
where business_id = %(business_id)s::int and active and name = any(%(names)s::text[])
"""


async def watched_since(conn: Conn, business_id: int, projects: Collection[str]) -> dict[str, datetime]:
    """Since when each of these projects is watched; those that are not watched now are left out."""
    names = {"business_id": business_id, "names": sorted(projects)}
    return dict(await (await conn.execute(WATCHED_SINCE, names)).fetchall())


ADD = f"""
insert into monitor_replies (business_id, project, drop_number, message_id, kind, dedup_key)
select %(business_id)s::int, u.* from unnest(%(project)s::text[], %(drop_number)s::text[], %(message_id)s::bigint[],
    %(kind)s::text[], %(dedup_key)s::text[]) as u
on conflict {keys.REPLY.target} do nothing
returning dedup_key
"""


async def add(conn: Conn, business_id: int, replies: Sequence[Reply]) -> list[Reply]:
    """Writes down what is answered now; returns those whose cause was not answered before, in the order of posting."""
    ordered = sorted(replies, key=lambda r: (r.post.project.name, r.post.drop_number, r.post.message_id, r.kind))
    cursor = await conn.execute(
        ADD,
        {
            "business_id": business_id,
            "project": arrays.texts([reply.post.project.name for reply in ordered]),
            "drop_number": arrays.texts([reply.post.drop_number for reply in ordered]),
            "message_id": arrays.numbers(reply.post.message_id for reply in ordered),
            "kind": arrays.texts([reply.kind for reply in ordered]),
            "dedup_key": arrays.texts([reply.dedup_key for reply in ordered]),
        },
    )
    new = {row[0] for row in await cursor.fetchall()}
    return [reply for reply in replies if reply.dedup_key in new]


KEYS_OF = """
select r.dedup_key from monitor_replies r
join outbox o on o.business_id = r.business_id and o.channel = %(channel)s::text and o.dedup_key = r.dedup_key
where r.business_id = %(business_id)s::int and r.drop_number = any(%(drops)s::text[]) and o.state = 'waiting'
"""


async def keys_of(conn: Conn, business_id: int, drops: Collection[str]) -> list[str]:
    """The keys of the replies about these drops that still wait."""
    names = {"business_id": business_id, "channel": CHANNEL, "drops": arrays.texts(sorted(drops))}
    return [row[0] for row in await (await conn.execute(KEYS_OF, names)).fetchall()]


class Sent(msgspec.Struct, frozen=True):
    """Something said in a group, or about to be. ``next_at`` is when it may be sent at the earliest, if it waits."""

    id: int
    state: str
    text: str
    topic: str | None
    project: str | None
    created_at: datetime
    done_at: datetime | None
    next_at: datetime | None
    attempts: int
    reason: str | None


LISTED = """
select o.id, o.state, o.body ->> 'text', o.topic, p.name, o.created_at, o.done_at,
    case when o.state = 'waiting' then greatest(o.not_before, coalesce(l.open_at, o.not_before)) end,
    o.attempts, o.reason
from outbox o
left join sending_lines l on l.business_id = o.business_id and l.channel = o.channel and l.account = o.account
left join lateral (
    select name from monitor_projects p
    where p.business_id = o.business_id and p.group_jid = o.recipient order by active desc, name limit 1) p on true
where o.business_id = %(business_id)s::int and o.channel = %(channel)s::text
    and (%(states)s::text[] is null or o.state = any(%(states)s::text[]))
    and (%(below)s::bigint is null or o.id < %(below)s::bigint)
order by o.id desc limit %(limit)s::int
"""


async def listed(
    conn: Conn, business_id: int, states: Sequence[str] | None, below: int | None, limit: int
) -> list[Sent]:
    """What was said in groups or waits to be, the newest first, beginning below a number."""
    names = {"business_id": business_id, "channel": CHANNEL, "below": below, "limit": limit}
    rows = await (await conn.execute(LISTED, names | {"states": None if states is None else list(states)})).fetchall()
    return [Sent(*row) for row in rows]


COUNTS = """
select state, count(*) from outbox
where business_id = %(business_id)s::int and channel = %(channel)s::text group by state
"""


async def counts(conn: Conn, business_id: int) -> dict[str, int]:
    """How many there are in each state."""
    rows = await (await conn.execute(COUNTS, {"business_id": business_id, "channel": CHANNEL})).fetchall()
    return {row[0]: row[1] for row in rows}


IS_OURS = """
select count(*) from outbox
where business_id = %(business_id)s::int and id = %(id)s::bigint and channel = %(channel)s::text
"""


async def is_ours(conn: Conn, business_id: int, number: int) -> bool:
    """Whether an outgoing message of that number is one for a group."""
    names = {"business_id": business_id, "id": number, "channel": CHANNEL}
    row = await (await conn.execute(IS_OURS, names)).fetchone()
    return bool(row and row[0])


FAILING = """
select coalesce(max(failures), 0) from sending_lines
where business_id = %(business_id)s::int and channel = %(channel)s::text
"""


async def failing(conn: Conn, business_id: int) -> int:
    """How often in a row a number could not send; 0 where all is well."""
    row = await (await conn.execute(FAILING, {"business_id": business_id, "channel": CHANNEL})).fetchone()
    return int(row[0]) if row else 0


# A number whose messages do come back tells by a missing one that it is not in the group.
UNSEEN = """
select min(o.done_at), count(*) from outbox o
where o.business_id = %(business_id)s::int and o.channel = %(channel)s::text and o.state = 'sent'
    and o.done_at between %(now)s::timestamptz - interval '2 days' and %(now)s::timestamptz - interval '10 minutes'
    and exists (
        select from outbox d where d.business_id = o.business_id and d.channel = o.channel and d.state = 'delivered'
            and d.done_at > %(now)s::timestamptz - interval '30 days')
"""


async def unseen(conn: Conn, business_id: int, now: datetime) -> tuple[datetime | None, int]:
    """Since when, and how many that were sent did not come back, though others do; none where none ever does."""
    names = {"business_id": business_id, "channel": CHANNEL, "now": now}
    row = await (await conn.execute(UNSEEN, names)).fetchone()
    return (row[0], row[1]) if row else (None, 0)
