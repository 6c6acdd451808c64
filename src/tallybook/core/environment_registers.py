"""What the registers of an environment hold, project by project, by the messages' own time."""

from __future__ import annotations

from datetime import datetime

import msgspec

from .connection import Conn


class Held(msgspec.Struct, frozen=True):
    """A register's part of one project in one environment."""

    register: str
    project: str
    rows: int
    drops: int
    latest: datetime | None
    recent: int


# Each register by project: its rows, its distinct drops, the latest by the message's time, the drops since a time.
HELD = """
with rows as (
    select 'qa_photo_reviews' as register, coalesce(project, '') as project, drop_number,
        whatsapp_message_date as said_at
    from qa_photo_reviews where business_id = %(business_id)s::int
    union all
    select 'marketing_activations', project, drop_number, whatsapp_message_date
    from marketing_activations where business_id = %(business_id)s::int
    union all
    select 'invalid_drop_submissions', project, drop_number, submitted_at
    from invalid_drop_submissions where business_id = %(business_id)s::int
    union all
    select 'valid_drop_numbers', project, drop_number, sync_timestamp
    from valid_drop_numbers where business_id = %(business_id)s::int
    union all
    select 'messages', coalesce(p.name, ''), null, m.said_at
    from messages m left join monitor_projects p on p.business_id = m.business_id and p.group_jid = m.chat
    where m.business_id = %(business_id)s::int)
select register, project, count(*), count(distinct drop_number), max(said_at),
    case register when 'messages' then count(*) filter (where said_at >= %(since)s::timestamptz)
        else count(distinct drop_number) filter (where said_at >= %(since)s::timestamptz) end
from rows group by register, project order by register, project
"""


async def held(conn: Conn, business_id: int, since: datetime) -> list[Held]:
    """Counts of every register; ``recent`` is since a time: distinct drops, or for messages rows."""
    rows = await (await conn.execute(HELD, {"business_id": business_id, "since": since})).fetchall()
    return [Held(*row) for row in rows]


DROPS_OF_REVIEWS = """
select distinct drop_number from qa_photo_reviews
where business_id = %(business_id)s::int and coalesce(project, '') = %(project)s::text
    and whatsapp_message_date >= %(since)s::timestamptz
"""
DROPS_OF_MARKETING = """
select distinct drop_number from marketing_activations
where business_id = %(business_id)s::int and project = %(project)s::text
    and whatsapp_message_date >= %(since)s::timestamptz
"""
DROPS_OF_INVALID = """
select distinct drop_number from invalid_drop_submissions
where business_id = %(business_id)s::int and project = %(project)s::text
    and submitted_at >= %(since)s::timestamptz
"""
# A list has no time: a drop is in it or is not.
DROPS_OF_VALID = """
select drop_number from valid_drop_numbers where business_id = %(business_id)s::int and project = %(project)s::text
"""
DROPS = {
    "qa_photo_reviews": DROPS_OF_REVIEWS,
    "marketing_activations": DROPS_OF_MARKETING,
    "invalid_drop_submissions": DROPS_OF_INVALID,
    "valid_drop_numbers": DROPS_OF_VALID,
}


async def drops(conn: Conn, business_id: int, register: str, project: str, since: datetime) -> set[str]:
    """The distinct drops of one project in one register, since a time; none for messages."""
    if register not in DROPS:
        return set()
    values = {"business_id": business_id, "project": project, "since": since}
    statement = DROPS[register]
    return {row[0] for row in await (await conn.execute(statement, values)).fetchall()}
