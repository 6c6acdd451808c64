"""SQL of the list of reviews and of the day's counts. One looks up what the other counts, so that they agree."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.monitor.types import (
    LOCK_LASTS,
    NOBODY,
    STEP_COLUMNS,
    DayCount,
    Filters,
    Kind,
    Place,
    Posted,
    ReviewRow,
    Shown,
    verdicts,
)

_STEPS = ", ".join(f"r.{column}" for column in STEP_COLUMNS)
_SAID = "coalesce(r.whatsapp_message_date, r.created_at)"
_HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007

_SOUGHT = """r.id, r.resubmitted, r.last_said_at, r.drop_number, r.completed, r.assigned_account, r.assigned_agent"""

# Reviews of drops posted on these days: by their own message, by hand without one, and by any of their posts. Each is
# one range of an index; an "or" of the three would read every review there is. What the filters ask comes along, so
# that no row is looked up twice; "offset 0" keeps a look-up by key a look-up by key.
_FROM_DAYS = f"""
from (
    select {_SOUGHT} from qa_photo_reviews r
    where r.business_id = {_HIDDEN}
    and r.whatsapp_message_date >= %(start)s::timestamptz and r.whatsapp_message_date < %(end)s::timestamptz
    and (%(project)s::text is null or r.project = %(project)s)
    union
    select {_SOUGHT} from qa_photo_reviews r
    where r.business_id = {_HIDDEN} and r.whatsapp_message_date is null
    and r.created_at >= %(start)s::timestamptz and r.created_at < %(end)s::timestamptz
    and (%(project)s::text is null or r.project = %(project)s)
    union
    select p.* from qa_submissions s
    cross join lateral (
        select {_SOUGHT} from qa_photo_reviews r
        where r.business_id = {_HIDDEN} and r.space = s.space and r.drop_number = s.drop_number offset 0) p
    where s.business_id = {_HIDDEN}
    and s.said_at >= %(start)s::timestamptz and s.said_at < %(end)s::timestamptz
    and (%(project)s::text is null or s.project = %(project)s)
) r
where true
"""
_FROM_ANY_DAY = f"""
from qa_photo_reviews r
where r.business_id = {_HIDDEN}
and (%(project)s::text is null or r.project = %(project)s or exists (
    select from qa_submissions s
    where s.business_id = r.business_id and s.space = r.space and s.drop_number = r.drop_number
    and s.project = %(project)s))
"""
# Each is off when its parameter is null. Nothing is prepared on the server, so that the planner knows which those are:
# a list of any day is then read from the one index that holds just what is asked for, in its order, a page at a time.
_FILTERS = """
and (%(search)s::text is null or r.drop_number like %(search)s)
and (%(open)s::bool is null or (not r.completed or r.resubmitted) = %(open)s)
and (%(resubmitted)s::bool is null or r.resubmitted = %(resubmitted)s)
and (%(assigned)s::int is null or r.assigned_account = %(assigned)s)
and (not %(nobodys)s::bool or r.assigned_account is null and r.assigned_agent is null)
"""
_PLACES = "r.id, r.resubmitted, r.last_said_at"
_IN_ORDER = """
and (%(after_id)s::uuid is null
    or (r.resubmitted, r.last_said_at, r.id)
        < (%(after_resubmitted)s::bool, %(after_last_said_at)s::timestamptz, %(after_id)s::uuid))
order by r.resubmitted desc, r.last_said_at desc, r.id desc
limit %(limit)s
"""
# Outside of what is sorted, so that only the rows of the page are read whole.
_COLUMNS = f"""
r.id, r.drop_number, r.project, {_SAID}, o.last_said_at, r.user_name,
    (select count(*) from qa_submissions s
     where s.business_id = r.business_id and s.space = r.space and s.drop_number = r.drop_number),
    r.resubmitted, r.completed, array[{_STEPS}], r.incorrect_comments,
    case when r.locked_at > now() - %(lasts)s::interval then r.locked_by end, r.assigned_agent
"""
_WHOLE = f"""
cross join lateral (
    select * from qa_photo_reviews x where x.business_id = {_HIDDEN} and x.id = o.id offset 0) r
order by o.resubmitted desc, o.last_said_at desc, o.id desc
"""

# Whoever shows a page of some days shows how many there are, and what they are is found but once.
PAGE_OF_DAYS = f"""
with found as materialized (select {_PLACES} {_FROM_DAYS} {_FILTERS})
select {_COLUMNS}, (select count(*) from found) from (select {_PLACES} from found r where true {_IN_ORDER}) o {_WHOLE}
"""
PAGE_OF_ANY_DAY = f"select {_COLUMNS} from (select {_PLACES} {_FROM_ANY_DAY} {_FILTERS} {_IN_ORDER}) o {_WHOLE}"


async def page(conn: Conn, business: Business, filters: Filters, after: Place | None, limit: int) -> list[ReviewRow]:
    """One page of reviews, by key and never by offset."""
    return (await _page(conn, business, filters, after, limit))[0]


async def page_and_count(
    conn: Conn, business: Business, filters: Filters, after: Place | None, limit: int, most: int | None = None
) -> tuple[list[ReviewRow], int]:
    """One page, and how many reviews all pages hold; at ``most``, if given."""
    rows, total = await _page(conn, business, filters, after, limit)
    if total is None:
        total = await count(conn, business, filters, most)
    return rows, total if most is None else min(total, most)


async def _page(
    conn: Conn, business: Business, filters: Filters, after: Place | None, limit: int
) -> tuple[list[ReviewRow], int | None]:
    """One page, and how many there are where the rows tell it."""
    values = page_parameters(business, filters, after, limit)
    if not has_days(filters):
        cursor = await conn.execute(PAGE_OF_ANY_DAY, values)
        return [row_of(row) for row in await cursor.fetchall()], None
    found = await (await conn.execute(PAGE_OF_DAYS, values)).fetchall()
    return [row_of(row) for row in found], found[0][-1] if found else None if after else 0


def page_parameters(business: Business, filters: Filters, after: Place | None, limit: int) -> dict[str, Any]:
    return parameters(business, filters) | {
        "after_id": after and after.id,
        "after_resubmitted": after and after.resubmitted,
        "after_last_said_at": after and after.last_said_at,
        "limit": limit,
        "lasts": LOCK_LASTS,
    }


def row_of(row: tuple[Any, ...]) -> ReviewRow:
    """What a row of a page's statement says."""
    return ReviewRow(
        id=row[0], drop_number=row[1], project=row[2], said_at=row[3], last_said_at=row[4], user_name=row[5],
        posts=max(row[6], 1), resubmitted=row[7], completed=row[8],
        verdicts=verdicts(dict(zip(STEP_COLUMNS, row[9], strict=True)), row[10]), locked_by=row[11], assigned=row[12],
    )  # fmt: skip


COUNT_OF_DAYS = f"select count(*) from (select {_FROM_DAYS} {_FILTERS} limit %(most)s::bigint) r"
COUNT_OF_ANY_DAY = f"select count(*) from (select {_FROM_ANY_DAY} {_FILTERS} limit %(most)s::bigint) r"


async def count(conn: Conn, business: Business, filters: Filters, most: int | None = None) -> int:
    """How many reviews all pages hold; at ``most``, if given: counting a million takes longer than showing some."""
    values = parameters(business, filters) | {"most": most}
    if has_days(filters):
        cursor = await conn.execute(COUNT_OF_DAYS, values)
    else:
        cursor = await conn.execute(COUNT_OF_ANY_DAY, values)
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


def has_days(filters: Filters) -> bool:
    """Whether ``PAGE_OF_DAYS`` is the statement of these filters, or ``PAGE_OF_ANY_DAY``."""
    return filters.first_day is not None or filters.last_day is not None


def parameters(business: Business, filters: Filters) -> dict[str, Any]:
    search = filters.search.strip().upper().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    after_last = filters.last_day and filters.last_day + timedelta(days=1)
    return {
        "business_id": business.id,
        "project": filters.project,
        "search": f"%{search}%" if search else None,
        "open": {Shown.ALL: None, Shown.OPEN: True, Shown.COMPLETE: False}[filters.shown],
        "resubmitted": {Posted.ANY: None, Posted.ONCE: False, Posted.AGAIN: True}[filters.posted],
        "assigned": filters.assigned or None,
        "nobodys": filters.assigned == NOBODY,
        "start": _midnight(filters.first_day, business) if filters.first_day else "-infinity",
        "end": _midnight(after_last, business) if after_last else "infinity",
    }


def _midnight(day: date, business: Business) -> datetime:
    return datetime.combine(day, time(), business.zone)


# "Today" is distinct drops posted that day, by the message's own time; a row written by hand counts by its review.
# Complete and posted again are meant as the list's filters mean them.
DAY_COUNTS = f"""
with posted as (
    select s.project, s.drop_number, s.space, (s.said_at at time zone %(zone)s)::date as day
    from qa_submissions s
    where s.business_id = {_HIDDEN} and s.said_at >= %(start)s and s.said_at < %(end)s
    union
    select r.project, r.drop_number, r.space, (r.whatsapp_message_date at time zone %(zone)s)::date
    from qa_photo_reviews r
    where r.business_id = {_HIDDEN} and r.whatsapp_message_date >= %(start)s and r.whatsapp_message_date < %(end)s
    union
    select r.project, r.drop_number, r.space, (r.created_at at time zone %(zone)s)::date
    from qa_photo_reviews r
    where r.business_id = {_HIDDEN} and r.whatsapp_message_date is null
    and r.created_at >= %(start)s and r.created_at < %(end)s
    union
    select a.project, a.drop_number, null, (a.whatsapp_message_date at time zone %(zone)s)::date
    from marketing_activations a
    where a.business_id = {_HIDDEN} and a.whatsapp_message_date >= %(start)s and a.whatsapp_message_date < %(end)s
    union
    select m.project, m.drop_number, null, (m.said_at at time zone %(zone)s)::date
    from marketing_posts m
    where m.business_id = {_HIDDEN} and m.said_at >= %(start)s and m.said_at < %(end)s
), states as (
    select p.project, p.day, count(*) as drops,
        count(*) filter (where r.completed and not r.resubmitted) as complete,
        count(*) filter (where r.resubmitted) as again
    from posted p
    left join lateral (
        select completed, resubmitted from qa_photo_reviews r
        where r.business_id = {_HIDDEN} and r.space = p.space and r.drop_number = p.drop_number
        and p.day = %(today)s
        order by r.review_date desc limit 1) r on true
    group by p.project, p.day
)
select p.name, p.kind,
    coalesce(sum(s.drops) filter (where s.day = %(today)s), 0)::int,
    coalesce(sum(s.complete) filter (where s.day = %(today)s), 0)::int,
    coalesce(sum(s.again) filter (where s.day = %(today)s), 0)::int,
    coalesce(jsonb_object_agg(s.day, s.drops) filter (where s.day < %(today)s), '{{}}')
from monitor_projects p
left join states s on s.project = p.name
where p.business_id = %(business_id)s and p.active
group by p.name, p.kind
order by p.kind desc, p.name
"""


async def day_counts(conn: Conn, business: Business, today: date, usual_days: int) -> list[DayCount]:
    """Each active project's counts of the day and of the days before it, all counted from the rows."""
    days = [today - timedelta(days=n) for n in range(usual_days, 0, -1)]
    cursor = await conn.execute(
        DAY_COUNTS,
        {
            "business_id": business.id, "zone": business.time_zone, "today": today,
            "start": _midnight(today - timedelta(days=usual_days), business),
            "end": _midnight(today + timedelta(days=1), business),
        },
    )  # fmt: skip
    return [
        DayCount(row[0], Kind(row[1]), row[2], row[3], row[4], [int(row[5].get(day.isoformat(), 0)) for day in days])
        for row in await cursor.fetchall()
    ]
