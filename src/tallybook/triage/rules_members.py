"""Who belongs to a discipline once somebody joins it or leaves it at a moment. Pure.

The statements of ``store/people.py`` do the same to what is kept.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from .types import Facts, Membership, Sprint


def with_joined(facts: Facts, discipline: str, person: str, at: datetime) -> Facts:
    """From a moment on they belong to it for good: a later end, and a later beginning, are planned no longer."""
    others, theirs = _parted(facts, discipline, person)
    before = [one for one in theirs if one.since <= at]
    stays = [_open(one) if _ends_after(one, at) else one for one in before]
    new = [] if any(_ends_after(one, at) for one in before) else [Membership(discipline, person, at)]
    return msgspec.structs.replace(facts, memberships=(*others, *stays, *new))


def with_left(facts: Facts, discipline: str | None, person: str, at: datetime, now: datetime) -> Facts:
    """From a moment on they belong to it no longer, or to nothing (None).

    An end that is planned is put off to a later one where the discipline is named.
    """
    for code in {one.discipline for one in facts.memberships} if discipline is None else (discipline,):
        others, theirs = _parted(facts, code, person)
        begun = [one for one in theirs if one.since < at]
        last = max((one.since for one in begun), default=None)
        put_off = [one for one in begun if discipline is not None and one.since == last and _ends_after(one, now)]
        kept = [_ended(one, at) if one in put_off or _ends_after(one, at) else one for one in begun]
        facts = msgspec.structs.replace(facts, memberships=(*others, *kept))
    return facts


def belonging(facts: Facts, discipline: str, person: str, now: datetime) -> list[Membership]:
    """Somebody's time in a discipline that runs, and those that are ahead, in order."""
    _, theirs = _parted(facts, discipline, person)
    return sorted((one for one in theirs if _ends_after(one, now)), key=lambda one: one.since)


def is_for_good(facts: Facts, discipline: str, person: str, at: datetime) -> bool:
    """Whether somebody belongs to a discipline from a moment on without an end, so that joining changes nothing."""
    return any(one.since <= at and one.until is None for one in belonging(facts, discipline, person, at))


def takes_turns(facts: Facts, discipline: str, person: str) -> bool:
    """Whether somebody stands on the newest roster, so that they have turns as soon as they belong."""
    versions = [one for one in facts.rosters if one.discipline == discipline]
    return person in max(versions, key=lambda one: one.number).people if versions else False


def next_sprint(facts: Facts, now: datetime) -> Sprint | None:
    """The sprint that begins next; None where none is planned."""
    return min((one for one in facts.sprints if one.starts_at > now), key=lambda one: one.starts_at, default=None)


def _parted(facts: Facts, discipline: str, person: str) -> tuple[list[Membership], list[Membership]]:
    theirs = [one for one in facts.memberships if (one.discipline, one.person) == (discipline, person)]
    return [one for one in facts.memberships if one not in theirs], theirs


def _ends_after(one: Membership, at: datetime) -> bool:
    return one.until is None or one.until > at


def _open(one: Membership) -> Membership:
    return msgspec.structs.replace(one, until=None)


def _ended(one: Membership, at: datetime) -> Membership:
    return msgspec.structs.replace(one, until=at)
