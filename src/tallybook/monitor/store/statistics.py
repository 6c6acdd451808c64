"""SQL that reads the kept counts: sums of days, never of reviews, so that no history makes them slower.

The distinct drops of some days are those of each day that were not posted earlier within them: ``since`` before the
first.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.monitor.types import STEP_COLUMNS, Kind

from .statistics_count import NUMBERS

_SUMS = "sum(s.drops)::int, sum(s.complete)::int, sum(s.again)::int, sum(s.passed)::int"


class Figures(msgspec.Struct, frozen=True):
    """Distinct drops: how many, how many of them complete and looked at, ever posted again, complete at once."""

    drops: int = 0
    complete: int = 0
    again: int = 0
    passed: int = 0


class Period(msgspec.Struct, frozen=True):
    """Business days, both included, under a name."""

    name: str
    first: date
    last: date


Place = tuple[Kind, str]  # a register and a project of it; "" is no project

OF_PERIODS = f"""
select k.name, s.register, s.project, {_SUMS}
from unnest(%(names)s::text[], %(firsts)s::date[], %(lasts)s::date[]) as k (name, first, last)
join statistics_days s on s.business_id = %(business_id)s and s.day >= k.first and s.day <= k.last and s.since < k.first
group by 1, 2, 3
"""
# What waits is open, and was first posted before the day that is given.
EVER = f"""
select s.register, s.project, {_SUMS},
    coalesce(sum(s.drops - s.complete) filter (where s.day < %(before)s::date), 0)::int
from statistics_days s
where s.business_id = %(business_id)s and s.since = '-infinity'
group by 1, 2
"""


async def of_periods(conn: Conn, business_id: int, periods: list[Period]) -> dict[tuple[str, Place], Figures]:
    """The figures of each project that has any, by the period's name."""
    asked = {
        "business_id": business_id, "names": [one.name for one in periods],
        "firsts": [one.first for one in periods], "lasts": [one.last for one in periods],
    }  # fmt: skip
    rows = await (await conn.execute(OF_PERIODS, asked)).fetchall()
    return {(row[0], (Kind(row[1]), row[2])): Figures(*row[3:]) for row in rows}


async def ever(conn: Conn, business_id: int, before: date) -> dict[Place, tuple[Figures, int]]:
    """The figures of all time, and how many open drops were first posted before a day."""
    rows = await (await conn.execute(EVER, {"business_id": business_id, "before": before})).fetchall()
    return {(Kind(row[0]), row[1]): (Figures(*row[2:6]), row[6]) for row in rows}


class Bucket(msgspec.Struct, frozen=True):
    """A day or a week of one project. ``repeated`` is how many drops were posted again in it."""

    register: Kind
    project: str
    first: date
    drops: int
    complete: int
    repeated: int


TREND = """
select s.register, s.project, b.first, sum(s.drops)::int, sum(s.complete)::int, sum(s.repeated)::int
from statistics_days s
cross join lateral (
    select case when %(weekly)s::bool then greatest(date_trunc('week', s.day)::date, %(first)s::date) else s.day end
        as first) b
where s.business_id = %(business_id)s and s.day >= %(first)s::date and s.day <= %(last)s::date and s.since < b.first
group by 1, 2, 3
order by 3
"""


async def trend(conn: Conn, business_id: int, period: Period, *, weekly: bool) -> list[Bucket]:
    """Each project's distinct drops by day or by week, those with none left out. A week begins on Monday."""
    asked = {"business_id": business_id, "first": period.first, "last": period.last, "weekly": weekly}
    rows = await (await conn.execute(TREND, asked)).fetchall()
    return [Bucket(Kind(row[0]), *row[1:]) for row in rows]


DROPS_BY_DAY = """
select s.register, s.project, s.day, sum(s.drops)::int from statistics_days s
where s.business_id = %(business_id)s and s.day >= %(first)s::date and s.day <= %(last)s::date
group by 1, 2, 3
"""


async def drops_by_day(conn: Conn, business_id: int, first: date, last: date) -> dict[tuple[Kind, str, date], int]:
    """The distinct drops of each project on each day that had any."""
    asked = {"business_id": business_id, "first": first, "last": last}
    rows = await (await conn.execute(DROPS_BY_DAY, asked)).fetchall()
    return {(Kind(row[0]), row[1], row[2]): row[3] for row in rows}


class Failure(msgspec.Struct, frozen=True):
    """How many judged drops lack a step, and in how many it is wrong."""

    column: str
    missing: int
    wrong: int


FAILURES = f"""
select coalesce(sum(s.judged), 0)::int, {
    ", ".join(f"coalesce(sum(s.missing_{n}), 0)::int, coalesce(sum(s.wrong_{n}), 0)::int" for n in NUMBERS)
}
from statistics_days s
where s.business_id = %(business_id)s and s.register = 'qa' and s.day >= %(first)s::date and s.day <= %(last)s::date
and s.since < %(first)s::date and (%(project)s::text is null or s.project = %(project)s)
"""


async def failures(conn: Conn, business_id: int, period: Period, project: str | None) -> tuple[int, list[Failure]]:
    """How many drops of the period were judged and are not right yet, and what is wrong with them, step by step."""
    row = await (await conn.execute(FAILURES, _asked(business_id, period, project))).fetchone()
    figures = row or (0,) * (1 + 2 * len(STEP_COLUMNS))
    return figures[0], [
        Failure(column, figures[1 + 2 * place], figures[2 + 2 * place]) for place, column in enumerate(STEP_COLUMNS)
    ]


class Person(msgspec.Struct, frozen=True):
    """What somebody did, added up by day. ``complete`` is what a reviewer completed."""

    who: str
    drops: int
    complete: int


PEOPLE = """
select role, who, drops, complete from (
    select p.role, p.who, sum(p.drops)::int as drops, sum(p.complete)::int as complete,
        row_number() over (partition by p.role order by sum(p.drops) desc, p.who) as place
    from statistics_people p
    where p.business_id = %(business_id)s and p.day >= %(first)s::date and p.day <= %(last)s::date
    and (%(project)s::text is null or p.project = %(project)s)
    group by p.role, p.who) one
where place <= %(most)s::int
order by role, place
"""


async def people(
    conn: Conn, business_id: int, period: Period, project: str | None, most: int
) -> dict[str, list[Person]]:
    """Who posted most and who reviewed most, by ``sender`` and ``reviewer``."""
    found: dict[str, list[Person]] = {"sender": [], "reviewer": []}
    cursor = await conn.execute(PEOPLE, _asked(business_id, period, project) | {"most": most})
    for role, *person in await cursor.fetchall():
        found[role].append(Person(*person))
    return found


PROJECTS = (
    "select kind, name from monitor_projects where business_id = %(business_id)s and active order by kind desc, name"
)


async def projects(conn: Conn, business: Business) -> list[Place]:
    """The active projects, QA first."""
    rows = await (await conn.execute(PROJECTS, {"business_id": business.id})).fetchall()
    return [(Kind(row[0]), row[1]) for row in rows]


def _asked(business_id: int, period: Period, project: str | None) -> dict[str, Any]:
    return {"business_id": business_id, "first": period.first, "last": period.last, "project": project}
