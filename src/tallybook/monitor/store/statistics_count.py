"""SQL that counts days from the source rows: which drops were posted, how their reviews stand, who did what.

One statement says what a day holds. It fills the kept counts, is held against them every night, and is what they are
measured against.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import msgspec

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.monitor.types import STEP_COLUMNS

from .statistics_marks import HIDDEN

NUMBERS = tuple(column.split("_")[1] for column in STEP_COLUMNS)  # of the steps, in display order
FIGURES = (
    "drops", "complete", "again", "passed", "repeated", "judged",
    *(f"missing_{number}" for number in sorted(NUMBERS)), *(f"wrong_{number}" for number in sorted(NUMBERS)),
)  # fmt: skip
_OF_DAY = """{at} >= d.day::timestamp at time zone %(zone)s
    and {at} < (d.day + 1)::timestamp at time zone %(zone)s"""


def _of_day(at: str) -> str:
    return _OF_DAY.format(at=at)


# A row that somebody wrote by hand has no post, and counts by its own message time.
_POSTED = f"""
select d.day, p.project, p.space, p.drop_number
from unnest(%(days)s::date[]) as d (day)
cross join lateral (
    select s.project, s.space, s.drop_number from qa_submissions s
    where s.business_id = {HIDDEN} and {_of_day("s.said_at")}
    union
    select coalesce(r.project, ''), r.space, r.drop_number from qa_photo_reviews r
    where r.business_id = {HIDDEN} and {_of_day("r.whatsapp_message_date")}
    union
    select coalesce(r.project, ''), r.space, r.drop_number from qa_photo_reviews r
    where r.business_id = {HIDDEN} and r.whatsapp_message_date is null and {_of_day("r.created_at")}) p
"""
# "offset 0" keeps a look-up by key a look-up by key. Of several dated reviews, the newest says how the drop stands.
_STANDING = f"""
cross join lateral (
    select max(x.day) filter (where x.project = p.project and x.day < p.day) as since,
        coalesce(bool_or(x.again), false) as again,
        coalesce(bool_or(x.again) filter (where x.project = p.project and x.day = p.day), false) as repeated
    from (
        select s.project, (s.said_at at time zone %(zone)s)::date as day, s.effect = 'resubmitted' as again
        from qa_submissions s
        where s.business_id = {HIDDEN} and s.space = p.space and s.drop_number = p.drop_number
        union all
        select coalesce(r.project, ''), (coalesce(r.whatsapp_message_date, r.created_at) at time zone %(zone)s)::date,
            false
        from qa_photo_reviews r
        where r.business_id = {HIDDEN} and r.space = p.space and r.drop_number = p.drop_number) x
    offset 0) h
left join lateral (
    select * from qa_photo_reviews r
    where r.business_id = {HIDDEN} and r.space = p.space and r.drop_number = p.drop_number
    order by r.review_date desc limit 1) r on true
"""
_TICKED = " or ".join(f"r.{column}" for column in STEP_COLUMNS)
_COMPLETE = "(r.completed and not r.resubmitted)"
_REASON = "coalesce(r.incorrect_comments ->> '{column}', '')"
_JUDGED = f"(not r.completed and ({_TICKED} or r.incorrect_comments <> '{{}}'))"
_BY_NUMBER = sorted(STEP_COLUMNS, key=lambda column: column.split("_")[1])
_MISSING = ", ".join(
    f"count(*) filter (where {_JUDGED} and not r.{column} and {_REASON.format(column=column)} = '')"
    for column in _BY_NUMBER
)
_WRONG = ", ".join(
    f"count(*) filter (where {_JUDGED} and {_REASON.format(column=column)} <> '')" for column in _BY_NUMBER
)
_QA = f"""
select p.day, 'qa' as register, p.project, coalesce(h.since, '-infinity') as since, count(*) as drops,
    count(*) filter (where {_COMPLETE}) as complete, count(*) filter (where h.again) as again,
    count(*) filter (where {_COMPLETE} and not h.again) as passed, count(*) filter (where h.repeated) as repeated,
    count(*) filter (where {_JUDGED}) as judged, {_MISSING}, {_WRONG}
from ({_POSTED}) p {_STANDING}
group by 1, 2, 3, 4
"""
_MARKETING = f"""
select p.day, 'marketing', p.project, coalesce(h.since, '-infinity'), count(*), 0,
    count(*) filter (where h.again), 0, count(*) filter (where h.repeated), 0, {", ".join("0" for _ in range(24))}
from (
    select d.day, p.project, p.drop_number
    from unnest(%(days)s::date[]) as d (day)
    cross join lateral (
        select m.project, m.drop_number from marketing_posts m
        where m.business_id = {HIDDEN} and {_of_day("m.said_at")}
        union
        select a.project, a.drop_number from marketing_activations a
        where a.business_id = {HIDDEN} and {_of_day("a.whatsapp_message_date")}) p) p
cross join lateral (
    select max(x.day) filter (where x.day < p.day) as since, count(x.message_id) > 1 as again,
        count(x.message_id) filter (where x.day = p.day) > 1 or max(x.day) filter (where x.day < p.day) is not null
            as repeated
    from (
        select (m.said_at at time zone %(zone)s)::date as day, m.message_id from marketing_posts m
        where m.business_id = {HIDDEN} and m.project = p.project and m.drop_number = p.drop_number
        union all
        select (a.whatsapp_message_date at time zone %(zone)s)::date, null from marketing_activations a
        where a.business_id = {HIDDEN} and a.project = p.project and a.drop_number = p.drop_number) x
    offset 0) h
group by 1, 2, 3, 4
"""
COUNT_DAYS = f"{_QA} union all {_MARKETING}"

# A reviewer's day is that of the work. What was taken up on two days counts on both.
COUNT_PEOPLE = f"""
select d.day, 'sender' as role, s.project, coalesce(s.sender_phone, '') as who,
    count(distinct (s.space, s.drop_number)) as drops, 0 as complete
from unnest(%(days)s::date[]) as d (day)
cross join lateral (
    select * from qa_submissions s where s.business_id = {HIDDEN} and {_of_day("s.said_at")} offset 0) s
group by 1, 3, 4
union all
select d.day, 'reviewer', coalesce(r.project, ''), a.who, count(distinct a.subject_id),
    count(distinct a.subject_id) filter (where a.after ->> 'completed' = 'true')
from unnest(%(days)s::date[]) as d (day)
cross join lateral (
    select * from audit_log a where a.business_id = {HIDDEN} and {_of_day("a.at")} offset 0) a
left join qa_photo_reviews r on r.business_id = {HIDDEN} and r.id = case when a.subject = 'review'
    and a.subject_id ~ '^[0-9a-f]{{8}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{12}}$'
    then a.subject_id::uuid end
where a.subject = 'review' and a.account_id is not null
group by 1, 3, 4
"""

_KEPT_COLUMNS = f"day, register, project, since, {', '.join(FIGURES)}"
FORGET_DAYS = """
delete from statistics_days where business_id = %(business_id)s and day = any(%(days)s::date[])
"""
FORGET_PEOPLE = """
delete from statistics_people where business_id = %(business_id)s and day = any(%(days)s::date[])
"""
KEEP_DAYS = f"""
insert into statistics_days (business_id, {_KEPT_COLUMNS}) select %(business_id)s::int, c.* from ({COUNT_DAYS}) c
"""
KEEP_PEOPLE = f"""
insert into statistics_people (business_id, day, role, project, who, drops, complete)
select %(business_id)s::int, c.* from ({COUNT_PEOPLE}) c
"""
_PEOPLE_COLUMNS = "day, role, project, who, drops, complete"
WRONG_DAYS = f"""
select distinct day from (
    (select {_KEPT_COLUMNS} from statistics_days
     where business_id = %(business_id)s and day = any(%(days)s::date[]) except all {COUNT_DAYS})
    union all
    (({COUNT_DAYS}) except all select {_KEPT_COLUMNS} from statistics_days
     where business_id = %(business_id)s and day = any(%(days)s::date[]))) one
union
select distinct day from (
    (select {_PEOPLE_COLUMNS} from statistics_people
     where business_id = %(business_id)s and day = any(%(days)s::date[]) except all ({COUNT_PEOPLE}))
    union all
    (({COUNT_PEOPLE}) except all select {_PEOPLE_COLUMNS} from statistics_people
     where business_id = %(business_id)s and day = any(%(days)s::date[]))) two
"""


# Compiling these statements takes longer than running them; and a day is a range of an index, whatever the planner
# makes of days that it cannot see.
AS_IT_STANDS = "set local jit to off; set local enable_seqscan to off"


async def count_again(conn: Conn, business: Business, days: Sequence[date]) -> None:
    """Counts these days from their rows, instead of what was counted. The caller holds the turn."""
    asked = {"business_id": business.id, "zone": business.time_zone, "days": list(days)}
    await conn.execute(AS_IT_STANDS)
    await conn.execute(FORGET_DAYS, asked)
    await conn.execute(KEEP_DAYS, asked)
    await conn.execute(FORGET_PEOPLE, asked)
    await conn.execute(KEEP_PEOPLE, asked)


async def wrong_days(conn: Conn, business: Business, days: Sequence[date]) -> list[date]:
    """Those of the days whose kept counts are not what their rows say now."""
    asked = {"business_id": business.id, "zone": business.time_zone, "days": list(days)}
    await conn.execute(AS_IT_STANDS)
    return sorted(row[0] for row in await (await conn.execute(WRONG_DAYS, asked)).fetchall())


class Span(msgspec.Struct, frozen=True):
    """From the first to the last day that anything knows of."""

    first: date
    last: date


# Each is the first or last entry of an index.
SPAN = f"""
select min(x.at), max(x.at) from (
    select min(said_at) as at from qa_submissions where business_id = {HIDDEN}
    union all select max(said_at) from qa_submissions where business_id = {HIDDEN}
    union all select min(whatsapp_message_date) from qa_photo_reviews where business_id = {HIDDEN}
    union all select max(whatsapp_message_date) from qa_photo_reviews where business_id = {HIDDEN}
    union all select min(created_at) from qa_photo_reviews
        where business_id = {HIDDEN} and whatsapp_message_date is null
    union all select max(created_at) from qa_photo_reviews
        where business_id = {HIDDEN} and whatsapp_message_date is null
    union all select min(said_at) from marketing_posts where business_id = {HIDDEN}
    union all select max(said_at) from marketing_posts where business_id = {HIDDEN}
    union all select min(whatsapp_message_date) from marketing_activations where business_id = {HIDDEN}
    union all select max(whatsapp_message_date) from marketing_activations where business_id = {HIDDEN}
    union all select min(at) from audit_log where business_id = {HIDDEN} and subject = 'review'
    union all select max(at) from audit_log where business_id = {HIDDEN} and subject = 'review'
    union all select min(day::timestamp at time zone 'UTC') from statistics_days where business_id = {HIDDEN}
    union all select max(day::timestamp at time zone 'UTC') from statistics_days where business_id = {HIDDEN}) x
"""


async def span(conn: Conn, business: Business) -> Span | None:
    row = await (await conn.execute(SPAN, {"business_id": business.id})).fetchone()
    if not row or row[0] is None:
        return None
    return Span(row[0].astimezone(business.zone).date(), row[1].astimezone(business.zone).date())
