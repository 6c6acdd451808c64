"""What is of no use any more is not sent: what outlived its moment, and what its module takes back. Kept, and seen."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .db import Conn
from .messages import Status
from .outcomes import Became

# In the key order of every other writer. What is in hand at that moment still leaves.
DROP_EXPIRED = """
with late as (
    select id from outbox
    where business_id = %(business_id)s::int and channel = any(%(channels)s::text[]) and state = 'waiting'
        and expires_at <= now()
    order by id for update skip locked
)
update outbox o set state = 'dropped', done_at = now(), claimed_by = null, reason = 'too old to be of use'
from late where o.business_id = %(business_id)s::int and o.id = late.id
returning o.channel, o.dedup_key
"""
TAKE_BACK = """
with ours as (
    select id from outbox
    where business_id = %(business_id)s::int and channel = %(channel)s::text and state = 'waiting'
        and dedup_key = any(%(keys)s::text[])
    order by id for update
)
update outbox o set state = 'dropped', done_at = now(), claimed_by = null, reason = %(reason)s::text
from ours where o.business_id = %(business_id)s::int and o.id = ours.id
"""


async def drop_expired(conn: Conn, business_id: int, channels: Collection[str]) -> list[Became]:
    """Drops what waits and has outlived its moment; returns what became of it."""
    names = {"business_id": business_id, "channels": list(channels)}
    rows = await (await conn.execute(DROP_EXPIRED, names)).fetchall()
    return [Became(channel, key, Status.DROPPED) for channel, key in rows]


async def take_back(conn: Conn, business_id: int, channel: str, dedup_keys: Sequence[str], reason: str) -> int:
    """Drops what waits under these keys, since it is no longer true; returns how many."""
    names = {"business_id": business_id, "channel": channel, "keys": list(dedup_keys), "reason": reason}
    return (await conn.execute(TAKE_BACK, names)).rowcount
