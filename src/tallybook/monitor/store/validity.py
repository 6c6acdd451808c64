"""SQL of the lists of valid drop numbers."""

from __future__ import annotations

from collections.abc import Sequence

from tallybook.core import arrays, keys
from tallybook.core.db import Conn

ADD = f"""
insert into valid_drop_numbers (business_id, drop_number, project, sync_source)
select %(business_id)s, u.drop_number, u.project, 'import'
from unnest(%(drop_number)s::text[], %(project)s::text[]) as u (drop_number, project)
on conflict {keys.VALID_DROP.target} do nothing
"""


async def add(conn: Conn, business_id: int, entries: Sequence[tuple[str, str]]) -> int:
    """Adds (drop number, project) entries; returns how many were new."""
    cursor = await conn.execute(
        ADD,
        {
            "business_id": business_id,
            "drop_number": arrays.texts([drop for drop, _ in entries]),
            "project": arrays.texts([project for _, project in entries]),
        },
    )
    return cursor.rowcount
