"""SQL of the messages that name a drop, filed or not, however they spell it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tallybook.core.db import Conn

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


# Of a drop that is kept more than once for one message, one is told.
_KEPT = """
kept_qa as materialized (
    select distinct on (message_id) message_id, effect, project from qa_submissions
    where business_id = %(business_id)s and space = any(%(spaces)s::text[]) and drop_number = %(drop_number)s
    order by message_id, space),
kept_marketing as materialized (
    select distinct on (p.message_id) p.message_id, p.project, exists (select from marketing_activations a
        where a.business_id = p.business_id and a.project = p.project and a.drop_number = p.drop_number
        and a.whatsapp_message_date = p.said_at) as first
    from marketing_posts p
    where p.business_id = %(business_id)s and p.project = any(%(projects)s::text[]) and p.drop_number = %(drop_number)s
    order by p.message_id, p.project),
refused as materialized (
    select distinct on (message_id) message_id, reason from invalid_drop_submissions
    where business_id = %(business_id)s and project = any(%(projects)s::text[]) and drop_number = %(drop_number)s
    and message_id is not null
    order by message_id, project),
held as materialized (
    select distinct on (message_id) message_id, state, reason, decided_by from held_posts
    where business_id = %(business_id)s and project = any(%(projects)s::text[]) and drop_number = %(drop_number)s
    order by message_id, project)
"""
# The digits are looked for in every message of the business: a post that nobody filed is in no index. What a register
# has comes first, so that no crowd of other messages hides it.
NAMED = f"""
with {_KEPT},
linked (id) as (
    select message_id from kept_qa union select message_id from kept_marketing
    union select message_id from refused union select message_id from held),
named (id, kept) as (
    select id, true from linked
    union
    select id, false from messages where business_id = %(business_id)s and id not in (select id from linked)
    and strpos(translate(text, %(separators)s, ''), %(digits)s) > 0 and text ~ %(spelled)s
    union
    select message_id, false from message_revisions where business_id = %(business_id)s
    and message_id not in (select id from linked)
    and strpos(translate(text, %(separators)s, ''), %(digits)s) > 0 and text ~ %(spelled)s
)
select m.id, m.channel, m.chat, coalesce(m.sender_phone, m.sender_lid, m.sender_raw), m.said_at, m.seen_at, m.text,
    m.from_us, m.deleted, m.parked_reason,
    coalesce((select jsonb_agg(jsonb_build_object('text', v.text, 'deleted', v.deleted, 'until', v.replaced_at)
            order by v.revision)
        from message_revisions v where v.business_id = m.business_id and v.message_id = m.id), '[]'),
    s.effect, s.project, p.project, coalesce(p.first, false), i.reason, h.state, h.reason, h.decided_by
from named l
join messages m on m.business_id = %(business_id)s and m.id = l.id
left join kept_qa s on s.message_id = m.id
left join kept_marketing p on p.message_id = m.id
left join refused i on i.message_id = m.id
left join held h on h.message_id = m.id
order by l.kept desc, m.said_at, m.id
limit %(limit)s
"""
# What people put between the digits of a number.
SEPARATORS = " \u00a0.-_/"


def spelled(digits: str) -> str:
    """A pattern, for PostgreSQL and Python alike, of digits that stand alone, perhaps in pieces. Pure."""
    if not digits.isdigit():
        return re.escape(digits)
    return f"(?<![0-9]){f'[{re.escape(SEPARATORS)}]?'.join(digits)}(?![0-9])"


class Sought(msgspec.Struct, frozen=True):
    """What is looked for, and in which spaces and projects. ``digits`` is what every spelling of the drop holds."""

    drop_number: str
    digits: str
    spaces: Sequence[str]
    projects: Sequence[str]


async def named(conn: Conn, business_id: int, sought: Sought) -> list[Named]:
    """Every stored message that names the drop, in the order they were said, up to MOST; filed ones before others."""
    how = {"separators": SEPARATORS if sought.digits.isdigit() else "", "spelled": spelled(sought.digits)}
    values = {"business_id": business_id, "limit": MOST, **values_of(sought), **how}
    rows = await (await conn.execute(NAMED, values)).fetchall()
    found = [Named(*(*row[:10], msgspec.convert(row[10], list[Revision]), *row[11:])) for row in rows]
    return sorted(found, key=lambda one: (one.said_at, one.id))


def values_of(sought: Sought) -> dict[str, Any]:
    """What statements about it ask for by name."""
    return {
        "drop_number": sought.drop_number, "digits": sought.digits,
        "spaces": list(sought.spaces), "projects": list(sought.projects),
    }  # fmt: skip
