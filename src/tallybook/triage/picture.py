"""The coming weeks as a picture, for where no page can be: one row for each discipline, one bar for each shift. Pure.

Names are written in the direction of their own script. A bar too narrow for a name has its initials; all names stand
below with their colours.
"""

from __future__ import annotations

import io
from collections.abc import Container, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec
from babel.dates import format_skeleton

from tallybook.core.later import later

from .rules import Schedule, timeline
from .rules_turns import hand_over
from .types import FOR_ANOTHER, Shift, Why

if TYPE_CHECKING:
    from matplotlib import figure, patches
else:
    figure, patches = later("matplotlib.figure"), later("matplotlib.patches")

DOTS = 144  # for an inch
WIDTH, ROW, HEAD, LEGEND_LINE = 12.0, 0.5, 0.95, 0.26  # inches
IN_A_LINE = 5  # names of the legend
INK, QUIET, RULE, WEEKEND, NOBODY = "#1b1a18", "#67635b", "#e8e5df", "#f5f3ef", "#c2401f"
HOLIDAY, MOMENT = "#f3e6d8", "#2b59c3"
LONGEST_LINE = 130  # characters of the line that names the holidays
# Light enough for dark words on them.
COLOURS = (
    "#b9cdf5", "#f6cfa5", "#bfe3c6", "#f2bdc6", "#d9c9f0", "#f3e3a1", "#b5e0e3", "#e3cbb5", "#cfd8c0", "#e9c4e4",
)  # fmt: skip
RIGHT_TO_LEFT = frozenset({"he"})
FONT, SMALL = 10, 8
PADDING = 6  # dots on each side of a name in its bar


class Caption(msgspec.Struct, frozen=True):
    """The words of the picture, and the language of its dates."""

    title: str
    nobody: str = "Nobody"
    locale: str = "en"
    holidays: str = "Holidays"


class Row(msgspec.Struct, frozen=True):
    """One discipline's part of the picture: its name, and its shifts and gaps in order."""

    name: str
    shifts: list[Shift]


def rows(schedules: Sequence[Schedule], first: date, days: int, *, discipline: str | None = None,
         person: str | None = None) -> list[Row]:  # fmt: skip
    """What is drawn of the days from ``first`` on: all disciplines, one, or those in which a person has a shift."""
    found = []
    for schedule in schedules:
        since, until = (_midnight(schedule, first + timedelta(more)) for more in (0, days))
        for one in schedule.facts.disciplines:
            if discipline not in {None, one.code} or not (one.used_in(since, until) or discipline):
                continue
            shifts = list(timeline(schedule, one.code, since, until))
            if person is not None:
                shifts = [shift for shift in shifts if shift.person == person]
            if person is None or shifts:
                found.append(Row(one.name, shifts))
    return found


def _midnight(schedule: Schedule, day: date) -> datetime:
    return hand_over(day, time(), schedule.facts.team.tz)


def picture(
    schedules: Sequence[Schedule], drawn: Sequence[Row], first: date, days: int, caption: Caption, now: datetime
) -> bytes:
    """The rows as PNG, with a line at ``now``. Some hundred milliseconds of work: not for an event loop."""
    names = {one.slack_id: one.name for schedule in schedules for one in schedule.facts.people}
    people = sorted({shift.person for row in drawn for shift in row.shifts if shift.person is not None})
    colours = {person: COLOURS[place % len(COLOURS)] for place, person in enumerate(people)}
    zone = schedules[0].facts.team.tz if schedules else ZoneInfo("UTC")
    off = holidays(schedules, first, days)
    lines = -(-max(len(people), 1) // IN_A_LINE) + bool(off)
    height = HEAD + ROW * max(len(drawn), 1) + LEGEND_LINE * lines + 0.2
    whole = figure.Figure(figsize=(WIDTH, height), dpi=DOTS, facecolor="white")
    bottom = (LEGEND_LINE * lines + 0.2) / height
    axes = whole.add_axes((0.14 if caption.locale not in RIGHT_TO_LEFT else 0.02, bottom, 0.84,
                           ROW * max(len(drawn), 1) / height))  # fmt: skip
    _frame(axes, drawn, (first, days), caption, schedules, off)
    if 0 <= (moment := _place(now, first, zone)) <= days:
        axes.axvline(moment, color=MOMENT, linewidth=1.4, zorder=4)
    for place, row in enumerate(drawn):
        for shift in row.shifts:
            _bar(axes, place, shift, (first, days, zone), (names, colours, caption))
    _legend(whole, axes, [(names.get(one, one), colours[one]) for one in people], height, caption)
    if off:
        _named(whole, axes, off, 0.2 + LEGEND_LINE * (lines - 1), caption)
    target = io.BytesIO()
    whole.savefig(target, format="png", metadata={"Software": None})
    return target.getvalue()


def _frame(
    axes: Any, drawn: Sequence[Row], when: tuple[date, int], caption: Caption, schedules: Sequence[Schedule],
    off: Container[date],
) -> None:  # fmt: skip
    """Days across, disciplines down; weekends and days ``off`` shaded, each week's first day named."""
    first, days = when
    weekend = schedules[0].facts.team.weekend if schedules else frozenset[int]()
    axes.set_xlim(0, days)
    axes.set_ylim(max(len(drawn), 1) - 0.5, -0.5)
    for place in range(days):
        day = first + timedelta(place)
        if day in off or day.weekday() in weekend:
            axes.axvspan(place, place + 1, color=HOLIDAY if day in off else WEEKEND, linewidth=0)
        axes.axvline(place, color=RULE, linewidth=1.2 if day.weekday() == 0 else 0.4, zorder=1)
    every = 1 if days <= 2 * 7 else 2
    shown = range(0, days, every)
    axes.set_xticks([place + 0.5 for place in shown], [_day(first + timedelta(place), caption) for place in shown])
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(drawn)), [row.name for row in drawn], parse_math=False)
    axes.tick_params(colors=QUIET, labelsize=SMALL, length=0)
    axes.tick_params(axis="y", labelcolor=INK, labelsize=FONT)
    axes.spines[:].set_color(RULE)
    if caption.locale in RIGHT_TO_LEFT:
        axes.invert_xaxis()
        axes.yaxis.tick_right()
    side = "right" if caption.locale in RIGHT_TO_LEFT else "left"
    axes.set_title(caption.title, loc=side, fontsize=13, color=INK, pad=30, parse_math=False)


def holidays(schedules: Sequence[Schedule], first: date, days: int) -> dict[date, str]:
    """The days off of the first team in a period, in their order, with their names."""
    known = schedules[0].facts.holidays if schedules else ()
    ends = first + timedelta(days)
    return {one.day: one.name for one in sorted(known, key=lambda one: one.day) if first <= one.day < ends}


def _named(whole: Any, axes: Any, off: Mapping[date, str], below: float, caption: Caption) -> None:
    """The holidays with their names, in one line so many inches ``below`` the rows."""
    told = [f"{format_skeleton('dMMM', day, locale=caption.locale)} {name}" for day, name in off.items()]
    text = f"{caption.holidays}: {', '.join(told)}"
    text = text if len(text) <= LONGEST_LINE else text[: LONGEST_LINE - 1] + "…"
    box, turned = axes.get_position(), caption.locale in RIGHT_TO_LEFT
    down = box.y0 - below / whole.get_figheight()
    whole.text(box.x1 if turned else box.x0, down, text, ha="right" if turned else "left", fontsize=SMALL + 1,
               color=QUIET, parse_math=False)  # fmt: skip


def _day(day: date, caption: Caption) -> str:
    return str(
        format_skeleton("E", day, locale=caption.locale) + "\n" + format_skeleton("dM", day, locale=caption.locale)
    )


def _bar(axes: Any, place: int, shift: Shift, when: tuple[date, int, ZoneInfo], how: tuple[Any, Any, Caption]) -> None:
    """One shift, or a time in which somebody should be on duty and nobody is."""
    (first, days, zone), (names, colours, caption) = when, how
    if shift.person is None and shift.why in {Why.OFF, Why.NO_ROSTER, Why.OUT_OF_USE}:
        return
    left, right = (_place(at, first, zone) for at in (shift.starts_at, shift.ends_at))
    left, right = max(left, 0.0), min(right, float(days))
    empty = shift.person is None
    stands_in = shift.why in FOR_ANOTHER or shift.why is Why.SWAP
    box = patches.FancyBboxPatch(
        (left + 0.02, place - 0.36),
        max(right - left - 0.04, 0.01),
        0.72,
        boxstyle="round,pad=0,rounding_size=0.06",
        facecolor="white" if empty else colours[shift.person],
        edgecolor=NOBODY if empty else INK,
        linewidth=1.2 if empty or stands_in else 0,
        linestyle="--" if stands_in else "-",
        zorder=2,
    )
    axes.add_patch(box)
    name = caption.nobody if empty else names.get(shift.person, shift.person)
    middle = (left + right) / 2
    said = axes.text(middle, place, name, ha="center", va="center", fontsize=FONT, zorder=3, parse_math=False,
                     color=NOBODY if empty else INK)  # fmt: skip
    _fit(axes, said, name, right - left)


def _place(at: datetime, first: date, zone: ZoneInfo) -> float:
    """Days since the picture's first midnight, by the clocks of the team: a day of 23 hours is as wide as another."""
    local = at.astimezone(zone)
    whole = (local.date() - first).days
    return whole + (local.hour * 3600 + local.minute * 60 + local.second) / 86_400


def _fit(axes: Any, said: Any, name: str, wide: float) -> None:
    """The name, or of what it has the most that fits: its first word, its initials, nothing."""
    start, end = (axes.transData.transform((x, 0))[0] for x in (0, wide))
    room = abs(end - start) - 2 * PADDING
    words = name.split()
    for text in dict.fromkeys((name, words[0] if words else "", "".join(word[0] for word in words), "")):
        said.set_text(text)
        if not text or said.get_window_extent().width <= room:
            return


def _legend(whole: Any, axes: Any, people: Sequence[tuple[str, str]], height: float, caption: Caption) -> None:
    """The names with their colours, in lines below."""
    box = axes.get_position()
    step = (box.x1 - box.x0) / IN_A_LINE
    turned = caption.locale in RIGHT_TO_LEFT
    for number, (name, colour) in enumerate(people):
        line, place = divmod(number, IN_A_LINE)
        across = box.x1 - step * place - 0.012 if turned else box.x0 + step * place
        down = box.y0 - (0.2 + LEGEND_LINE * line) / height
        whole.patches.append(
            patches.Rectangle((across, down - 0.05 / height), 0.012, 0.14 / height, color=colour,
                              transform=whole.transFigure, figure=whole)
        )  # fmt: skip
        beside = across - 0.006 if turned else across + 0.018
        whole.text(beside, down, name[:40], ha="right" if turned else "left", fontsize=SMALL + 1, color=INK,
                   parse_math=False)  # fmt: skip
