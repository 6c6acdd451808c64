"""Whether a group has gone quiet, measured against its own usual rhythm and not against a fixed number."""

from __future__ import annotations

from datetime import datetime, timedelta

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.health import Check
from tallybook.monitor.store import rhythm as store
from tallybook.monitor.store.rhythm import Rhythm

WINDOW = timedelta(days=14)
ENOUGH = 20  # messages in the window, below which there is no rhythm to speak of
FORGIVEN = 1.5  # times the longest silence of the window
AT_LEAST = timedelta(hours=1)


async def checks(conn: Conn, business: Business, now: datetime) -> list[Check]:
    """One check per active project."""
    return [judge(rhythm, now) for rhythm in await store.rhythms(conn, business.id, now, WINDOW)]


def judge(rhythm: Rhythm, now: datetime) -> Check:
    """A group is late when it is silent for half as long again as its longest silence of the two weeks before. Pure.

    It stays late until it speaks again, or is watched no longer.
    """
    name = f"group {rhythm.project}"
    facts: dict[str, str | int | float] = {"messages_in_14_days": rhythm.messages}
    if rhythm.last_at is None:
        return Check(name, "ok", "No message in two weeks.", None, facts)
    if rhythm.messages < ENOUGH or rhythm.longest_silence is None:
        return Check(name, "ok", "Too few messages yet to know its rhythm.", rhythm.last_at, facts)
    limit = max(rhythm.longest_silence * FORGIVEN, AT_LEAST)
    facts["longest_silence_hours"] = round(rhythm.longest_silence / timedelta(hours=1), 1)
    if now - rhythm.last_at > WINDOW:
        return Check(name, "late", "No message in two weeks.", rhythm.last_at, facts)
    if now - rhythm.last_at > limit:
        return Check(name, "late", "Quieter than it has been in two weeks.", rhythm.last_at, facts)
    return Check(name, "ok", "In its usual rhythm.", rhythm.last_at, facts)
