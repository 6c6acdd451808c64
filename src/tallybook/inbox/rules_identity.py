"""Who is who after the first meeting: news of other names, and what each has when two are parted again. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tallybook.core import content as contents
from tallybook.core.content import Person
from tallybook.core.messages import Stored

from .types import Known

NEWS = frozenset({"system", "identity"})  # kinds of updates that may say that somebody is known otherwise now

Row = dict[str, Any]


class Move(msgspec.Struct, frozen=True):
    """Somebody is known by other names from ``said_at`` on."""

    before: Person
    after: Person
    said_at: datetime


def moves(stored: Sequence[Stored]) -> list[Move]:
    """What a batch says of people's other names, in the order in which it was said."""
    found = []
    for one in stored:
        if one.incoming.kind not in NEWS:
            continue
        content = contents.read(one.incoming.content)
        if content is None or content.person is None or content.changed_to is None:
            continue
        if known_of(content.person) and set(known_of(content.changed_to)) - set(known_of(content.person)):
            found.append(Move(content.person, content.changed_to, one.incoming.said_at))
    return sorted(found, key=lambda move: (move.said_at, move.after.phone or ""))


def known_of(person: Person) -> tuple[Known, ...]:
    """By what a person is known again, the surest first."""
    named = (
        ("user_id", person.user_id),
        ("user_id", person.parent_user_id),
        ("phone", person.phone),
        ("lid", person.lid),
    )
    return tuple(dict.fromkeys(Known(kind, value) for kind, value in named if value))


def spare_of(before: Person, after: Person) -> list[str]:
    """The ids that are not to be written to after such news: those above their own, and the own one that was."""
    was = before.user_id if after.user_id else ""
    return sorted({before.parent_user_id, after.parent_user_id, was} - {"", after.user_id})


def is_newer(phone: tuple[datetime | None, str | None], than: tuple[datetime | None, str | None]) -> bool:
    """Whether a phone, with the moment from which on it is said to be theirs, is the one that holds.

    One that nobody said a moment of never is; of two in one second the greater, so that no order of coming decides.
    """
    at, number = phone
    if at is None or number is None:
        return False
    return than[0] is None or (at, number) > (than[0], than[1] or "")


def put_back(now: Mapping[str, Any], joined: Mapping[str, Any], before: Mapping[str, Any]) -> Row:
    """A row as it was before a joining, but for what was changed since: that stays as it is now."""
    return {column: before[column] if now[column] == joined.get(column) else now[column] for column in before}


class Reading(msgspec.Struct, frozen=True):
    """How many inbound messages a thread has, and how many of them were read."""

    inbound: int
    read: int


def parted(kept: Reading, gone: Reading, joined: Reading, now: Reading) -> tuple[Reading, Reading]:
    """What each of two threads has read once they are parted. What waits now waits then, in one or the other.

    ``kept`` and ``gone``: what each has now, and had read before; ``joined``: right after. Who read since has read the
    older ones first, as they lie in the thread.
    """
    if now.read == joined.read:
        return _within(kept), _within(gone)
    waiting = max(now.inbound - now.read, 0)
    came = max(kept.inbound + gone.inbound - joined.inbound, 0)
    of_gone = min(max(waiting - came, 0), gone.inbound)
    of_kept = min(waiting - of_gone, kept.inbound)
    return Reading(kept.inbound, kept.inbound - of_kept), Reading(gone.inbound, gone.inbound - of_gone)


def _within(reading: Reading) -> Reading:
    return Reading(reading.inbound, min(reading.read, reading.inbound))
