"""A number from somebody else's text is one that we can take, or none."""

from __future__ import annotations

import pytest

from tallybook.core.numbers import BIGINT_DIGITS, INT_DIGITS, number_in, seconds_in

NOT_NUMBERS = ["", " ", "7 ", "-7", "+7", "7.5", "1e3", "0x7", "seven", "7\n", "٧", "²"]


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_only_0_to_9_are_a_number(text: str) -> None:
    assert number_in(text) is None
    assert seconds_in(text, 60) is None


@pytest.mark.parametrize("digits", [INT_DIGITS, BIGINT_DIGITS])
def test_a_number_fits_its_column(digits: int) -> None:
    assert number_in("9" * digits, digits) == 10**digits - 1
    assert number_in("0" * digits, digits) == 0
    assert number_in("0" * (digits + 1), digits) is None


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("7", 7), ("60", 60), ("61", 60), ("9" * 10_000, 60)])
def test_nobody_makes_us_wait_longer_than_we_would(text: str, seconds: float) -> None:
    assert seconds_in(text, 60) == seconds


def test_who_says_nothing_asks_for_no_wait() -> None:
    assert seconds_in(None, 60) is None
