"""Bars of who carried how much, and their days month by month, as shapes that a template draws. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from tallybook.triage.rules import Schedule, shifts
from tallybook.triage.rules_load import Load, duty_days

from .statistics_drawing import rounded
from .triage_view import Span

FULL = 100.0


class Bar(msgspec.Struct, frozen=True):
    """One person's bar: their own days, then those for others, then where a fair share ends. Shares of 100."""

    own: float
    covered: float
    share: float


def fair_share(loads: Sequence[Load]) -> float:
    """Days for each, had all carried the same."""
    return sum(one.days for one in loads) / len(loads) if loads else 0.0


def bars(loads: Sequence[Load]) -> list[Bar]:
    """All of one scale, whose end is the next round number that holds the longest."""
    top = rounded(max((one.days for one in loads), default=0))
    share = fair_share(loads) / top * FULL
    return [
        Bar(round((one.days - one.covered) / top * FULL, 2), round(one.covered / top * FULL, 2), round(share, 2))
        for one in loads
    ]


def by_month(schedule: Schedule, codes: Sequence[str], span: Span) -> dict[str, list[int]]:
    """Everybody's days of duty in each month of a period."""
    months = _months(schedule, span)
    counts: Counter[tuple[str, date]] = Counter()
    for code in codes:
        for duty in duty_days(schedule.facts.team, shifts(schedule, code, *span)):
            counts[duty.shift.person or "", duty.day.replace(day=1)] += 1
    people = {person for person, _ in counts}
    return {person: [counts[person, month] for month in months] for person in people}


def _months(schedule: Schedule, span: tuple[datetime, datetime]) -> list[date]:
    """The first days of the months of a period, by the team's clocks; a day of duty may have begun the day before."""
    zone = schedule.facts.team.tz
    month, last = (at.astimezone(zone).date().replace(day=1) for at in span)
    found = []
    while month <= last:
        found.append(month)
        month = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return found
