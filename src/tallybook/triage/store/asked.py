"""SQL of requests as they are listed, with who asked and what was said of the decision."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from tallybook.core.db import Conn
from tallybook.triage.rules_overrides import Asked, Part

from .overrides import COLUMNS, of_row

_COLUMNS = f"{COLUMNS}, o.note, coalesce(p.name, a.display_name, o.requested_by)"
_FROM = """
from overrides o
left join triage_people p on p.business_id = o.business_id and p.slack_id = o.requested_by::text
left join accounts a on o.requested_by::text = 'account ' || a.id::text
where o.business_id = %(business_id)s::int and o.team_id = %(team_id)s::bigint
"""
# What waits comes first, then what is in force or ahead, each the soonest first.
OPEN = f"""
select {_COLUMNS}
{_FROM} and (o.state::text = 'pending' or o.state::text = 'approved' and o.ends_at > %(now)s::timestamptz)
order by o.state::text = 'approved', o.starts_at, o.id
"""
OVER = f"""
select {_COLUMNS}
{_FROM} and not (o.state::text = 'pending' or o.state::text = 'approved' and o.ends_at > %(now)s::timestamptz)
    and (%(below)s::bigint is null or o.id < %(below)s::bigint)
order by o.id desc limit %(limit)s::int
"""
IN_THE_WAY = f"""
select {_COLUMNS}
{_FROM} and o.role = %(role)s::text and o.state::text = 'pending'
    and o.starts_at < %(ends_at)s::timestamptz and o.ends_at > %(starts_at)s::timestamptz
order by o.starts_at limit 1
"""
# The request, and where it is one of an exchange the other one too.
ONE = f"""
select {_COLUMNS}
{_FROM} and (o.id = %(id)s::bigint or o.swap_id = (
    select s.swap_id from overrides s where s.business_id = %(business_id)s::int and s.id = %(id)s::bigint))
order by o.id
"""


class Listed(msgspec.Struct, frozen=True):
    """A request, what was said of the decision, and by whom it was asked for, by name."""

    asked: Asked
    note: str
    asker: str


def _listed(row: tuple[Any, ...]) -> Listed:
    *values, note, asker = row
    return Listed(of_row(values), note, asker)


async def still_open(conn: Conn, business_id: int, team_id: int, now: datetime) -> list[Listed]:
    """What waits for a decision, then what is approved and not over."""
    values = {"business_id": business_id, "team_id": team_id, "now": now}
    return [_listed(row) for row in await (await conn.execute(OPEN, values)).fetchall()]


async def over(
    conn: Conn, business_id: int, team_id: int, now: datetime, *, below: int | None = None, limit: int = 50
) -> list[Listed]:
    """What was decided otherwise or is over, the newest first; the next page begins below the last number of this."""
    values = {"business_id": business_id, "team_id": team_id, "now": now, "below": below, "limit": limit}
    return [_listed(row) for row in await (await conn.execute(OVER, values)).fetchall()]


async def in_the_way(conn: Conn, business_id: int, team_id: int, part: Part) -> Listed | None:
    """The first that waits for a part of this time."""
    values = {"business_id": business_id, "team_id": team_id, "role": part.discipline}
    values |= {"starts_at": part.starts_at, "ends_at": part.ends_at}
    row = await (await conn.execute(IN_THE_WAY, values)).fetchone()
    return _listed(row) if row else None


async def one(conn: Conn, business_id: int, team_id: int, number: int) -> list[Listed]:
    """A request of a team, and the other one of its exchange; nothing where there is none."""
    values = {"business_id": business_id, "team_id": team_id, "id": number}
    return [_listed(row) for row in await (await conn.execute(ONE, values)).fetchall()]
