"""Numbers in texts of others: of rows, as people write them and as pages carry them, and of seconds. Pure."""

from __future__ import annotations

INT_DIGITS = 9  # every number of so many digits fits an integer column
BIGINT_DIGITS = 18  # and a bigint one


def number_in(text: str, digits: int = BIGINT_DIGITS) -> int | None:
    """The number that ``text`` is, in 0 to 9 only; None for any other text, and for one of more than ``digits``."""
    return int(text) if len(text) <= digits and _is_number(text) else None


def seconds_in(text: str | None, most: float) -> float | None:
    """The seconds that a header like Retry-After says, in 0 to 9 only, but never over ``most``; None for any other."""
    return min(float(text), most) if text is not None and _is_number(text) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
