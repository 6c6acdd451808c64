"""SQL of the record of a rota's changes, which stand in the business's audit log."""

from __future__ import annotations

from collections.abc import Sequence

from tallybook.core import arrays
from tallybook.core.audit import Entry
from tallybook.core.db import Conn

# What a change of the rota is of, as the record names it.
SUBJECTS = (
    "override", "roster", "sprint", "triage person", "absence", "discipline", "triage team", "calendar",
)  # fmt: skip
RECENT = """
select id, at, who, action, subject, subject_id, before, after from audit_log
where business_id = %(business_id)s::int and subject = any(%(subjects)s::text[])
    and (%(below)s::bigint is null or id < %(below)s::bigint)
order by id desc limit %(limit)s::int
"""


async def recent(
    conn: Conn, business_id: int, subjects: Sequence[str] = SUBJECTS, *, below: int | None = None, limit: int = 50
) -> list[Entry]:
    """The newest changes first; the next page begins below the last id of this one."""
    values = {"business_id": business_id, "subjects": arrays.texts(subjects), "below": below, "limit": limit}
    return [Entry(*row) for row in await (await conn.execute(RECENT, values)).fetchall()]
