"""Who is on duty, and that everything that shows it shows the same."""

from __future__ import annotations

import random
import time as clock
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallybook.core.errors import NotFound
from tallybook.triage.rules import gaps, prepare, shifts, timeline, who
from tallybook.triage.rules_roster import difference, going_on, idle_overrides, with_roster
from tallybook.triage.rules_turns import counted_on
from tallybook.triage.types import (
    FOR_EVER,
    Absence,
    Discipline,
    Facts,
    Holiday,
    Kind,
    Membership,
    Override,
    Roster,
    Shift,
    Team,
    Unused,
    WhenAbsent,
    Why,
)
from tests.triage.facts import (
    ANA,
    BE,
    BEN,
    CHEN,
    DINA,
    TEAM,
    UI,
    at,
    away,
    facts,
    members,
    override,
    roster,
    rotation,
    sprints,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = at("2026-01-01")
UNTIL = NOW + 90 * DAY


def on(facts: Facts, moment: str) -> tuple[str | None, Why]:
    answer = who(prepare(facts), "uiEng", at(moment))
    return answer.person, answer.why


def told(listed: list[Shift]) -> list[tuple[str | None, Why, str]]:
    return [(one.person, one.why, one.starts_at.isoformat()[:16]) for one in listed]


# ── Turns ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sprints_are_taken_in_turn_and_the_boundary_s_second_is_the_next_one_s() -> None:
    boundary = sprints()[1].starts_at
    assert boundary == at("2026-01-19 16:00")  # 08:00 in Los Angeles
    schedule = prepare(facts())
    assert who(schedule, "uiEng", boundary - timedelta(microseconds=1)).person == ANA
    assert who(schedule, "uiEng", boundary).person == BEN
    assert [one.person for one in shifts(schedule, "uiEng", NOW, UNTIL)] == [ANA, BEN, CHEN] * 2


def test_between_sprints_nobody_is_on_duty_and_it_is_said_why() -> None:
    planned = sprints()
    holed = facts(sprints=(planned[0], planned[2]))
    assert on(holed, "2025-12-01") == (None, Why.NO_ROSTER)
    assert on(holed, "2026-01-25") == (None, Why.NO_SPRINT)
    assert on(holed, "2026-02-10") == (BEN, Why.SLOT)
    assert [(one.why, one.starts_at, one.ends_at) for one in gaps(prepare(holed), "uiEng", NOW + 5 * DAY, UNTIL)] == [
        (Why.NO_SPRINT, planned[0].ends_at, planned[2].starts_at),
        (Why.NO_SPRINT, planned[2].ends_at, UNTIL),
    ]


def test_a_rotation_by_working_days_starves_nobody() -> None:
    """Counted by calendar days, of seven people the same five would always have the working days."""
    seven = tuple(f"U{number}" for number in range(7))
    rule = roster(seven, NOW, kind=Kind.DAILY, days=frozenset(range(5)))
    schedule = prepare(facts(memberships=members(*seven), rosters=(rule,)))
    first = [one.person for one in shifts(schedule, "uiEng", NOW, NOW + 70 * DAY)][:49]
    assert first == list(seven) * 7
    assert on(facts(memberships=members(*seven), rosters=(rule,)), "2026-01-04 12:00") == (None, Why.OFF)
    assert gaps(schedule, "uiEng", NOW + DAY, NOW + 20 * DAY) == []


def test_a_holiday_is_no_turn_where_the_rotation_rests_and_nobody_loses_one_by_it() -> None:
    days = frozenset(range(5))
    rule = roster((ANA, BEN, CHEN), at("2026-01-05"), kind=Kind.DAILY, days=days, rest=True, zone="UTC")
    rested = facts(rosters=(rule,), holidays=(Holiday(date(2026, 1, 6), "Epiphany"),))
    assert told(shifts(prepare(rested), "uiEng", at("2026-01-05 08:00"), at("2026-01-09 08:00"))) == [
        (ANA, Why.SLOT, "2026-01-05T08:00"),
        (BEN, Why.SLOT, "2026-01-07T08:00"),
        (CHEN, Why.SLOT, "2026-01-08T08:00"),
    ]


def test_a_turn_may_last_over_the_days_without_one() -> None:
    rule = roster((ANA, BEN), at("2026-01-09"), kind=Kind.DAILY, days=frozenset({4, 0}), through=True, zone="UTC")
    assert on(facts(rosters=(rule,)), "2026-01-11 12:00") == (ANA, Why.SLOT)


def test_a_week_may_be_split_and_every_second_one_left_out() -> None:
    split = roster((ANA, BEN), at("2026-01-04"), kind=Kind.WEEKLY, days=frozenset({6, 3}), zone="UTC")
    found = shifts(prepare(facts(rosters=(split,))), "uiEng", at("2026-01-04 08:00"), at("2026-01-15 08:00"))
    assert [(one.person, one.starts_at.weekday()) for one in found] == [(ANA, 6), (BEN, 3), (ANA, 6)]
    fortnights = roster((ANA, BEN), at("2026-01-05"), kind=Kind.WEEKLY, days=frozenset({0}), weeks=2, zone="UTC")
    found = shifts(prepare(facts(rosters=(fortnights,))), "uiEng", at("2026-01-05 08:00"), at("2026-02-16 08:00"))
    assert [(one.person, (one.ends_at - one.starts_at).days) for one in found] == [(ANA, 14), (BEN, 14), (ANA, 14)]


def test_a_new_roster_has_its_turns_in_the_same_weeks_as_the_one_before() -> None:
    fortnights = roster((ANA, BEN), at("2026-01-05"), kind=Kind.WEEKLY, days=frozenset({0}), weeks=2, zone="UTC")
    rule = counted_on(fortnights)
    assert rule.counted_from == date(2026, 1, 5)
    after = Roster("uiEng", 2, at("2026-01-27"), (CHEN, ANA), rule)
    found = shifts(prepare(facts(rosters=(fortnights, after))), "uiEng", at("2026-01-05 08:00"), at("2026-03-02 08:00"))
    assert [(one.person, one.starts_at.day) for one in found] == [(ANA, 5), (BEN, 19), (CHEN, 2), (ANA, 16)]


def test_a_rotation_all_of_whose_days_are_holidays_for_ever_ends() -> None:
    rule = roster((ANA,), at("2026-01-05"), kind=Kind.DAILY, days=frozenset({0}), rest=True, zone="UTC")
    off = tuple(Holiday(date(2026, 1, 12) + timedelta(7 * week), "off") for week in range(70))
    assert [one.person for one in shifts(prepare(facts(rosters=(rule,), holidays=off)), "uiEng", NOW, UNTIL)] == [ANA]


# ── Versions ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_roster_takes_over_with_the_first_turn_after_its_date_and_changes_nothing_before() -> None:
    """A name that sorts first used to move everybody's past and future."""
    before = facts()
    since = at("2026-02-10")  # in the middle of Chen's sprint
    after = facts(rosters=(roster(), roster((DINA, ANA, BEN, CHEN), since, 2)))
    assert [one.person for one in shifts(prepare(after), "uiEng", NOW, UNTIL)] == [ANA, BEN, CHEN, DINA, ANA, BEN]
    assert list(timeline(prepare(before), "uiEng", NOW, since)) == list(timeline(prepare(after), "uiEng", NOW, since))
    changes = difference(prepare(before), prepare(after), NOW, UNTIL)
    assert [(one.was.person, one.becomes.person) for one in changes] == [(ANA, DINA), (BEN, ANA), (CHEN, BEN)]
    assert min(one.starts_at for one in changes) == sprints()[3].starts_at
    assert changes[0].concerned == {ANA, DINA}


def test_the_old_roster_holds_until_the_new_one_has_a_turn() -> None:
    daily = roster((ANA, BEN), NOW, kind=Kind.DAILY, zone="UTC")
    late = facts(rosters=(daily, roster((CHEN,), at("2026-01-07"), 2)), sprints=sprints(first=date(2026, 1, 12)))
    assert on(late, "2026-01-11 12:00")[1] is Why.SLOT
    assert on(late, "2026-01-12 15:59")[0] in {ANA, BEN}
    assert on(late, "2026-01-12 16:00") == (CHEN, Why.SLOT)


def test_a_new_roster_goes_on_where_the_old_one_is() -> None:
    schedule = prepare(facts())
    since = at("2026-01-20")  # Ben has it; Chen is next
    assert going_on(schedule, "uiEng", [ANA, BEN, CHEN, DINA], since) == (CHEN, DINA, ANA, BEN)
    assert going_on(schedule, "uiEng", [ANA, BEN], since) == (ANA, BEN)  # Chen leaves: Ana would be next
    assert going_on(schedule, "uiEng", [DINA], since) == (DINA,)
    changed = with_roster(facts(), roster(going_on(schedule, "uiEng", [ANA, BEN, CHEN, DINA], since), since, 2))
    assert [one.person for one in shifts(prepare(changed), "uiEng", NOW, UNTIL)] == [ANA, BEN, CHEN, DINA, ANA, BEN]


# ── Who is away, has left, or has given it away ─────────────────────────────────────────────────────────────────────


def test_the_next_of_the_roster_who_is_there_takes_over_and_gives_it_back() -> None:
    gone = facts(absences=(away(BEN, "2026-01-21", "2026-01-24"), away(CHEN, "2026-01-23", "2026-01-25", 2)))
    assert told(shifts(prepare(gone), "uiEng", at("2026-01-19 16:00"), at("2026-02-02 16:00"))) == [
        (BEN, Why.SLOT, "2026-01-19T16:00"),
        (CHEN, Why.SUBSTITUTE, "2026-01-21T00:00"),
        (ANA, Why.SUBSTITUTE, "2026-01-23T00:00"),
        (BEN, Why.SLOT, "2026-01-24T00:00"),
    ]


def test_where_the_rule_is_to_keep_the_turn_stays_and_where_all_are_away_too() -> None:
    gone = (away(BEN, "2026-01-01", "2026-03-01"),)
    keep = roster(when_absent=WhenAbsent.KEEP)
    assert on(facts(rosters=(keep,), absences=gone), "2026-01-21") == (BEN, Why.SLOT)
    all_gone = tuple(away(one, "2026-01-01", "2026-03-01", number) for number, one in enumerate((ANA, BEN, CHEN)))
    assert on(facts(absences=all_gone), "2026-01-21") == (BEN, Why.SLOT)


def test_who_has_left_is_never_on_duty() -> None:
    left = (*members(ANA, CHEN), Membership("uiEng", BEN, NOW - 900 * DAY, at("2026-01-21")))
    assert on(facts(memberships=left), "2026-01-20 23:59") == (BEN, Why.SLOT)
    assert on(facts(memberships=left), "2026-01-21") == (CHEN, Why.SUBSTITUTE)
    assert on(facts(memberships=()), "2026-01-21") == (None, Why.NOBODY_LEFT)
    assert on(facts(rosters=(roster(()),)), "2026-01-21") == (None, Why.NOBODY_LEFT)
    only_away = facts(memberships=members(ANA), absences=(away(ANA, "2026-01-01", "2026-03-01"),))
    assert on(only_away, "2026-01-21") == (ANA, Why.SUBSTITUTE)


def test_an_override_holds_for_just_its_part_and_says_whose_turn_it_was() -> None:
    covered = facts(overrides=(override(DINA, "2026-01-21 12:00", "2026-01-22", 7),))
    found = shifts(prepare(covered), "uiEng", at("2026-01-19 16:00"), at("2026-02-02 16:00"))
    assert [(one.person, one.why, one.turn_of, one.override) for one in found] == [
        (BEN, Why.SLOT, BEN, None),
        (DINA, Why.OVERRIDE, BEN, 7),
        (BEN, Why.SLOT, BEN, None),
    ]
    assert found[1].ends_at == at("2026-01-22")
    assert on(facts(overrides=covered.overrides, memberships=members(ANA, BEN)), "2026-01-21 13:00") == (BEN, Why.SLOT)
    swapped = facts(overrides=(override(DINA, "2026-01-21", "2026-01-22", swap=3),))
    assert on(swapped, "2026-01-21 13:00") == (DINA, Why.SWAP)


def test_an_override_that_stands_in_for_nobody_any_more_is_found() -> None:
    planned = sprints()
    one = Override(1, "uiEng", DINA, planned[1].starts_at, planned[1].ends_at, BEN)
    now = prepare(facts(overrides=(one,)))
    assert idle_overrides(now, [one]) == []
    turned = prepare(facts(overrides=(one,), rosters=(roster(), roster((CHEN, BEN), at("2026-01-15"), 2))))
    assert idle_overrides(turned, [one]) == [one]


def test_a_discipline_that_is_not_there_is_an_error() -> None:
    with pytest.raises(NotFound):
        who(prepare(facts()), "qa", NOW)


# ── Properties ──────────────────────────────────────────────────────────────────────────────────────────────────────

PEOPLE = (ANA, BEN, CHEN, DINA)
moments = st.integers(0, 90 * 24 * 4 - 1).map(lambda quarters: NOW + quarters * timedelta(minutes=15))
spans = st.tuples(moments, moments).map(sorted).filter(lambda span: span[0] < span[1])
zones = st.sampled_from(["America/Los_Angeles", "Australia/Lord_Howe", "Africa/Cairo", "UTC"])
days = st.frozensets(st.integers(0, 6), min_size=1)


@st.composite
def rosters(draw: Any, code: str = "uiEng") -> tuple[Roster, ...]:
    found = []
    for number in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(Kind))
        rule = rotation(
            kind, zone=draw(zones), hand_over=time(draw(st.integers(0, 23))), days=draw(days), rest=draw(st.booleans()),
            through=draw(st.booleans()), weeks=draw(st.integers(1, 3)),
            counted_from=draw(st.none() | st.dates(date(2025, 12, 1), date(2026, 5, 1))),
            when_absent=draw(st.sampled_from(WhenAbsent)),
        )  # fmt: skip
        people = tuple(draw(st.lists(st.sampled_from(PEOPLE), max_size=4, unique=True)))
        found.append(Roster(code, number, draw(moments), people, rule))
    return tuple(found)


@st.composite
def at_times_unused(draw: Any) -> Discipline:
    """Out of use once and brought back, and maybe taken out of use again for good."""
    since, until, again = sorted(draw(st.lists(moments, min_size=3, max_size=3, unique=True)))
    ends = (Unused(again),) if draw(st.booleans()) else ()
    return msgspec.structs.replace(UI, unused=(Unused(since, until), *ends))


@st.composite
def teams(draw: Any) -> Facts:
    holidays = draw(st.sets(st.integers(0, 90), max_size=8))
    people = st.sampled_from(PEOPLE)
    return facts(
        disciplines=(draw(st.just(UI) | at_times_unused()), BE),
        rosters=(*draw(rosters()), *draw(rosters(code="beEng"))),
        sprints=tuple(one for one in sprints(8) if draw(st.booleans())),
        memberships=tuple(
            Membership("uiEng", draw(people), *draw(spans)) for _ in range(draw(st.integers(0, 5)))
        ) + members(ANA, code="beEng"),
        holidays=tuple(Holiday(date(2026, 1, 1) + timedelta(day), "off") for day in holidays),
        absences=tuple(Absence(number, draw(people), *draw(spans)) for number in range(draw(st.integers(0, 4)))),
        overrides=tuple(
            Override(number, "uiEng", draw(people | st.none()), *draw(spans))
            for number in range(draw(st.integers(0, 3)))
        ),
    )  # fmt: skip


few = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


@few
@given(teams(), st.lists(moments, min_size=5, max_size=5))
def test_at_every_instant_there_is_one_answer_and_it_is_the_one_of_the_calendar(
    team: Facts, some: list[datetime]
) -> None:
    schedule = prepare(team)
    for code in ("uiEng", "beEng"):
        pieces = list(timeline(schedule, code, NOW, UNTIL))
        assert (pieces[0].starts_at, pieces[-1].ends_at) == (NOW, UNTIL)
        for one, other in pairwise(pieces):
            assert one.starts_at < one.ends_at == other.starts_at
        for moment in (*some, *(piece.starts_at for piece in pieces)):
            of_calendar = next(piece for piece in pieces if piece.starts_at <= moment < piece.ends_at)
            shift = who(schedule, code, moment).shift
            assert (shift.person, shift.why, shift.turn_of) == (
                of_calendar.person, of_calendar.why, of_calendar.turn_of,
            )  # fmt: skip
            assert shift.starts_at <= moment < shift.ends_at


@few
@given(teams(), st.randoms(use_true_random=False))
def test_the_order_of_the_facts_does_not_matter(team: Facts, chance: random.Random) -> None:
    lists = ("disciplines", "people", "memberships", "rosters", "sprints", "absences", "holidays", "overrides")
    shuffled = {name: tuple(chance.sample(getattr(team, name), len(getattr(team, name)))) for name in lists}
    other = msgspec.structs.replace(team, **shuffled)
    for code in ("uiEng", "beEng"):
        assert list(timeline(prepare(team), code, NOW, UNTIL)) == list(timeline(prepare(other), code, NOW, UNTIL))


@few
@given(teams(), rosters())
def test_a_roster_from_a_date_on_changes_nothing_before_it(team: Facts, more: tuple[Roster, ...]) -> None:
    new = msgspec.structs.replace(more[0], number=99)
    before, after = prepare(team), prepare(with_roster(team, new))
    until = max(new.since, NOW + HOUR)
    same = difference(before, after, NOW, until)
    assert same == []
    assert list(timeline(before, "beEng", NOW, UNTIL)) == list(timeline(after, "beEng", NOW, UNTIL))


@few
@given(teams(), spans)
def test_an_absence_changes_nothing_outside_it(team: Facts, span: list[datetime]) -> None:
    more = msgspec.structs.replace(team, absences=(*team.absences, Absence(99, ANA, *span)))
    for change in difference(prepare(team), prepare(more), NOW, UNTIL):
        assert span[0] <= change.starts_at
        assert change.ends_at <= span[1]


def test_an_answer_takes_less_than_a_millisecond_after_ten_years_of_history() -> None:
    """A fiftieth of what is measured by the bench, since other tests run beside this one."""
    weekly = roster((ANA, BEN, CHEN, DINA), at("2016-01-01"), kind=Kind.DAILY)
    days = [at("2016-01-01") + day * DAY for day in range(3650)]
    gone = tuple(Absence(place, PEOPLE[place % 4], day, day + DAY) for place, day in enumerate(days))
    schedule = prepare(facts(rosters=(weekly,), absences=gone, overrides=()))
    took = []
    for day in range(0, 3650, 7):
        begin = clock.perf_counter()
        who(schedule, "uiEng", at("2016-01-03") + day * DAY)
        took.append(clock.perf_counter() - begin)
    assert sorted(took)[len(took) // 2] < 0.001


def test_far_away_moments_have_answers() -> None:
    assert on(facts(), "1950-01-01") == (None, Why.NO_ROSTER)
    weekly = facts(team=Team(1, "Web", "UTC"), rosters=(roster(kind=Kind.WEEKLY, zone="UTC"),))
    assert on(weekly, "2400-01-01")[1] is Why.SLOT
    assert who(prepare(facts()), "uiEng", at("2400-01-01")).shift.ends_at == FOR_EVER
    assert TEAM.tz.key == "America/Los_Angeles"
