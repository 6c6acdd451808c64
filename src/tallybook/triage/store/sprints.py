"""SQL of sprints. The caller holds the team (``facts.turn``)."""

from __future__ import annotations

from collections.abc import Sequence

from tallybook.core import arrays, triage_keys
from tallybook.core.db import Conn
from tallybook.triage.rules_overrides import Asked
from tallybook.triage.types import Sprint

from .overrides import COLUMNS, of_row
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
# What is of all of a sprint, and moves with it.
WHOLE_OF = f"""
select {COLUMNS} from overrides o
where o.business_id = %(business_id)s::int and o.team_id = %(team_id)s::bigint and o.whole
    and o.sprint_index = %(number)s::int and o.state::text in ('pending', 'approved')
order by o.id
"""
MOVE = """
with moved as (
    update overrides o set starts_at = u.starts_at, ends_at = u.ends_at, updated_at = now()
    from unnest(%(ids)s::bigint[], %(since)s::timestamptz[], %(until)s::timestamptz[]) as u (id, starts_at, ends_at)
    where o.business_id = %(business_id)s::int and o.team_id = %(team_id)s::bigint and o.id = u.id
        and o.state::text in ('pending', 'approved')
    returning o.id)
select count(*) from moved
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


async def whole_of(conn: Conn, business_id: int, team_id: int, sprint: Sprint) -> list[Asked]:
    """What waits or is approved for all of a sprint."""
    rows = await (await conn.execute(WHOLE_OF, _values(business_id, team_id, sprint))).fetchall()
    return [of_row(row) for row in rows]


async def move(conn: Conn, business_id: int, team_id: int, moved: Sequence[Asked]) -> bool:
    """Moves overrides to the times that they have here; False, and nothing is done, where others are in the way."""
    if not moved:
        return True
    values = {
        "business_id": business_id,
        "team_id": team_id,
        "ids": arrays.numbers([one.id for one in moved]),
        "since": [one.starts_at for one in moved],
        "until": [one.ends_at for one in moved],
    }
    rules = (triage_keys.APPROVED_APART, triage_keys.PENDING_APART)
    return await unless_apart(conn, MOVE, values, *rules) is not None


async def overrides_of(conn: Conn, business_id: int, team_id: int, sprint: Sprint) -> list[int]:
    """The numbers of what waits or is approved for a sprint, or for a part of it."""
    rows = await (await conn.execute(OF_SPRINT, _values(business_id, team_id, sprint))).fetchall()
    return [row[0] for row in rows]


async def remove(conn: Conn, business_id: int, team_id: int, sprint: Sprint) -> None:
    """Takes a sprint away; the overrides for it are the caller's to take away first."""
    await conn.execute(REMOVE, _values(business_id, team_id, sprint))
