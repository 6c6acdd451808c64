"""What will go wrong if nobody acts, and who could help: double bookings, absences, proposals. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from .rules import Schedule, shifts
from .rules_load import Load, ledger
from .rules_spans import Span
from .types import Shift, Why

# A substitute is chosen by what they carried in about half a year.
REMEMBERED = timedelta(days=182)
LOOK_AROUND = timedelta(days=92)


class Double(msgspec.Struct, frozen=True):
    """That somebody is on duty twice in ``[starts_at, ends_at)``."""

    person: str
    starts_at: datetime
    ends_at: datetime
    one: Shift
    other: Shift


class Clash(msgspec.Struct, frozen=True):
    """That somebody's turn or duty falls into their absence.

    ``absent`` is whose absence it is. ``shift.person`` is who is on duty then: another, where somebody took over.
    """

    absent: str
    shift: Shift

    @property
    def is_settled(self) -> bool:
        """Whether somebody else is on duty."""
        return self.shift.person != self.absent


def doubles(schedule: Schedule, since: datetime, until: datetime) -> list[Double]:
    """Where somebody is on duty in several disciplines of the team at once, in order of time."""
    found: list[Double] = []
    by_person: dict[str, list[Shift]] = {}
    for code in schedule.codes:
        for shift in shifts(schedule, code, since, until):
            by_person.setdefault(shift.person or "", []).append(shift)
    for person, theirs in by_person.items():
        open_ones: list[Shift] = []
        for shift in sorted(theirs, key=lambda one: (one.starts_at, one.discipline)):
            open_ones = [one for one in open_ones if one.ends_at > shift.starts_at]
            found += [Double(person, shift.starts_at, min(one.ends_at, shift.ends_at), one, shift) for one in open_ones]
            open_ones.append(shift)
    return sorted(found, key=lambda double: (double.starts_at, double.person, double.one.discipline))


def clashes(schedule: Schedule, discipline: str, since: datetime, until: datetime) -> list[Clash]:
    """Where an absence meets a turn or an override, in order of time; also those that a substitute takes."""
    rota = schedule.rota(discipline)
    found: list[Clash] = []
    for shift in shifts(schedule, discipline, since, until):
        own = shift.turn_of if shift.why is Why.SUBSTITUTE else shift.person
        spans = rota.away.get(own or "")
        if own is None or spans is None:
            continue
        for start, end in spans.spans:
            if start < shift.ends_at and end > shift.starts_at:
                found.append(Clash(own, shift.cut(start, end)))
    return found


class Reason(msgspec.Struct, frozen=True):
    """What speaks for or against somebody.

    ``days`` of duty and ``covered`` for others are of the last half year. ``last_ended`` and ``next_starts`` are their
    nearest shifts within three months. ``behind``: how many others of the roster would have their turn sooner.
    """

    days: int
    covered: int
    behind: int
    last_ended: datetime | None = None
    next_starts: datetime | None = None


class Proposal(msgspec.Struct, frozen=True):
    """Somebody who could be on duty in a period, and why; better ones are told first."""

    person: str
    reason: Reason


class Refusal(msgspec.Struct, frozen=True):
    """Somebody who could not. ``because`` is ``on_duty``, ``absent``, ``elsewhere`` or ``leaves``."""

    person: str
    because: str


def proposals(
    schedule: Schedule, discipline: str, since: datetime, until: datetime
) -> tuple[list[Proposal], list[Refusal]]:
    """Who could take a discipline over in a period, the fairest first, and who could not. Raises NotFound.

    First who carried fewest days in the last half year, then who covered least for others, then whose nearest shift is
    farthest away.
    """
    rota = schedule.rota(discipline)
    on_duty = {one.person for one in shifts(schedule, discipline, since, until)}
    busy = _elsewhere(schedule, discipline, since, until)
    refused: list[Refusal] = []
    fit: list[str] = []
    for person, spans in sorted(rota.members.items()):
        if not spans.meet(since, until):
            continue
        because = _against(
            person, rota.is_away(person, since, until), rota.belongs(person, since, until), on_duty, busy
        )
        if because is None:
            fit.append(person)
        else:
            refused.append(Refusal(person, because))
    reasons = _reasons(schedule, discipline, fit, (since, until))
    fit.sort(key=lambda person: (*_order(reasons[person], since, until), person))
    return [Proposal(person, reasons[person]) for person in fit], refused


def _against(person: str, is_away: bool, is_whole: bool, on_duty: set[str | None], busy: set[str]) -> str | None:
    if person in on_duty:
        return "on_duty"
    if is_away:
        return "absent"
    if person in busy:
        return "elsewhere"
    return None if is_whole else "leaves"


def _elsewhere(schedule: Schedule, discipline: str, since: datetime, until: datetime) -> set[str]:
    others = (code for code in schedule.codes if code != discipline)
    return {one.person or "" for code in others for one in shifts(schedule, code, since, until)}


def _reasons(schedule: Schedule, discipline: str, fit: Sequence[str], span: Span) -> dict[str, Reason]:
    since, until = span
    loads = {one.person: one for one in ledger(schedule, since - REMEMBERED, since)}
    ended: dict[str | None, datetime] = {}
    starts: dict[str | None, datetime] = {}
    for code in schedule.codes:
        for shift in shifts(schedule, code, since - LOOK_AROUND, until + LOOK_AROUND):
            if shift.ends_at <= since:
                ended[shift.person] = max(shift.ends_at, ended.get(shift.person, shift.ends_at))
            elif shift.starts_at >= until:
                starts[shift.person] = min(shift.starts_at, starts.get(shift.person, shift.starts_at))
    behind = _behind(schedule, discipline, since)
    found: dict[str, Reason] = {}
    for person in fit:
        load = loads.get(person, Load(person))
        place = behind.get(person, len(behind))
        found[person] = Reason(load.days, load.covered, place, ended.get(person), starts.get(person))
    return found


def _behind(schedule: Schedule, discipline: str, at: datetime) -> dict[str, int]:
    """How many of the roster come before each of them, from the turn of a moment on."""
    reign = schedule.rota(discipline).reign_at(at)
    slot = reign.at(at) if reign is not None else None
    if reign is None or slot is None:
        return {}
    people = reign.roster.people
    return {person: (place - slot.number) % len(people) for place, person in enumerate(people)}


def _order(reason: Reason, since: datetime, until: datetime) -> tuple[float, ...]:
    apart = min(
        since - reason.last_ended if reason.last_ended is not None else LOOK_AROUND,
        reason.next_starts - until if reason.next_starts is not None else LOOK_AROUND,
    )
    return reason.days, reason.covered, -apart.total_seconds(), reason.behind
