"""SQL of one drop's whole story: every message that names it, every row and every change, or what there is instead."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from tallybook.core import arrays
from tallybook.core.db import Conn
from tallybook.monitor.types import Kind

from .naming import Sought, values_of


class ReviewStands(msgspec.Struct, frozen=True):
    """A row of the review register."""

    id: UUID
    project: str | None
    space: str
    review_date: date
    said_at: datetime | None
    user_name: str
    completed: bool
    resubmitted: bool
    feedback_sent: datetime | None
    created_at: datetime
    updated_at: datetime


class ActivationStands(msgspec.Struct, frozen=True):
    """A row of the marketing register."""

    id: int
    project: str
    said_at: datetime
    user_name: str | None
    is_valid: bool | None
    says: str | None
    created_at: datetime


class RefusalStands(msgspec.Struct, frozen=True):
    """A row of what was refused."""

    project: str
    sender: str | None
    submitted_at: datetime
    reason: str


REVIEWS = """
select id, project, space, review_date, whatsapp_message_date, user_name, completed, resubmitted, feedback_sent,
    created_at, updated_at
from qa_photo_reviews
where business_id = %(business_id)s and space = any(%(spaces)s::text[]) and drop_number = %(drop_number)s
order by review_date, space
"""
ACTIVATIONS = """
select id, project, whatsapp_message_date, user_name, is_valid, validation_message, created_at
from marketing_activations
where business_id = %(business_id)s and project = any(%(projects)s::text[]) and drop_number = %(drop_number)s
order by whatsapp_message_date, project
"""
REFUSALS = """
select project, sender, submitted_at, reason from invalid_drop_submissions
where business_id = %(business_id)s and project = any(%(projects)s::text[]) and drop_number = %(drop_number)s
order by submitted_at, id
"""
LISTED = """
select project from valid_drop_numbers
where business_id = %(business_id)s and drop_number = %(drop_number)s order by project
"""
LIST_SIZES = "select project, count(*) from valid_drop_numbers where business_id = %(business_id)s group by project"


async def reviews(conn: Conn, business_id: int, sought: Sought) -> list[ReviewStands]:
    cursor = await conn.execute(REVIEWS, {"business_id": business_id, **values_of(sought)})
    return [ReviewStands(*row) for row in await cursor.fetchall()]


async def activations(conn: Conn, business_id: int, sought: Sought) -> list[ActivationStands]:
    cursor = await conn.execute(ACTIVATIONS, {"business_id": business_id, **values_of(sought)})
    return [ActivationStands(*row) for row in await cursor.fetchall()]


async def refusals(conn: Conn, business_id: int, sought: Sought) -> list[RefusalStands]:
    cursor = await conn.execute(REFUSALS, {"business_id": business_id, **values_of(sought)})
    return [RefusalStands(*row) for row in await cursor.fetchall()]


async def listed(conn: Conn, business_id: int, drop_number: str) -> list[str]:
    """The projects whose lists of valid drops have it."""
    cursor = await conn.execute(LISTED, {"business_id": business_id, "drop_number": drop_number})
    return [row[0] for row in await cursor.fetchall()]


async def list_sizes(conn: Conn, business_id: int) -> dict[str, int]:
    """How many drops each project's list has."""
    cursor = await conn.execute(LIST_SIZES, {"business_id": business_id})
    return {row[0]: row[1] for row in await cursor.fetchall()}


class Changed(msgspec.Struct, frozen=True):
    """One change of the drop or of one of its reviews, and by whom."""

    at: datetime
    who: str
    action: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


CHANGES = """
select at, who, action, before, after from audit_log
where business_id = %(business_id)s and (subject = 'drop' and subject_id = %(drop_number)s
    or subject = 'review' and subject_id = any(%(reviews)s::text[]))
order by id
"""


async def changes(conn: Conn, business_id: int, drop_number: str, review_ids: Sequence[UUID]) -> list[Changed]:
    values = {"business_id": business_id, "drop_number": drop_number, "reviews": [str(one) for one in review_ids]}
    return [Changed(*row) for row in await (await conn.execute(CHANGES, values)).fetchall()]


class GroupHeard(msgspec.Struct, frozen=True):
    """A watched group and the newest message that is stored of it."""

    project: str
    kind: Kind
    said_at: datetime | None
    seen_at: datetime | None


HEARD = """
select p.name, p.kind, m.said_at, m.seen_at
from monitor_projects p
left join lateral (
    select said_at, seen_at from messages m
    where m.business_id = p.business_id and m.chat = p.group_jid and m.channel <> 'manual'
    order by m.said_at desc limit 1) m on true
where p.business_id = %(business_id)s and p.active
order by p.name
"""
# One bridge may be read for another business, whose trouble is nobody else's.
BRIDGE = """
select at, details ->> 'newest_at', details ->> 'problem' from heartbeats
where name = 'bridge' and (details ->> 'business_id' is null or details ->> 'business_id' = %(business_id)s::text)
"""


async def heard(conn: Conn, business_id: int) -> list[GroupHeard]:
    """Each watched group with the newest that was heard of it."""
    rows = await (await conn.execute(HEARD, {"business_id": business_id})).fetchall()
    return [GroupHeard(row[0], Kind(row[1]), row[2], row[3]) for row in rows]


async def bridge(conn: Conn, business_id: int) -> tuple[datetime | None, str | None, str | None]:
    """When the bridge's reader last gave a sign, the newest message of its file, and what is wrong if anything."""
    row = await (await conn.execute(BRIDGE, {"business_id": business_id})).fetchone()
    return (row[0], row[1], row[2]) if row else (None, None, None)


class Near(msgspec.Struct, frozen=True):
    """Another drop that was posted, and when first."""

    drop_number: str
    project: str
    said_at: datetime


NEAR = """
select drop_number, min(project), min(said_at) from (
    select s.drop_number, s.project, s.said_at from qa_submissions s
    where s.business_id = (select %(business_id)s::int) and s.space = any(%(spaces)s::text[])
    and s.drop_number = any(%(drops)s::text[])
    union all
    select p.drop_number, p.project, p.said_at from marketing_posts p
    where p.business_id = (select %(business_id)s::int) and p.project = any(%(projects)s::text[])
    and p.drop_number = any(%(drops)s::text[])
) as near group by drop_number order by drop_number
"""


async def near(conn: Conn, business_id: int, drops: Sequence[str], sought: Sought) -> list[Near]:
    """Which of these drops were posted."""
    values = values_of(sought) | {"business_id": business_id, "drops": arrays.texts(drops)}
    return [Near(*row) for row in await (await conn.execute(NEAR, values)).fetchall()]
