"""The part of the projects file that says how posts are answered; every mistake is told with its line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from .channels.bridge.sender import LIMITS
from .core.rates import Limit, Limits
from .monitor.reply_types import Manner
from .toml_tables import Check, Tables, yes_or_no

REPLIES = "monitor.replies"
MOST = 10_000  # messages in any window
MINUTE, HOUR, DAY = 60, 3600, 86_400
WINDOWS = {"per_minute": MINUTE, "per_hour": HOUR, "per_day": DAY}


class RepliesEntry(msgspec.Struct, frozen=True):
    """Whether and what is answered, and how fast a number may send."""

    manner: Manner = Manner()
    limits: Limits = LIMITS


def _minutes(value: Any) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= DAY / MINUTE:
        raise ValueError("must be a number of minutes from 0 to 1440")
    return timedelta(minutes=value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
        raise ValueError(f"must be a whole number from 1 to {MOST}")
    return value


_REPLIES: Mapping[str, Check] = {
    "enabled": yes_or_no, "max_age_minutes": _minutes, "per_minute": _count, "per_hour": _count, "per_day": _count,
    "cooldown_minutes": _minutes, "grace_minutes": _minutes,
}  # fmt: skip


def replies(reader: Tables, monitor: dict[str, Any]) -> RepliesEntry:
    """What the monitor's table says of replies, which it is taken out of; its mistakes are gathered in ``reader``."""
    table = monitor.pop("replies", {})
    if not isinstance(table, dict):
        reader.mistake(f"replies must be a table, written as [{REPLIES}].", ("monitor", 0, "replies"))
        return RepliesEntry()
    told = reader.checked(table, _REPLIES, REPLIES, 0)
    usual = {window.seconds: window.count for window in LIMITS.windows}
    windows = tuple(Limit(told.get(name, usual[seconds]), seconds) for name, seconds in WINDOWS.items())
    cooldown = told.get("cooldown_minutes", timedelta(seconds=LIMITS.cooldown))
    grace = told.get("grace_minutes", timedelta(seconds=LIMITS.grace))
    return RepliesEntry(
        Manner(told.get("enabled", True), told.get("max_age_minutes", Manner().max_age)),
        Limits(windows, cooldown.total_seconds(), grace.total_seconds()),
    )
