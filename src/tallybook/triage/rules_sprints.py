"""When a sprint begins and ends, and which of them may still be planned, changed or taken away. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime

import msgspec

from tallybook.core.errors import Conflict, Invalid

from .rules_overrides import Asked
from .rules_turns import hand_over
from .types import Facts, Kind, Sprint, Team

LONGEST_NAME = 50
LONGEST_DAYS = 366


def planned(team: Team, name: str, first_day: date, last_day: date) -> Sprint:
    """A sprint by the team's clock, unnumbered; its last day's hand-over is the next one's first. Raises Invalid."""
    name = name.strip()
    if not name or len(name) > LONGEST_NAME:
        raise Invalid(f"A sprint needs a name of at most {LONGEST_NAME} characters.")
    if first_day >= last_day:
        raise Invalid("A sprint ends on a later day than the one on which it begins.")
    if (last_day - first_day).days > LONGEST_DAYS:
        raise Invalid("A sprint lasts at most a year.")
    starts_at, ends_at = (hand_over(day, team.hand_over, team.tz) for day in (first_day, last_day))
    return Sprint(0, 0, name, first_day, last_day, starts_at, ends_at)


def joined(facts: Facts, sprint: Sprint) -> Sprint:
    """The sprint, with the moments of those with which it shares a day, whatever the team's clock was for them."""
    others = [one for one in facts.sprints if one.id != sprint.id]
    starts_at = next((one.ends_at for one in others if one.last_day == sprint.first_day), sprint.starts_at)
    ends_at = next((one.starts_at for one in others if one.first_day == sprint.last_day), sprint.ends_at)
    return msgspec.structs.replace(sprint, starts_at=starts_at, ends_at=ends_at)


def check(facts: Facts, sprint: Sprint, now: datetime) -> None:
    """Whether a new sprint, or one that is there in another form, may be as given.

    What is past stays as it was: who was on duty is not changed afterwards. Raises Conflict and Invalid.
    """
    was = next((one for one in facts.sprints if one.id == sprint.id), None)
    over = next((one for one in facts.sprints if one.id != sprint.id and _overlap(one, sprint)), None)
    if over is not None:
        raise Conflict(f"This would lie over the sprint {over.name}.", sprint=over.id)
    if was is None or was.starts_at > now:
        if sprint.starts_at < now and (was is not None or _decided(facts, sprint.starts_at)):
            raise Invalid("A sprint cannot be planned into the past: who was on duty then is not changed any more.")
    elif was.ends_at <= now:
        if (sprint.starts_at, sprint.ends_at) != (was.starts_at, was.ends_at):
            raise Conflict("This sprint is over. Only its name can be changed.")
    elif sprint.starts_at != was.starts_at or sprint.ends_at <= now:
        raise Conflict("This sprint has begun. Its beginning stays, and it cannot have ended before now.")


def check_removable(sprint: Sprint, now: datetime) -> None:
    """Raises Conflict for a sprint that has begun."""
    if sprint.starts_at <= now:
        raise Conflict("This sprint has begun, so it stays. Its end can be changed while it runs.")


def moved(sprint: Sprint, whole: Sequence[Asked], now: datetime) -> list[Asked]:
    """Those of all of a sprint, as they are where it is now; those that stay are left out. One that runs has begun."""
    found = [
        msgspec.structs.replace(
            one, starts_at=sprint.starts_at if one.starts_at >= now else one.starts_at, ends_at=sprint.ends_at
        )
        for one in whole
    ]
    return [one for one, was in zip(found, whole, strict=True) if one != was]


def with_sprint(facts: Facts, sprint: Sprint, moved_along: Sequence[Asked] = ()) -> Facts:
    """The facts with a sprint in this form, and with overrides that moved; for looking at what it would change."""
    spans = {one.id: (one.starts_at, one.ends_at) for one in moved_along}
    overrides = [
        msgspec.structs.replace(one, starts_at=spans[one.id][0], ends_at=spans[one.id][1]) if one.id in spans else one
        for one in facts.overrides
    ]
    sprints = (*without_sprint(facts, sprint.id).sprints, sprint)
    return msgspec.structs.replace(facts, sprints=sprints, overrides=tuple(overrides))


def without_sprint(facts: Facts, number: int, overrides: Collection[int] = ()) -> Facts:
    """The facts without the sprint of this id, and without these overrides."""
    sprints = tuple(one for one in facts.sprints if one.id != number)
    kept = tuple(one for one in facts.overrides if one.id not in overrides)
    return msgspec.structs.replace(facts, sprints=sprints, overrides=kept)


def going_with(facts: Facts, numbers: Collection[int]) -> list[int]:
    """Which approved overrides would go if these did: each with the other one of its exchange."""
    swaps = {one.swap for one in facts.overrides if one.id in numbers and one.swap is not None}
    return [one.id for one in facts.overrides if one.id in numbers or one.swap in swaps]


def _overlap(one: Sprint, other: Sprint) -> bool:
    return one.starts_at < other.ends_at and other.starts_at < one.ends_at


def _decided(facts: Facts, moment: datetime) -> bool:
    """Whether a roster that goes by sprints was there at a moment."""
    return any(one.rotation.kind is Kind.SPRINT and one.since <= moment for one in facts.rosters)
