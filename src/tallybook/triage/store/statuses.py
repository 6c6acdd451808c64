"""SQL of what somebody's status in Slack says. Whoever has ``heard`` of one holds its person."""

from __future__ import annotations

from datetime import datetime, timedelta

from tallybook.core.db import Conn
from tallybook.triage.types import Absence

LONGEST = timedelta(days=366)
HEARD = """
update triage_people set status_at = %(said_at)s::timestamptz
where business_id = %(business_id)s::int and slack_id = %(slack_id)s::text
    and coalesce(status_at < %(said_at)s::timestamptz, true)
"""
ABSENCES = """
select id, slack_id, starts_at, ends_at, kind, source from triage_absences
where business_id = %(business_id)s::int and slack_id = %(slack_id)s::text and source::text = 'slack'
    and ends_at > %(now)s::timestamptz order by starts_at
"""
# Whose ids are Slack's: those of an older rota may be any.
PEOPLE = """
select distinct slack_id from triage_memberships
where business_id = %(business_id)s::int and slack_id > %(after)s::text and slack_id ~ '^[UW]'
    and coalesce(until > %(now)s::timestamptz, true) order by slack_id limit %(limit)s::int
"""
BUSINESSES = """
select distinct business_id from triage_memberships where coalesce(until > %(now)s::timestamptz, true)
order by business_id
"""


async def heard(conn: Conn, business_id: int, person: str, said_at: datetime) -> bool:
    """Whether somebody is known and no later status of theirs is."""
    values = {"business_id": business_id, "slack_id": person, "said_at": said_at}
    return (await conn.execute(HEARD, values)).rowcount == 1


async def absences(conn: Conn, business_id: int, person: str, now: datetime) -> list[Absence]:
    """Those by a status that are not over."""
    values = {"business_id": business_id, "slack_id": person, "now": now}
    return [Absence(*row) for row in await (await conn.execute(ABSENCES, values)).fetchall()]


async def people(conn: Conn, business_id: int, after: str, limit: int, now: datetime) -> list[str]:
    """The first ones after a person who belong, or will, to a discipline of a business."""
    values = {"business_id": business_id, "after": after, "limit": limit, "now": now}
    return [row[0] for row in await (await conn.execute(PEOPLE, values)).fetchall()]


async def businesses(conn: Conn, now: datetime) -> list[int]:
    """Those with a rota."""
    return [row[0] for row in await (await conn.execute(BUSINESSES, {"now": now})).fetchall()]
