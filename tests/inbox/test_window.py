"""A customer may be answered freely for a day after they last wrote to that number, and not a moment longer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tallybook.inbox.window import Window, window_of

NOON = datetime(2025, 12, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(hours=24)
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("passed", "is_open"), [(timedelta(0), True), (DAY - MOMENT, True), (DAY, False), (DAY * 30, False)]
)
def test_it_is_open_for_a_day_and_says_until_when(passed: timedelta, is_open: bool) -> None:
    assert window_of("whatsapp", NOON, NOON + passed) == Window(open=is_open, until=NOON + DAY)


def test_to_who_never_wrote_it_was_never_open() -> None:
    assert window_of("whatsapp", None, NOON) == Window(open=False, until=None)


def test_a_channel_without_windows_is_always_open() -> None:
    assert window_of("gateway", None, NOON) == Window(open=True, until=None)


def test_daylight_saving_is_no_part_of_it() -> None:
    """A day is 24 hours of any clock: times are compared as moments."""
    earlier = NOON.astimezone()
    assert window_of("whatsapp", earlier, NOON + DAY).open is False
