"""Somebody who is on duty in two teams of a business at once. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import product

import msgspec

from .rules import Schedule, shifts
from .types import Shift


class Post(msgspec.Struct, frozen=True):
    """A shift of one of several teams, with what is called there."""

    team_id: int
    team: str
    discipline: str
    shift: Shift

    @property
    def named(self) -> str:
        """By its turn, which does not move while time goes by."""
        begins = self.shift.slot.starts_at if self.shift.slot is not None else self.shift.starts_at
        return f"{self.team_id} {self.shift.discipline} {begins.isoformat()}"


class Across(msgspec.Struct, frozen=True):
    """That somebody is on duty in two teams in ``[starts_at, ends_at)``; ``one`` is of the team of the lower number."""

    person: str
    starts_at: datetime
    ends_at: datetime
    one: Post
    other: Post

    @property
    def named(self) -> str:
        return f"{self.person} {self.one.named} {self.other.named}"

    def seen_from(self, team_id: int) -> tuple[Post, Post]:
        """What is of a team, and what is of the other one."""
        return (self.one, self.other) if self.one.team_id == team_id else (self.other, self.one)


def across(schedule: Schedule, others: Iterable[Schedule], since: datetime, until: datetime) -> list[Across]:
    """Where somebody of a team is on duty in another team at the same time, in order of time.

    Of the disciplines in use; within one team ``rules_cover.doubles`` finds them.
    """
    ours = _posts(schedule, since, until)
    found: list[Across] = []
    for other in others:
        theirs = _posts(other, since, until)
        for person in ours.keys() & theirs.keys():
            found += _met(person, ours[person], theirs[person])
    return sorted(found, key=lambda one: (one.starts_at, one.named))


def _met(person: str, ours: list[Post], theirs: list[Post]) -> list[Across]:
    found: list[Across] = []
    for pair in product(ours, theirs):
        one, other = sorted(pair, key=lambda post: post.team_id)
        since = max(one.shift.starts_at, other.shift.starts_at)
        until = min(one.shift.ends_at, other.shift.ends_at)
        if since < until:
            found.append(Across(person, since, until, one, other))
    return found


def _posts(schedule: Schedule, since: datetime, until: datetime) -> dict[str, list[Post]]:
    """A team's shifts by who has them."""
    team = schedule.facts.team
    found: dict[str, list[Post]] = {}
    for discipline in schedule.facts.disciplines:
        for shift in shifts(schedule, discipline.code, since, until):
            found.setdefault(shift.person or "", []).append(Post(team.id, team.name, discipline.name, shift))
    return found
