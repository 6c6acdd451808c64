"""SQL of sprints. The caller holds the team (``facts.turn``)."""

from __future__ import annotations

from datetime import datetime

from tallybook.core import triage_keys
from tallybook.core.db import Conn
from tallybook.triage.types import Sprint

from .refused import unless_apart

NEXT_NUMBER = """
select coalesce(max(sprint_index) + 1, 0) from sprints
where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint
"""
ADD = """
insert into sprints (business_id, team_id, sprint_name, start_date, end_date, sprint_index, starts_at, ends_at)
values (%(business_id)s::int, %(team_id)s::bigint, %(name)s::text, %(first_day)s::date, %(last_day)s::date,
    %(number)s::int, %(starts_at)s::timestamptz, %(ends_at)s::timestamptz)
returning id
"""
CHANGE = """
update sprints set sprint_name = %(name)s::text, start_date = %(first_day)s::date, end_date = %(last_day)s::date,
    starts_at = %(starts_at)s::timestamptz, ends_at = %(ends_at)s::timestamptz, updated_at = now()
where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint and id = %(id)s::bigint
returning id
"""
REMOVE = """
delete from sprints where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint and id = %(id)s::bigint
"""
# What is of all of a sprint moves with it. What is approved for another turn meanwhile stays, and is told.
MOVE_WHOLE = """
with moved as (
    update overrides set ends_at = %(ends_at)s::timestamptz, updated_at = now(),
        starts_at = case when starts_at >= %(now)s::timestamptz then %(starts_at)s::timestamptz else starts_at end
    where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint and whole
        and sprint_index = %(number)s::int and state::text in ('pending', 'approved')
    returning id)
select count(*)::int from moved
"""
OF_SPRINT = """
select id from overrides
where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint
    and sprint_index = %(number)s::int and state::text in ('pending', 'approved')
order by id
"""


async def next_number(conn: Conn, business_id: int, team_id: int) -> int:
    """The number after the highest; the first one's is 0."""
    row = await (await conn.execute(NEXT_NUMBER, {"business_id": business_id, "team_id": team_id})).fetchone()
    return row[0] if row else 0


def _values(business_id: int, team_id: int, sprint: Sprint) -> dict[str, object]:
    return {
        "business_id": business_id,
        "team_id": team_id,
        "id": sprint.id,
        "name": sprint.name,
        "first_day": sprint.first_day,
        "last_day": sprint.last_day,
        "number": sprint.number,
        "starts_at": sprint.starts_at,
        "ends_at": sprint.ends_at,
    }


async def add(conn: Conn, business_id: int, team_id: int, sprint: Sprint) -> int | None:
    """The id of a new sprint, whose own is not looked at; None where it would lie over another."""
    row = await unless_apart(conn, ADD, _values(business_id, team_id, sprint), triage_keys.SPRINTS_APART)
    return row[0] if row else None


async def change(conn: Conn, business_id: int, team_id: int, sprint: Sprint) -> bool:
    """Whether the sprint is as given now, but for its number; False where it would lie over another."""
    values = _values(business_id, team_id, sprint)
    return await unless_apart(conn, CHANGE, values, triage_keys.SPRINTS_APART) is not None


async def move_whole(conn: Conn, business_id: int, team_id: int, sprint: Sprint, now: datetime) -> int | None:
    """Moves the overrides that are of all of a sprint to where it is now; how many those were.

    One that runs keeps its beginning. None, and nothing is done, where another override is in the way.
    """
    values = _values(business_id, team_id, sprint) | {"now": now}
    row = await unless_apart(conn, MOVE_WHOLE, values, triage_keys.APPROVED_APART, triage_keys.PENDING_APART)
    return row[0] if row else None


async def overrides_of(conn: Conn, business_id: int, team_id: int, sprint: Sprint) -> list[int]:
    """The numbers of what waits or is approved for a sprint, or for a part of it."""
    rows = await (await conn.execute(OF_SPRINT, _values(business_id, team_id, sprint))).fetchall()
    return [row[0] for row in rows]


async def remove(conn: Conn, business_id: int, team_id: int, sprint: Sprint) -> None:
    """Takes a sprint away; the overrides for it are the caller's to take away first."""
    await conn.execute(REMOVE, _values(business_id, team_id, sprint))
