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

MOST = 300  # messages of one drop that are told


class Revision(msgspec.Struct, frozen=True):
    """What a message said before it was edited or taken back at ``until``."""

    text: str
    deleted: bool
    until: datetime


class Named(msgspec.Struct, frozen=True):
    """A stored message that names the drop, or once did, and what the registers know of it."""

    id: int
    channel: str
    chat: str
    sender: str
    said_at: datetime
    seen_at: datetime
    text: str
    from_us: bool
    deleted: bool
    parked_reason: str | None
    revisions: list[Revision]
    effect: str | None
    effect_project: str | None
    marketing_project: str | None
    made_activation: bool
    refused_reason: str | None
    held_state: str | None
    held_reason: str | None
    judged_by: str | None


# The digits are looked for in every message of the business: a post that nobody filed is in no index. About a third of
# a second for each million of messages.
NAMED = """
with linked (id) as (
    select message_id from qa_submissions
    where business_id = %(business_id)s and space = any(%(spaces)s::text[]) and drop_number = %(drop_number)s
    union
    select message_id from marketing_posts
    where business_id = %(business_id)s and project = any(%(projects)s::text[]) and drop_number = %(drop_number)s
    union
    select message_id from invalid_drop_submissions
    where business_id = %(business_id)s and project = any(%(projects)s::text[]) and drop_number = %(drop_number)s
    union
    select id from messages where business_id = %(business_id)s and strpos(text, %(digits)s) > 0
    union
    select message_id from message_revisions where business_id = %(business_id)s and strpos(text, %(digits)s) > 0
)
select m.id, m.channel, m.chat, coalesce(m.sender_phone, m.sender_lid, m.sender_raw), m.said_at, m.seen_at, m.text,
    m.from_us, m.deleted, m.parked_reason,
    coalesce((select jsonb_agg(jsonb_build_object('text', v.text, 'deleted', v.deleted, 'until', v.replaced_at)
            order by v.revision)
        from message_revisions v where v.business_id = m.business_id and v.message_id = m.id), '[]'),
    s.effect, s.project, p.project, coalesce(p.first, false), i.reason,
    h.state, h.reason, h.decided_by
from linked l
join messages m on m.business_id = %(business_id)s and m.id = l.id
left join lateral (
    select effect, project from qa_submissions s
    where s.business_id = m.business_id and s.space = any(%(spaces)s::text[])
    and s.drop_number = %(drop_number)s and s.message_id = m.id
    limit 1) s on true
left join lateral (
    select p.project, exists (select from marketing_activations a
        where a.business_id = p.business_id and a.project = p.project and a.drop_number = p.drop_number
        and a.whatsapp_message_date = p.said_at) as first
    from marketing_posts p
    where p.business_id = m.business_id and p.project = any(%(projects)s::text[])
    and p.drop_number = %(drop_number)s and p.message_id = m.id
    limit 1) p on true
left join lateral (
    select i.reason from invalid_drop_submissions i
    where i.business_id = m.business_id and i.project = any(%(projects)s::text[])
    and i.drop_number = %(drop_number)s and i.message_id = m.id
    limit 1) i on true
left join lateral (
    select h.state, h.reason, h.decided_by from held_posts h
    where h.business_id = m.business_id and h.project = any(%(projects)s::text[])
    and h.drop_number = %(drop_number)s and h.message_id = m.id
    limit 1) h on true
order by m.said_at, m.id
limit %(limit)s
"""


class Sought(msgspec.Struct, frozen=True):
    """What is looked for, and in which spaces and projects. ``digits`` is what every spelling of the drop holds."""

    drop_number: str
    digits: str
    spaces: Sequence[str]
    projects: Sequence[str]


async def named(conn: Conn, business_id: int, sought: Sought) -> list[Named]:
    """Every stored message that names the drop, in the order they were said, up to MOST."""
    values = {"business_id": business_id, "limit": MOST, **_values(sought)}
    rows = await (await conn.execute(NAMED, values)).fetchall()
    return [Named(*row[:10], msgspec.convert(row[10], list[Revision]), *row[11:]) for row in rows]


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
    cursor = await conn.execute(REVIEWS, {"business_id": business_id, **_values(sought)})
    return [ReviewStands(*row) for row in await cursor.fetchall()]


async def activations(conn: Conn, business_id: int, sought: Sought) -> list[ActivationStands]:
    cursor = await conn.execute(ACTIVATIONS, {"business_id": business_id, **_values(sought)})
    return [ActivationStands(*row) for row in await cursor.fetchall()]


async def refusals(conn: Conn, business_id: int, sought: Sought) -> list[RefusalStands]:
    cursor = await conn.execute(REFUSALS, {"business_id": business_id, **_values(sought)})
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
BRIDGE = "select at, details ->> 'newest_at', details ->> 'problem' from heartbeats where name = 'bridge'"


async def heard(conn: Conn, business_id: int) -> list[GroupHeard]:
    """Each watched group with the newest that was heard of it."""
    rows = await (await conn.execute(HEARD, {"business_id": business_id})).fetchall()
    return [GroupHeard(row[0], Kind(row[1]), row[2], row[3]) for row in rows]


async def bridge(conn: Conn) -> tuple[datetime | None, str | None, str | None]:
    """When the bridge's reader last gave a sign, the newest message of its file, and what is wrong if anything."""
    row = await (await conn.execute(BRIDGE)).fetchone()
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
    values = _values(sought) | {"business_id": business_id, "drops": arrays.texts(drops)}
    return [Near(*row) for row in await (await conn.execute(NEAR, values)).fetchall()]


def _values(sought: Sought) -> dict[str, Any]:
    return {
        "drop_number": sought.drop_number, "digits": sought.digits,
        "spaces": list(sought.spaces), "projects": list(sought.projects),
    }  # fmt: skip
