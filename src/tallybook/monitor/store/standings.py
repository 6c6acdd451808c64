"""SQL of where posts stand: whether each is in the registers where it belongs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tallybook.core import arrays
from tallybook.core.db import Conn
from tallybook.monitor.types import Post


class Standing(msgspec.Struct, frozen=True):
    """Where a post stands. ``kept`` is the post's own row; ``held`` is the row of its drop where the post is kept.

    Of a post that is not kept, ``held`` is the row where it would be. ``decided`` is a refusal, or that its validity
    cannot be told yet. ``expected``: it was seen since its project's rules are what they are.
    """

    kept: bool
    held: bool
    decided: bool = False
    expected: bool = True


class Looked(msgspec.Struct, frozen=True):
    """Where posts are looked for: every space and every project ever filed in; and each project's ``rules_since``."""

    spaces: Sequence[str]
    projects: Sequence[str]
    rules_since: dict[str, datetime]


# What was refused or held bears the name that its project had then.
STAND_IN_QA = """
select k.kept, case when k.kept then k.whole
        else exists (select from qa_photo_reviews r where r.business_id = (select %(business_id)s::int)
            and r.space = u.space and r.drop_number = u.drop_number) end,
    exists (select from invalid_drop_submissions i where i.business_id = (select %(business_id)s::int)
        and i.project = any(%(projects)s::text[]) and i.drop_number = u.drop_number and i.message_id = u.message_id)
    or exists (select from held_posts h where h.business_id = (select %(business_id)s::int)
        and h.project = any(%(projects)s::text[]) and h.drop_number = u.drop_number and h.message_id = u.message_id
        and h.state in ('held', 'rejected', 'dismissed')),
    exists (select from messages m where m.business_id = (select %(business_id)s::int)
        and m.id = u.message_id and m.seen_at >= u.since)
from unnest(%(drop_number)s::text[], %(message_id)s::bigint[], %(space)s::text[], %(since)s::timestamptz[])
    with ordinality as u (drop_number, message_id, space, since, n)
cross join lateral (
    select count(*) > 0 as kept, bool_and(exists (select from qa_photo_reviews r
        where r.business_id = (select %(business_id)s::int)
        and r.space = s.space and r.drop_number = s.drop_number)) as whole
    from qa_submissions s where s.business_id = (select %(business_id)s::int)
    and s.space = any(%(spaces)s::text[]) and s.drop_number = u.drop_number and s.message_id = u.message_id) k
order by u.n
"""
STAND_IN_MARKETING = """
select k.kept, case when k.kept then k.whole
        else exists (select from marketing_activations a where a.business_id = (select %(business_id)s::int)
            and a.project = u.project and a.drop_number = u.drop_number) end,
    false,
    exists (select from messages m where m.business_id = (select %(business_id)s::int)
        and m.id = u.message_id and m.seen_at >= u.since)
from unnest(%(drop_number)s::text[], %(message_id)s::bigint[], %(project)s::text[], %(since)s::timestamptz[])
    with ordinality as u (drop_number, message_id, project, since, n)
cross join lateral (
    select count(*) > 0 as kept, bool_and(exists (select from marketing_activations a
        where a.business_id = (select %(business_id)s::int)
        and a.project = p.project and a.drop_number = p.drop_number)) as whole
    from marketing_posts p where p.business_id = (select %(business_id)s::int)
    and p.project = any(%(projects)s::text[]) and p.drop_number = u.drop_number and p.message_id = u.message_id) k
order by u.n
"""


async def stand_in_qa(conn: Conn, business_id: int, posts: Sequence[Post], looked: Looked) -> list[Standing]:
    """Where each post for review stands, in whatever of the spaces."""
    values = _asked(posts, looked) | {
        "business_id": business_id,
        "spaces": list(looked.spaces),
        "space": arrays.texts([post.project.space for post in posts]),
    }
    return [Standing(*row) for row in await (await conn.execute(STAND_IN_QA, values)).fetchall()]


async def stand_in_marketing(conn: Conn, business_id: int, posts: Sequence[Post], looked: Looked) -> list[Standing]:
    """Where each marketing post stands, in whatever of the projects."""
    values = _asked(posts, looked) | {
        "business_id": business_id,
        "project": arrays.texts([post.project.name for post in posts]),
    }
    return [Standing(*row) for row in await (await conn.execute(STAND_IN_MARKETING, values)).fetchall()]


def _asked(posts: Sequence[Post], looked: Looked) -> dict[str, Any]:
    return {
        "projects": list(looked.projects),
        "drop_number": arrays.texts([post.drop_number for post in posts]),
        "message_id": arrays.numbers(post.message_id for post in posts),
        "since": arrays.times([looked.rules_since[post.project.name] for post in posts]),
    }
