"""SQL of refused posts: those that may be accepted now, those that people put aside, and all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tallybook.core import arrays, keys
from tallybook.core.db import Conn

from .held import Waiting


class Asked(msgspec.Struct, frozen=True):
    """Which posts are shown: of a project, of drops like these, behind a place in the list."""

    project: str | None = None
    search: str = ""
    below: tuple[int, str] | None = None
    limit: int = 50


class Line(msgspec.Struct, frozen=True):
    """A post that made no review, as the page lists it.

    ``valid_for`` are the projects whose lists have its drop now. ``message_id`` is 0 for a row written by hand.
    """

    project: str
    drop_number: str
    message_id: int
    said_at: datetime
    phone: str | None
    state: str
    reason: str
    decided_by: str | None
    note: str | None
    valid_for: list[str]

    @property
    def key(self) -> Waiting:
        return Waiting(self.project, self.drop_number, self.message_id)


# What somebody put aside is offered again only if its drop came into the list after that.
_OFFERED = """
from (
    select i.project, i.drop_number, i.message_id, i.submitted_at as said_at, i.sender as phone, i.reason
    from invalid_drop_submissions i
    where i.business_id = %(business_id)s::int and i.message_id is not null
    union all
    select h.project, h.drop_number, h.message_id, h.said_at, ltrim(h.sender_phone, '+'), h.reason
    from held_posts h
    where h.business_id = %(business_id)s::int and h.state = 'dismissed' and h.decided_by is not null and not exists (
        select from invalid_drop_submissions i
        where i.business_id = h.business_id and i.project = h.project and i.drop_number = h.drop_number
            and i.message_id = h.message_id)) p
join valid_drop_numbers v on v.business_id = %(business_id)s::int and v.drop_number = p.drop_number
    and v.project = p.project
left join held_posts h on h.business_id = %(business_id)s::int and h.project = p.project
    and h.drop_number = p.drop_number and h.message_id = p.message_id
where (h.state is null or h.state = 'rejected'
    or h.state = 'dismissed' and h.decided_by is not null and h.decided_at < v.created_at)
and not exists (select from qa_submissions s where s.business_id = %(business_id)s::int
    and s.space = any(%(spaces)s::text[]) and s.drop_number = p.drop_number and s.message_id = p.message_id)
and not exists (select from messages m
    where m.business_id = %(business_id)s::int and m.id = p.message_id and m.deleted)
and (%(project)s::text is null or p.project = %(project)s::text)
and (%(search)s::text = '' or p.drop_number like '%%' || %(search)s::text || '%%')
"""
OFFERS = f"""
select p.project, p.drop_number, p.message_id, p.said_at, p.phone, coalesce(h.state, 'rejected'), p.reason,
    h.decided_by, h.note, array[p.project]::text[]
{_OFFERED}
and (%(below)s::bigint is null or (p.message_id, p.drop_number::text) < (%(below)s::bigint, %(below_drop)s::text))
order by p.message_id desc, p.drop_number desc limit %(limit)s::int
"""
COUNT_OFFERS = f"select count(*) {_OFFERED}"


async def offers(conn: Conn, business_id: int, spaces: Sequence[str], asked: Asked) -> list[Line]:
    """Refused posts whose drop is in their project's list by now, and which no review has; the newest first."""
    values = _asked(business_id, asked) | {"spaces": list(spaces)}
    return [Line(*row) for row in await (await conn.execute(OFFERS, values)).fetchall()]


async def count_offers(conn: Conn, business_id: int, spaces: Sequence[str], asked: Asked) -> int:
    values = _asked(business_id, asked) | {"spaces": list(spaces)}
    row = await (await conn.execute(COUNT_OFFERS, values)).fetchone()
    return int(row[0]) if row else 0


_VALID_FOR = """array(select v.project::text from valid_drop_numbers v
        where v.business_id = %(business_id)s::int and v.drop_number = p.drop_number order by 1)"""
_LOOKED_FOR = """
(%(project)s::text is null or p.project = %(project)s::text)
and (%(search)s::text = '' or p.drop_number like '%%' || %(search)s::text || '%%')
"""
_PAGED = """
and (%(below)s::bigint is null
    or (coalesce(p.message_id, 0), p.drop_number::text) < (%(below)s::bigint, %(below_drop)s::text))
order by coalesce(p.message_id, 0) desc, p.drop_number desc limit %(limit)s::int
"""
HELD = f"""
select p.project, p.drop_number, p.message_id, p.said_at, ltrim(p.sender_phone, '+'), p.state, p.reason,
    p.decided_by, p.note, {_VALID_FOR}
from held_posts p where p.business_id = %(business_id)s::int and p.state = 'held' and {_LOOKED_FOR} {_PAGED}
"""
REJECTED = f"""
select p.project, p.drop_number, coalesce(p.message_id, 0), p.submitted_at, p.sender, coalesce(h.state, 'rejected'),
    p.reason, h.decided_by, h.note, {_VALID_FOR}
from invalid_drop_submissions p
left join held_posts h on h.business_id = p.business_id and h.project = p.project and h.drop_number = p.drop_number
    and h.message_id = p.message_id
where p.business_id = %(business_id)s::int and {_LOOKED_FOR} {_PAGED}
"""
COUNT_HELD = f"""
select count(*) from held_posts p where p.business_id = %(business_id)s::int and p.state = 'held' and {_LOOKED_FOR}
"""
COUNT_REJECTED = f"""
select count(*) from invalid_drop_submissions p where p.business_id = %(business_id)s::int and {_LOOKED_FOR}
"""


async def held(conn: Conn, business_id: int, asked: Asked) -> list[Line]:
    """Posts that wait until their validity is known; the newest first."""
    return [Line(*row) for row in await (await conn.execute(HELD, _asked(business_id, asked))).fetchall()]


async def rejected(conn: Conn, business_id: int, asked: Asked) -> list[Line]:
    """Posts that were refused, with what was said of them since; the newest first."""
    return [Line(*row) for row in await (await conn.execute(REJECTED, _asked(business_id, asked))).fetchall()]


async def count_held(conn: Conn, business_id: int, asked: Asked) -> int:
    row = await (await conn.execute(COUNT_HELD, _asked(business_id, asked))).fetchone()
    return int(row[0]) if row else 0


async def count_rejected(conn: Conn, business_id: int, asked: Asked) -> int:
    row = await (await conn.execute(COUNT_REJECTED, _asked(business_id, asked))).fetchone()
    return int(row[0]) if row else 0


# A refused post gets its row here when somebody first decides about it.
ADOPT = f"""
insert into held_posts
    (business_id, project, drop_number, message_id, said_at, sender_phone, group_jid, reason, state)
select i.business_id, i.project, i.drop_number, i.message_id, i.submitted_at, i.sender, i.group_jid,
    'not_in_valid_list', 'rejected'
from unnest(%(project)s::text[], %(drop_number)s::text[], %(message_id)s::bigint[])
    as u (project, drop_number, message_id)
join invalid_drop_submissions i on i.business_id = (select %(business_id)s::int) and i.project = u.project
    and i.drop_number = u.drop_number and i.message_id = u.message_id
on conflict {keys.HELD_POST.target} do nothing
"""
DISMISS = """
update held_posts h set state = 'dismissed', decided_at = now(), decided_by = %(who)s, note = %(note)s
from unnest(%(project)s::text[], %(drop_number)s::text[], %(message_id)s::bigint[])
    as u (project, drop_number, message_id)
where h.business_id = (select %(business_id)s::int) and h.project = u.project and h.drop_number = u.drop_number
    and h.message_id = u.message_id and (h.state in ('held', 'rejected') or h.state = 'dismissed' and exists (
        select from valid_drop_numbers v where v.business_id = h.business_id and v.drop_number = h.drop_number
            and v.project = h.project and v.created_at > h.decided_at))
returning h.drop_number
"""


async def adopt(conn: Conn, business_id: int, posts: Sequence[Waiting]) -> None:
    """Gives refused posts a row of their own, to be decided by. The caller has the turn of deciding."""
    await conn.execute(ADOPT, {"business_id": business_id, **_columns(posts)})


async def dismiss(conn: Conn, business_id: int, posts: Sequence[Waiting], who: str, note: str) -> list[str]:
    """Puts posts aside; returns the drops of those that were not decided before."""
    values = {"business_id": business_id, "who": who[:100], "note": note, **_columns(posts)}
    return [row[0] for row in await (await conn.execute(DISMISS, values)).fetchall()]


def _asked(business_id: int, asked: Asked) -> dict[str, object]:
    number, drop = asked.below or (None, None)
    return {
        "business_id": business_id, "project": asked.project, "search": asked.search, "below": number,
        "below_drop": drop, "limit": asked.limit,
    }  # fmt: skip


def _columns(posts: Sequence[Waiting]) -> dict[str, str]:
    ordered = sorted(posts, key=lambda one: (one.project, one.drop_number, one.message_id))
    return {
        "project": arrays.texts([one.project for one in ordered]),
        "drop_number": arrays.texts([one.drop_number for one in ordered]),
        "message_id": arrays.numbers(one.message_id for one in ordered),
    }
