"""The form of a roster: what was typed in it, the plan that it means, and by what a preview is known again. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from tallybook.core import wall_clock
from tallybook.core.errors import Invalid
from tallybook.core.marking import N_
from tallybook.core.numbers import number_in
from tallybook.triage.rules_turns import counted_on, hand_over, turns_of
from tallybook.triage.service.rosters import Plan, previewed
from tallybook.triage.types import EVERY_DAY, Facts, Kind, Roster, Rotation, WhenAbsent

from .triage_teams import clock_time, day_of

DAY = timedelta(days=1)
NO_PERSON = N_("Put somebody on the roster first.")
MONDAY_TO_FRIDAY = ("0", "1", "2", "3", "4")


class Typed(msgspec.Struct, frozen=True):
    """What stands in the form. ``begins`` is ``next`` (turn), ``running`` (the sprint that runs) or ``day``."""

    people: tuple[str, ...] = ()
    kind: str = "sprint"
    zone: str = ""
    at: str = "08:00"
    days: tuple[str, ...] = MONDAY_TO_FRIDAY
    through: bool = False
    weeks: str = "1"
    rest: bool = False
    keep: bool = False
    begins: str = "next"
    day: str = ""
    in_order: bool = False
    restores: str = ""
    reason: str = ""


def read(form: Mapping[str, Sequence[str]]) -> Typed:
    """The fields as they came."""

    def one(name: str) -> str:
        return str(form.get(name, [""])[-1])

    def ticked(name: str) -> bool:
        return one(name) == "yes"

    return Typed(
        people=tuple(form.get("people", ())), kind=one("kind"), zone=one("zone"), at=one("at"),
        days=tuple(form.get("days", ())), through=ticked("through"), weeks=one("weeks"), rest=ticked("rest"),
        keep=ticked("keep"), begins=one("begins"), day=one("day"), in_order=ticked("in_order"),
        restores=one("restores"), reason=one("reason"),
    )  # fmt: skip


def pressed(typed: Typed, button: str) -> Typed:
    """The form after a button of its list of people: ``up:``, ``down:``, ``off:`` or ``on:`` and the Slack id."""
    act, _, person = button.partition(":")
    people = list(typed.people)
    if act == "on" and person not in people:
        people.append(person)
    elif person in people:
        at = people.index(person)
        people.pop(at)
        if act in {"up", "down"}:
            people.insert(max(at - 1, 0) if act == "up" else at + 1, person)
    return msgspec.structs.replace(typed, people=tuple(people))


def typed_of(facts: Facts, discipline: str, roster: Roster | None, *, restores: bool = False) -> Typed:
    """The form as it is shown first: a version of the roster, or everybody who belongs to the discipline."""
    if roster is None:
        members = [one.person for one in facts.memberships if one.discipline == discipline and one.until is None]
        begins = "running" if facts.sprints else "next"
        at = f"{facts.team.hand_over:%H:%M}"
        return Typed(people=tuple(members), zone=facts.team.zone, at=at, begins=begins, in_order=True)
    rule = roster.rotation
    zone = rule.zone if restores else facts.team.zone  # by which a team that moved goes from now on
    return Typed(
        people=roster.people, kind=rule.kind.value, zone=zone, at=f"{rule.hand_over:%H:%M}",
        days=tuple(str(day) for day in sorted(rule.days)), through=rule.through, weeks=str(rule.weeks), rest=rule.rest,
        keep=rule.when_absent is WhenAbsent.KEEP, restores=str(roster.number) if restores else "",
    )  # fmt: skip


def plan(facts: Facts, discipline: str, typed: Typed, now: datetime) -> Plan:
    """What is wanted. Raises Invalid and NotFound.

    ``since`` is a moment that stays the same while somebody looks at the preview: the next turn's, not now.
    """
    if not typed.people:
        raise Invalid(NO_PERSON)
    rotation = _rotation(facts, discipline, typed)
    restores = number_in(typed.restores, 6)
    wanted = Plan(discipline, typed.people, now, rotation, typed.in_order, restores)
    running = next((one.starts_at for one in facts.sprints if one.starts_at <= now < one.ends_at), None)
    if typed.begins == "running" and running is not None:
        return msgspec.structs.replace(wanted, since=running)
    after = _on_or_after(facts, day_of(typed.day), now) if typed.begins == "day" else now
    return msgspec.structs.replace(wanted, since=_first_turn(facts, msgspec.structs.replace(wanted, since=after), now))


def _on_or_after(facts: Facts, day: date, now: datetime) -> datetime:
    """The beginning of a day, by the team's clocks; of today what is left. Raises Invalid for one that is over."""
    today = now.astimezone(facts.team.tz).date()
    if day < today:
        raise Invalid("A roster begins now or later: who was on duty is not changed any more.")
    return now if day == today else wall_clock.instant(datetime.combine(day, time()), facts.team.tz)


def _rotation(facts: Facts, discipline: str, typed: Typed) -> Rotation:
    if typed.kind not in set(Kind):
        raise Invalid("There is no such kind of rotation.")
    made = Rotation(
        Kind(typed.kind), typed.zone.strip() or facts.team.zone, clock_time(typed.at),
        frozenset(day for day in EVERY_DAY if str(day) in typed.days) if typed.kind != "sprint" else EVERY_DAY,
        typed.through and typed.kind == "daily", number_in(typed.weeks, 3) or 0 if typed.kind != "sprint" else 1,
        None, typed.rest and typed.kind == "daily", WhenAbsent.KEEP if typed.keep else WhenAbsent.SUBSTITUTE,
    )  # fmt: skip
    return _counted(facts, discipline, made)


def _counted(facts: Facts, discipline: str, made: Rotation) -> Rotation:
    """The rule, with its weeks counted as those of the version before, where it has turns in one of as many."""
    versions = [one for one in facts.rosters if one.discipline == discipline]
    newest = max(versions, key=lambda one: one.number, default=None)
    if newest is None or (newest.rotation.kind, newest.rotation.weeks) != (made.kind, made.weeks):
        return made
    return msgspec.structs.replace(made, counted_from=counted_on(newest).counted_from)


def _first_turn(facts: Facts, wanted: Plan, now: datetime) -> datetime:
    """When the first turn by the new rule begins; where none is planned, the team's next hand-over."""
    roster = previewed(facts, wanted, now).roster
    sprints = sorted(facts.sprints, key=lambda one: (one.starts_at, one.id))
    first = turns_of(roster, sprints, sorted(one.day for one in facts.holidays)).first
    if first is not None:
        return first
    day = wanted.since.astimezone(facts.team.tz).date()
    found = (hand_over(day + DAY * ahead, facts.team.hand_over, facts.team.tz) for ahead in range(3))
    return next((at for at in found if at > wanted.since), wanted.since)


def seen(version: int, what: object) -> str:
    """By what a preview is known again when it is applied: the facts' version, and all that was planned."""
    told = msgspec.json.encode(what, order="deterministic")
    return f"{version}.{hashlib.sha256(told).hexdigest()[:24]}"


def is_made(facts: Facts, roster: Roster) -> bool:
    """Whether this is the newest version already: a form that was sent twice."""
    versions = [one for one in facts.rosters if one.discipline == roster.discipline]
    newest = max(versions, key=lambda one: one.number, default=None)
    return newest is not None and _told(newest) == _told(roster)


def _told(roster: Roster) -> tuple[object, ...]:
    rule = msgspec.structs.replace(roster.rotation, counted_from=None)
    return roster.people, rule, roster.since.astimezone(UTC)
