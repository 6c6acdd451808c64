"""When was it said? Bridges spell time in many ways, and change their spelling when the host's time zone does. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

# Go's own printing: "2025-12-02 10:00:00.123 +0200 SAST m=+0.01"
_GO = re.compile(r"^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d+))?\s*([+-])(\d\d):?(\d\d)(?:\s.*)?$")
# WhatsApp is from 2009; anything older is a zero or an empty time that some language printed as a date.
_EARLIEST = datetime(2009, 1, 1, tzinfo=UTC)
_LATEST = datetime(9998, 1, 1, tzinfo=UTC)
_MILLISECONDS = 100_000_000_000  # as seconds this is the year 5138, as milliseconds 1973


def instant(value: object) -> datetime | None:
    """Read a time as a bridge stores it; aware, or None where it cannot be read.

    Text without an offset is taken as UTC, as SQLite's own ``current_timestamp`` is. Numbers are unix seconds, or
    milliseconds where they are too large for that.
    """
    said = _from_text(value) if type(value) is str else _from_number(value)
    return said if said is not None and _EARLIEST <= said < _LATEST else None


def _from_text(text: str) -> datetime | None:
    try:
        said = datetime.fromisoformat(text)
    except ValueError:
        return _from_odd_text(text.strip())
    return said if said.tzinfo is not None else said.replace(tzinfo=UTC)


def _from_odd_text(text: str) -> datetime | None:
    if go := _GO.match(text):
        day, clock, fraction, sign, hours, minutes = go.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
        try:
            said = datetime.fromisoformat(f"{day} {clock}.{(fraction or '')[:6]:0<6}")
            return said.replace(tzinfo=timezone(offset))
        except ValueError:
            return None
    try:
        return _from_number(float(text))
    except ValueError:
        return None


def _from_number(value: object) -> datetime | None:
    if not isinstance(value, int | float):
        return None
    seconds = value / 1000 if abs(value) >= _MILLISECONDS else value
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
