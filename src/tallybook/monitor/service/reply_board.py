"""What was said in groups and what waits to be: seen, stopped, released, dropped, sent again; and how it goes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from tallybook.core import audit, outbox, stops
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.health import Check
from tallybook.core.stops import Stop
from tallybook.monitor.reply_types import CHANNEL
from tallybook.monitor.store import replies as store
from tallybook.monitor.store.replies import Sent

# The parts of the page, and the states in each.
PARTS = {
    "waiting": ("waiting", "sending"),
    "trouble": ("unknown", "parked"),
    "sent": ("sent", "delivered", "read"),
    "captured": ("captured",),
    "dropped": ("dropped",),
}
# A yes after which nothing was seen for so long is no more than a yes.
SEEN_WITHIN = timedelta(minutes=10)
# So many faults in a row are no passing one: they span about ten seconds.
FAILS_AFTER = 3
FAILING = "Nothing can be said in any group: the bridge does not take messages. They wait and are tried again."
STOPPED = "Sending to WhatsApp groups is stopped by somebody."
UNSEEN = ("message was sent and never seen in its group", "messages were sent and never seen in their groups")
IN_ORDER = "What is sent comes back."


class Look(msgspec.Struct, frozen=True):
    """Which part of it is looked at (None: all), below which number, and how many at most."""

    part: str | None = None
    below: int | None = None
    limit: int = 50


class Board(msgspec.Struct, frozen=True):
    """What is there: who stopped it (None: nobody), how many in each part, the newest of those looked at."""

    stop: Stop | None
    counts: dict[str, int]
    rows: list[Sent]
    older: int | None


async def board(conn: Conn, business: Business, look: Look) -> Board:
    """Reads it. ``older`` is the number below which the list goes on."""
    by_state = await store.counts(conn, business.id)
    states = PARTS[look.part] if look.part else None
    rows = await store.listed(conn, business.id, states, look.below, look.limit + 1)
    return Board(
        await stops.stopped(conn, business.id, CHANNEL),
        {part: sum(by_state.get(state, 0) for state in within) for part, within in PARTS.items()},
        rows[: look.limit],
        rows[look.limit - 1].id if len(rows) > look.limit else None,
    )


async def stop(conn: Conn, caller: Caller) -> bool:
    """Nothing more is said in any group until somebody releases it. Raises NotAllowed."""
    return await stops.stop(conn, caller, CHANNEL)


async def release(conn: Conn, caller: Caller) -> bool:
    """What waits goes out again, as fast as the limits allow. Raises NotAllowed."""
    return await stops.go(conn, caller, CHANNEL)


async def drop(conn: Conn, caller: Caller, ids: Sequence[int] | None = None) -> int:
    """Drops all that waits, or of ``ids`` what waits or is parked; returns how many. Raises NotAllowed."""
    return await stops.drop(conn, caller, CHANNEL, ids)


async def send_again(conn: Conn, caller: Caller, number: int) -> bool:
    """A parked message waits again, since a person says so; False if it was not parked. Raises NotAllowed."""
    require(caller, Right.LEAD)
    if not await store.is_ours(conn, caller.business_id, number):
        return False
    again = await outbox.replay(conn, caller.business_id, [number])
    if again:
        await audit.record_by(conn, caller, "sending.replayed", "outgoing", str(number))
    return bool(again)


async def checks(conn: Conn, business: Business, now: datetime) -> list[Check]:
    """How answering goes: late when it is stopped, when the bridge takes nothing, when what was sent is not seen."""
    stopped = await stops.stopped(conn, business.id, CHANNEL)
    since, unseen = await store.unseen(conn, business.id, now)
    waits = await stops.waiting(conn, business.id, CHANNEL)
    facts: dict[str, str | int | float] = {"outgoing": waits}
    # Each by its own name: one that people know of must not hide another that comes later.
    found = []
    if stopped is not None:
        found.append(Check("replies", "late", STOPPED, stopped.at, facts))
    if await store.failing(conn, business.id) >= FAILS_AFTER:
        found.append(Check("replies-failing", "late", FAILING, None, facts))
    if unseen:
        found.append(Check("replies-unseen", "late", f"{unseen} {UNSEEN[unseen != 1]}.", since, facts))
    return found or [Check("replies", "ok", IN_ORDER, None, facts)]
