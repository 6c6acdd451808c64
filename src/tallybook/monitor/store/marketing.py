"""SQL of the marketing register. It knows nothing of reviews: a drop may stand in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tallybook.core import arrays, keys
from tallybook.core.db import Conn
from tallybook.monitor.types import Post

ACTIVATE = f"""
insert into marketing_activations
    (business_id, project, drop_number, whatsapp_message_date, submitted_by, user_name, is_valid, validation_message)
select %(business_id)s, u.project, u.drop_number, u.said_at, u.phone, u.phone, u.is_valid, u.says
from unnest(%(project)s::text[], %(drop_number)s::text[], %(said_at)s::timestamptz[], %(phone)s::text[],
    %(is_valid)s::bool[], %(says)s::text[]) as u (project, drop_number, said_at, phone, is_valid, says)
on conflict {keys.ACTIVATION.target} do nothing
returning drop_number, project
"""
# Leaves one mark for the whole batch: the days that statistics must count again.
ADD_POSTS = f"""
with marked as (
    insert into statistics_marks (business_id, days)
    select b.id, array(select distinct (u.at at time zone b.time_zone)::date
        from unnest(%(said_at)s::timestamptz[]) as u (at))
    from businesses b where b.id = %(business_id)s)
insert into marketing_posts (business_id, project, drop_number, message_id, sender_phone, said_at)
select %(business_id)s, u.* from unnest(%(project)s::text[], %(drop_number)s::text[], %(message_id)s::bigint[],
    %(phone)s::text[], %(said_at)s::timestamptz[]) as u
on conflict {keys.MARKETING_POST.target} do nothing
"""


async def activate(
    conn: Conn, business_id: int, posts: Sequence[Post], validity: Mapping[str, tuple[bool | None, str]]
) -> list[tuple[str, str]]:
    """Keeps every post, and an activation for each drop that has none; returns the activations made.

    ``posts`` are in the order they were said. ``validity`` tells of a drop whether a list knows it (None where
    there is no list), and in words.
    """
    first = {(post.project.name, post.drop_number): post for post in reversed(posts)}
    ordered = [first[key] for key in sorted(first)]
    cursor = await conn.execute(
        ACTIVATE,
        {
            "business_id": business_id,
            "project": arrays.texts([post.project.name for post in ordered]),
            "drop_number": arrays.texts([post.drop_number for post in ordered]),
            "said_at": arrays.times(post.said_at for post in ordered),
            "phone": arrays.texts([post.phone and post.phone.removeprefix("+") for post in ordered]),
            "is_valid": [validity[post.drop_number][0] if post.drop_number in validity else None for post in ordered],
            "says": arrays.texts(
                [validity[post.drop_number][1] if post.drop_number in validity else None for post in ordered]
            ),
        },
    )
    made = [(row[0], row[1]) for row in await cursor.fetchall()]
    await conn.execute(
        ADD_POSTS,
        {
            "business_id": business_id,
            "project": arrays.texts([post.project.name for post in posts]),
            "drop_number": arrays.texts([post.drop_number for post in posts]),
            "message_id": arrays.numbers(post.message_id for post in posts),
            "phone": arrays.texts([post.phone for post in posts]),
            "said_at": arrays.times(post.said_at for post in posts),
        },
    )
    return made
