"""Numbers of rows, as people write them and as pages carry them. Pure."""

from __future__ import annotations

INT_DIGITS = 9  # every number of so many digits fits an integer column
BIGINT_DIGITS = 18  # and a bigint one


def number_in(text: str, digits: int = BIGINT_DIGITS) -> int | None:
    """The number that ``text`` is, in 0 to 9 only; None for any other text, and for one of more than ``digits``."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None
