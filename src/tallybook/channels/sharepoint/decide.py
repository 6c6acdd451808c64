"""Whose is what was found on SharePoint, and what is to be done about it. Pure.

An item is ours when its version is the one we recorded, when nobody but this application changed it last, or when it
holds numbers that we wrote or may have written. Anything else is a person's, and is never written over unasked.
"""

from __future__ import annotations

import enum

import msgspec

from .types import Owner, RemoteFile, RemoteItem, Values

# Put into ``overrule`` where a person says that what they deleted is to be made again.
DELETED = "deleted"


class Step(enum.Enum):
    """What comes next for an item or a file."""

    CREATE = "create"
    UPDATE = "update"
    ADOPT = "adopt"  # it is as it should be: only write that down
    YIELD = "yield"  # a person changed or deleted it: keep theirs, and ask


class Known(msgspec.Struct, frozen=True):
    """What we know of an item: what it should say, what we last saw it say, and what we have tried to say since."""

    wanted: Values
    written: Values | None = None
    sent: list[Values] = []
    etag: str | None = None
    overrule: str | None = None


def owner(known: Known, found: RemoteItem | None) -> Owner:
    """Whose is what stands there."""
    if found is None:
        return "nobody" if known.written is None or known.overrule == DELETED else "person"
    ours = [*known.sent, known.wanted, *([known.written] if known.written else [])]
    if found.by_us or found.etag in {known.etag, known.overrule} or plain(found.values) in ours:
        return "us"
    return "person"


def next_step(known: Known, found: RemoteItem | None) -> Step:
    """What is to be done for an item, given what was just found."""
    whose = owner(known, found)
    if whose == "person":
        return Step.YIELD
    if found is None:
        return Step.CREATE
    return Step.ADOPT if plain(found.values) == known.wanted else Step.UPDATE


def plain(values: Values) -> Values:
    """Numbers as we write them: SharePoint gives 14.0 for 14."""
    return Values(*(_plain(getattr(values, name)) for name in Values.__struct_fields__))


def _plain(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


class KnownFile(msgspec.Struct, frozen=True):
    """What we know of a day's workbook. ``same``: what should stand there is what we last put there."""

    same: bool
    written: bool = False
    etag: str | None = None
    overrule: str | None = None


def next_step_of_file(known: KnownFile, found: RemoteFile | None) -> Step:
    """What is to be done for a workbook. A file has no numbers to compare: whoever changed it last owns it."""
    if found is None:
        deleted = known.written and known.overrule != DELETED
        return Step.YIELD if deleted else Step.CREATE
    if not found.by_us and found.etag not in {known.etag, known.overrule}:
        return Step.YIELD
    if known.written and known.same and known.overrule is None:
        return Step.ADOPT
    return Step.UPDATE
