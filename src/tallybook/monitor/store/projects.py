"""SQL of projects: the database's mirror of the projects file, and what the groups need from the core's messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tallybook.core import keys
from tallybook.core.db import Conn
from tallybook.monitor.types import Kind, Project

MIRROR = f"""
insert into monitor_projects
    (business_id, name, kind, drop_space, group_jid, validated, pattern, own_posts_count, rules_since)
select %(business_id)s, u.*, now() from unnest(
    %(name)s::text[], %(kind)s::text[], %(space)s::text[], %(group)s::text[], %(validated)s::bool[],
    %(pattern)s::text[], %(own_posts_count)s::bool[]) as u
on conflict {keys.PROJECT.target} do update set
    kind = excluded.kind, drop_space = excluded.drop_space, group_jid = excluded.group_jid,
    validated = excluded.validated, pattern = excluded.pattern, own_posts_count = excluded.own_posts_count,
    active = true, watched_since = case
        when monitor_projects.active and monitor_projects.group_jid = excluded.group_jid
            then monitor_projects.watched_since else now() end,
    rules_since = case when monitor_projects.active
        and (monitor_projects.kind, monitor_projects.group_jid, coalesce(monitor_projects.pattern, excluded.pattern),
            monitor_projects.own_posts_count)
        = (excluded.kind, excluded.group_jid, excluded.pattern, excluded.own_posts_count)
            then monitor_projects.rules_since else now() end
"""
RETIRE = """
update monitor_projects set active = false
where business_id = %(business_id)s and active and name <> all(%(name)s::text[])
"""


async def mirror(conn: Conn, business_id: int, projects: Sequence[Project]) -> None:
    """Makes the table say what the file says. A project that left the file stays, inactive, for its records."""
    ordered = sorted(projects, key=lambda project: project.name)
    names = [project.name for project in ordered]
    await conn.execute(
        MIRROR,
        {
            "business_id": business_id,
            "name": names,
            "kind": [project.kind.value for project in ordered],
            "space": [project.space for project in ordered],
            "group": [project.group for project in ordered],
            "validated": [project.validated for project in ordered],
            "pattern": [project.pattern.pattern for project in ordered],
            "own_posts_count": [project.own_posts_count for project in ordered],
        },
    )
    await conn.execute(RETIRE, {"business_id": business_id, "name": names})


class Mirrored(msgspec.Struct, frozen=True):
    """A project as the table has it. ``pattern`` None means the usual drop numbers.

    ``rules_since`` is since when it reads its group as it does now.
    """

    name: str
    kind: Kind
    space: str
    group: str
    validated: bool
    pattern: str | None
    own_posts_count: bool
    active: bool
    rules_since: datetime


EVERY = """
select name, kind, drop_space, group_jid, validated, pattern, own_posts_count, active, rules_since
from monitor_projects where business_id = %(business_id)s order by name
"""


async def every(conn: Conn, business_id: int) -> list[Mirrored]:
    """The projects that this environment reads, and those that it once read."""
    cursor = await conn.execute(EVERY, {"business_id": business_id})
    return [Mirrored(row[0], Kind(row[1]), *row[2:]) for row in await cursor.fetchall()]


RESOLVE_REVIEWS = """
update qa_photo_reviews r set
    submitted_by = ltrim(m.sender_phone, '+'), sender_phone = ltrim(m.sender_phone, '+'),
    user_name = ltrim(m.sender_phone, '+')
from qa_submissions s
join messages m on m.business_id = s.business_id and m.id = s.message_id
where s.business_id = %(business_id)s and s.message_id = any(%(ids)s::bigint[]) and s.effect <> 'history'
and r.business_id = s.business_id and r.space = s.space and r.drop_number = s.drop_number
and r.user_name = 'unresolved'
"""
RESOLVE_SUBMISSIONS = """
update qa_submissions s set sender_phone = m.sender_phone
from messages m
where s.business_id = %(business_id)s and s.message_id = any(%(ids)s::bigint[]) and s.sender_phone is null
and m.business_id = s.business_id and m.id = s.message_id
"""
RESOLVE_MARKETING_POSTS = """
update marketing_posts p set sender_phone = m.sender_phone
from messages m
where p.business_id = %(business_id)s and p.message_id = any(%(ids)s::bigint[]) and p.sender_phone is null
and m.business_id = p.business_id and m.id = p.message_id
"""
RESOLVE_ACTIVATIONS = """
update marketing_activations a set submitted_by = ltrim(p.sender_phone, '+'), user_name = ltrim(p.sender_phone, '+')
from marketing_posts p
where a.business_id = %(business_id)s and a.submitted_by is null
and p.business_id = a.business_id and p.message_id = any(%(ids)s::bigint[])
and p.project = a.project and p.drop_number = a.drop_number and p.said_at = a.whatsapp_message_date
"""
RESOLVE_INVALID = """
update invalid_drop_submissions i set sender = ltrim(m.sender_phone, '+')
from messages m
where i.business_id = %(business_id)s and i.message_id = any(%(ids)s::bigint[]) and i.sender is null
and m.business_id = i.business_id and m.id = i.message_id
"""


async def name_senders(conn: Conn, business_id: int, message_ids: Sequence[int]) -> None:
    """Writes into the registers the phones of messages whose senders have just become known."""
    names = {"business_id": business_id, "ids": list(message_ids)}
    for statement in (
        RESOLVE_SUBMISSIONS, RESOLVE_REVIEWS, RESOLVE_MARKETING_POSTS, RESOLVE_ACTIVATIONS, RESOLVE_INVALID
    ):  # fmt: skip
        await conn.execute(statement, names)
