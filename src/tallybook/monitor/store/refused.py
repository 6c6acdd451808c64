"""SQL of refused posts: those whose drop is in no list of their project."""

from __future__ import annotations

from collections.abc import Sequence

from tallybook.core import arrays, keys
from tallybook.core.db import Conn
from tallybook.monitor.types import Post

# A row of the old system, or of somebody's own SQL, has no message: that of the same post gets this one's.
ADOPT_INVALID = """
update invalid_drop_submissions i set message_id = u.message_id
from (select distinct on (project, drop_number, date_trunc('second', said_at)) * from unnest(%(drop_number)s::text[],
    %(project)s::text[], %(said_at)s::timestamptz[], %(message_id)s::bigint[])
    as p (drop_number, project, said_at, message_id)
    order by project, drop_number, date_trunc('second', said_at), message_id) u
where i.business_id = (select %(business_id)s::int) and i.message_id is null
and i.project = u.project and i.drop_number = u.drop_number
and date_trunc('second', i.submitted_at) = date_trunc('second', u.said_at)
and i.id = (select min(one.id) from invalid_drop_submissions one
    where one.business_id = (select %(business_id)s::int) and one.message_id is null
    and one.project = u.project and one.drop_number = u.drop_number
    and date_trunc('second', one.submitted_at) = date_trunc('second', u.said_at))
and not exists (select from invalid_drop_submissions kept
    where kept.business_id = (select %(business_id)s::int) and kept.project = u.project
    and kept.drop_number = u.drop_number and kept.message_id = u.message_id)
"""
ADD_INVALID = f"""
insert into invalid_drop_submissions
    (business_id, drop_number, project, sender, group_jid, submitted_at, message_id)
select %(business_id)s, u.* from unnest(%(drop_number)s::text[], %(project)s::text[], %(phone)s::text[],
    %(chat)s::text[], %(said_at)s::timestamptz[], %(message_id)s::bigint[]) as u
on conflict {keys.INVALID_DROP.target} do nothing
returning drop_number, project
"""


async def add(conn: Conn, business_id: int, posts: Sequence[Post]) -> list[tuple[str, str]]:
    """Keeps posts of drops that are not in their project's list; returns those not kept before."""
    values = {
        "business_id": business_id,
        "drop_number": arrays.texts([post.drop_number for post in posts]),
        "message_id": arrays.numbers(post.message_id for post in posts),
        "project": arrays.texts([post.project.name for post in posts]),
        "said_at": arrays.times(post.said_at for post in posts),
    }
    await conn.execute(ADOPT_INVALID, values)
    told = {
        "phone": arrays.texts([post.phone and post.phone.removeprefix("+") for post in posts]),
        "chat": arrays.texts([post.chat for post in posts]),
    }
    cursor = await conn.execute(ADD_INVALID, values | told)
    return [(row[0], row[1]) for row in await cursor.fetchall()]
