"""The part of the projects file that says what the inbox's bot may do; every mistake is told with its line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from .inbox.answer_types import Bot, Mode, ModelTerms
from .inbox.session_rules import SILENCE
from .toml_tables import Check, Tables, yes_or_no

INBOX, BOT = "inbox", "inbox.bot"
LONGEST_NAME = 200  # characters
LONGEST_PERSONA = 4_000


def _mode(value: Any) -> Mode:
    if value not in list(Mode):
        raise ValueError('must be "off", "draft" or "auto"')
    return Mode(value)


def _mode_or_table(value: Any) -> Any:
    """A mode, or a table whose keys are checked for themselves."""
    return value if isinstance(value, dict) else _mode(value)


def _text(longest: int) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > longest:
            raise ValueError(f"must be a text of at most {longest:,} characters")
        return value.strip()

    return check


def _business(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text")
    return value.strip()


def _whole(least: int, most: int) -> Check:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least:,} to {most:,}")
        return value

    return check


def _amount(most: float, *, least: float = 0.0) -> Check:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError("must be a number")
        if not least <= value <= most:
            raise ValueError(f"must be a number from {least:,g} to {most:,g}")
        return float(value)

    return check


LONGEST_SILENCE = 8_760  # hours: a year
_INBOX: Mapping[str, Check] = {
    "bot": _mode_or_table,
    "business": _business,
    "silence_hours": _amount(LONGEST_SILENCE, least=0.1),
    "read_receipts": yes_or_no,
}
_MODEL: Mapping[str, Check] = {
    "persona": _text(LONGEST_PERSONA),
    "history": _whole(1, 50),
    "max_tokens": _whole(50, 4_000),
    "seconds": _amount(90, least=1),
    "tokens_per_day": _whole(0, 1_000_000_000),
    "cost_per_day": _amount(1_000_000),
    "price_in": _amount(1_000_000),
    "price_out": _amount(1_000_000),
}
_BOT: Mapping[str, Check] = {
    "mode": _mode,
    "per_hour": _whole(1, 1_000),
    "model": _text(LONGEST_NAME),
    **_MODEL,
}


def silence(parts: dict[str, Any]) -> timedelta:
    """After what silence of its customer a conversation is over; of a file without mistakes, as ``bot`` checks it."""
    told = parts.get(INBOX)
    hours = told.get("silence_hours") if isinstance(told, dict) else None
    return timedelta(hours=hours) if isinstance(hours, int | float) else SILENCE


def shows_reading(parts: dict[str, Any]) -> bool:
    """Whether customers are shown that they were read; of a file without mistakes, as ``bot`` checks it."""
    told = parts.get(INBOX)
    return isinstance(told, dict) and told.get("read_receipts") is True


def bot(reader: Tables, parts: dict[str, Any]) -> Bot:
    """What the file says of the bot, which is off where it says nothing; mistakes are gathered in ``reader``."""
    told = reader.table(parts, INBOX, _INBOX)
    given = told.get("bot", Mode.OFF)
    shows = told.get("read_receipts", False)
    if isinstance(given, Mode):
        return Bot(given, told.get("business"), shows_typing=shows)
    table = reader.checked(given, _BOT, BOT, 0)
    per_hour = table.get("per_hour", Bot().per_hour)
    plain = Bot(table.get("mode", Mode.OFF), told.get("business"), per_hour, shows_typing=shows)
    terms = {name: value for name, value in table.items() if name in _MODEL}
    if "model" not in table:
        for name in terms:
            reader.mistake(f"{name} is for a model, and none is named: model is missing.", (BOT, 0, name))
        return plain
    if terms.get("cost_per_day") and not (terms.get("price_in") or terms.get("price_out")):
        reader.mistake("cost_per_day needs price_in and price_out beside it.", (BOT, 0, "cost_per_day"))
    return replace(plain, model=ModelTerms(table["model"], **terms))
