"""What a plan from a form would change, by the facts as they are, for the plans that no service previews."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from tallybook.triage import rules_sprints
from tallybook.triage.rules import prepare
from tallybook.triage.rules_roster import difference
from tallybook.triage.types import Facts, Membership

from .changes import Shown
from .wanted import Leaving, NewSprint, from_when

AHEAD = timedelta(days=182)


def planned(facts: Facts, wanted: NewSprint, now: datetime) -> Shown:
    """Of a new sprint. Raises Invalid and Conflict, as planning it would."""
    days = wanted.first_day, wanted.last_day
    sprint = rules_sprints.joined(facts, rules_sprints.planned(facts.team, wanted.name, *days))
    rules_sprints.check(facts, sprint, now)
    return _shown(facts, rules_sprints.with_sprint(facts, sprint), now)


def left(facts: Facts, wanted: Leaving, now: datetime) -> Shown:
    """Of somebody's leaving."""
    return left_at(facts, wanted.person, wanted.discipline, from_when(wanted.first_day, facts.team, now), now)


def left_at(facts: Facts, person: str, discipline: str | None, at: datetime, now: datetime) -> Shown:
    """Of somebody's leaving a discipline, or all (None), at a moment."""
    whose = (person, discipline)
    kept = tuple(found for one in facts.memberships if (found := _ended(one, whose, at)) is not None)
    return _shown(facts, msgspec.structs.replace(facts, memberships=kept), now)


def _ended(one: Membership, whose: tuple[str, str | None], at: datetime) -> Membership | None:
    person, discipline = whose
    if one.person != person or discipline not in {None, one.discipline}:
        return one
    if one.since >= at:
        return None
    return one if one.until is not None and one.until <= at else msgspec.structs.replace(one, until=at)


def _shown(before: Facts, after: Facts, now: datetime) -> Shown:
    return Shown(before.version, difference(prepare(before), prepare(after), now, now + AHEAD))
