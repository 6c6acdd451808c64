"""SQL of what each register takes in on a business day: posts, and distinct drops, by when they were said."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import msgspec

from tallybook.core import keys
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.monitor.types import Kind


class RegisterDay(msgspec.Struct, frozen=True):
    """One project's day in one register."""

    project: str
    day: date
    register: Kind
    posts: int
    drops: int


_POSTED = """
select s.project, (s.said_at at time zone %(zone)s)::date as day, 'qa' as register, count(*) as posts,
    count(distinct s.drop_number) as drops
from qa_submissions s
where s.business_id = %(business_id)s and s.said_at >= %(start)s::timestamptz and s.said_at < %(end)s::timestamptz
group by 1, 2
union all
select p.project, (p.said_at at time zone %(zone)s)::date, 'marketing', count(*), count(distinct p.drop_number)
from marketing_posts p
where p.business_id = %(business_id)s and p.said_at >= %(start)s::timestamptz and p.said_at < %(end)s::timestamptz
group by 1, 2
"""
COUNTED = f"{_POSTED} order by 1, 2, 3"
FORGET_DAYS = """
delete from register_days
where business_id = %(business_id)s and day >= %(first)s::date and day <= %(last)s::date
"""
KEEP_DAYS = f"""
insert into register_days (business_id, project, day, register, posts, drops)
select %(business_id)s, c.project, c.day, c.register, c.posts, c.drops from ({_POSTED}) as c
order by c.project, c.day, c.register
on conflict {keys.REGISTER_DAY.target} do update set posts = excluded.posts, drops = excluded.drops
"""
KEPT_DAYS = """
select project, day, register, posts, drops from register_days
where business_id = %(business_id)s and day = any(%(days)s::date[])
"""
FIRST_DAYS = """
select project, min(day) from register_days where business_id = %(business_id)s group by project order by project
"""


async def counted(conn: Conn, business: Business, first: date, last: date) -> list[RegisterDay]:
    """What the registers hold of these days, both included, counted now."""
    return [_day(row) for row in await (await conn.execute(COUNTED, _span(business, first, last))).fetchall()]


async def keep(conn: Conn, business: Business, first: date, last: date) -> None:
    """Writes the counts of these days down anew: a late post belongs to the day on which it was said."""
    await conn.execute(FORGET_DAYS, {"business_id": business.id, "first": first, "last": last})
    await conn.execute(KEEP_DAYS, _span(business, first, last))


async def kept(conn: Conn, business_id: int, days: list[date]) -> list[RegisterDay]:
    """The counts of these days as they were written down."""
    cursor = await conn.execute(KEPT_DAYS, {"business_id": business_id, "days": days})
    return [_day(row) for row in await cursor.fetchall()]


async def first_days(conn: Conn, business_id: int) -> dict[str, date]:
    """Since which day each project's counts are known."""
    cursor = await conn.execute(FIRST_DAYS, {"business_id": business_id})
    return {row[0]: row[1] for row in await cursor.fetchall()}


def _day(row: tuple[str, date, str, int, int]) -> RegisterDay:
    return RegisterDay(row[0], row[1], Kind(row[2]), row[3], row[4])


def _span(business: Business, first: date, last: date) -> dict[str, object]:
    return {
        "business_id": business.id, "zone": business.time_zone,
        "start": _midnight(first, business), "end": _midnight(last + timedelta(days=1), business),
    }  # fmt: skip


def _midnight(day: date, business: Business) -> datetime:
    return datetime.combine(day, time(), business.zone)
