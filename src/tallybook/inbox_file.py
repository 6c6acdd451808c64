"""The part of the projects file that says what the inbox's bot may do; every mistake is told with its line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .inbox.answer_types import Bot, Mode
from .toml_tables import Check, Tables

INBOX = "inbox"


def _mode(value: Any) -> Mode:
    if value not in list(Mode):
        raise ValueError('must be "off", "draft" or "auto"')
    return Mode(value)


def _business(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text")
    return value.strip()


_INBOX: Mapping[str, Check] = {"bot": _mode, "business": _business}


def bot(reader: Tables, parts: dict[str, Any]) -> Bot:
    """What the file says of the bot, which is off where it says nothing; mistakes are gathered in ``reader``."""
    told = reader.table(parts, INBOX, _INBOX)
    return Bot(told.get("bot", Mode.OFF), told.get("business"))
