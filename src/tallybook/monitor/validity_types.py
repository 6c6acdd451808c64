"""The words of lists of valid drops: what a file says, what an import of it would change, and what it changed."""

from __future__ import annotations

import msgspec


class Entry(msgspec.Struct, frozen=True, order=True):
    """One line of a list: this drop is valid for this project."""

    drop_number: str
    project: str


class Unread(msgspec.Struct, frozen=True):
    """A row that cannot be used, and why. ``detail`` is what stood there."""

    sheet: str
    row: int
    reason: str
    detail: str = ""


class ValidList(msgspec.Struct, frozen=True):
    """What a file says: its entries, each once and in order, the rows that cannot be used, and repeats left out."""

    entries: list[Entry]
    unread: list[Unread] = []
    repeats: int = 0

    @property
    def projects(self) -> list[str]:
        """The projects whose lists it is."""
        return sorted({entry.project for entry in self.entries})


class Change(msgspec.Struct, frozen=True, order=True):
    """A drop that was in some list and is in others afterwards."""

    drop_number: str
    before: tuple[str, ...]
    after: tuple[str, ...]


class Over(msgspec.Struct, frozen=True):
    """A project that would lose more of its list than is usual."""

    project: str
    withdrawn: int
    of: int


class Preview(msgspec.Struct, frozen=True):
    """What an import would change. By drop: ``added`` are in no list yet, ``withdrawn`` in none afterwards.

    ``gains`` and ``losses`` are the lists' entries that come and go. ``over`` names projects that would lose more than
    a fifth of their list, ``strange`` those that nobody reads here.
    """

    added: list[Entry]
    changed: list[Change]
    withdrawn: list[Entry]
    unchanged: int
    gains: list[Entry]
    losses: list[Entry]
    over: list[Over] = []
    strange: list[str] = []

    @property
    def changes_nothing(self) -> bool:
        return not self.gains and not self.losses


class Imported(msgspec.Struct, frozen=True):
    """What an import did, in drops; ``known`` are the entries that were there already."""

    added: int
    known: int
    changed: int = 0
    withdrawn: int = 0
