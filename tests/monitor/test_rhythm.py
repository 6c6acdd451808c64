"""A group has gone quiet when it is quieter than itself, not than a fixed number."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.monitor.service import rhythm
from tallybook.monitor.store.rhythm import Rhythm
from tests.monitor.desk import LAWLEY, MOHADIN, at, file, open_for, said

NOW = at("2025-12-02 16:00")


@pytest.mark.parametrize(
    ("messages", "longest", "silent_for", "state"),
    [
        (500, timedelta(hours=14), timedelta(hours=20), "ok"),
        (500, timedelta(hours=14), timedelta(hours=22), "late"),
        (500, timedelta(minutes=5), timedelta(minutes=50), "ok"),
        (500, timedelta(minutes=5), timedelta(minutes=70), "late"),
        (5, timedelta(minutes=5), timedelta(days=3), "ok"),
    ],
)
def test_a_group_is_held_against_its_own_longest_silence(
    messages: int, longest: timedelta, silent_for: timedelta, state: str
) -> None:
    assert rhythm.judge(Rhythm("Lawley", messages, NOW - silent_for, longest), NOW).state == state


def test_a_group_without_messages_is_not_late() -> None:
    assert rhythm.judge(Rhythm("Lawley", 0, None, None), NOW).state == "ok"


async def test_each_project_s_rhythm_is_read_from_its_stored_messages(conn: Conn, business: Business) -> None:
    await open_for(conn, business)
    hours = [f"2025-12-01 {hour:02}:{minute}0" for hour in range(8, 16) for minute in range(3)]
    await file(conn, business, [said(LAWLEY, "hello", when) for when in hours])
    await file(conn, business, [said(MOHADIN, "hello", "2025-11-01 08:00")])
    found = {check.name: check for check in await rhythm.checks(conn, business, NOW)}
    assert found["group Lawley"].state == "late"
    assert found["group Lawley"].facts["messages_in_14_days"] == 24
    assert found["group Mohadin"].state == "ok", "one message is no rhythm"


async def test_a_group_that_is_dead_stays_late_until_it_speaks(conn: Conn, business: Business) -> None:
    await open_for(conn, business)
    begun = NOW - timedelta(days=14)
    five_a_day = [begun + timedelta(days=n // 5, hours=n % 5) for n in range(70)]
    await file(conn, business, [said(LAWLEY, "hello", said_at=when) for when in five_a_day])
    states = []
    for days in (1, 2, 10, 15, 30, 400):
        found = await rhythm.checks(conn, business, five_a_day[-1] + timedelta(days=days))
        states += [check.state for check in found if check.name == "group Lawley"]
    assert states == ["ok", *["late"] * 5]


async def test_a_message_of_a_phone_whose_clock_is_ahead_hides_no_silence(conn: Conn, business: Business) -> None:
    await open_for(conn, business)
    hours = [f"2025-12-01 {hour:02}:{minute}0" for hour in range(8, 16) for minute in range(3)]
    await file(conn, business, [said(LAWLEY, "hello", when) for when in [*hours, "2031-01-01 08:00"]])
    found = {check.name: check for check in await rhythm.checks(conn, business, NOW)}
    assert found["group Lawley"].state == "late"
