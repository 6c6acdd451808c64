"""SQL of supervisors' lists: kept as they were read, and compared with what the registers hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tallybook.core import arrays, keys
from tallybook.core.db import Conn
from tallybook.monitor.types import Kind

from .filing import BY_HAND


class Kept(msgspec.Struct, frozen=True):
    """A list that somebody gave. ``list`` is as it was read; ``added_at`` is when what it lacked was added."""

    id: int
    file_name: str
    given_at: datetime
    who: str
    list: Any
    added_at: datetime | None = None
    added_by: str | None = None
    reason: str | None = None


KEEP = f"""
insert into reconciliations (business_id, asked_sha256, file_name, who, list)
values (%(business_id)s, %(asked)s, %(file_name)s, %(who)s, %(list)s::jsonb)
on conflict {keys.RECONCILIATION.target} do update set list = excluded.list, given_at = now()
returning id
"""
FIND = """
select id, file_name, given_at, who, list, added_at, added_by, reason from reconciliations
where business_id = %(business_id)s and id = %(id)s
"""
ADDED = """
update reconciliations set added_at = now(), added_by = %(who)s, reason = %(reason)s
where business_id = %(business_id)s and id = %(id)s and added_at is null
"""


async def keep(conn: Conn, business_id: int, asked: bytes, file_name: str, who: str, read: bytes) -> int:
    """Keeps a list as JSON; the same file asked about alike is the same row. Returns its number."""
    values = {"business_id": business_id, "asked": asked, "file_name": file_name, "who": who, "list": read.decode()}
    row = await (await conn.execute(KEEP, values)).fetchone()
    if row is None:
        raise AssertionError("an insert that returns nothing")
    return int(row[0])


async def find(conn: Conn, business_id: int, number: int) -> Kept | None:
    row = await (await conn.execute(FIND, {"business_id": business_id, "id": number})).fetchone()
    return Kept(*row) if row else None


RECENT = """
select id, file_name, given_at, who, '{}'::jsonb, added_at, added_by, reason from reconciliations
where business_id = %(business_id)s order by given_at desc limit 10
"""


async def recent(conn: Conn, business_id: int) -> list[Kept]:
    """The lists given last, without what is in them."""
    return [Kept(*row) for row in await (await conn.execute(RECENT, {"business_id": business_id})).fetchall()]


async def added(conn: Conn, business_id: int, number: int, who: str, reason: str) -> None:
    """Marks that a list's missing drops were added; the first time counts."""
    await conn.execute(ADDED, {"business_id": business_id, "id": number, "who": who, "reason": reason})


class Held(msgspec.Struct, frozen=True):
    """A drop as a register holds it. ``said_at`` are the posts of it; a row made by hand counts as one."""

    register: Kind
    project: str
    drop_number: str
    space: str
    said_at: list[datetime]


# The registers' own rows stand beside the posts, since a row made by hand has no post.
_QA = """
select 'qa' as register, s.project, s.drop_number, s.space, s.said_at from qa_submissions s
where s.business_id = (select %(business_id)s::int)
"""
_REVIEWS = """
select 'qa', coalesce(r.project, ''), r.drop_number, r.space, coalesce(r.whatsapp_message_date, r.created_at)
from qa_photo_reviews r where r.business_id = (select %(business_id)s::int)
"""
_MARKETING = """
select 'marketing', p.project, p.drop_number, '', p.said_at from marketing_posts p
where p.business_id = (select %(business_id)s::int)
"""
_ACTIVATIONS = """
select 'marketing', a.project, a.drop_number, '', a.whatsapp_message_date from marketing_activations a
where a.business_id = (select %(business_id)s::int)
"""
_GROUPED = "group by register, project, drop_number, space order by register, project, drop_number, space"
_DROPS = "drop_number = any(%(drops)s::text[])"
OF_DROPS = f"""
select register, project, drop_number, space, array_agg(distinct said_at order by said_at) from (
    {_QA} and s.space = any(%(spaces)s::text[]) and s.{_DROPS}
    union all {_REVIEWS} and r.space = any(%(spaces)s::text[]) and r.{_DROPS}
    union all {_MARKETING} and p.project = any(%(projects)s::text[]) and p.{_DROPS}
    union all {_ACTIVATIONS} and a.project = any(%(projects)s::text[]) and a.{_DROPS}
) as held (register, project, drop_number, space, said_at) {_GROUPED}
"""
OF_DAYS = f"""
select register, project, drop_number, space, array_agg(distinct said_at order by said_at) from (
    {_QA} and s.said_at >= %(start)s and s.said_at < %(end)s and s.project = any(%(projects)s::text[])
    union all {_REVIEWS} and r.whatsapp_message_date >= %(start)s and r.whatsapp_message_date < %(end)s
        and r.project = any(%(projects)s::text[])
    union all {_MARKETING} and p.said_at >= %(start)s and p.said_at < %(end)s and p.project = any(%(projects)s::text[])
    union all {_ACTIVATIONS} and a.whatsapp_message_date >= %(start)s and a.whatsapp_message_date < %(end)s
        and a.project = any(%(projects)s::text[])
) as held (register, project, drop_number, space, said_at) {_GROUPED}
"""
REFUSED = """
select distinct i.project, i.drop_number from invalid_drop_submissions i
where i.business_id = %(business_id)s and i.project = any(%(projects)s::text[])
and i.drop_number = any(%(drops)s::text[])
union
select h.project, h.drop_number from held_posts h
where h.business_id = %(business_id)s and h.state = 'held' and h.project = any(%(projects)s::text[])
and h.drop_number = any(%(drops)s::text[])
"""


async def of_drops(
    conn: Conn, business_id: int, drops: Sequence[str], spaces: Sequence[str], projects: Sequence[str]
) -> list[Held]:
    """What the registers hold of these drops, for review in these spaces and in these marketing projects."""
    values = {"business_id": business_id, "drops": arrays.texts(drops), "spaces": list(spaces)}
    cursor = await conn.execute(OF_DROPS, values | {"projects": list(projects)})
    return [_held(row) for row in await cursor.fetchall()]


async def of_days(conn: Conn, business_id: int, start: datetime, end: datetime, projects: Sequence[str]) -> list[Held]:
    """What was posted in these projects from ``start`` to before ``end``."""
    values = {"business_id": business_id, "start": start, "end": end, "projects": list(projects)}
    return [_held(row) for row in await (await conn.execute(OF_DAYS, values)).fetchall()]


async def refused(conn: Conn, business_id: int, drops: Sequence[str], projects: Sequence[str]) -> set[tuple[str, str]]:
    """Which of these drops were posted and are on no list of their project's or wait for it, as (project, drop)."""
    values = {"business_id": business_id, "drops": arrays.texts(drops), "projects": list(projects)}
    return {(row[0], row[1]) for row in await (await conn.execute(REFUSED, values)).fetchall()}


def _held(row: Sequence[Any]) -> Held:
    return Held(Kind(row[0]), *row[1:])


# A review made from a list has no sender, and says who added it and why, whenever it is filed.
SIGN_REVIEWS = """
update qa_photo_reviews r set comment = s.note, updated_at = now()
from unnest(%(space)s::text[], %(drop_number)s::text[]) as u (space, drop_number)
cross join lateral (
    select 'Added by hand by ' || a.who || ': ' || (a.after ->> 'reason') as note from audit_log a
    where a.business_id = (select %(business_id)s::int) and a.action = 'drop.added_by_hand'
    and a.subject = 'drop' and a.subject_id = u.drop_number
    order by a.id desc limit 1) s
where r.business_id = (select %(business_id)s::int) and r.space = u.space and r.drop_number = u.drop_number
"""
SIGN_ACTIVATIONS = f"""
update marketing_activations a set user_name = '{BY_HAND}', updated_at = now()
from unnest(%(project)s::text[], %(drop_number)s::text[]) as u (project, drop_number)
where a.business_id = %(business_id)s and a.project = u.project and a.drop_number = u.drop_number
and a.user_name is null
"""


async def sign_reviews(conn: Conn, business_id: int, drops: Sequence[tuple[str, str]]) -> None:
    """Writes into the reviews of these (space, drop number), just made, who added them and why, as the record says."""
    values = {"space": arrays.texts([s for s, _ in drops]), "drop_number": arrays.texts([d for _, d in drops])}
    await conn.execute(SIGN_REVIEWS, {"business_id": business_id, **values})


async def sign_activations(conn: Conn, business_id: int, drops: Sequence[tuple[str, str]]) -> None:
    """Names the hand that added these (project, drop number), just made."""
    values = {"project": arrays.texts([p for p, _ in drops]), "drop_number": arrays.texts([d for _, d in drops])}
    await conn.execute(SIGN_ACTIVATIONS, {"business_id": business_id, **values})
