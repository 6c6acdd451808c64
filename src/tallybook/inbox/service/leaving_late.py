"""What was put to be said by itself, or later, is taken back as it leaves, where it is true no longer."""

from __future__ import annotations

from tallybook.core.db import Conn
from tallybook.core.withdrawing import Claimed
from tallybook.inbox.automation_rules import CANCELLED, MOVED
from tallybook.inbox.store import leaving_late as store
from tallybook.inbox.store.dropped import AUTOMATION, SCHEDULED, WRITTEN


async def stands(conn: Conn, business_id: int, claimed: Claimed) -> str | None:
    """Why it no longer stands; None where it does, or is nothing of the kind. See core/withdrawing.py."""
    prefix, _, number = claimed.outgoing.dedup_key.partition(":")
    if f"{prefix}:" == AUTOMATION:
        takes_place, as_then = await store.meeting(conn, business_id, int(number))
        return (None if as_then else MOVED) if takes_place else CANCELLED
    if f"{prefix}:" == SCHEDULED and await store.wrote(conn, business_id, int(number)):
        return WRITTEN
    return None
