"""SQL of the marketing page: the drops posted on a day, first or again, and where they are."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

import msgspec

from tallybook.core.businesses import Business
from tallybook.core.db import Conn

BATCH = 1000
Validity = Literal["all", "valid", "invalid", "unknown"]
_HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007
_TRUTHS = {"valid": "t", "invalid": "f", "unknown": "u"}


class Wanted(msgspec.Struct, frozen=True):
    """Which activations are shown: those of drops posted on a business day. ``search`` is a part of a drop number."""

    day: date
    project: str | None = None
    search: str = ""
    validity: Validity = "all"


class Spot(msgspec.Struct, frozen=True):
    """Where a page of the list ends: the last row's sort key."""

    said_at: datetime
    project: str
    drop_number: str


class Activation(msgspec.Struct, frozen=True):
    """A drop posted on the day. ``is_valid`` is None where nobody knows; ``latitude`` where its place is not known.

    ``said_at`` is the day's first post of it; ``again`` means that there was an earlier one.
    """

    project: str
    drop_number: str
    said_at: datetime
    again: bool
    user_name: str | None
    submitted_by: str | None
    is_valid: bool | None
    validation_message: str | None
    latitude: float | None
    longitude: float | None


class Tally(msgspec.Struct, frozen=True):
    """How many drops the other filters leave, by their validity."""

    total: int
    valid: int
    invalid: int
    unknown: int


# A row that somebody wrote by hand has no post, and counts by its own message time.
_FOUND = f"""
from (
    select x.project, x.drop_number, min(x.said_at) as said_at
    from (
        select m.project, m.drop_number, m.said_at from marketing_posts m
        where m.business_id = {_HIDDEN} and m.said_at >= %(start)s::timestamptz and m.said_at < %(end)s::timestamptz
        union all
        select a.project, a.drop_number, a.whatsapp_message_date from marketing_activations a
        where a.business_id = {_HIDDEN}
        and a.whatsapp_message_date >= %(start)s::timestamptz and a.whatsapp_message_date < %(end)s::timestamptz) x
    where (%(project)s::text is null or x.project = %(project)s)
    and (%(search)s::text is null or x.drop_number like %(search)s)
    group by 1, 2) p
left join lateral (
    select * from marketing_activations
    where business_id = {_HIDDEN} and project = p.project and drop_number = p.drop_number offset 0) a on true
"""
TALLY = f"""
select count(*), count(*) filter (where a.is_valid), count(*) filter (where not a.is_valid),
    count(*) filter (where a.is_valid is null)
{_FOUND}
"""
LISTED = f"""
select p.project, p.drop_number, p.said_at, exists (
        select from marketing_posts e
        where e.business_id = {_HIDDEN} and e.project = p.project and e.drop_number = p.drop_number
        and e.said_at < p.said_at),
    a.user_name, a.submitted_by, a.is_valid, a.validation_message, l.latitude, l.longitude
{_FOUND}
left join drop_locations l on l.business_id = {_HIDDEN} and l.drop_number = p.drop_number
where (%(truth)s::text is null or case when a.is_valid then 't' when not a.is_valid then 'f' else 'u' end = %(truth)s)
and (%(after_said_at)s::timestamptz is null
    or (p.said_at, p.project, p.drop_number) < (%(after_said_at)s, %(after_project)s::text, %(after_drop)s::text))
order by p.said_at desc, p.project desc, p.drop_number desc
limit %(limit)s
"""


async def tally(conn: Conn, business: Business, wanted: Wanted) -> Tally:
    """Counts without the filter by validity."""
    row = await (await conn.execute(TALLY, _parameters(business, wanted))).fetchone()
    return Tally(*row) if row else Tally(0, 0, 0, 0)


async def listed(conn: Conn, business: Business, wanted: Wanted, after: Spot | None, limit: int) -> list[Activation]:
    """One page, the newest post first, by key."""
    values = _parameters(business, wanted) | _from(after, limit)
    return [Activation(*row) for row in await (await conn.execute(LISTED, values)).fetchall()]


async def rows(conn: Conn, business: Business, wanted: Wanted, limit: int) -> AsyncGenerator[list[Activation], None]:
    """All of it in the list's order, a thousand at a time, as it was when the first were read."""
    async with conn.cursor(name="export_activations") as cursor:
        await cursor.execute(LISTED, _parameters(business, wanted) | _from(None, limit))
        while found := await cursor.fetchmany(BATCH):
            yield [Activation(*row) for row in found]


PROJECTS = """
select name from monitor_projects where business_id = %(business_id)s and kind = 'marketing' and active order by name
"""


async def projects(conn: Conn, business_id: int) -> list[str]:
    """The active marketing projects."""
    return [row[0] for row in await (await conn.execute(PROJECTS, {"business_id": business_id})).fetchall()]


def _parameters(business: Business, wanted: Wanted) -> dict[str, Any]:
    search = wanted.search.strip().upper().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return {
        "business_id": business.id,
        "project": wanted.project,
        "search": f"%{search}%" if search else None,
        "truth": _TRUTHS.get(wanted.validity),
        "start": datetime.combine(wanted.day, time(), business.zone),
        "end": datetime.combine(wanted.day + timedelta(days=1), time(), business.zone),
    }


def _from(after: Spot | None, limit: int) -> dict[str, Any]:
    return {
        "after_said_at": after and after.said_at, "after_project": after and after.project,
        "after_drop": after and after.drop_number, "limit": limit,
    }  # fmt: skip
