"""Whether whoever thinks out the bot's answers still does: people are told of one that fails again and again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.health import Check, State
from tallybook.inbox.answer_types import FAQ, MODEL
from tallybook.inbox.store import responders as store
from tallybook.inbox.store.responders import Failing

# What failed before and was not asked since says nothing of now.
LOOKED_AT = timedelta(hours=6)
AGAIN, AND_AGAIN = 3, 10  # failures in a row
WELL = "Answers are thought out when they are asked for."
SAYS = {
    MODEL: "{n} times in a row the language model was of no help. The bot's page says why.",
    FAQ: "{n} times in a row no answer could be made. The log of the worker says why.",
}


async def checks(conn: Conn, business: Business, now: datetime) -> list[Check]:
    """Late where a responder failed three times in a row within six hours, wrong where ten times."""
    return [judge(await store.failing(conn, business.id, now - LOOKED_AT))]


def judge(failing: Sequence[Failing]) -> Check:
    """Pure."""
    often = [one for one in failing if one.count >= AGAIN]
    if not often:
        return Check("responder", "ok", WELL)
    says = "\n".join(SAYS[one.responder].replace("{n}", str(one.count)) for one in often)
    state: State = "wrong" if any(one.count >= AND_AGAIN for one in often) else "late"
    return Check("responder", state, says, min(one.since for one in often))
