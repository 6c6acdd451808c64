"""Which version of a roster holds when: each from its first turn on, to the first turn of the next. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime

from .rules_turns import Turns, turns_of
from .types import FOR_EVER, Kind, Roster, Slot, Sprint, Why


class Reign:
    """The time of one roster: its turns from its first one on, up to the first turn of the one that follows it."""

    def __init__(self, roster: Roster, turns: Turns, since: datetime, until: datetime) -> None:
        self.roster, self.turns, self.since, self.until = roster, turns, since, until
        self.gap = Why.NO_SPRINT if roster.rotation.kind is Kind.SPRINT else Why.OFF

    def at(self, moment: datetime) -> Slot | None:
        slot = self.turns.at(moment)
        return None if slot is None else self._cut(slot)

    def between(self, since: datetime, until: datetime) -> Iterator[Slot]:
        for slot in self.turns.between(since, min(until, self.until)):
            yield self._cut(slot)

    def turn_of(self, slot: Slot) -> str | None:
        people = self.roster.people
        return people[slot.number % len(people)] if people else None

    def _cut(self, slot: Slot) -> Slot:
        if slot.ends_at <= self.until:
            return slot
        return Slot(slot.number, slot.starts_at, self.until, slot.sprint)


def reigns_of(rosters: Sequence[Roster], sprints: Sequence[Sprint], holidays: Sequence[date]) -> list[Reign]:
    """The rosters that ever hold, in order, each to the first turn of the next."""
    found: list[Reign] = []
    until = FOR_EVER
    for roster in sorted(rosters, key=lambda one: (one.since, one.number), reverse=True):
        turns = turns_of(roster, sprints, holidays)
        since = turns.first
        # One whose first turn would be no earlier than that of a later one never holds.
        if since is not None and since < until:
            found.append(Reign(roster, turns, since, until))
            until = since
    found.reverse()
    return found
