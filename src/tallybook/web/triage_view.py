"""The drawing of the calendar: weeks of days, a lane for each discipline, bars at shares of the width. Pure.

All of it is of ``timeline``: what is drawn is what everybody is told. Places are by the team's wall clock, so that the
day on which the clocks change is as wide as any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta

import msgspec
from babel.dates import format_date

from tallybook.core import wall_clock
from tallybook.core.marking import N_
from tallybook.triage.blocks.names import turn_value
from tallybook.triage.rules import Schedule, reason_of, timeline
from tallybook.triage.rules_overrides import Asked
from tallybook.triage.types import FOR_ANOTHER, MEANT, NOBODY, Absence, Discipline, Shift, Why

from .inbox_automation_words import FIRST_DAYS
from .times import Clock
from .triage_words import ABSENCES, WHY

DAY, WEEK = timedelta(days=1), timedelta(days=7)
TOUCHABLE = 8  # percent of a week's width, so that a finger finds it on a phone
AROUND = timedelta(days=40)  # so that a turn is told with its own edges, not the page's
Span = tuple[datetime, datetime]


class Bar(msgspec.Struct, frozen=True):
    """Something that lasts, within one week. ``x`` and ``width`` are shares of the week's width, in percent.

    ``turn`` is by what cover for it is asked for, where it is not over and wide enough to be touched; ``number`` is
    that of a request, or of what was set by hand.
    """

    x: float
    width: float
    name: str
    says: str
    kind: str
    is_now: bool = False
    is_mine: bool = False
    turn: str = ""
    number: int = 0


class Lane(msgspec.Struct, frozen=True):
    """One discipline's week; ``asked`` are requests that wait."""

    code: str
    name: str
    bars: list[Bar]
    asked: list[Bar]


class Day(msgspec.Struct, frozen=True):
    """The head of a column."""

    day: date
    says: str
    weekday: str
    is_today: bool
    is_off: bool
    is_outside: bool
    holiday: str


class Week(msgspec.Struct, frozen=True):
    """Seven days. ``off`` are the x of free days; ``now`` is where the moment is, if it is in this week."""

    days: list[Day]
    lanes: list[Lane]
    away: list[list[Bar]]
    off: list[float]
    now: float | None


class Canvas(msgspec.Struct, frozen=True):
    """What is drawn: the days from ``first`` to ``last``, or only what is ``within`` a period of them.

    ``own`` is the reader's Slack id, which stands out.
    """

    schedule: Schedule
    clock: Clock
    first: date
    last: date
    own: str | None = None
    waiting: Sequence[Asked] = ()
    within: Span | None = None

    @property
    def say(self) -> dict[str, str]:
        return {one.slack_id: one.name for one in self.schedule.facts.people}

    @property
    def span(self) -> Span:
        """From when until when."""
        return self.within or (self.midnight(self.first), self.midnight(self.last + DAY))

    def midnight(self, day: date) -> datetime:
        return wall_clock.instant(datetime.combine(day, time()), self.clock.business.zone)


def first_of_week(day: date, locale: str) -> date:
    """The day with which the week of a day begins where a language is read."""
    return day - timedelta(days=(day.weekday() - FIRST_DAYS.get(locale, 0)) % 7)


def drawn(canvas: Canvas) -> list[Week]:
    """The weeks that hold the days of a canvas."""
    first = first_of_week(canvas.first, canvas.clock.locale)
    since, until = canvas.within or (canvas.midnight(first), canvas.midnight(canvas.last + DAY + WEEK))
    listed = used(canvas)
    shifts = {
        one.code: [
            shift
            for shift in timeline(canvas.schedule, one.code, since - AROUND, until + AROUND)
            if shift.why not in {Why.OFF, Why.OUT_OF_USE}
        ]
        for one in listed
    }
    weeks = []
    while first <= canvas.last:
        lanes = [_lane(canvas, one.code, one.name, shifts[one.code], first) for one in listed]
        weeks.append(_week(canvas, first, lanes))
        first += WEEK
    return weeks


def _week(canvas: Canvas, first: date, lanes: list[Lane]) -> Week:
    clock = canvas.clock
    holidays = {one.day: one.name for one in canvas.schedule.facts.holidays}
    days = [_day(canvas, first + DAY * number, holidays) for number in range(7)]
    off = [_turned(canvas, number / 7 * 100, 100 / 7) for number, day in enumerate(days) if day.is_off]
    now = _share(canvas, clock.now, first) if first <= clock.today < first + WEEK else None
    return Week(days, lanes, _away(canvas, first), off, None if now is None else _turned(canvas, now, 0))


def _day(canvas: Canvas, day: date, holidays: Mapping[date, str]) -> Day:
    clock, free = canvas.clock, canvas.schedule.facts.team.weekend
    return Day(
        day, format_date(day, "EEEE d MMMM y", clock.locale), format_date(day, "EEE", clock.locale),
        is_today=day == clock.today, is_off=day.weekday() in free or day in holidays,
        is_outside=not canvas.first <= day <= canvas.last, holiday=holidays.get(day, ""),
    )  # fmt: skip


def _lane(canvas: Canvas, code: str, name: str, shifts: Sequence[Shift], first: date) -> Lane:
    bars = [_bar(canvas, first, shift) for shift in shifts]
    waiting = (one for one in canvas.waiting if one.discipline == code)
    asked = [_asked(canvas, first, one) for one in waiting]
    return Lane(code, name, [one for one in bars if one is not None], [one for one in asked if one is not None])


def _bar(canvas: Canvas, first: date, shift: Shift) -> Bar | None:
    placed = _placed(canvas, first, (shift.starts_at, shift.ends_at))
    if placed is None:
        return None
    words, clock = canvas.clock.words.gettext, canvas.clock
    name = canvas.say.get(shift.person or "", shift.person or words(N_("Nobody")))
    kind = "gap" if shift.why in NOBODY - MEANT else shift.why.value
    if kind == "gap" and shift.ends_at <= clock.now:
        kind = "gap past"
    is_now = shift.starts_at <= clock.now < shift.ends_at
    is_mine = shift.person is not None and shift.person == canvas.own
    can_ask = shift.person is not None and shift.ends_at > clock.now and placed[1] >= TOUCHABLE
    turn = turn_value(shift) if can_ask else ""
    # What was set by hand leads to where it is taken away.
    number = shift.override or 0 if shift.why is Why.UNASSIGNED else 0
    return Bar(*placed, name, told(canvas, shift, name), kind, is_now, is_mine, turn, number)


def told(canvas: Canvas, shift: Shift, name: str) -> str:
    """A shift in a line: who, when, why."""
    words = canvas.clock.words.gettext
    parts = [name, lasting(canvas.clock, shift.starts_at, shift.ends_at)]
    if shift.why in FOR_ANOTHER and shift.turn_of is not None:
        turn_of = canvas.say.get(shift.turn_of, shift.turn_of)
        parts.append(words(N_("instead of {name}")).replace("{name}", turn_of))
    elif shift.why is not Why.SLOT:
        reason = reason_of(canvas.schedule, shift)
        parts.append(words(WHY[shift.why]) + (f": {reason}" if reason else ""))
    return " · ".join(parts)


def lasting(clock: Clock, since: datetime, until: datetime) -> str:
    """A period as people read it."""
    return f"{clock.short(since)} – {clock.short(until)}"


def _asked(canvas: Canvas, first: date, asked: Asked) -> Bar | None:
    placed = _placed(canvas, first, (asked.starts_at, asked.ends_at))
    if placed is None:
        return None
    name = canvas.say.get(asked.person or "", asked.person or "")
    waits = canvas.clock.words.gettext(N_("asked for, waits for a decision"))
    return Bar(
        *placed,
        name,
        f"{name} · {lasting(canvas.clock, asked.starts_at, asked.ends_at)} · {waits}",
        "asked",
        number=asked.id,
    )


def _away(canvas: Canvas, first: date) -> list[list[Bar]]:
    """Who is away in a week, in as few rows as they fit into."""
    rows: list[tuple[datetime, list[Bar]]] = []
    for one in sorted(canvas.schedule.facts.absences, key=lambda absence: (absence.starts_at, absence.id)):
        bar = _absence(canvas, first, one)
        if bar is None:
            continue
        place = next((number for number, row in enumerate(rows) if row[0] <= one.starts_at), None)
        if place is None:
            rows.append((one.ends_at, [bar]))
        else:
            rows[place] = (one.ends_at, [*rows[place][1], bar])
    return [bars for _, bars in rows]


def _absence(canvas: Canvas, first: date, one: Absence) -> Bar | None:
    placed = _placed(canvas, first, (one.starts_at, one.ends_at))
    if placed is None:
        return None
    name = canvas.say.get(one.person, one.person)
    kind = canvas.clock.words.gettext(ABSENCES.get(one.kind, one.kind))
    return Bar(*placed, name, f"{name} · {kind} · {lasting(canvas.clock, one.starts_at, one.ends_at)}", "away")


def _placed(canvas: Canvas, first: date, span: Span) -> tuple[float, float] | None:
    """Where a period is in a week; None where it is not in it."""
    since, until = span
    if canvas.within is not None:
        since, until = max(since, canvas.within[0]), min(until, canvas.within[1])
    begins, ends = (min(max(_share(canvas, at, first), 0.0), 100.0) for at in (since, until))
    if ends <= begins:
        return None
    return _turned(canvas, begins, ends - begins), round(ends - begins, 3)


def _share(canvas: Canvas, at: datetime, first: date) -> float:
    """How much of a week has passed by the clocks, in percent."""
    local = at.astimezone(canvas.clock.business.zone)
    passed = (local.date() - first).days + (local.hour * 60 + local.minute) / 1440
    return passed / 7 * 100


def _turned(canvas: Canvas, x: float, width: float) -> float:
    """From the right where the language is read from there."""
    return round(100 - x - width if canvas.clock.locale == "he" else x, 3)


def used(canvas: Canvas) -> list[Discipline]:
    """The disciplines that are in use in any part of what is drawn, in their order."""
    found = (one for one in canvas.schedule.facts.disciplines if one.used_in(*canvas.span))
    return sorted(found, key=lambda one: (one.place, one.code))


def listed(canvas: Canvas) -> list[tuple[str, list[tuple[Shift, str]]]]:
    """The same as lines, by discipline: what the drawing shows to those who cannot see it."""
    found = []
    for one in used(canvas):
        lines = []
        for shift in timeline(canvas.schedule, one.code, *canvas.span):
            name = canvas.say.get(shift.person or "", shift.person or canvas.clock.words.gettext(N_("Nobody")))
            lines.append((shift, told(canvas, shift, name)))
        found.append((one.name, lines))
    return found
