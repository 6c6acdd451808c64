"""Which times of a calendar or of a status are absences, and how absences follow what a calendar says by now. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from .rules import Schedule, timeline
from .rules_spans import Span as Time
from .rules_spans import Spans
from .types import Absence

DAY = timedelta(days=1)
# Who is away for less of a turn hands it to nobody.
OF_A_TURN = 4


class Steps(msgspec.Struct, frozen=True):
    """What becomes of the absences of one calendar: ``moved`` has those that run with their other end."""

    new: list[Time]
    moved: list[tuple[Absence, datetime]]
    gone: list[Absence]

    @property
    def any(self) -> bool:
        return bool(self.new or self.moved or self.gone)


def followed(there: Sequence[Absence], said: Iterable[Time], now: datetime) -> Steps:
    """How the absences of a calendar become what it says. What is over stays, and nobody was away afterwards."""
    steps = Steps([], [], [])
    left = [one for one in there if one.ends_at > now]
    for since, until in Spans(said).spans:
        if until <= now:
            continue
        found = next((one for one in left if _is_same(one, since, until, now)), None)
        if found is None:
            steps.new.append((max(since, now), until))
            continue
        left.remove(found)
        if found.ends_at != until:
            steps.moved.append((found, until))
    steps.gone.extend(left)
    return steps


def _is_same(one: Absence, since: datetime, until: datetime, now: datetime) -> bool:
    """One that runs is the one that runs, whatever its end is now."""
    if one.starts_at <= now or since <= now:
        return one.starts_at <= now and since <= now
    return (one.starts_at, one.ends_at) == (since, until)


def is_of_note(schedules: Iterable[Schedule], person: str, since: datetime, until: datetime) -> bool:
    """Whether a time lasts over a quarter of a turn that lies in it, of a discipline to which somebody belongs."""
    return any(
        _takes(schedule, code, since, until)
        for schedule in schedules
        for code in schedule.codes
        if schedule.rota(code).is_member(person, since)
    )


def _takes(schedule: Schedule, code: str, since: datetime, until: datetime) -> bool:
    for shift in timeline(schedule, code, since, until):
        if shift.slot is not None:
            begins, ends = max(shift.slot.starts_at, since), min(shift.slot.ends_at, until)
            if (ends - begins) * OF_A_TURN > shift.slot.ends_at - shift.slot.starts_at:
                return True
    return False
