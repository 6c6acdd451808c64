"""The part of the projects file that says when SharePoint is brought up to date. Where to write is a setting."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from typing import Any

import msgspec

from .toml_tables import Check, Tables

SHAREPOINT = "monitor.sharepoint"


class SharePointEntry(msgspec.Struct, frozen=True):
    """``at`` is by the clocks of the business. Before noon, a night is of the day that has just ended."""

    at: time = time(20)


def time_of_day(value: Any) -> time:
    """A time of day, as TOML or as a text."""
    try:
        at = value if isinstance(value, time) else time.fromisoformat(value)
    except (TypeError, ValueError):
        at = None
    if at is None or at.tzinfo is not None or at.second or at.microsecond:
        raise ValueError('must be a time of day such as "20:00"')
    return at


_SHAREPOINT: Mapping[str, Check] = {"at": time_of_day}


def sharepoint(reader: Tables, monitor: dict[str, Any]) -> SharePointEntry:
    """What the monitor's table says of SharePoint, which it is taken out of; mistakes are gathered in ``reader``."""
    table = monitor.pop("sharepoint", {})
    if not isinstance(table, dict):
        reader.mistake(f"sharepoint must be a table, written as [{SHAREPOINT}].", ("monitor", 0, "sharepoint"))
        return SharePointEntry()
    return SharePointEntry(**reader.checked(table, _SHAREPOINT, SHAREPOINT, 0))
