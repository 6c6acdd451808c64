"""The turns of one roster: at which moments they begin and end. Pure.

A turn begins when the clocks show the hand-over for the first time; where they jump over it, when they jump. It ends
when the next one begins, so that every moment is of one turn, the second of the hand-over included.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec

from tallybook.core import wall_clock

from .types import Kind, Roster, Rotation, Slot, Sprint

DAY = timedelta(days=1)
WEEK = 7
# A rotation none of whose days is left for so long, since all are holidays, has no next turn.
LOOK = timedelta(days=400)


@lru_cache(maxsize=65_536)
def hand_over(on: date, at: time, zone: ZoneInfo) -> datetime:
    """The moment of a day's hand-over, in UTC: the first of two, or the end of the gap that it falls into."""
    return wall_clock.instant(datetime.combine(on, at), zone)


class Turns(Protocol):
    """The turns of one roster, in order and apart from each other."""

    def at(self, moment: datetime) -> Slot | None:
        """The turn that runs at a moment."""
        ...

    def after(self, moment: datetime) -> datetime | None:
        """When the first turn later than a moment begins."""
        ...

    def passed(self, moment: datetime) -> int:
        """How many turns begin before a moment."""
        ...

    def between(self, since: datetime, until: datetime) -> Iterator[Slot]:
        """The turns that have a part in a period."""
        ...

    @property
    def first(self) -> datetime | None:
        """When the first one begins."""
        ...


class SprintTurns:
    """Turns that are sprints: those that begin at or after the roster's date."""

    def __init__(self, since: datetime, sprints: Sequence[Sprint]) -> None:
        """``sprints`` are in order of time."""
        offset = bisect_left(sprints, since, key=lambda sprint: sprint.starts_at)
        self._sprints = sprints[offset:]
        self._starts = [sprint.starts_at for sprint in self._sprints]

    @property
    def first(self) -> datetime | None:
        return self._starts[0] if self._starts else None

    def at(self, moment: datetime) -> Slot | None:
        number = bisect_right(self._starts, moment) - 1
        return self._slot(number) if number >= 0 and moment < self._sprints[number].ends_at else None

    def after(self, moment: datetime) -> datetime | None:
        number = bisect_right(self._starts, moment)
        return self._starts[number] if number < len(self._starts) else None

    def passed(self, moment: datetime) -> int:
        return bisect_left(self._starts, moment)

    def between(self, since: datetime, until: datetime) -> Iterator[Slot]:
        first = max(bisect_right(self._starts, since) - 1, 0)
        for number in range(first, bisect_left(self._starts, until)):
            if self._sprints[number].ends_at > since:
                yield self._slot(number)

    def _slot(self, number: int) -> Slot:
        sprint = self._sprints[number]
        return Slot(number, sprint.starts_at, sprint.ends_at, sprint)


class CalendarTurns:
    """Turns by the calendar. Days are counted in closed form: a roster of ten years costs no more than a new one."""

    def __init__(self, since: datetime, rotation: Rotation, holidays: Sequence[date]) -> None:
        """``holidays`` are in order."""
        self._zone, self._time = ZoneInfo(rotation.zone), rotation.hand_over
        self._through = rotation.through or rotation.kind is Kind.WEEKLY
        self._days, self._weeks = rotation.days, rotation.weeks
        self._rests: Sequence[date] = ()
        self._resting: frozenset[date] = frozenset()
        # From a day before, since the clocks may go back over midnight and jump over whole days.
        day: date = since.astimezone(self._zone).date() - DAY
        while self._moment(day) < since:
            day += DAY
        self._anchor = day
        # Weeks are counted from a day that is no later than the first one.
        round_of_weeks = WEEK * rotation.weeks
        counted = rotation.counted_from or day
        self.counted_from = day - DAY * ((day - counted).days % round_of_weeks)
        self._before_first = self._since_counted(day)
        if rotation.rest and rotation.kind is Kind.DAILY:
            self._rests = sorted({day for day in holidays if day >= self._anchor and self._is_day(day)})
        self._resting = frozenset(self._rests)
        opening = self._next(self._anchor)
        self.first = None if opening is None else self._moment(opening)

    def at(self, moment: datetime) -> Slot | None:
        day = self._day_at(moment)
        if day is None:
            return None
        slot = self._slot(day)
        return slot if moment < slot.ends_at else None

    def after(self, moment: datetime) -> datetime | None:
        day = self._day_after(moment)
        return None if day is None else self._moment(day)

    def passed(self, moment: datetime) -> int:
        day: date = moment.astimezone(self._zone).date() - DAY
        while self._moment(day) < moment:
            day += DAY
        return self._count(max(day, self._anchor))

    def between(self, since: datetime, until: datetime) -> Iterator[Slot]:
        day = self._day_at(since) or self._next(self._anchor)
        while day is not None:
            slot = self._slot(day)
            if slot.starts_at >= until:
                return
            # A day that never was, since the clocks jumped over all of it, is a turn of no length.
            if slot.ends_at > max(since, slot.starts_at):
                yield slot
            day = self._next(day + DAY)

    def _moment(self, day: date) -> datetime:
        return hand_over(day, self._time, self._zone)

    def _slot(self, day: date) -> Slot:
        ends = self._moment(day + DAY)
        if self._through:
            following = self._next(day + DAY)
            ends = self._moment(following) if following is not None else ends
        return Slot(self._count(day), self._moment(day), ends)

    def _day_at(self, moment: datetime) -> date | None:
        """The last day with a turn that has begun at a moment."""
        day: date = moment.astimezone(self._zone).date() + DAY
        while self._moment(day) > moment:
            day -= DAY
        return self._last(day)

    def _day_after(self, moment: datetime) -> date | None:
        day: date = moment.astimezone(self._zone).date() - DAY
        while self._moment(day) <= moment:
            day += DAY
        return self._next(day)

    def _is_day(self, day: date) -> bool:
        passed = (day - self.counted_from).days
        return day.weekday() in self._days and passed // WEEK % self._weeks == 0 and day not in self._resting

    def _next(self, day: date) -> date | None:
        """The first day with a turn at or after a day."""
        day, last = max(day, self._anchor), day + LOOK
        while not self._is_day(day):
            day += DAY
            if day > last:
                return None
        return day

    def _last(self, day: date) -> date | None:
        """The last day with a turn at or before a day."""
        while day >= self._anchor:
            if self._is_day(day):
                return day
            day -= DAY
        return None

    def _count(self, day: date) -> int:
        """How many turns are before the one of a day."""
        return self._since_counted(day) - self._before_first - bisect_left(self._rests, day)

    def _since_counted(self, day: date) -> int:
        """How many days that may have a turn are between the one counted from and a day."""
        rounds, rest = divmod((day - self.counted_from).days, WEEK * self._weeks)
        weekday = self.counted_from.weekday()
        part = sum((weekday + ahead) % WEEK in self._days for ahead in range(min(rest, WEEK)))
        return rounds * len(self._days) + part


def counted_on(roster: Roster) -> Rotation:
    """The roster's rule, so that one that follows it has turns in the same weeks."""
    rule = roster.rotation
    if rule.weeks == 1 or rule.kind is Kind.SPRINT:
        return rule
    return msgspec.structs.replace(rule, counted_from=CalendarTurns(roster.since, rule, ()).counted_from)


def turns_of(roster: Roster, sprints: Sequence[Sprint], holidays: Sequence[date]) -> Turns:
    """The turns of a roster; ``sprints`` and ``holidays`` are in order of time."""
    if roster.rotation.kind is Kind.SPRINT:
        return SprintTurns(roster.since, sprints)
    return CalendarTurns(roster.since, roster.rotation, holidays)
