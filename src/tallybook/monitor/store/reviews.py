"""SQL of reviews: the list, the whole review, its lock and what is written to it."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.monitor.types import (
    STEP_COLUMNS,
    Change,
    DayCount,
    Effect,
    Filters,
    Kind,
    Lock,
    Place,
    Posted,
    Review,
    ReviewRow,
    Shown,
    Submission,
    Verdict,
    verdicts,
)

_STEPS = ", ".join(f"r.{column}" for column in STEP_COLUMNS)
_TICKS = ", ".join(f"%({column})s" for column in STEP_COLUMNS)
_SAID = "coalesce(r.whatsapp_message_date, r.created_at)"

# The filters shared by the list and its count. Each is off when its parameter is null.
_MATCHES = f"""
r.business_id = %(business_id)s
and (%(project)s::text is null or r.project = %(project)s)
and (%(search)s::text is null or r.drop_number like %(search)s)
and (%(completed)s::bool is null or r.completed = %(completed)s)
and (%(resubmitted)s::bool is null or r.resubmitted = %(resubmitted)s)
and (
    (%(start)s::timestamptz is null or {_SAID} >= %(start)s) and (%(end)s::timestamptz is null or {_SAID} < %(end)s)
    or (r.space, r.drop_number) in (
        select s.space, s.drop_number from qa_submissions s
        where s.business_id = %(business_id)s
        and (%(start)s::timestamptz is null or s.said_at >= %(start)s)
        and (%(end)s::timestamptz is null or s.said_at < %(end)s))
)
"""

PAGE = f"""
select r.id, r.drop_number, r.project, {_SAID}, r.user_name,
    (select count(*) from qa_submissions s
     where s.business_id = r.business_id and s.space = r.space and s.drop_number = r.drop_number),
    r.resubmitted, r.completed, array[{_STEPS}], r.incorrect_comments,
    case when r.locked_at > now() - interval '5 minutes' then r.locked_by end
from qa_photo_reviews r
where {_MATCHES}
and (%(after_id)s::uuid is null
    or (r.resubmitted, {_SAID}, r.id)
        < (%(after_resubmitted)s::bool, %(after_said_at)s::timestamptz, %(after_id)s::uuid))
order by r.resubmitted desc, {_SAID} desc, r.id desc
limit %(limit)s
"""


async def page(conn: Conn, business: Business, filters: Filters, after: Place | None, limit: int) -> list[ReviewRow]:
    """One page of reviews, by key and never by offset."""
    place = {
        "after_id": after and after.id,
        "after_resubmitted": after and after.resubmitted,
        "after_said_at": after and after.said_at,
    }
    cursor = await conn.execute(PAGE, {**_parameters(business, filters), **place, "limit": limit})
    return [
        ReviewRow(
            id=row[0], drop_number=row[1], project=row[2], said_at=row[3], user_name=row[4], posts=max(row[5], 1),
            resubmitted=row[6], completed=row[7],
            verdicts=verdicts(dict(zip(STEP_COLUMNS, row[8], strict=True)), row[9]), locked_by=row[10],
        )
        for row in await cursor.fetchall()
    ]  # fmt: skip


COUNT = f"select count(*) from qa_photo_reviews r where {_MATCHES}"


async def count(conn: Conn, business: Business, filters: Filters) -> int:
    row = await (await conn.execute(COUNT, _parameters(business, filters))).fetchone()
    return int(row[0]) if row else 0


def _parameters(business: Business, filters: Filters) -> dict[str, Any]:
    search = filters.search.strip().upper().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return {
        "business_id": business.id,
        "project": filters.project,
        "search": f"%{search}%" if search else None,
        "completed": {Shown.ALL: None, Shown.OPEN: False, Shown.COMPLETE: True}[filters.shown],
        "resubmitted": {Posted.ANY: None, Posted.ONCE: False, Posted.AGAIN: True}[filters.posted],
        "start": filters.first_day and _midnight(filters.first_day, business),
        "end": filters.last_day and _midnight(filters.last_day + timedelta(days=1), business),
    }


def _midnight(day: date, business: Business) -> datetime:
    return datetime.combine(day, time(), business.zone)


FIND = f"""
select r.id, r.drop_number, r.project, r.space, r.review_date, r.whatsapp_message_date, r.user_name, r.submitted_by,
    r.assigned_agent, array[{_STEPS}], r.incorrect_comments, r.comment, r.resubmitted, r.completed, r.feedback_sent,
    r.updated_at, r.locked_by_account, r.locked_by, r.locked_at
from qa_photo_reviews r
where r.business_id = %(business_id)s and r.id = %(id)s
"""


async def find(conn: Conn, business_id: int, review_id: UUID, now: datetime, lasts: timedelta) -> Review | None:
    """A review of this business, with the lock on it if it has not run out. A lock ``lasts`` from when it was taken."""
    cursor = await conn.execute(FIND, {"business_id": business_id, "id": review_id})
    row = await cursor.fetchone()
    if row is None:
        return None
    lock = Lock(row[16] or 0, row[17], row[18] + lasts) if row[18] is not None and row[18] > now - lasts else None
    return Review(
        id=row[0], drop_number=row[1], project=row[2], space=row[3], review_date=row[4], said_at=row[5],
        user_name=row[6], submitted_by=row[7], assigned_agent=row[8],
        ticks=dict(zip(STEP_COLUMNS, row[9], strict=True)), reasons=row[10], comment=row[11] or "",
        resubmitted=row[12], completed=row[13], feedback_sent=row[14], updated_at=row[15], lock=lock,
    )  # fmt: skip


SUBMISSIONS = """
select s.project, s.sender_phone, s.said_at, m.seen_at, s.effect
from qa_submissions s
join messages m on m.business_id = s.business_id and m.id = s.message_id
where s.business_id = %(business_id)s and s.space = %(space)s and s.drop_number = %(drop_number)s
order by s.said_at, s.message_id
"""


async def submissions(conn: Conn, business_id: int, space: str, drop_number: str) -> list[Submission]:
    """Every post of a drop in its space, in the order they were said."""
    names = {"business_id": business_id, "space": space, "drop_number": drop_number}
    return [
        Submission(row[0], row[1], row[2], row[3], Effect(row[4]))
        for row in await (await conn.execute(SUBMISSIONS, names)).fetchall()
    ]


CHANGES = """
select at, who, action, before, after from audit_log
where business_id = %(business_id)s and subject = 'review' and subject_id = %(id)s
order by id
"""


async def changes(conn: Conn, business_id: int, review_id: UUID) -> list[Change]:
    """Who changed what in a review, oldest first."""
    cursor = await conn.execute(CHANGES, {"business_id": business_id, "id": str(review_id)})
    return [Change(*row) for row in await cursor.fetchall()]


# One conditional update: the row lock of PostgreSQL decides between two at once.
TAKE_LOCK = """
update qa_photo_reviews set locked_by = %(name)s, locked_by_account = %(account_id)s, locked_at = %(now)s
where business_id = %(business_id)s and id = %(id)s
and (locked_at is null or locked_at <= %(expired)s or locked_by_account = %(account_id)s)
"""


async def take_lock(conn: Conn, business_id: int, review_id: UUID, lock: Lock, lasts: timedelta) -> bool:
    """Takes or renews the lock; False if somebody else holds one that has not run out."""
    taken_at = lock.until - lasts
    cursor = await conn.execute(
        TAKE_LOCK,
        {
            "business_id": business_id, "id": review_id, "account_id": lock.account_id, "name": lock.name,
            "now": taken_at, "expired": taken_at - lasts,
        },
    )  # fmt: skip
    return cursor.rowcount == 1


RELEASE_LOCK = """
update qa_photo_reviews set locked_by = null, locked_by_account = null, locked_at = null
where business_id = %(business_id)s and id = %(id)s and locked_by_account = %(account_id)s
"""


async def release_lock(conn: Conn, business_id: int, review_id: UUID, account_id: int) -> None:
    await conn.execute(RELEASE_LOCK, {"business_id": business_id, "id": review_id, "account_id": account_id})


WRITE = f"""
update qa_photo_reviews set ({", ".join(STEP_COLUMNS)}) = row ({_TICKS}),
    completed_photos = %(completed_photos)s, outstanding_photos = %(outstanding_photos)s,
    completed = %(completed)s, incomplete = %(incomplete)s,
    incorrect_steps = %(incorrect_steps)s::text[], incorrect_comments = %(incorrect_comments)s::jsonb,
    comment = %(comment)s, updated_at = %(updated_at)s
where business_id = %(business_id)s and id = %(id)s
"""


async def write(conn: Conn, business_id: int, review: Review) -> None:
    """Writes what a reviewer may change. The caller holds the review's lock, in this transaction."""
    right = sum(v is Verdict.RIGHT for v in review.verdicts)
    await conn.execute(
        WRITE,
        {
            "business_id": business_id,
            "id": review.id,
            **{column: review.ticks.get(column, False) for column in STEP_COLUMNS},
            "completed_photos": right,
            "outstanding_photos": len(STEP_COLUMNS) - right,
            "completed": review.completed,
            "incomplete": not review.completed,
            "incorrect_steps": list(review.reasons),
            "incorrect_comments": Jsonb(review.reasons),
            "comment": review.comment,
            "updated_at": review.updated_at,
        },
    )


# "Today" is distinct drops posted that day, by the message's own time; a row written by hand counts by its review.
DAY_COUNTS = """
with posted as (
    select s.project, s.drop_number, s.space, (s.said_at at time zone %(zone)s)::date as day
    from qa_submissions s
    where s.business_id = %(business_id)s and s.said_at >= %(start)s and s.said_at < %(end)s
    union
    select r.project, r.drop_number, r.space, (r.whatsapp_message_date at time zone %(zone)s)::date
    from qa_photo_reviews r
    where r.business_id = %(business_id)s and r.whatsapp_message_date >= %(start)s and r.whatsapp_message_date < %(end)s
    union
    select a.project, a.drop_number, null, (a.whatsapp_message_date at time zone %(zone)s)::date
    from marketing_activations a
    where a.business_id = %(business_id)s and a.whatsapp_message_date >= %(start)s and a.whatsapp_message_date < %(end)s
), states as (
    select p.project, p.day, count(*) as drops,
        count(*) filter (where r.completed) as complete, count(*) filter (where r.resubmitted) as again
    from posted p
    left join lateral (
        select completed, resubmitted from qa_photo_reviews r
        where r.business_id = %(business_id)s and r.space = p.space and r.drop_number = p.drop_number
        and p.day = %(today)s
        order by r.review_date desc limit 1) r on true
    group by p.project, p.day
)
select p.name, p.kind,
    coalesce(sum(s.drops) filter (where s.day = %(today)s), 0)::int,
    coalesce(sum(s.complete) filter (where s.day = %(today)s), 0)::int,
    coalesce(sum(s.again) filter (where s.day = %(today)s), 0)::int,
    coalesce(jsonb_object_agg(s.day, s.drops) filter (where s.day < %(today)s), '{}')
from monitor_projects p
left join states s on s.project = p.name
where p.business_id = %(business_id)s and p.active
group by p.name, p.kind
order by p.kind desc, p.name
"""


async def day_counts(conn: Conn, business: Business, today: date, usual_days: int) -> list[DayCount]:
    """Each active project's counts of the day and of the days before it."""
    days = [today - timedelta(days=n) for n in range(usual_days, 0, -1)]
    cursor = await conn.execute(
        DAY_COUNTS,
        {
            "business_id": business.id, "zone": business.time_zone, "today": today,
            "start": _midnight(days[0], business), "end": _midnight(today + timedelta(days=1), business),
        },
    )  # fmt: skip
    return [
        DayCount(row[0], Kind(row[1]), row[2], row[3], row[4], [int(row[5].get(day.isoformat(), 0)) for day in days])
        for row in await cursor.fetchall()
    ]
