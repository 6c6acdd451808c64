"""When a discipline is in use: taken out of it from a moment on, or brought back. What was before stays. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tallybook.core.errors import Invalid, NotFound

from .types import Discipline, Facts, Unused


class Use(msgspec.Struct, frozen=True):
    """That a discipline is in use from a moment on, or is not. Whatever was planned for later goes."""

    discipline: str
    in_use: bool
    at: datetime


def found(facts: Facts, code: str) -> Discipline:
    """Raises NotFound."""
    one = next((one for one in facts.disciplines if one.code == code), None)
    if one is None:
        raise NotFound("There is no such discipline.")
    return one


def planned_end(facts: Facts, code: str, now: datetime) -> datetime | None:
    """Since when a discipline is out of use, or will be; None where it is in use for good. Raises NotFound."""
    ahead = (each.since for each in found(facts, code).unused if each.until is None or each.until > now)
    return next(ahead, None)


def used(one: Discipline, use: Use) -> Discipline:
    """The discipline as it would be; the same where it is so already."""
    before = [each for each in one.unused if each.since < use.at]
    kept = [
        msgspec.structs.replace(each, until=use.at) if each.until is None or each.until > use.at else each
        for each in before
    ]
    if use.in_use:
        return msgspec.structs.replace(one, unused=tuple(kept))
    since = kept.pop().since if kept and kept[-1].until == use.at else use.at
    return msgspec.structs.replace(one, unused=(*kept, Unused(since)))


def with_use(facts: Facts, use: Use) -> Facts:
    """The facts with it. Raises NotFound."""
    after = used(found(facts, use.discipline), use)
    others = tuple(after if one.code == use.discipline else one for one in facts.disciplines)
    return msgspec.structs.replace(facts, disciplines=others)


def check(use: Use, now: datetime) -> None:
    """Raises Invalid."""
    if use.at < now:
        raise Invalid("A discipline goes out of use now or later: who was on duty is not changed any more.")
