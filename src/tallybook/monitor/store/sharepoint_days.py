"""SQL of a day as SharePoint is told of it: distinct drops by the message's own time, in the business's zone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

import msgspec

from tallybook.channels.sharepoint.types import ItemKey, Values
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.monitor.types import STEP_COLUMNS

_STEPS = ", ".join(f"r.{column}" for column in STEP_COLUMNS)

# A row that somebody wrote by hand has no post, and counts by its own message time.
_POSTED = """
posted as (
    select project, space, drop_number, day, min(said_at) as said_at, bool_or(again) as again
    from (
        select s.project, s.space, s.drop_number, (s.said_at at time zone %(zone)s)::date as day, s.said_at,
            s.effect = 'resubmitted' as again
        from qa_submissions s
        where s.business_id = %(business_id)s::int
            and s.said_at >= %(start)s::timestamptz and s.said_at < %(end)s::timestamptz
        union all
        select r.project, r.space, r.drop_number, (r.whatsapp_message_date at time zone %(zone)s)::date,
            r.whatsapp_message_date, false
        from qa_photo_reviews r
        where r.business_id = %(business_id)s::int and r.whatsapp_message_date >= %(start)s::timestamptz
            and r.whatsapp_message_date < %(end)s::timestamptz) one
    group by 1, 2, 3, 4
), activated as (
    select project, drop_number, day, min(said_at) as said_at, bool_or(again) as again
    from (
        select m.project, m.drop_number, (m.said_at at time zone %(zone)s)::date as day, m.said_at,
            exists (
                select from marketing_posts e
                where e.business_id = m.business_id and e.project = m.project and e.drop_number = m.drop_number
                and (e.said_at, e.message_id) < (m.said_at, m.message_id)) as again
        from marketing_posts m
        where m.business_id = %(business_id)s::int
            and m.said_at >= %(start)s::timestamptz and m.said_at < %(end)s::timestamptz
        union all
        select a.project, a.drop_number, (a.whatsapp_message_date at time zone %(zone)s)::date,
            a.whatsapp_message_date, false
        from marketing_activations a
        where a.business_id = %(business_id)s::int and a.whatsapp_message_date >= %(start)s::timestamptz
            and a.whatsapp_message_date < %(end)s::timestamptz) one
    group by 1, 2, 3
)
"""
# Of several dated reviews of one drop, the newest says how it stands.
_STANDING = """
left join lateral (
    select * from qa_photo_reviews r
    where r.business_id = %(business_id)s::int and r.space = p.space and r.drop_number = p.drop_number
    order by r.review_date desc limit 1) r on true
"""

COUNTS = f"""
with {_POSTED}, counted as (
    select p.project, p.day, count(*) as drops, count(*) filter (where r.completed) as complete,
        count(*) filter (where r.completed is not true) as incomplete, count(*) filter (where p.again) as again
    from posted p {_STANDING}
    group by 1, 2
    union all
    select project, day, count(*), 0, 0, count(*) filter (where again) from activated group by 1, 2
), told as (
    select d.day, m.name as project
    from monitor_projects m cross join unnest(%(days)s::date[]) as d (day)
    where m.business_id = %(business_id)s::int and m.active
        and d.day >= (m.watched_since at time zone %(zone)s)::date
    union
    select day, project from counted where project is not null and day = any(%(days)s::date[])
    union
    select i.day, i.project from sharepoint_items i
    where i.business_id = %(business_id)s::int and i.day = any(%(days)s::date[])
)
select t.day, t.project, coalesce(c.drops, 0)::int, coalesce(c.complete, 0)::int, coalesce(c.incomplete, 0)::int,
    coalesce(c.again, 0)::int
from told t
left join counted c on c.project = t.project and c.day = t.day
order by t.day, t.project
"""


async def counts(conn: Conn, business: Business, days: Sequence[date]) -> dict[ItemKey, Values]:
    """The numbers of each day: of each project with a post that day or an item of it, whatever became of it since.

    An active project without a post has zeros, from the day on which it was first watched.
    A marketing project has no reviews, so nothing of it is complete or incomplete.
    """
    if not days:
        return {}
    asked = {**_span(business, min(days), max(days)), "days": list(days)}
    rows = await (await conn.execute(COUNTS, asked)).fetchall()
    return {ItemKey(row[0], row[1]): Values(*row[2:]) for row in rows}


class DropRow(msgspec.Struct, frozen=True):
    """A drop of the day. ``steps`` and ``reasons`` are those of its review, in the order of STEP_COLUMNS."""

    project: str | None
    drop_number: str
    said_at: datetime
    again: bool
    by: str | None
    completed: bool | None
    steps: list[bool | None]
    reasons: dict[str, str] | None
    comment: str | None


REVIEWS = f"""
with {_POSTED}
select p.project, p.drop_number, p.said_at, p.again, r.user_name, r.completed, array[{_STEPS}],
    r.incorrect_comments, r.comment
from posted p {_STANDING}
where p.day = %(day)s::date
order by p.project, p.said_at, p.drop_number
"""


async def reviews(conn: Conn, business: Business, day: date) -> list[DropRow]:
    """The day's drops of all QA projects, in the order in which they were first posted that day."""
    rows = await (await conn.execute(REVIEWS, {**_span(business, day, day), "day": day})).fetchall()
    return [DropRow(*row) for row in rows]


class ActivationRow(msgspec.Struct, frozen=True):
    """A marketing activation of the day."""

    project: str
    drop_number: str
    said_at: datetime
    again: bool
    by: str | None
    is_valid: bool | None
    message: str | None


ACTIVATIONS = f"""
with {_POSTED}
select p.project, p.drop_number, p.said_at, p.again, a.user_name, a.is_valid, a.validation_message
from activated p
left join marketing_activations a
    on a.business_id = %(business_id)s::int and a.project = p.project and a.drop_number = p.drop_number
where p.day = %(day)s::date
order by p.project, p.said_at, p.drop_number
"""


async def activations(conn: Conn, business: Business, day: date) -> list[ActivationRow]:
    """The day's activations, in the order in which they were first posted that day."""
    rows = await (await conn.execute(ACTIVATIONS, {**_span(business, day, day), "day": day})).fetchall()
    return [ActivationRow(*row) for row in rows]


def _span(business: Business, first: date, last: date) -> dict[str, object]:
    end = datetime.combine(last + timedelta(days=1), time(), business.zone)
    return {
        "business_id": business.id,
        "zone": business.time_zone,
        "start": datetime.combine(first, time(), business.zone),
        "end": end,
    }
