"""SQL of the page of validity: each project's list, and the import that made it so."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tallybook.core.db import Conn


class ListRow(msgspec.Struct, frozen=True):
    """A project's list. ``checked``: its posts need it. ``imported_at`` None: never by an import of ours.

    ``synced_at`` is when its newest entry came, by whatever way.
    """

    project: str
    checked: bool
    read: bool
    count: int
    synced_at: datetime | None
    imported_at: datetime | None
    by: str | None
    file_name: str | None
    running: bool


# Projects that need a list and have none stand here too: those are what a person must act on.
LISTS = """
with sizes as (
    select project::text as name, count(*) as count, max(sync_timestamp) as synced_at
    from valid_drop_numbers where business_id = %(business_id)s group by project)
select coalesce(p.name, s.name), coalesce(p.validated and p.kind = 'qa', false), coalesce(p.active, false),
    coalesce(s.count, 0), s.synced_at, i.finished_at, i.who, i.file_name,
    exists (select from valid_imports r where r.business_id = %(business_id)s and r.state = 'running'
        and r.lease_until > clock_timestamp() and coalesce(p.name, s.name) = any(r.projects))
from (select * from monitor_projects where business_id = %(business_id)s) p
full join sizes s on s.name = p.name
left join lateral (
    select v.finished_at, v.who, v.file_name from valid_imports v
    where v.business_id = %(business_id)s and v.state = 'done' and coalesce(p.name, s.name) = any(v.projects)
    order by v.finished_at desc limit 1) i on true
where s.name is not null or (p.active and p.validated and p.kind = 'qa')
order by 2 desc, 1
"""


async def lists(conn: Conn, business_id: int) -> list[ListRow]:
    """Every list, and every project that needs one; those that need one first."""
    rows = await (await conn.execute(LISTS, {"business_id": business_id})).fetchall()
    return [ListRow(*row) for row in rows]
