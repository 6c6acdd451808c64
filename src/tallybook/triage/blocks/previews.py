"""What a plan from a form would change, by the facts as they are, for the plans that no service previews."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tallybook.triage import rules_sprints
from tallybook.triage.rules import prepare
from tallybook.triage.rules_members import with_joined, with_left
from tallybook.triage.rules_roster import difference
from tallybook.triage.types import Facts

from .changes import Shown
from .wanted import Joining, Leaving, NewSprint, from_when

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
    return _shown(facts, with_left(facts, discipline, person, at, now), now)


def joined(facts: Facts, wanted: Joining, now: datetime) -> Shown:
    """Of somebody's joining."""
    return joined_at(facts, wanted.person, wanted.disciplines, from_when(wanted.first_day, facts.team, now), now)


def joined_at(facts: Facts, person: str, disciplines: Sequence[str], at: datetime, now: datetime) -> Shown:
    """Of somebody's joining disciplines at a moment."""
    after = facts
    for code in disciplines:
        after = with_joined(after, code, person, at)
    return _shown(facts, after, now)


def _shown(before: Facts, after: Facts, now: datetime) -> Shown:
    return Shown(before.version, difference(prepare(before), prepare(after), now, now + AHEAD))
