"""SQL of when each team is looked at next, and of what was last told of what lies ahead of it."""

from __future__ import annotations

from datetime import datetime
from typing import cast

import msgspec

from tallybook.core import triage_keys
from tallybook.core.db import Conn
from tallybook.triage.rules_notices import Plan


class Look(msgspec.Struct, frozen=True):
    """How a team was found the last time. ``settles_at``: when what changed since ``plan`` is to be told."""

    facts_version: int
    next_at: datetime
    plan: Plan
    settles_at: datetime | None = None

    def is_fresh(self, version: int, now: datetime) -> bool:
        """Whether nothing is due."""
        return self.facts_version == version and self.next_at > now


# All that is due, of every business. Facts that nobody has looked at are due at once.
DUE = """
select t.business_id, t.id from triage_teams t
left join triage_looks l on l.business_id = t.business_id and l.team_id = t.id
where l.team_id is null or l.facts_version is distinct from t.version or l.next_at <= %(now)s::timestamptz
order by l.next_at nulls first, t.business_id, t.id
"""
# By the database's clock, which is one for all workers: by two of them a hand-over would go to and fro.
CLOCK = "select now()"
FIRST = "select min(next_at) from triage_looks where next_at > %(after)s::timestamptz"
EVERY = "select t.business_id, t.id from triage_teams t order by t.business_id, t.id"
EXPIRING = """
select distinct business_id from overrides where state::text = 'pending' and ends_at <= %(now)s::timestamptz
order by business_id
"""
# Whoever has a team in hand looks at it alone.
TAKE = """
select facts_version, next_at, plan, settles_at from triage_looks
where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint for update skip locked
"""
BEGIN = f"""
insert into triage_looks (business_id, team_id, facts_version, next_at, plan, planned_until)
values (%(business_id)s::int, %(team_id)s::bigint, %(version)s::bigint, %(next_at)s::timestamptz, %(plan)s::jsonb,
    %(until)s::timestamptz)
on conflict {triage_keys.TRIAGE_LOOK.target} do nothing
"""
KEEP = """
update triage_looks set facts_version = %(version)s::bigint, next_at = %(next_at)s::timestamptz, plan = %(plan)s::jsonb,
    planned_until = %(until)s::timestamptz, settles_at = %(settles_at)s::timestamptz
where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint
"""
IS_DUE = """
select l.team_id is null or l.facts_version is distinct from t.version or l.next_at <= %(now)s::timestamptz
from triage_teams t left join triage_looks l on l.business_id = t.business_id and l.team_id = t.id
where t.business_id = %(business_id)s::int and t.id = %(team_id)s::bigint
"""
SOON = """
update triage_looks l set next_at = %(now)s::timestamptz from triage_teams t
where l.business_id = %(business_id)s::int and t.business_id = l.business_id and t.id = l.team_id
    and t.channel = %(channel)s::text
"""
SOON_OF_GROUP = """
update triage_looks l set next_at = least(l.next_at, now()) from triage_teams t
where l.business_id = %(business_id)s::int and t.business_id = l.business_id and t.id = l.team_id
    and t.user_group = %(user_group)s::text
"""
CHECKED = """
update triage_looks set checked_at = %(now)s::timestamptz, astray = %(astray)s::bool,
    astray_at = case when %(astray)s::bool then %(now)s::timestamptz else astray_at end
where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint
"""
# For health: how many teams there are, how many nobody looks at, when all were checked, and what was found astray.
BOARD = """
select count(*), count(*) filter (where l.next_at < %(late)s::timestamptz),
    count(*) filter (where l.team_id is null or coalesce(l.checked_at < %(unchecked)s::timestamptz, true)
        and t.created_at < %(unchecked)s::timestamptz),
    count(*) filter (where l.astray_at > %(lately)s::timestamptz), min(l.next_at), max(l.astray_at), min(l.checked_at)
from triage_teams t left join triage_looks l on l.business_id = t.business_id and l.team_id = t.id
where t.business_id = %(business_id)s::int
"""


async def due(conn: Conn, now: datetime) -> list[tuple[int, int]]:
    """Every team that is to be looked at, with its business; who waits longest comes first."""
    return [(row[0], row[1]) for row in await (await conn.execute(DUE, {"now": now})).fetchall()]


async def every(conn: Conn) -> list[tuple[int, int]]:
    """Every team, with its business."""
    return [(row[0], row[1]) for row in await (await conn.execute(EVERY)).fetchall()]


async def expiring(conn: Conn, now: datetime) -> list[int]:
    """The businesses with requests whose time is over."""
    return [row[0] for row in await (await conn.execute(EXPIRING, {"now": now})).fetchall()]


async def clock(conn: Conn) -> datetime:
    """What time it is."""
    (row,) = await (await conn.execute(CLOCK)).fetchall()
    return cast("datetime", row[0])


async def first(conn: Conn, after: datetime) -> datetime | None:
    """When the next team of all will be due. One that is overdue, since it fails, is no reason to look at once."""
    row = await (await conn.execute(FIRST, {"after": after})).fetchone()
    return row[0] if row else None


async def take(conn: Conn, business_id: int, team_id: int) -> Look | None:
    """Holds a team's look until the transaction ends; None where another worker does, or where it was never made."""
    values = {"business_id": business_id, "team_id": team_id}
    row = await (await conn.execute(TAKE, values)).fetchone()
    return Look(row[0], row[1], msgspec.convert(row[2], Plan), row[3]) if row else None


async def begin(conn: Conn, business_id: int, team_id: int, look: Look) -> bool:
    """Whether this is the first look at a team; False where there was one by now."""
    return (await conn.execute(BEGIN, _values(business_id, team_id, look))).rowcount == 1


async def keep(conn: Conn, business_id: int, team_id: int, look: Look) -> None:
    await conn.execute(KEEP, _values(business_id, team_id, look))


def _values(business_id: int, team_id: int, look: Look) -> dict[str, object]:
    return {
        "business_id": business_id,
        "team_id": team_id,
        "version": look.facts_version,
        "next_at": look.next_at,
        "plan": msgspec.json.encode(look.plan).decode(),
        "until": look.plan.until,
        "settles_at": look.settles_at,
    }


async def is_due(conn: Conn, business_id: int, team_id: int, now: datetime) -> bool:
    """Whether somebody is about to look at a team anyway."""
    values = {"business_id": business_id, "team_id": team_id, "now": now}
    row = await (await conn.execute(IS_DUE, values)).fetchone()
    return row is not None and bool(row[0])


async def soon(conn: Conn, business_id: int, channel: str, now: datetime) -> None:
    """Has the teams of a channel be looked at next."""
    await conn.execute(SOON, {"business_id": business_id, "channel": channel, "now": now})


async def soon_of_group(conn: Conn, business_id: int, user_group: str) -> None:
    """Has the teams of a user group be looked at next."""
    await conn.execute(SOON_OF_GROUP, {"business_id": business_id, "user_group": user_group})


async def checked(conn: Conn, business_id: int, team_id: int, now: datetime, *, astray: bool) -> None:
    """Writes down that a team's state was held against its facts, and whether it had gone astray."""
    values = {"business_id": business_id, "team_id": team_id, "now": now, "astray": astray}
    await conn.execute(CHECKED, values)


class Board(msgspec.Struct, frozen=True):
    """A business's teams, as health tells of them; the four counts are of teams."""

    teams: int
    overdue: int
    unchecked: int
    astray: int
    due_since: datetime | None
    astray_at: datetime | None
    checked_at: datetime | None


async def board(conn: Conn, business_id: int, late: datetime, unchecked: datetime, lately: datetime) -> Board:
    """Overdue are those that were due before ``late``; of the others see the names."""
    values = {"business_id": business_id, "late": late, "unchecked": unchecked, "lately": lately}
    row = await (await conn.execute(BOARD, values)).fetchone()
    return Board(*row) if row else Board(0, 0, 0, 0, None, None, None)
