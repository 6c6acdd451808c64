"""Alarms: what is wrong long enough that people should be told, once when it begins and once when it is over.

Judging is pure. Every check of health that is late or wrong raises an alarm by itself; nothing here knows their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from .health import Check, kind_of

State = Literal["well", "seen", "told"]
LONGEST_NAME = 200
# The database's own absence cannot be written down in it; core/outage_alarm.py tells of that.
ELSEWHERE = frozenset({"database"})
REFUSALS = "constraints"


class Terms(msgspec.Struct, frozen=True):
    """How patient we are.

    ``patience``: how long something is wrong before it is told. ``quiet``: how long it must be well before its end is
    told, so that what comes and goes is told once.
    """

    patience: timedelta = timedelta(minutes=2)
    quiet: timedelta = timedelta(minutes=10)


class Trouble(msgspec.Struct, frozen=True):
    """Something that is wrong now.

    ``at_once``: it is a fact already and not a state that may pass. ``is_grave``: it is wrong and not only late, which
    is told again where people were told of the latter.
    """

    name: str
    says: str
    at_once: bool = False
    is_grave: bool = False


class Refusal(msgspec.Struct, frozen=True):
    """A rule of the database that was hit unexpectedly, how often and when last.

    ``blocks``: it is in the way of what the business allows, and not a declared rule that did its work. ``says`` what
    that means.
    """

    table: str
    constraint: str
    count: int
    last_at: datetime
    blocks: bool = True
    says: str = ""


class Alarm(msgspec.Struct, frozen=True):
    """Where the alarm of one cause stands. ``well_since`` is set while an open alarm's cause is gone for the moment."""

    name: str
    state: State = "well"
    number: int = 0
    version: int = 0
    says: str = ""
    seen_at: datetime | None = None
    told_at: datetime | None = None
    well_since: datetime | None = None
    is_grave: bool = False


class Step(msgspec.Struct, frozen=True):
    """What is to be written, and what people are to be told of it, if anything, with when it began."""

    alarm: Alarm
    tell: Literal["begun", "ended"] | None = None
    begun_at: datetime | None = None


def troubles(checks: Iterable[Check], refusals: Sequence[Refusal]) -> list[Trouble]:
    """What is wrong, each cause once. Of the database's rules each is a cause of its own. Pure."""
    found: dict[str, Trouble] = {}
    for check in checks:
        if check.state != "ok" and check.name not in ELSEWHERE and check.name != REFUSALS:
            name, is_grave = check.name[:LONGEST_NAME], check.state == "wrong"
            found.setdefault(name, Trouble(name, check.says, is_grave=is_grave))
    for refusal in refusals:
        many = "unexpected refusal" if refusal.count == 1 else "unexpected refusals"
        name = f"{REFUSALS} {refusal.table} {refusal.constraint}"[:LONGEST_NAME]
        says = "\n".join(filter(None, (f"{refusal.count} {many} by the database this week.", refusal.says)))
        found[name] = Trouble(name, says, at_once=refusal.blocks, is_grave=refusal.blocks)
    return list(found.values())


def unseen(checks: Iterable[Check]) -> frozenset[str]:
    """The kinds of checks of which nothing is known for the moment. Pure."""
    return frozenset(kind for check in checks for kind in check.unseen)


def steps(
    alarms: Sequence[Alarm], found: Sequence[Trouble], now: datetime, terms: Terms, unseen: frozenset[str] = frozenset()
) -> list[Step]:
    """What changes, in the order of the names. Pure; nothing in it where everything stays as it is.

    Only what was looked at can be well: an alarm of a kind that is ``unseen`` stays as it is.
    """
    known = {alarm.name: alarm for alarm in alarms if kind_of(alarm.name) not in unseen}
    before = {alarm.name: alarm for alarm in alarms}
    wrong = {trouble.name: trouble for trouble in found}
    taken = (
        step(before.get(name, Alarm(name)), wrong.get(name), now, terms) for name in sorted(known.keys() | wrong.keys())
    )
    return [one for one in taken if one is not None]


def step(alarm: Alarm, trouble: Trouble | None, now: datetime, terms: Terms) -> Step | None:
    """The next step of one alarm, None if it stays as it is. Pure.

    What counts is how long the cause was there in all: else one that comes and goes would never be told, and a process
    that sees less than its neighbours (the spool of another machine) would hide what they see.
    """
    before, alarm = alarm, _by_this_clock(alarm, now)
    if trouble is None:
        next_one = None if alarm.state == "well" else _well(alarm, now, terms)
        return next_one or (Step(_next(alarm)) if alarm != before else None)
    alarm = _there(alarm, trouble, now)
    if alarm.state == "seen":
        if trouble.at_once or now - (alarm.seen_at or now) >= terms.patience:
            begun = _next(alarm, state="told", number=alarm.number + 1, told_at=now)
            return Step(begun, "begun", alarm.seen_at)
    elif trouble.is_grave and not alarm.is_grave:
        worse = _next(alarm, number=alarm.number + 1, is_grave=True, seen_at=now, told_at=now)
        return Step(worse, "begun", now)
    return Step(_next(alarm)) if alarm != before else None


def _there(alarm: Alarm, trouble: Trouble, now: datetime) -> Alarm:
    """The alarm while its cause is there: with the present sentence, and without the time in which it was well."""
    if alarm.state == "well":
        return msgspec.structs.replace(
            alarm, state="seen", says=trouble.says, is_grave=trouble.is_grave, seen_at=now, well_since=None
        )
    seen, grave = alarm.seen_at or now, alarm.is_grave
    if alarm.state == "seen":
        seen += now - (alarm.well_since or now)
        grave |= trouble.is_grave
    return msgspec.structs.replace(alarm, says=trouble.says, is_grave=grave, seen_at=seen, well_since=None)


def _by_this_clock(alarm: Alarm, now: datetime) -> Alarm:
    """The alarm without moments that are still to come: a clock that was ahead wrote them."""
    ahead = {name: now for name in ("seen_at", "well_since") if (at := getattr(alarm, name)) is not None and at > now}
    return msgspec.structs.replace(alarm, **ahead) if ahead else alarm


def _well(alarm: Alarm, now: datetime, terms: Terms) -> Step | None:
    if alarm.well_since is None:
        return Step(_next(alarm, well_since=now))
    if now - alarm.well_since < terms.quiet:
        return None
    over = _next(alarm, state="well", seen_at=None, told_at=None)
    return Step(over, "ended", alarm.seen_at) if alarm.state == "told" else Step(over)


def _next(alarm: Alarm, **changes: object) -> Alarm:
    return msgspec.structs.replace(alarm, version=alarm.version + 1, **changes)
