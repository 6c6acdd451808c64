"""What became of messages of ours: told by their provider in any order, some before the message itself is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tallybook.core import outbox
from tallybook.core.db import Conn
from tallybook.core.messages import Status
from tallybook.core.outbox import Report as Settled
from tallybook.inbox.store import reports as store
from tallybook.inbox.types import Delivery, Place, Report

from . import consent, hooks, outcomes
from .signs import REACTION

STATES = {
    Delivery.SENT: Status.SENT, Delivery.DELIVERED: Status.DELIVERED, Delivery.READ: Status.READ,
    Delivery.FAILED: Status.PARKED,
}  # fmt: skip


async def apply(conn: Conn, business_id: int, reports: Sequence[Report]) -> None:
    """Raises messages to what was told of them; a report of a message that nobody knows yet waits for it.

    The caller holds their numbers.
    """
    if not reports:
        return
    for one in (one for one in reports if one.status in STATES):
        await _settle(conn, business_id, one)
    found = await store.raise_to(conn, business_id, reports)
    await hooks.raised(conn, business_id, found)
    await consent.refused_at(conn, business_id, _failed(reports))
    # A reaction is no message: none will come for its report.
    messages = [one for one in reports if not one.ours.startswith(REACTION)]
    early = [one for one in messages if (one.channel, one.account, one.about) not in found]
    if early:
        await store.wait(conn, business_id, early)


async def _settle(conn: Conn, business_id: int, report: Report) -> None:
    """Tells the outbox, which may not know whether it was sent: by our own key, else by the provider's id."""
    settled = Settled(
        channel=report.channel,
        status=STATES[report.status],
        dedup_key=report.ours or None,
        external_id=report.about,
        reason=report.reason or None,
    )
    await outbox.settle(conn, business_id, settled, outcomes.told)


async def catch_up(conn: Conn, business_id: int, places: Sequence[Place]) -> None:
    """Applies what was told of messages before they were written. The caller holds their numbers."""
    early = await store.take(conn, business_id, places) if places else []
    if early:
        await hooks.raised(conn, business_id, await store.raise_to(conn, business_id, early))
        await consent.refused_at(conn, business_id, _failed(early))


def _failed(reports: Sequence[Report]) -> dict[Place, datetime]:
    return {(one.channel, one.account, one.about): one.at for one in reports if one.status is Delivery.FAILED}
