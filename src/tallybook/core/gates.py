"""A channel's gate: whoever claims goes through it, and whoever stops the channel shuts it behind the last of them.

There need be no row for it: a number that never sent anything has none that could be locked.
"""

from __future__ import annotations

from .db import Conn

# Both last until the transaction ends. Shared among those who claim, so that they do not wait for one another.
ENTER = "select pg_advisory_xact_lock_shared(hashtext('sending ' || %(channel)s), %(business_id)s::int)"
SHUT = "select pg_advisory_xact_lock(hashtext('sending ' || %(channel)s), %(business_id)s::int)"
# A statement of its own after the gate, so that it sees a stop for whose end the gate waited.
IS_STOPPED = """
select exists (select from sending_stops where business_id = %(business_id)s::int and channel = %(channel)s)
"""


async def enter(conn: Conn, business_id: int, channel: str) -> None:
    """Before a claim: waits for a stop that is on its way. What is read after it sees that stop."""
    await conn.execute(ENTER, {"business_id": business_id, "channel": channel})


async def shut(conn: Conn, business_id: int, channel: str) -> None:
    """By a stop: waits for the claims under way, and lets no other through until it is committed."""
    await conn.execute(SHUT, {"business_id": business_id, "channel": channel})


async def is_stopped(conn: Conn, business_id: int, channel: str) -> bool:
    """Goes through the gate; whether the channel is stopped."""
    await enter(conn, business_id, channel)
    row = await (await conn.execute(IS_STOPPED, {"business_id": business_id, "channel": channel})).fetchone()
    return bool(row and row[0])
