"""The lists of valid drop numbers: which drops a project may post, as people keep them in spreadsheets."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, TooLarge
from tallybook.core.sheet_cells import word
from tallybook.core.sheets import HIDDEN, Cell, Row, Sheet, read_sheets
from tallybook.monitor import rules
from tallybook.monitor.store import validity as store
from tallybook.monitor.validity_types import Entry, Imported, Unread, ValidList

from .supervisor_list import kind_of, plain

__all__ = ["Entry", "Imported", "add", "bytes_of", "entries_of", "read_list"]

MAX_BYTES = 50_000_000
MAX_PROJECT = 100  # characters, the column's width
HEADER_WITHIN = 20  # rows
MAX_TOLD = 60  # characters of a cell that a message quotes
# Letters, at most a colon and a space after them, and the rest in one piece: a sentence is no drop number.
_DROP = re.compile(r"(?=.*[0-9])[A-Z]+:? ?[A-Z0-9_\-./]*")
_BARE = re.compile(r"[0-9]{6,8}")

NO_HEADER = "This sheet has no column of drop numbers."
NO_DROP = "There is no drop number."
NOT_A_DROP = "This is not a drop number."
NO_PROJECT = "It does not say which project. Name the project that the list is of."
LONG_PROJECT = "The name of the project is too long."


class _Header(NamedTuple):
    """Where a sheet's columns are: the row below which its lines begin, the drop's column, and the project's."""

    at: int
    drop: int
    project: int | None


@dataclass
class _Reader:
    """Reads sheets into one list. ``projects`` are the known ones, by their names as people write them."""

    projects: Mapping[str, str]
    given: str | None
    entries: set[Entry] = field(default_factory=set)
    unread: list[Unread] = field(default_factory=list)
    repeats: int = 0

    def sheet(self, sheet: Sheet) -> bool:
        """Reads one sheet; False if it has no header."""
        header = _header(sheet.rows)
        if header is None:
            return False
        usual = self.given or self.projects.get(plain(sheet.name))
        for row in sheet.rows[header.at + 1 :]:
            drop_cell, project_cell = _cell(row, header.drop), _cell(row, header.project)
            if drop_cell == "" and project_cell == "":
                continue
            read = self._read(drop_cell, word(project_cell) or usual)
            if isinstance(read, str):
                told = " | ".join(word(cell)[:MAX_TOLD] for cell in (drop_cell, project_cell) if cell != "")
                self.unread.append(Unread(sheet.name, row.number, read, told))
            elif read in self.entries:
                self.repeats += 1
            else:
                self.entries.add(read)
        return True

    def _read(self, cell: Cell, project: str | None) -> Entry | str:
        """What a line says, or why it cannot be used."""
        text = word(cell)
        text = f"DR{text}" if _BARE.fullmatch(text) else text
        drop = rules.normalised(text)
        if not drop:
            return NO_DROP
        if not _DROP.fullmatch(text.upper()) or len(drop) > rules.MAX_DROP_LENGTH:
            return NOT_A_DROP
        if not project:
            return NO_PROJECT
        if len(project) > MAX_PROJECT:
            return LONG_PROJECT
        return Entry(drop, self.projects.get(plain(project), project))


def _header(rows: Sequence[Row]) -> _Header | None:
    for at, row in enumerate(rows[:HEADER_WITHIN]):
        kinds = [kind_of(cell) for cell in row.cells]
        if "drop" in kinds:
            return _Header(at, kinds.index("drop"), kinds.index("project") if "project" in kinds else None)
    return None


def _cell(row: Row, column: int | None) -> Cell:
    return row.cells[column] if column is not None and column < len(row.cells) else ""


def entries_of(sheets: Sequence[Sheet], projects: Iterable[str], given: str | None = None) -> ValidList:
    """What the sheets of a file say. Pure. ``given`` is the project of lines that name none.

    A name that differs from a known project's only in case or spaces means that project. Raises Invalid where no sheet
    has a column of drop numbers.
    """
    known = {plain(name): name for name in projects}
    reader = _Reader(known, known.get(plain(given), given.strip()) if given else None)
    headless = [sheet for sheet in sheets if not reader.sheet(sheet)]
    if len(headless) == len(sheets):
        first = next((row for sheet in sheets for row in sheet.rows), None)
        seen = ", ".join(word(cell)[:MAX_TOLD] for cell in first.cells if cell != "") if first else "nothing"
        raise Invalid(f"No column is headed “drop_number” or “DR nr”. The first row has: {seen[:300]}.")
    reader.unread += _headless(headless)
    return ValidList(sorted(reader.entries), reader.unread, reader.repeats)


def _headless(sheets: Collection[Sheet]) -> Iterator[Unread]:
    for sheet in sheets:
        if sheet.rows:
            yield Unread(sheet.name, sheet.rows[0].number, NO_HEADER)
        elif sheet.hidden:
            yield Unread(sheet.name, 1, HIDDEN)


def bytes_of(file: Path) -> bytes:
    """What is in a file. Raises Invalid where it cannot be read, TooLarge where it is larger than 50 MB."""
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}.") from error
    if len(data) > MAX_BYTES:
        raise TooLarge(f"{file} is larger than {MAX_BYTES // 1_000_000} MB.", limit=MAX_BYTES)
    return data


def read_list(file: Path, project: str | None) -> list[Entry]:
    """The entries of a CSV or XLSX file that is right throughout. Raises Invalid with the first row that is not."""
    read = entries_of(read_sheets(bytes_of(file), MAX_BYTES), (), project)
    if read.unread:
        wrong = read.unread[0]
        raise Invalid(f"{file} row {wrong.row}: {wrong.reason} ({wrong.detail})")
    return read.entries


async def add(conn: Conn, business: Business, entries: Sequence[Entry]) -> Imported:
    """Adds entries to the lists, in key order; those that are there stay as they are. For setting up, not for people.

    An import by a person is told beforehand, withdraws, is recorded and judges again: see importing.
    """
    added = await store.add(conn, business.id, sorted(entries), "import")
    return Imported(added, len(entries) - added)
