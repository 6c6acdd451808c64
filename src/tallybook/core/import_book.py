"""What comes of each table of an older system: rows counted, and why they became what they became."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

Row = Mapping[str, Any]


class Remark(msgspec.Struct, frozen=True):
    """Something about rows of one table: what becomes of them, why, how many they are, and a few of them by name."""

    table: str
    becomes: str
    why: str
    rows: int
    examples: list[str]


class Table(msgspec.Struct, frozen=True):
    """What came of one table: rows read, added, there already, and left out."""

    name: str
    read: int
    added: int
    known: int
    left_out: int


class Outcome(msgspec.Struct, frozen=True):
    """What came of the import, or would come of it. ``beside`` are old tables that nothing is taken from."""

    tables: list[Table]
    remarks: list[Remark]
    beside: list[str] = []
    dry_run: bool = False


class Book:
    """Counts one table's rows, and remembers why."""

    def __init__(self, name: str, rows: Sequence[Row]) -> None:
        self.name, self.rows = name, rows
        self.added = self.known = self.left_out = 0
        self._why: Counter[tuple[str, str]] = Counter()
        self._examples: dict[tuple[str, str], list[str]] = {}

    def leave(self, what: str, why: str) -> None:
        self.left_out += 1
        self._note("left out", what, why)

    def add(self, what: str, remarks: Iterable[str]) -> None:
        self.added += 1
        for why in remarks:
            self._note("added", what, why)

    def know(self, what: str, remarks: Iterable[str] = ()) -> None:
        self.known += 1
        for why in remarks:
            self._note("there already", what, why)

    def turn_away(self, what: str, why: str) -> None:
        """A row that was to be added and was not after all."""
        self.added -= 1
        self.leave(what, why)

    def _note(self, becomes: str, what: str, why: str) -> None:
        self._why[becomes, why] += 1
        self._examples.setdefault((becomes, why), []).append(what)

    def table(self) -> Table:
        return Table(self.name, len(self.rows), self.added, self.known, self.left_out)

    def remarks(self) -> list[Remark]:
        return [
            Remark(self.name, becomes, why, count, self._examples[becomes, why][:5])
            for (becomes, why), count in self._why.most_common()
        ]
