"""The switch that stops all sending on a channel. What waits is held and can be seen; a person releases or drops it.

What a worker has in hand at the moment of the stop still leaves; once the stop is committed, nothing more is claimed:
the stop waits for the claims under way, and those that wait behind it see it (core/gates.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from . import audit, gates, keys
from .callers import Caller, Right, require
from .db import Conn
from .outbox import TOPIC
from .wakeups import wake_up


class Stop(msgspec.Struct, frozen=True):
    """Who stopped a channel, and when."""

    at: datetime
    who: str


STOP = f"""
insert into sending_stops (business_id, channel, stopped_by)
values (%(business_id)s::int, %(channel)s, %(who)s)
on conflict {keys.SENDING_STOP.target} do nothing
"""
GO = "delete from sending_stops where business_id = %(business_id)s::int and channel = %(channel)s"
STOPPED = """
select stopped_at, stopped_by from sending_stops where business_id = %(business_id)s::int and channel = %(channel)s
"""
WAITING = """
select count(*) from outbox
where business_id = %(business_id)s::int and channel = %(channel)s and state = 'waiting'
"""
# The states in which nobody has it in hand; the key order is that of every other writer.
DROP = """
with ours as (
    select id from outbox
    where business_id = %(business_id)s::int and channel = %(channel)s
        and (%(ids)s::bigint[] is null and state = 'waiting'
            or id = any(%(ids)s::bigint[]) and state in ('waiting', 'parked'))
    order by id for update
)
update outbox o set state = 'dropped', done_at = now(), claimed_by = null, reason = 'dropped by a person'
from ours where o.business_id = %(business_id)s::int and o.id = ours.id
returning o.id
"""


async def stopped(conn: Conn, business_id: int, channel: str) -> Stop | None:
    """The stop of a channel, None while it may send."""
    row = await (await conn.execute(STOPPED, {"business_id": business_id, "channel": channel})).fetchone()
    return Stop(*row) if row else None


async def waiting(conn: Conn, business_id: int, channel: str) -> int:
    """How many messages wait on a channel."""
    row = await (await conn.execute(WAITING, {"business_id": business_id, "channel": channel})).fetchone()
    return int(row[0]) if row else 0


async def stop(conn: Conn, caller: Caller, channel: str) -> bool:
    """Stops a channel; False if it was stopped already. Raises NotAllowed for who is neither lead nor admin."""
    return await _turn(conn, caller, channel, stopping=True)


async def go(conn: Conn, caller: Caller, channel: str) -> bool:
    """Lets a channel send again, what waited first; False if it was not stopped. Raises NotAllowed."""
    return await _turn(conn, caller, channel, stopping=False)


async def _turn(conn: Conn, caller: Caller, channel: str, *, stopping: bool) -> bool:
    require(caller, Right.LEAD)
    names = {"business_id": caller.business_id, "channel": channel, "who": caller.name[:100]}
    cursor = await (conn.execute(STOP, names) if stopping else conn.execute(GO, names))
    if cursor.rowcount != 1:
        return False
    if stopping:
        await gates.shut(conn, caller.business_id, channel)
    await _told(conn, caller, "sending.stopped" if stopping else "sending.released", channel)
    return True


async def drop(conn: Conn, caller: Caller, channel: str, ids: Sequence[int] | None = None) -> int:
    """Drops what waits on a channel, or of ``ids`` those that wait or are parked. Returns how many. Raises NotAllowed.

    What is dropped is kept and never sent.
    """
    require(caller, Right.LEAD)
    names = {"business_id": caller.business_id, "channel": channel, "ids": None if ids is None else list(ids)}
    count = (await conn.execute(DROP, names)).rowcount
    if count:
        await _told(conn, caller, "sending.dropped", channel, count)
    return count


async def _told(conn: Conn, caller: Caller, action: str, channel: str, count: int | None = None) -> None:
    """The record, with how many messages it concerned, and a word to workers and open pages."""
    concerned = await waiting(conn, caller.business_id, channel) if count is None else count
    await audit.record_by(conn, caller, action, "channel", channel, after={"messages": concerned})
    await wake_up(conn, TOPIC, caller.business_id)
