"""When something is to be told of a team, and what: from the same answers that everybody is shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta

import msgspec

from .rules import Schedule, who
from .rules_turns import DAY, hand_over
from .types import Answer, Kind, Shift

# A hand-over told later than this says that it is late.
LATE = timedelta(minutes=5)
HEADS_UP = time(17)


class Standing(msgspec.Struct, frozen=True):
    """Who is on duty at a moment, by the codes of the disciplines in use, and in which sprint.

    ``unused`` are the answers of those that are not in use then: nobody.
    """

    at: datetime
    answers: Mapping[str, Answer]
    unused: Mapping[str, Answer] = {}

    @property
    def on_duty(self) -> dict[str, str | None]:
        return {code: answer.person for code, answer in self.answers.items()}

    @property
    def sprint_number(self) -> int | None:
        slots = [answer.shift.slot for answer in self.answers.values()]
        return next((slot.sprint.number for slot in slots if slot is not None and slot.sprint is not None), None)

    @property
    def until(self) -> datetime:
        """When it is to be looked again: the first moment at which any of it may be otherwise."""
        found = [*self.answers.values(), *self.unused.values()]
        return min((answer.shift.ends_at for answer in found), default=self.at + DAY)

    def shift(self, code: str) -> Shift:
        """Of a discipline that is in use, or was when it was last told of."""
        return (self.answers.get(code) or self.unused[code]).shift


class Boundary(msgspec.Struct, frozen=True):
    """That the team's standing changed: since when, in which disciplines, and whether by turns (``hand_over``)."""

    at: datetime
    kind: str
    codes: tuple[str, ...]
    late: bool


class HeadsUp(msgspec.Struct, frozen=True):
    """That turns of a week or longer end soon: who goes and who comes, by discipline."""

    boundary: datetime
    due_at: datetime
    ends: Mapping[str, Shift]
    begins: Mapping[str, Shift]


def standing(schedule: Schedule, at: datetime) -> Standing:
    """Who is on duty in each discipline that is in use."""
    listed = sorted(schedule.facts.disciplines, key=lambda one: (one.place, one.code))
    used, unused = ({one.code: who(schedule, one.code, at) for one in listed if one.in_use(at) is is_used}
                    for is_used in (True, False))  # fmt: skip
    return Standing(at, used, unused)


def boundary(before: Mapping[str, str | None], now: Standing, late_after: timedelta = LATE) -> Boundary | None:
    """What is otherwise than when it was last told; None where nothing is. Many missed ones are told as one."""
    codes = tuple(code for code, person in now.on_duty.items() if before.get(code) != person)
    codes += tuple(code for code in now.unused if before.get(code) is not None)
    if not codes:
        return None
    shifts = [now.shift(code) for code in codes]
    # A time without turns is told from the moment at which it is looked at; turns know when they began.
    at = max((shift.starts_at for shift in shifts if shift.slot is not None), default=shifts[0].starts_at)
    by_turn = any(shift.slot is not None and shift.slot.starts_at == at for shift in shifts)
    return Boundary(at, "hand_over" if by_turn else "change", codes, late=now.at - at > late_after)


def heads_up(schedule: Schedule, now: datetime, clock: time = HEADS_UP) -> HeadsUp | None:
    """What is to be told on the evening before the next hand-over; None before that evening.

    Daily turns are not told ahead: that would be noise every day.
    """
    due_at, first, ends = _next_end(schedule, now, clock)
    if due_at is None or first is None or not due_at <= now < first:
        return None
    ending = {code: shift for code, shift in ends.items() if shift.slot is not None and shift.slot.ends_at == first}
    return HeadsUp(first, due_at, ending, {code: who(schedule, code, first).shift for code in ending})


def look_again(schedule: Schedule, now: datetime, clock: time = HEADS_UP) -> datetime:
    """When the team is to be looked at next: at the next change of duty, the next evening before one, or in a day."""
    due_at, _, _ = _next_end(schedule, now, clock)
    moments = (standing(schedule, now).until, now + DAY, due_at)
    return min(one for one in moments if one is not None and one > now)


def _next_end(
    schedule: Schedule, now: datetime, clock: time
) -> tuple[datetime | None, datetime | None, Mapping[str, Shift]]:
    """When the next end of a turn of a week or longer is due to be told, when it is, and what runs."""
    team = schedule.facts.team
    ends: dict[str, Shift] = {}
    for code, answer in standing(schedule, now).answers.items():
        reign = schedule.rota(code).reign_at(now)
        if answer.shift.slot is not None and reign is not None and reign.roster.rotation.kind is not Kind.DAILY:
            ends[code] = answer.shift
    first = min((shift.slot.ends_at for shift in ends.values() if shift.slot is not None), default=None)
    if first is None:
        return None, None, ends
    return hand_over(first.astimezone(team.tz).date() - DAY, clock, team.tz), first, ends
