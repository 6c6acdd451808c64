"""What somebody wants, as it was read from a form: nothing that is not well-formed, and nothing that was decided."""

from __future__ import annotations

from datetime import date, datetime
from typing import TypeVar

import msgspec

from tallybook.triage.rules_overrides import Part
from tallybook.triage.rules_turns import hand_over
from tallybook.triage.types import Discipline, Rotation, Team

from .names import Held, mark


class Cover(msgspec.Struct, frozen=True):
    """That somebody else be on duty; with ``exchange`` they get the other turn for it.

    ``at_once``: it is to be approved by the one who asks. Whether they may is the service's to say.
    """

    part: Part
    exchange: Part | None = None
    reason: str = ""
    at_once: bool = False


class NewSprint(msgspec.Struct, frozen=True):
    """A sprint as it should be; ``number`` is the id of one that is there, 0 of a new one."""

    name: str
    first_day: date
    last_day: date
    number: int = 0
    reason: str = ""


class NewRoster(msgspec.Struct, frozen=True):
    """Who should take turns from a day's hand-over on. ``rotation`` is None where it stays as it is."""

    discipline: str
    people: tuple[str, ...]
    first_day: date
    rotation: Rotation | None = None
    in_order: bool = False
    reason: str = ""


class NewDiscipline(msgspec.Struct, frozen=True):
    """A discipline as it should be."""

    discipline: Discipline


class NewUse(msgspec.Struct, frozen=True):
    """That a discipline should be in use from a day's hand-over on, or should not, and why."""

    discipline: str
    in_use: bool
    first_day: date
    reason: str = ""


class Joining(msgspec.Struct, frozen=True):
    """Who should belong to which disciplines from a day's hand-over on, and why."""

    person: str
    disciplines: tuple[str, ...]
    first_day: date
    reason: str = ""


class Leaving(msgspec.Struct, frozen=True):
    """Who should belong no longer to a discipline, or to all (None), from a day's hand-over on, and why."""

    person: str
    discipline: str | None
    first_day: date
    reason: str = ""


Wanted = TypeVar("Wanted", NewSprint, NewRoster, NewUse, Joining, Leaving)


def from_when(day: date, team: Team, now: datetime) -> datetime:
    """The hand-over of a day; now, where that is over."""
    return max(now, hand_over(day, team.hand_over, team.tz))


def mark_of(wanted: NewSprint | NewRoster | NewUse | Joining | Leaving) -> str:
    """What tells one plan from another; why it is wanted does not matter for that."""
    return mark(msgspec.structs.replace(wanted, reason=""))


def was_shown(held: Held, wanted: NewSprint | NewRoster | NewUse | Joining | Leaving, version: int) -> bool:
    """Whether just this was previewed, by the facts as they still are: only then it is saved."""
    return held.shown == mark_of(wanted) and held.version == version
