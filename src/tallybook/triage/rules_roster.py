"""What a change of the facts changes ahead, and how a new roster goes on where the old one is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import available_timezones

import msgspec

from tallybook.core.errors import Invalid

from .rules import Schedule, timeline
from .types import EVERY_DAY, Facts, Override, Roster, Rotation, Shift

MOST_WEEKS = 52


class Change(msgspec.Struct, frozen=True):
    """That in ``[starts_at, ends_at)`` another is on duty than before; None is nobody."""

    discipline: str
    starts_at: datetime
    ends_at: datetime
    was: Shift
    becomes: Shift

    @property
    def concerned(self) -> frozenset[str]:
        """Whom it concerns."""
        return frozenset(one for one in (self.was.person, self.becomes.person) if one is not None)


def difference(
    before: Schedule, after: Schedule, since: datetime, until: datetime, disciplines: Sequence[str] | None = None
) -> list[Change]:
    """Where another is on duty in a period, by discipline and in order of time; in all where none are given."""
    found: list[Change] = []
    for code in sorted({*before.codes, *after.codes}) if disciplines is None else disciplines:
        if code in before.codes and code in after.codes:
            found += changes(list(timeline(before, code, since, until)), list(timeline(after, code, since, until)))
    return found


def changes(olds: Sequence[Shift], news: Sequence[Shift]) -> list[Change]:
    """Where another is on duty in one discipline. Both cover the same period without a hole."""
    found: list[Change] = []
    place = 0
    for new in news:
        while place < len(olds) and olds[place].starts_at < new.ends_at:
            old = olds[place]
            if old.person != new.person:
                since, until = max(old.starts_at, new.starts_at), min(old.ends_at, new.ends_at)
                found.append(Change(new.discipline, since, until, old.cut(since, until), new.cut(since, until)))
            if old.ends_at > new.ends_at:
                break
            place += 1
    return found


def idle_overrides(after: Schedule, overrides: Sequence[Override]) -> list[Override]:
    """Which of the overrides would stand in for somebody whose turn it no longer is, or have no effect at all."""
    found: list[Override] = []
    for one in overrides:
        pieces = [
            piece
            for piece in timeline(after, one.discipline, one.starts_at, one.ends_at)
            if piece.override == one.id and piece.turn_of == one.instead_of
        ]
        if not pieces:
            found.append(one)
    return found


def newly_idle(before: Schedule, after: Schedule, now: datetime, discipline: str | None = None) -> list[Override]:
    """The overrides ahead, of a discipline or of all, that would be idle as they are now, and are not yet."""
    ahead = [one for one in after.facts.overrides if discipline in {None, one.discipline} and one.ends_at > now]
    was_idle = {one.id for one in idle_overrides(before, ahead)}
    return [one for one in idle_overrides(after, ahead) if one.id not in was_idle]


def going_on(schedule: Schedule, discipline: str, people: Sequence[str], since: datetime) -> tuple[str, ...]:
    """A new order of people, turned so that whoever would have had the first turn from ``since`` on has it.

    Where that one is no longer among them, the next one by the old order who is. Raises NotFound.
    """
    rota = schedule.rota(discipline)
    reign = rota.reign_at(since)
    listed = tuple(people)
    if reign is None or not reign.roster.people:
        return listed
    old = reign.roster.people
    number = reign.turns.passed(since)
    order = [old[(number + ahead) % len(old)] for ahead in range(len(old))]
    leader = next((one for one in order if one in listed), None)
    if leader is None:
        return listed
    place = listed.index(leader)
    return listed[place:] + listed[:place]


def check_rotation(rotation: Rotation) -> None:
    """Raises Invalid for a rule by which there would be no turns, or none that can be looked up."""
    if not rotation.days or not rotation.days <= EVERY_DAY:
        raise Invalid("A rotation needs a day of the week at least.")
    if not 1 <= rotation.weeks <= MOST_WEEKS:
        raise Invalid(f"A rotation has turns every week, or in one of up to {MOST_WEEKS}.")
    if rotation.zone not in available_timezones():
        raise Invalid(f"“{rotation.zone}” is not a time zone. Give a name such as America/Los_Angeles.")


def with_roster(facts: Facts, roster: Roster) -> Facts:
    """The facts with one more version of a discipline's roster; for looking at what it would change."""
    return msgspec.structs.replace(facts, rosters=(*facts.rosters, roster))
