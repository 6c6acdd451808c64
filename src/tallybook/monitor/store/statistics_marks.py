"""SQL of what has to be counted again: marks that touched days leave, and the turn of whoever counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec

from tallybook.core import keys
from tallybook.core.businesses import Business
from tallybook.core.db import Conn

HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007
MOST = 200  # marks that are taken at once

# A review's days are those of all posts of its drop; and what somebody did is counted on the day of doing it.
MARK_REVIEW = f"""
insert into statistics_marks (business_id, days)
select b.id, array(
    select (now() at time zone b.time_zone)::date
    union
    select (coalesce(r.whatsapp_message_date, r.created_at) at time zone b.time_zone)::date
    union
    select (s.said_at at time zone b.time_zone)::date
    from qa_submissions s
    where s.business_id = r.business_id and s.space = r.space and s.drop_number = r.drop_number)
from qa_photo_reviews r join businesses b on b.id = r.business_id
where r.business_id = {HIDDEN} and r.id = %(id)s::uuid
"""
MARK_DAYS = """
insert into statistics_marks (business_id, days)
select %(business_id)s::int, %(days)s::date[] where cardinality(%(days)s::date[]) > 0
"""


async def mark_review(conn: Conn, business_id: int, review_id: UUID) -> None:
    """Has the days of a review counted again, in the transaction that changes it."""
    await conn.execute(MARK_REVIEW, {"business_id": business_id, "id": review_id})


async def mark_days(conn: Conn, business_id: int, days: Sequence[date]) -> None:
    await conn.execute(MARK_DAYS, {"business_id": business_id, "days": list(days)})


class Turn(msgspec.Struct, frozen=True):
    """How far counting has come. ``whole_at`` None means that nothing was ever counted."""

    counted_at: datetime | None
    whole_at: datetime | None
    mended: int


MAKE_TURN = f"""
insert into statistics_turns (business_id) values (%(business_id)s) on conflict {keys.STATISTICS_TURN.target} do nothing
"""
TAKE_TURN = """
select counted_at, whole_at, mended from statistics_turns where business_id = %(business_id)s for update
"""
TRY_TURN = f"{TAKE_TURN} skip locked"
SEE_TURN = "select counted_at, whole_at, mended from statistics_turns where business_id = %(business_id)s"


async def take_turn(conn: Conn, business_id: int) -> Turn:
    """Waits until nobody else counts, and keeps others from it until the transaction ends."""
    await conn.execute(MAKE_TURN, {"business_id": business_id})
    row = await (await conn.execute(TAKE_TURN, {"business_id": business_id})).fetchone()
    return Turn(*row) if row else Turn(None, None, 0)


async def try_turn(conn: Conn, business_id: int) -> Turn | None:
    """The turn, if it is there and free; else nothing, without waiting."""
    row = await (await conn.execute(TRY_TURN, {"business_id": business_id})).fetchone()
    return Turn(*row) if row else None


async def see_turn(conn: Conn, business_id: int) -> Turn:
    row = await (await conn.execute(SEE_TURN, {"business_id": business_id})).fetchone()
    return Turn(*row) if row else Turn(None, None, 0)


WAITING = """
select coalesce(array_agg(distinct d.day), '{}')
from (
    select days from statistics_marks where business_id = %(business_id)s order by id limit %(most)s) m
cross join unnest(m.days) as d (day)
"""
OLDEST = """
select clock_timestamp() - at from statistics_marks where business_id = %(business_id)s order by id limit 1
"""
TAKE_MARKS = """
with taken as (
    delete from statistics_marks where business_id = %(business_id)s and id in (
        select id from statistics_marks where business_id = %(business_id)s order by id limit %(most)s)
    returning days)
select coalesce(array_agg(distinct d.day order by d.day), '{}') from taken cross join unnest(taken.days) as d (day)
"""
# A drop that is posted again changes what its earlier days say of it, and a late post what its later ones do.
OTHER_DAYS = f"""
select distinct (o.said_at at time zone %(zone)s)::date
from unnest(%(days)s::date[]) as d (day)
cross join lateral (
    select s.space, s.drop_number from qa_submissions s
    where s.business_id = {HIDDEN} and s.effect <> 'created'
    and s.said_at >= d.day::timestamp at time zone %(zone)s
    and s.said_at < (d.day + 1)::timestamp at time zone %(zone)s) t
cross join lateral (
    select s.said_at from qa_submissions s
    where s.business_id = {HIDDEN} and s.space = t.space and s.drop_number = t.drop_number
    union all
    select coalesce(r.whatsapp_message_date, r.created_at) from qa_photo_reviews r
    where r.business_id = {HIDDEN} and r.space = t.space and r.drop_number = t.drop_number) o
union
select distinct (o.said_at at time zone %(zone)s)::date
from unnest(%(days)s::date[]) as d (day)
cross join lateral (
    select p.project, p.drop_number from marketing_posts p
    where p.business_id = {HIDDEN}
    and p.said_at >= d.day::timestamp at time zone %(zone)s
    and p.said_at < (d.day + 1)::timestamp at time zone %(zone)s) t
cross join lateral (
    select p.said_at from marketing_posts p
    where p.business_id = {HIDDEN} and p.project = t.project and p.drop_number = t.drop_number) o
"""


async def waiting(conn: Conn, business_id: int) -> list[date]:
    """The days that marks name, as far as they are taken at once."""
    row = await (await conn.execute(WAITING, {"business_id": business_id, "most": MOST})).fetchone()
    return list(row[0]) if row else []


async def oldest(conn: Conn, business_id: int) -> timedelta | None:
    """For how long the first mark has waited; None where there is none."""
    row = await (await conn.execute(OLDEST, {"business_id": business_id})).fetchone()
    return row[0] if row else None


async def take_marks(conn: Conn, business: Business) -> list[date]:
    """Takes marks away and returns every day that must be counted for them. The caller holds the turn.

    What commits a mark after this leaves it for the next time; what committed one before is seen by every later
    statement of this transaction.
    """
    row = await (await conn.execute(TAKE_MARKS, {"business_id": business.id, "most": MOST})).fetchone()
    days = set(row[0]) if row else set()
    if days:
        asked = {"business_id": business.id, "zone": business.time_zone, "days": sorted(days)}
        days |= {one[0] for one in await (await conn.execute(OTHER_DAYS, asked)).fetchall()}
    return sorted(days)


COUNTED = "update statistics_turns set counted_at = clock_timestamp() where business_id = %(business_id)s"
WHOLE = """
update statistics_turns set whole_at = clock_timestamp(), counted_at = clock_timestamp(), mended = %(mended)s
where business_id = %(business_id)s
"""


async def counted(conn: Conn, business_id: int) -> None:
    await conn.execute(COUNTED, {"business_id": business_id})


async def counted_whole(conn: Conn, business_id: int, mended: int) -> None:
    await conn.execute(WHOLE, {"business_id": business_id, "mended": mended})
