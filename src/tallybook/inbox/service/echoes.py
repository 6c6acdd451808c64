"""Our own messages that a provider tells back: they stand in their threads already, and were sent."""

from __future__ import annotations

from collections.abc import Sequence

from tallybook.core import outbox
from tallybook.core.db import Conn
from tallybook.core.messages import Status
from tallybook.core.outbox import Report
from tallybook.inbox.store import sending as store
from tallybook.inbox.types import Said

from . import changes, outcomes


async def settle(conn: Conn, business_id: int, said: Sequence[Said]) -> list[Said]:
    """Has what left under our own keys be sent, with the provider's id; returns which of these those are.

    The caller holds their numbers, and no thread: the outbox's rows come first, as for reports.
    """
    told = [one for one in said if one.ours and not one.inbound]
    found = []
    for channel in sorted({one.channel for one in told}):
        keys = await store.ours(conn, business_id, channel, [one.ours for one in told if one.channel == channel])
        found += [one for one in told if one.channel == channel and (one.ours, one.account) in keys]
    for one in found:
        report = Report(channel=one.channel, status=Status.SENT, dedup_key=one.ours, external_id=one.external_id)
        await outbox.settle(conn, business_id, report, outcomes.told)
        await store.came_back(conn, business_id, one.channel, one.ours, one.message_id)
    if found:
        await changes.catch_up(conn, business_id, [(one.channel, one.account, one.external_id) for one in found])
    return found
