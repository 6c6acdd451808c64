"""What earlier senders left behind: an outcome that nobody knows, and what only a person can find out any more.

Whoever calls holds the rows until the transaction ends, and tells of what is returned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .db import Conn
from .messages import Status
from .outcomes import Became

# Reports are awaited from now, not from the lease's end: after an outage they still lie in the spool or come again.
# What can be looked up needs no such patience.
EXPIRE = """
update outbox set state = 'unknown', lease_until = null,
    reason = 'its sender was stopped before it could write down the answer',
    not_before = clock_timestamp() + make_interval(secs => case when channel = any(%(asked)s::text[])
        then %(look_up_after)s::float8 else %(unknown_after)s::float8 end)
where business_id = %(business_id)s::int and state = 'sending' and lease_until <= clock_timestamp()
    and channel = any(%(channels)s::text[])
returning channel, dedup_key
"""
# Its channel never tells; or would have told, and did not: of a message sent twice, or of one that never came back.
# A provider that can be asked is asked some times more: whoever was to ask may have been stopped too.
ASK_A_PERSON = """
with ours as (
    select id from outbox
    where business_id = %(business_id)s::int and state = 'unknown' and channel = any(%(channels)s::text[])
        and (%(id)s::bigint is null or id = %(id)s::bigint)
        and (channel <> all(%(telling)s::text[] || %(echoing)s::text[])
            or not_before <= now() and (expires_at <= now() or channel = any(%(echoing)s::text[])
                or resent and (channel <> all(%(asked)s::text[]) or attempts >= %(most_tries)s::int)))
    order by id for update skip locked
)
update outbox o set state = 'parked', reason = o.reason || '; only a person can find out whether it was sent'
from ours where o.business_id = %(business_id)s::int and o.id = ours.id
returning o.channel, o.dedup_key
"""


async def expire(conn: Conn, terms: Mapping[str, Any]) -> list[Became]:
    """Of what was under way when its sender's lease ended nobody knows whether it was sent."""
    rows = await (await conn.execute(EXPIRE, terms)).fetchall()
    return [Became(channel, key, Status.UNKNOWN) for channel, key in rows]


async def ask_a_person(conn: Conn, terms: Mapping[str, Any], outgoing_id: int | None = None) -> list[Became]:
    """Parks what nothing will settle any more; with ``outgoing_id`` that one alone is looked at."""
    rows = await (await conn.execute(ASK_A_PERSON, {**terms, "id": outgoing_id})).fetchall()
    return [Became(channel, key, Status.PARKED) for channel, key in rows]
