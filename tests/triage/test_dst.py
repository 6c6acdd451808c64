"""Whatever the clocks of a zone do, exactly one person is on duty at every instant, the hand-over's second included."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest

from tallybook.triage.rules import Schedule, prepare, timeline, who
from tallybook.triage.rules_turns import hand_over
from tallybook.triage.types import Facts, Kind, Team, Why
from tests.triage.facts import ANA, BEN, CHEN, UI, members, roster, sprints

ZONES = (
    "Africa/Cairo", "Africa/Casablanca", "America/Havana", "America/Los_Angeles", "America/Santiago",
    "America/Sao_Paulo",
    "America/St_Johns", "America/Caracas", "Antarctica/Troll", "Asia/Amman", "Asia/Beirut", "Asia/Gaza",
    "Asia/Jerusalem",
    "Asia/Pyongyang", "Asia/Tehran", "Australia/Lord_Howe", "Europe/Dublin", "Europe/London", "Europe/Volgograd",
    "Pacific/Apia", "Pacific/Chatham", "Pacific/Easter", "Pacific/Fakaofo",
)  # fmt: skip
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
PEOPLE = (ANA, BEN, CHEN)


def transitions(zone: ZoneInfo, since: int, until: int) -> Iterator[datetime]:
    """Every moment at which the clocks of a zone are put."""

    def offset(moment: datetime) -> timedelta | None:
        return moment.astimezone(zone).utcoffset()

    moment, end = datetime(since, 1, 1, tzinfo=UTC), datetime(until, 1, 1, tzinfo=UTC)
    while moment < end:
        following = moment + DAY
        if offset(moment) != offset(following):
            before, after = moment, following
            while after - before > SECOND:
                middle = before + (after - before) // 2
                before, after = (middle, after) if offset(middle) == offset(before) else (before, middle)
            yield after.replace(microsecond=0)
        moment = following


def hand_overs(zone: ZoneInfo, moment: datetime) -> set[time]:
    """Hand-overs that the clocks jump over or show twice then, at the edges and in the middle, and midnight."""
    shown = [(moment - SECOND).astimezone(zone) + SECOND, moment.astimezone(zone)]
    walls = [one.replace(tzinfo=None, second=0, microsecond=0) for one in shown]
    middle = walls[0] + (walls[1] - walls[0]) / 2
    return {one.time().replace(second=0, microsecond=0) for one in (*walls, middle)} | {time(0)}


def check(schedule: Schedule, since: datetime, until: datetime) -> None:
    """The period is of shifts without a hole or an overlap, and at each second of change one answer holds."""
    pieces = list(timeline(schedule, UI.code, since, until))
    assert pieces[0].starts_at == since
    assert pieces[-1].ends_at == until
    for piece in pieces:
        assert piece.person in PEOPLE, piece
        assert piece.starts_at < piece.ends_at
        for moment in (piece.starts_at, piece.ends_at - SECOND, piece.ends_at - timedelta(microseconds=1)):
            assert who(schedule, UI.code, moment).person == piece.person
    for one, other in pairwise(pieces):
        assert one.ends_at == other.starts_at
        assert one.slot is not None
        assert other.slot is not None
        # Two where the turn between them was a day that never was.
        assert other.slot.number - one.slot.number in {1, 2}


def check_daily(name: str, since: int, until: int) -> int:
    """Holds a rotation by days against every change of the clocks in some years; how many those were."""
    zone = ZoneInfo(name)
    found = list(transitions(zone, since, until))
    for moment in found:
        for clock in sorted(hand_overs(zone, moment)):
            rule = roster(PEOPLE, moment - 5 * DAY, kind=Kind.DAILY, zone=name, hand_over=clock)
            team = Team(1, "Web", name, clock)
            schedule = prepare(Facts(team, (UI,), memberships=members(*PEOPLE), rosters=(rule,)))
            check(schedule, moment - 2 * DAY, moment + 2 * DAY)
    return len(found)


@pytest.mark.parametrize("name", ZONES)
def test_one_person_is_on_duty_at_every_instant_around_every_change_of_the_clocks(name: str) -> None:
    assert check_daily(name, 2011, 2027)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_same_in_every_zone_and_all_years() -> None:
    assert all(check_daily(name, 1981, 2037) for name in (*ZONES, "Pacific/Kiritimati"))
    assert sum(check_daily(name, 2011, 2027) for name in sorted(available_timezones())) > len(ZONES)


@pytest.mark.parametrize("name", ZONES)
def test_sprints_that_share_a_day_on_which_the_clocks_are_put_have_neither_hole_nor_overlap(name: str) -> None:
    zone = ZoneInfo(name)
    for moment in transitions(zone, 2016, 2027):
        day = moment.astimezone(zone).date()
        planned = sprints(3, day - 14 * DAY, zone=name)
        assert [one.ends_at for one in planned[:-1]] == [one.starts_at for one in planned[1:]]
        team = Team(1, "Web", name)
        rule = roster(PEOPLE, zone=name)
        check(
            prepare(Facts(team, (UI,), memberships=members(*PEOPLE), rosters=(rule,), sprints=planned)),
            planned[0].starts_at,
            planned[-1].ends_at,
        )


@pytest.mark.parametrize(
    ("zone", "day", "clock", "expected"),
    [
        ("America/Chicago", "2026-03-08", "02:30", "2026-03-08T08:00"),  # jumped over: when they jump
        ("America/Chicago", "2026-11-01", "01:30", "2026-11-01T06:30"),  # shown twice: the first time
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03T15:30"),  # half an hour is jumped over
        ("Australia/Lord_Howe", "2026-04-05", "01:45", "2026-04-04T14:45"),
        ("Pacific/Apia", "2011-12-30", "08:00", "2011-12-30T10:00"),  # the whole day is jumped over
        ("Africa/Cairo", "2026-04-24", "00:00", "2026-04-23T22:00"),
        ("America/St_Johns", "2009-11-01", "00:00", "2009-11-01T02:30"),
        ("Asia/Jerusalem", "2026-03-27", "08:00", "2026-03-27T05:00"),
    ],
)
def test_a_hand_over_is_at_the_first_moment_that_its_clock_shows_or_when_it_jumps(
    zone: str, day: str, clock: str, expected: str
) -> None:
    moment = hand_over(date.fromisoformat(day), time.fromisoformat(clock), ZoneInfo(zone))
    assert moment == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_a_week_has_its_own_length_where_the_clocks_are_put() -> None:
    rule = roster(PEOPLE, datetime(2026, 10, 25, 9, tzinfo=UTC), kind=Kind.WEEKLY, days=frozenset({6}))
    schedule = prepare(
        Facts(Team(1, "Web", "America/Los_Angeles"), (UI,), memberships=members(*PEOPLE), rosters=(rule,))
    )
    answer = who(schedule, UI.code, datetime(2026, 11, 1, 12, tzinfo=UTC)).shift
    assert (answer.person, answer.why) == (ANA, Why.SLOT)
    assert answer.ends_at - answer.starts_at == timedelta(hours=169)
