"""SQL of filing a drop again: its messages, and making room for the review that is missing."""

from __future__ import annotations

from collections.abc import Sequence

from tallybook.core import arrays, keys
from tallybook.core.db import Conn
from tallybook.monitor.types import Post

MESSAGES_OF = """
select message_id from qa_submissions
where business_id = %(business_id)s and space = any(%(spaces)s::text[]) and drop_number = %(drop_number)s
union
select message_id from marketing_posts
where business_id = %(business_id)s and project = any(%(projects)s::text[]) and drop_number = %(drop_number)s
union
select message_id from register_gaps
where business_id = %(business_id)s and drop_number = %(drop_number)s and ended_at is null
"""
# Where the review stands its posts stay: in another space the drop may have one of its own.
FORGET = """
delete from qa_submissions s
where s.business_id = %(business_id)s and s.space = any(%(spaces)s::text[]) and s.drop_number = %(drop_number)s
and not exists (select from qa_photo_reviews r
    where r.business_id = s.business_id and r.space = s.space and r.drop_number = s.drop_number)
"""


async def messages_of(
    conn: Conn, business_id: int, drop_number: str, spaces: Sequence[str], projects: Sequence[str]
) -> list[int]:
    """The messages that a drop's posts were said in, those of its known gaps included."""
    values = {"business_id": business_id, "drop_number": drop_number, "spaces": list(spaces)}
    cursor = await conn.execute(MESSAGES_OF, values | {"projects": list(projects)})
    return [row[0] for row in await cursor.fetchall()]


async def forget(conn: Conn, business_id: int, drop_number: str, spaces: Sequence[str]) -> None:
    """Takes a drop's kept posts away where its review is gone; the caller files them anew in this transaction."""
    values = {"business_id": business_id, "drop_number": drop_number, "spaces": list(spaces)}
    await conn.execute(FORGET, values)


# The post whose time the review bears made it: filed anew it would count as posted again.
RESTORE_FIRST = f"""
insert into qa_submissions
    (business_id, space, drop_number, message_id, project, sender_phone, said_at, effect)
select distinct on (u.space, u.drop_number) %(business_id)s, u.space, u.drop_number, u.message_id, u.project, u.phone,
    u.said_at, 'created'
from unnest(%(space)s::text[], %(drop_number)s::text[], %(message_id)s::bigint[], %(project)s::text[],
    %(phone)s::text[], %(said_at)s::timestamptz[]) as u (space, drop_number, message_id, project, phone, said_at)
where exists (select from qa_photo_reviews r
    where r.business_id = %(business_id)s and r.space = u.space and r.drop_number = u.drop_number
    and r.whatsapp_message_date = u.said_at)
and not exists (select from qa_submissions s
    where s.business_id = %(business_id)s and s.space = u.space and s.drop_number = u.drop_number
    and s.effect = 'created')
order by u.space, u.drop_number, u.message_id
on conflict {keys.SUBMISSION.target} do nothing
"""


async def restore_first(conn: Conn, business_id: int, posts: Sequence[Post]) -> None:
    """Keeps again the post that made the drop's review, where it is no longer kept. The caller holds the lock."""
    await conn.execute(
        RESTORE_FIRST,
        {
            "business_id": business_id,
            "space": arrays.texts([post.project.space for post in posts]),
            "drop_number": arrays.texts([post.drop_number for post in posts]),
            "message_id": arrays.numbers(post.message_id for post in posts),
            "project": arrays.texts([post.project.name for post in posts]),
            "phone": arrays.texts([post.phone for post in posts]),
            "said_at": arrays.times([post.said_at for post in posts]),
        },
    )
