"""Who carried how much, counted from the same shifts that everybody is shown. Pure.

A day of duty goes from one hand-over to the next by the team's clock, and counts for whoever had most of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta

import msgspec

from .rules import Schedule, shifts
from .rules_turns import DAY, hand_over
from .types import FOR_ANOTHER, Shift, Team


class Load(msgspec.Struct, frozen=True):
    """What somebody carried in a period.

    ``shifts`` are turns of which they had any part; ``days`` are days of duty, of which ``weekends`` and ``holidays``
    are some; ``covered`` are days that were another's turn, ``given`` days of their own that another took.
    """

    person: str
    shifts: int = 0
    days: int = 0
    weekends: int = 0
    holidays: int = 0
    covered: int = 0
    given: int = 0
    time: timedelta = timedelta(0)


class DutyDay(msgspec.Struct, frozen=True):
    """One day of duty in one discipline, and the shift that had most of it."""

    day: date
    shift: Shift


def duty_days(team: Team, listed: Sequence[Shift]) -> Iterator[DutyDay]:
    """The days of one discipline's shifts, which are in order."""
    had: dict[date, dict[int, timedelta]] = {}
    for place, shift in enumerate(listed):
        for day, part in _parts(team, shift):
            had.setdefault(day, {})[place] = part
    for day, parts in sorted(had.items()):
        # Of two with as much of it the earlier one; one person's parts count together.
        by_person: defaultdict[str | None, timedelta] = defaultdict(timedelta)
        for place, part in parts.items():
            by_person[listed[place].person] += part
        most = max(parts, key=lambda place: (by_person[listed[place].person], parts[place], -place))
        yield DutyDay(day, listed[most])


def _parts(team: Team, shift: Shift) -> Iterator[tuple[date, timedelta]]:
    """How much of which day of duty a shift has."""
    day: date = shift.starts_at.astimezone(team.tz).date() - DAY
    while (begins := hand_over(day, team.hand_over, team.tz)) < shift.ends_at:
        ends = hand_over(day + DAY, team.hand_over, team.tz)
        part = min(ends, shift.ends_at) - max(begins, shift.starts_at)
        if part > timedelta(0):
            yield day, part
        day += DAY


def ledger(
    schedule: Schedule, since: datetime, until: datetime, disciplines: Iterable[str] | None = None
) -> list[Load]:
    """What everybody of the team carried in a period, most days first; also those who carried nothing.

    ``disciplines`` are all where none are given. Raises NotFound.
    """
    counts: dict[str, dict[str, int]] = {one.slack_id: defaultdict(int) for one in schedule.facts.people}
    times: defaultdict[str, timedelta] = defaultdict(timedelta)
    for code in schedule.codes if disciplines is None else disciplines:
        listed = shifts(schedule, code, since, until)
        turns = {(one.person, one.slot.starts_at) for one in listed if one.person is not None and one.slot is not None}
        for person, _ in turns:
            counts.setdefault(person, defaultdict(int))["shifts"] += 1
        for one in listed:
            times[one.person or ""] += one.ends_at - one.starts_at
        _count_days(schedule, listed, counts)
    found = [Load(person, **count, time=times[person]) for person, count in counts.items()]
    return sorted(found, key=lambda load: (-load.days, -load.shifts, load.person))


def _count_days(schedule: Schedule, listed: Sequence[Shift], counts: dict[str, dict[str, int]]) -> None:
    team = schedule.facts.team
    holidays = {one.day for one in schedule.facts.holidays}
    for duty in duty_days(team, listed):
        mine = counts.setdefault(duty.shift.person or "", defaultdict(int))
        mine["days"] += 1
        mine["weekends"] += duty.day.weekday() in team.weekend
        mine["holidays"] += duty.day in holidays
        if duty.shift.why in FOR_ANOTHER and duty.shift.turn_of != duty.shift.person:
            mine["covered"] += 1
            if duty.shift.turn_of is not None:
                counts.setdefault(duty.shift.turn_of, defaultdict(int))["given"] += 1
