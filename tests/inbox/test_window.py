"""A customer may be answered freely for a day after they last wrote to that number, and not a moment longer.

Who came by an advertisement and was answered within a day may be answered freely for three days from that answer.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tallybook.inbox.window import Times, Window, window_of

NOON = datetime(2025, 12, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(hours=24)
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("passed", "is_open"), [(timedelta(0), True), (DAY - MOMENT, True), (DAY, False), (DAY * 30, False)]
)
def test_it_is_open_for_a_day_and_says_until_when(passed: timedelta, is_open: bool) -> None:
    assert window_of("whatsapp", Times(NOON), NOON + passed) == Window(open=is_open, until=NOON + DAY)


def test_to_who_never_wrote_it_was_never_open() -> None:
    assert window_of("whatsapp", Times(), NOON) == Window(open=False, until=None)


def test_a_channel_without_windows_is_always_open() -> None:
    assert window_of("gateway", Times(), NOON) == Window(open=True, until=None)


def test_daylight_saving_is_no_part_of_it() -> None:
    """A day is 24 hours of any clock: times are compared as moments."""
    earlier = NOON.astimezone()
    assert window_of("whatsapp", Times(earlier), NOON + DAY).open is False


@pytest.mark.parametrize(
    ("answered", "until"),
    [
        (None, NOON + DAY),  # nobody answered: a day, as for anybody
        (NOON + HOUR, NOON + HOUR + 3 * DAY),
        (NOON + DAY - MOMENT, NOON + DAY - MOMENT + 3 * DAY),
        (NOON + DAY, NOON + DAY),  # too late
        (NOON - HOUR, NOON + DAY),  # that was no answer to it
    ],
)
def test_who_came_by_an_advertisement_and_was_answered_in_time_has_three_days(
    answered: datetime | None, until: datetime
) -> None:
    times = Times(NOON, NOON, answered)
    assert window_of("whatsapp", times, until - MOMENT) == Window(open=True, until=until)
    assert window_of("whatsapp", times, until) == Window(open=False, until=until)


def test_who_writes_again_late_in_the_three_days_has_their_day() -> None:
    wrote = NOON + 3 * DAY
    assert window_of("whatsapp", Times(wrote, NOON, NOON + HOUR), wrote).until == wrote + DAY
