"""What is told of what lies ahead: turns that became somebody else's, and what will go wrong if nobody acts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

import msgspec

from .rules import Schedule, gaps, timeline
from .rules_cover import Clash, Double, clashes, doubles
from .rules_roster import Change, changes
from .types import Shift, Why

AHEAD = timedelta(weeks=6)
# Farther back than any turn is long, so that one which runs is known by its own beginning.
BACK = timedelta(weeks=8)


class Plan(msgspec.Struct, frozen=True):
    """Who is on duty in ``[since, until)`` as people were told, by discipline and in order, without a hole.

    ``overrides`` are those approved that were not over then.
    """

    since: datetime
    until: datetime
    shifts: dict[str, list[Shift]]
    overrides: frozenset[int] = frozenset()


class Trouble(msgspec.Struct, frozen=True):
    """What will go wrong, by a name that stays while time goes by. ``person`` is whom it concerns beside who leads."""

    kind: str
    what: str
    person: str | None
    found: Double | Clash | Shift

    @property
    def ends_at(self) -> datetime:
        return self.found.shift.ends_at if isinstance(self.found, Clash) else self.found.ends_at


def planned(schedule: Schedule, now: datetime) -> Plan:
    """The coming weeks as they are by the facts."""
    until = now + AHEAD
    codes = [one.code for one in schedule.facts.disciplines]
    shifts = {code: [_bare(one) for one in timeline(schedule, code, now, until)] for code in codes}
    return Plan(now, until, shifts, frozenset(one.id for one in schedule.facts.overrides if one.ends_at > now))


def moves(before: Plan, after: Plan) -> list[Change]:
    """Where another will be on duty than was told, in order of time.

    What has begun is told as a change of now, and what an override did that was approved or taken away since, when it
    was decided. One that stands and moved, or whose substitute left, nobody has told of.
    """
    found: list[Change] = []
    until = min(before.until, after.until)
    for code, news in after.shifts.items():
        olds = _within(before.shifts.get(code, []), after.since, until)
        if olds:
            found += changes(olds, _within(news, after.since, until))
    new, gone = after.overrides - before.overrides, before.overrides - after.overrides
    ahead = [one for one in found if one.starts_at > after.since and not _was_decided(one, new, gone)]
    return sorted(ahead, key=lambda one: (one.starts_at, one.discipline))


def _was_decided(change: Change, new: AbstractSet[int], gone: AbstractSet[int]) -> bool:
    was, becomes = change.was, change.becomes
    return becomes.override in new or (was.override in gone and becomes.person == was.turn_of)


def concerned(found: Iterable[Change]) -> dict[str, list[Change]]:
    """The same by whom they concern, in the order of their ids, which is the order in which messages are put."""
    theirs: dict[str, list[Change]] = {}
    for change in found:
        for person in change.concerned:
            theirs.setdefault(person, []).append(change)
    return dict(sorted(theirs.items()))


def troubles(schedule: Schedule, now: datetime) -> list[Trouble]:
    """What will go wrong in the coming weeks, in order of time.

    An absence for which somebody stands in is none, nor is a discipline that never had a roster.
    """
    since, until = now - BACK, now + AHEAD
    found = [
        Trouble("double", f"{double.person} {_named(double.one)} {_named(double.other)}", double.person, double)
        for double in doubles(schedule, since, until)
        if double.ends_at > now
    ]
    for code in sorted(one.code for one in schedule.facts.disciplines):
        found += [
            Trouble("clash", f"{clash.absent} {_named(clash.shift)}", clash.absent, clash)
            for clash in clashes(schedule, code, since, until)
            if clash.shift.ends_at > now and not clash.is_settled
        ]
        found += [
            Trouble("gap", _named(gap, since), None, gap)
            for gap in gaps(schedule, code, since, until)
            if gap.ends_at > now and gap.why is not Why.NO_ROSTER
        ]
    return found


def _named(shift: Shift, since: datetime | None = None) -> str:
    """A shift by its turn; a time without turns by its beginning, or as open where that is longer ago than is seen."""
    begins = shift.slot.starts_at if shift.slot is not None else shift.starts_at
    return f"{shift.discipline} {'open' if begins == since else begins.isoformat()}"


def _bare(shift: Shift) -> Shift:
    return msgspec.structs.replace(shift, slot=None)


def _within(listed: Sequence[Shift], since: datetime, until: datetime) -> list[Shift]:
    return [one.cut(since, until) for one in listed if one.starts_at < until and one.ends_at > since]
