"""What was sent in while nobody could decide it, and became of it: told to who leads, all of an outage at once."""

from __future__ import annotations

from datetime import datetime, timedelta

from tallybook.core.db import Conn
from tallybook.triage.blocks import notices
from tallybook.triage.blocks.notices import Refused
from tallybook.triage.store import kept_orders as store
from tallybook.triage.store.kept_orders import KeptOrder

from .schedules import Schedules
from .telling import Notice, audience, deciders, stamp, tell

QUIET = timedelta(seconds=30)  # after which nothing more of an outage is expected


async def decided(conn: Conn, business_id: int, team_id: int, order: KeptOrder, now: datetime) -> None:
    """Keeps what became of it, in the transaction that did it."""
    await store.add(conn, business_id, team_id, order, now)


async def report(conn: Conn, schedules: Schedules, business_id: int, team_id: int, now: datetime) -> int:
    """Tells who leads how much of it was done, and what could not be and why; how many those were."""
    orders = await store.report(conn, business_id, team_id, now)
    if orders:
        to = await audience(conn, schedules, business_id, team_id, now)
        refused = [Refused(one.sent_by, one.sent_at, one.because) for one in orders if one.because]
        notice = Notice(
            "report", stamp(now), None, lambda seen: notices.report(seen, len(orders) - len(refused), refused)
        )
        await tell(conn, to, notice, await deciders(conn, to))
    return len(orders)
