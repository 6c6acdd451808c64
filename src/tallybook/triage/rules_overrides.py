"""Requests that somebody else be on duty: who may ask for what, and what may become of it. Pure."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import datetime

import msgspec

from tallybook.core.errors import Conflict, Invalid, NotAllowed

from .rules import Schedule, timeline, who
from .types import NOBODY, Slot, Why

SOMEBODY_ELSES = "The turn is somebody else's now. It must be asked for again."
SET_TO_NOBODY = "It was set that nobody is on duty in a part of this time. That must be taken away first."
OTHERWISE = "This was sent in before, with something else in it."


class State(enum.StrEnum):
    """What became of a request."""

    PENDING = "pending"
    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Asked(msgspec.Struct, frozen=True):
    """A request, as it is kept. ``decided_by`` is whoever approved or declined it, or took it away.

    ``person`` is None where nobody is to be on duty.
    """

    id: int
    team_id: int
    discipline: str
    instead_of: str | None
    person: str | None
    requested_by: str
    state: State
    starts_at: datetime
    ends_at: datetime
    sprint_number: int | None = None
    whole: bool = False
    swap: int | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str = ""


class Part(msgspec.Struct, frozen=True):
    """What is asked for: that ``person``, or with None nobody, be on duty in ``[starts_at, ends_at)``."""

    discipline: str
    person: str | None
    starts_at: datetime
    ends_at: datetime


class Found(msgspec.Struct, frozen=True):
    """What a part means by the facts: whose turn it is, of which slot, and whether it is all that is left of it."""

    part: Part
    instead_of: str
    slot: Slot
    whole: bool


def looked_up(schedule: Schedule, part: Part, now: datetime) -> Found:
    """Whose turn is asked for. What has passed of it already is left out.

    Raises Invalid and NotFound, and Conflict where it was set that nobody has it.
    """
    since = max(part.starts_at, now)
    if part.ends_at <= since:
        raise Invalid("This time is over already.")
    pieces = list(timeline(schedule, part.discipline, since, part.ends_at))
    slot = who(schedule, part.discipline, since).shift.slot
    if any(one.why is Why.UNASSIGNED for one in pieces):
        raise Conflict(SET_TO_NOBODY)
    if slot is None or any(one.why in NOBODY for one in pieces):
        raise Invalid("Nobody has a turn in all of this time.")
    if part.ends_at > slot.ends_at:
        raise Invalid("This goes on into another turn. Ask for each turn by itself.")
    holders = {one.person for one in pieces}
    turn_of = pieces[0].turn_of if len(holders) > 1 else pieces[0].person
    if turn_of is None or holders == {part.person}:
        raise Invalid("This person is on duty then anyway.")
    if part.person is not None and not schedule.rota(part.discipline).belongs(part.person, since, part.ends_at):
        raise Invalid("This person does not belong to the discipline in all of this time.")
    whole = slot.sprint is not None and (part.starts_at, part.ends_at) == (slot.starts_at, slot.ends_at)
    return Found(msgspec.structs.replace(part, starts_at=since), turn_of, slot, whole)


def check_may_ask(turns: Sequence[Found], asker: str | None, *, leads: bool) -> None:
    """Whose turn it is may ask, and who offers to take it; who leads may on their behalf. Raises NotAllowed."""
    concerned = {person for turn in turns for person in (turn.instead_of, turn.part.person)}
    if not leads and asker not in concerned:
        raise NotAllowed("Only whose turn it is, or who offers to take it, can ask for this.")


def check_exchange(turns: Sequence[Found]) -> None:
    """Whether two give each other their turns, as the facts have them by now. Raises Conflict."""
    one, other = turns
    if (one.instead_of, other.instead_of) != (other.part.person, one.part.person):
        raise Conflict(SOMEBODY_ELSES)


def check_same(made: Sequence[Asked], asker: str, team_id: int, parts: Sequence[Part]) -> None:
    """Whether what a key was used for is what comes by it again. Raises Conflict.

    Not by its beginning: what had passed already was left out.
    """
    kept = [(one.requested_by, one.team_id, one.discipline, one.person, one.ends_at) for one in made]
    if kept != [(asker, team_id, part.discipline, part.person, part.ends_at) for part in parts]:
        raise Conflict(OTHERWISE)


def check_decidable(asked: Asked, decision: State, now: datetime) -> None:
    """Whether a request still waits for a decision. Raises Conflict, which tells who was first."""
    if asked.state is not State.PENDING:
        raise Conflict(_told(asked), state=asked.state.value, decided_by=asked.decided_by)
    if asked.ends_at <= now and decision is State.APPROVED:
        raise Conflict("The time that was asked for is over.", state=State.EXPIRED.value)


def check_still_so(schedule: Schedule, asked: Asked, now: datetime) -> None:
    """Whether the turn is still whose it was when it was asked for, and the other one still there. Raises Conflict."""
    try:
        found = looked_up(schedule, Part(asked.discipline, asked.person, asked.starts_at, asked.ends_at), now)
    except Invalid as error:
        raise Conflict(f"This was asked for when the rota was otherwise. {error.message}") from None
    if found.instead_of != asked.instead_of:
        raise Conflict(SOMEBODY_ELSES, turn_of=found.instead_of)


def _told(asked: Asked) -> str:
    who_did = asked.decided_by or "somebody"
    return {
        State.APPROVED: f"{who_did} has approved this already.",
        State.DECLINED: f"{who_did} has declined this already.",
        State.WITHDRAWN: "This was withdrawn already.",
    }.get(asked.state, "The time that was asked for is over.")
