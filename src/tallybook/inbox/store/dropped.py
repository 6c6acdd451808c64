"""SQL of what was to be said by itself, or later, and was dropped before it left: the page tells it as not said."""

from __future__ import annotations

from collections.abc import Sequence

from tallybook.core import arrays
from tallybook.core.db import Conn
from tallybook.inbox.automation_rules import TOO_OLD

AUTOMATION, SCHEDULED = "automation:", "scheduled:"  # what their keys begin with
TOO_LATE = "Nothing was sent at its time, and it is too late now."
WRITTEN = "The customer wrote first."

# What waited for too long has a reason of ours, anything else the outbox's.
SKIP = """
update automation_runs n set outcome = 'skipped',
    reason = case when o.expires_at <= now() then %(late)s::text else coalesce(o.reason, %(late)s::text) end
from outbox o
where n.business_id = %(business_id)s::int and n.outcome = 'done' and n.id = any(%(ids)s::bigint[])
    and o.business_id = %(business_id)s::int and o.dedup_key = %(prefix)s::text || n.id and o.state = 'dropped'
"""
MISS = """
update scheduled_messages s set done_at = now(),
    state = case when o.reason = %(written)s::text then 'cancelled' else 'missed' end,
    reason = case when o.expires_at <= now() then %(late)s::text else coalesce(o.reason, %(late)s::text) end
from outbox o
where s.business_id = %(business_id)s::int and s.state = 'sent' and s.id = any(%(ids)s::bigint[])
    and o.business_id = %(business_id)s::int and o.dedup_key = %(prefix)s::text || s.id and o.state = 'dropped'
"""


async def tell(conn: Conn, business_id: int, outgoing_keys: Sequence[str]) -> None:
    """Has runs of rules be skipped, and messages for later be missed, whose messages of these keys were dropped.

    The caller holds the outbox's rows.
    """
    base = {"business_id": business_id}
    ran, later = _ids(outgoing_keys, AUTOMATION), _ids(outgoing_keys, SCHEDULED)
    if ran:
        await conn.execute(SKIP, base | {"ids": arrays.numbers(ran), "prefix": AUTOMATION, "late": TOO_OLD})
    if later:
        values = base | {"ids": arrays.numbers(later), "prefix": SCHEDULED, "late": TOO_LATE, "written": WRITTEN}
        await conn.execute(MISS, values)


def _ids(outgoing_keys: Sequence[str], prefix: str) -> list[int]:
    return [int(key.removeprefix(prefix)) for key in outgoing_keys if key.startswith(prefix)]
