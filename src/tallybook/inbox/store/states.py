"""SQL of putting threads away and taking them back. Threads are held in the order of their keys, as by who files."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import msgspec

from tallybook.core import arrays
from tallybook.core.db import Conn

_HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007


class Standing(msgspec.Struct, frozen=True):
    """How a held thread stands, and whose it is."""

    id: int
    is_open: bool
    snoozed_until: datetime | None
    session_open: bool
    assigned_to: int | None


HOLD = f"""
select c.id, c.is_open, c.snoozed_until, c.session_open, c.assigned_to from whatsapp_conversation c
where c.business_id = {_HIDDEN} and c.id = any(%(ids)s::bigint[]) order by c.canonical_key for update
"""


async def hold(conn: Conn, business_id: int, conversations: Collection[int]) -> list[Standing]:
    """Holds these of the business's threads until the transaction ends."""
    values = {"business_id": business_id, "ids": arrays.numbers(conversations)}
    return [Standing(*row) for row in await (await conn.execute(HOLD, values)).fetchall()]


# To the whole second, as providers tell time: what a customer writes in the second of a closing comes after it.
CLOSE = f"""
update whatsapp_conversation c set is_open = false, closed_at = date_trunc('second', clock_timestamp()),
    snoozed_at = null, snoozed_until = null, back_at = null, updated_at = now()
where c.business_id = {_HIDDEN} and c.id = any(%(ids)s::bigint[])
"""
REOPEN = f"""
update whatsapp_conversation c set is_open = true, closed_at = null, snoozed_at = null, snoozed_until = null,
    back_at = null, updated_at = now()
where c.business_id = {_HIDDEN} and c.id = any(%(ids)s::bigint[])
"""
SNOOZE = f"""
update whatsapp_conversation c set is_open = true, closed_at = null,
    snoozed_at = date_trunc('second', clock_timestamp()), snoozed_until = %(until)s::timestamptz, back_at = null,
    updated_at = now()
where c.business_id = {_HIDDEN} and c.id = any(%(ids)s::bigint[])
"""


async def close(conn: Conn, business_id: int, conversations: Collection[int]) -> None:
    """Closes threads that the caller holds."""
    await conn.execute(CLOSE, {"business_id": business_id, "ids": arrays.numbers(conversations)})


async def reopen(conn: Conn, business_id: int, conversations: Collection[int]) -> None:
    """Opens and wakes threads that the caller holds."""
    await conn.execute(REOPEN, {"business_id": business_id, "ids": arrays.numbers(conversations)})


async def snooze(conn: Conn, business_id: int, conversations: Collection[int], until: datetime) -> None:
    """Opens threads that the caller holds, and snoozes them."""
    values = {"business_id": business_id, "ids": arrays.numbers(conversations), "until": until}
    await conn.execute(SNOOZE, values)


DUE = f"""
select c.id, c.is_open, c.snoozed_until, c.session_open, c.assigned_to from whatsapp_conversation c
where c.business_id = {_HIDDEN} and c.snoozed_until <= %(now)s::timestamptz
order by c.snoozed_until limit %(limit)s::int for update skip locked
"""
WAKE = f"""
update whatsapp_conversation c set snoozed_at = null, snoozed_until = null, back_at = %(now)s::timestamptz,
    updated_at = now()
where c.business_id = {_HIDDEN} and c.id = any(%(ids)s::bigint[])
"""


async def hold_due(conn: Conn, business_id: int, now: datetime, limit: int) -> list[Standing]:
    """Holds threads whose snooze is over; waits for nobody, since another look comes."""
    values = {"business_id": business_id, "now": now, "limit": limit}
    return [Standing(*row) for row in await (await conn.execute(DUE, values)).fetchall()]


async def wake(conn: Conn, business_id: int, conversations: Collection[int], now: datetime) -> None:
    """Has snoozed threads, which the caller holds, be back."""
    values = {"business_id": business_id, "ids": arrays.numbers(conversations), "now": now}
    await conn.execute(WAKE, values)
