"""What the inbox's pages show of a lead: its status in the reader's words, and how it came to that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from tallybook.core.callers import Caller
from tallybook.core.db import Conn
from tallybook.inbox import lead_rules
from tallybook.inbox.lead_rules import Status
from tallybook.inbox.service import leads

from .times import Clock


class Shown(Status, frozen=True):
    """A status as it is shown: ``words`` are in the reader's language, ``leads`` how many are at it."""

    words: str
    leads: int = 0


def shown(kept: Sequence[Status], counts: Mapping[str, int], clock: Clock) -> list[Shown]:
    """The statuses in their order, and behind them any at which leads still are though it was taken away. Pure."""
    known = {one.status for one in kept}
    lost = [Status(key, key, "grey") for key in sorted(counts) if key not in known]
    return [
        Shown(one.status, one.name, one.colour, words_of(one, clock), counts.get(one.status, 0))
        for one in [*kept, *lost]
    ]


def words_of(status: Status, clock: Clock) -> str:
    """What a status is called."""
    return status.name or clock.words.gettext(lead_rules.FIRST_NAMES.get(status.status, status.status))


async def of_thread(conn: Conn, caller: Caller, conversation_id: int, clock: Clock) -> dict[str, Any]:
    """The lead beside a thread, what it can be, and how it became what it is."""
    lead = await leads.of_thread(conn, caller, conversation_id)
    if lead is None:
        return {"lead": None, "lead_statuses": [], "lead_history": [], "lead_key": ""}
    statuses = shown(await leads.statuses(conn, caller.business_id), {lead.status: 1}, clock)
    words = {one.status: one.words for one in statuses}
    changes = [
        (one, words.get(one.was, one.was), words.get(one.became, one.became))
        for one in await leads.history(conn, caller, lead.id)
    ]
    return {"lead": lead, "lead_statuses": statuses, "lead_history": changes, "lead_key": uuid4().hex}
