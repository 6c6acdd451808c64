"""When the clocks of a zone show a time. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

SECOND = timedelta(seconds=1)


def instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """When the clocks of ``zone`` show ``wall`` for the first time, or when they jump over it."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None, fold=0) == wall:
        return first
    before, since = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), first
    offset = since.astimezone(zone).utcoffset()
    while since - before > SECOND:
        middle = before + (since - before) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            since = middle
        else:
            before = middle
    return since.replace(microsecond=0)
