"""A supervisor's list of drops, read from a spreadsheet however it is laid out. Pure.

One table or several side by side, each with a header (Date, DR nr, Time, in any order and case) and perhaps the name of
its project above it; or a sheet for each project; or a column that names the project. A row that cannot be used is
kept with its number and the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from typing import NamedTuple

import msgspec

from tallybook.core.errors import Invalid
from tallybook.core.sheet_cells import day_of, is_ambiguous, is_month_first, time_of, word
from tallybook.core.sheets import HIDDEN, Cell, Row, Sheet
from tallybook.monitor import rules
from tallybook.monitor.types import Project

HEADER_WITHIN = 20  # rows
MAX_ENTRIES = 50_000
MAX_TOLD = 60  # characters of a cell that are told
EARLIEST = date(2000, 1, 1)
NAMES: Mapping[str, frozenset[str]] = {
    "drop": frozenset({
        "dr", "drnr", "drno", "drnumber", "drnum", "drop", "dropnr", "dropno", "dropnumber", "drops", "dropid",
    }),
    "date": frozenset({"date", "day", "datum", "dateposted", "submissiondate", "datesubmitted", "תאריך"}),
    "time": frozenset({"time", "tyd", "timeposted", "submissiontime", "timesubmitted", "שעה"}),
    "project": frozenset({"project", "site", "area", "projectname", "projek", "פרויקט"}),
}  # fmt: skip
USUAL = rules.compile_pattern(None)
_BARE = re.compile(r"[0-9]{6,8}")


class Entry(msgspec.Struct, frozen=True):
    """One line of the list that can be used. ``at`` is the time of day, None where the list has none."""

    sheet: str
    row: int
    project: str
    drop_number: str
    day: date
    at: time | None = None


class Unread(msgspec.Struct, frozen=True):
    """A line that cannot be used, and why. ``detail`` is what stood there."""

    sheet: str
    row: int
    reason: str
    detail: str = ""


class Repeat(msgspec.Struct, frozen=True):
    """A line that says again what an earlier row of the list said."""

    entry: Entry
    first_row: int
    first_sheet: str


class SupervisorList(msgspec.Struct, frozen=True):
    """What a file says: each drop of a project on a day once, its repeats, and what could not be read."""

    entries: list[Entry]
    repeats: list[Repeat]
    unread: list[Unread]


class Given(msgspec.Struct, frozen=True):
    """What stands in where the file does not say it."""

    project: str | None = None
    day: date | None = None


@dataclass
class _Table:
    """One table of a sheet: where its columns are, and whose project it is."""

    columns: dict[str, int]
    project: str | None
    above: str = ""
    month_first: bool = False  # some date of it is one only if the month stands first


class _Header(NamedTuple):
    at: int
    tables: list[_Table]


@dataclass
class _Reader:
    """Reads sheets into one list."""

    projects: Mapping[str, Project]  # by name, as people write it
    given: Given
    today: date
    entries: list[Entry] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)

    def sheet(self, sheet: Sheet) -> bool:
        """Reads one sheet; False if it has no header."""
        header = self._header(sheet)
        if header is None:
            return False
        for row in sheet.rows[: header.at]:
            if any(rules.drops_in(word(cell), USUAL) for cell in row.cells):
                self.unread.append(Unread(sheet.name, row.number, ABOVE_HEADER, _told(row.cells)))
        below = sheet.rows[header.at + 1 :]
        for table in header.tables:
            at = table.columns.get("date")
            table.month_first = at is not None and any(
                is_month_first(cell) for row in below for cell in row.cells[at : at + 1]
            )
        for row in below:
            for table in header.tables:
                self._line(sheet.name, row, table)
        if max(len(self.entries), len(self.unread)) > MAX_ENTRIES:
            raise Invalid(f"The list has more than {MAX_ENTRIES:,} rows. Send it in parts.")
        return True

    def _header(self, sheet: Sheet) -> _Header | None:
        for index, row in enumerate(sheet.rows[:HEADER_WITHIN]):
            kinds = [kind_of(cell) for cell in row.cells]
            if "drop" in kinds:
                above = sheet.rows[:index]
                return _Header(index, [self._table(columns, above, sheet.name) for columns in blocks(kinds)])
        for index, row in enumerate(sheet.rows[:HEADER_WITHIN]):
            named = {place: self.projects.get(plain(cell)) for place, cell in enumerate(row.cells)}
            tables = [_Table({"drop": place}, project.name) for place, project in named.items() if project]
            if tables:  # each project's drops below its name, without any other header
                return _Header(index, tables)
        return None

    def _table(self, columns: dict[str, int], above: Sequence[Row], sheet_name: str) -> _Table:
        first, last = min(columns.values()), max(columns.values())
        titles = [word(cell) for row in reversed(above) for cell in row.cells[first : last + 1] if cell != ""]
        known = next((self.projects[plain(title)] for title in titles if plain(title) in self.projects), None)
        known = known or self.projects.get(plain(sheet_name))
        return _Table(columns, known.name if known else None, titles[0] if titles else "")

    def _line(self, sheet: str, row: Row, table: _Table) -> None:
        cells = {kind: row.cells[at] if at < len(row.cells) else "" for kind, at in table.columns.items()}
        if all(cell == "" for cell in cells.values()):
            return
        read = self._read(cells, table)
        if isinstance(read, str):
            self.unread.append(Unread(sheet, row.number, read, _told(cells.values())))
        else:
            project, drop, day, at = read
            self.entries.append(Entry(sheet, row.number, project.name, drop, day, at))

    def _read(self, cells: Mapping[str, Cell], table: _Table) -> tuple[Project, str, date, time | None] | str:
        """What a line says, or why it cannot be used."""
        project = self._project(cells.get("project", ""), table)
        if isinstance(project, str):
            return project
        drop = drop_of(cells["drop"], project)
        if drop is None:
            return NO_DROP if cells["drop"] == "" else NOT_A_DROP
        if table.month_first and is_ambiguous(cells["date"]):
            return MONTH_FIRST
        day = self._day(cells.get("date", ""))
        if isinstance(day, str):
            return day
        clock = cells.get("time", "")
        at = time_of(clock) if clock != "" else time_of(cells.get("date", ""))
        if at is None and clock != "":
            return NOT_A_TIME
        return project, drop, day, at

    def _project(self, cell: Cell, table: _Table) -> Project | str:
        name = word(cell) or table.project or self.given.project or ""
        if not name:
            return UNKNOWN_PROJECT if table.above else NO_PROJECT
        return self.projects.get(plain(name), UNKNOWN_PROJECT)

    def _day(self, cell: Cell) -> date | str:
        if cell == "":
            return self.given.day or NO_DAY
        day = day_of(cell)
        if day is None:
            return NOT_A_DAY
        return day if EARLIEST <= day <= self.today + timedelta(days=1) else DAY_OUT_OF_RANGE


def _told(cells: Iterable[Cell]) -> str:
    return " | ".join(word(cell)[:MAX_TOLD] for cell in cells if cell != "")


NO_HEADER = "This sheet has no column of drop numbers."
ABOVE_HEADER = "This stands above the header."
NO_DROP = "There is no drop number."
NOT_A_DROP = "This is not one drop number."
NO_DAY = "There is no date. Name the day that the list is of."
NOT_A_DAY = "This is not a date; the day comes first, then the month."
MONTH_FIRST = "This may be two days: another date of this column has its month first."
DAY_OUT_OF_RANGE = "This date lies in the future or long past."
NOT_A_TIME = "This is not a time of day."
NO_PROJECT = "It does not say which project. Name the project that the list is of."
UNKNOWN_PROJECT = "No project of this name is watched."


def read_list(sheets: Iterable[Sheet], projects: Iterable[Project], given: Given, today: date) -> SupervisorList:
    """What the sheets say. Raises Invalid where no sheet has a column of drop numbers, or a project is not known."""
    known = {plain(project.name): project for project in projects}
    if given.project is not None and plain(given.project) not in known:
        names = ", ".join(sorted(project.name for project in known.values())) or "none"
        raise Invalid(f"There is no project called {given.project[:100]}. There is: {names}.")
    reader = _Reader(known, given, today)
    every = list(sheets)
    listed = [sheet for sheet in every if not sheet.hidden]
    headless = [sheet for sheet in listed if not reader.sheet(sheet)]
    if len(headless) == len(listed):
        first = next((row for sheet in listed for row in sheet.rows), None)
        seen = ", ".join(word(cell)[:MAX_TOLD] for cell in first.cells if cell != "") if first else "nothing"
        raise Invalid(f"No column is headed “DR nr” or “Drop number”. The first row has: {seen[:300]}.")
    for sheet in headless:
        reader.unread += [Unread(sheet.name, row.number, NO_HEADER, _told(row.cells)) for row in sheet.rows]
    reader.unread += [Unread(sheet.name, 1, HIDDEN) for sheet in every if sheet.hidden]
    entries, repeats = told_once(reader.entries)
    return SupervisorList(entries, repeats, sorted(reader.unread, key=lambda line: (line.sheet, line.row)))


def told_once(entries: Iterable[Entry]) -> tuple[list[Entry], list[Repeat]]:
    """Each drop of a project on a day once, the first row counting; the other rows as its repeats."""
    first: dict[tuple[str, str, date], Entry] = {}
    repeats = []
    for entry in entries:
        key = (entry.project, entry.drop_number, entry.day)
        if key in first:
            repeats.append(Repeat(entry, first[key].row, first[key].sheet))
        else:
            first[key] = entry
    return list(first.values()), repeats


def kind_of(cell: Cell) -> str | None:
    """What a header's cell heads, None if nothing of ours."""
    name = re.sub(r"[\W_]", "", word(cell).casefold()) if isinstance(cell, str) else ""
    return next((kind for kind, names in NAMES.items() if name in names), None)


def blocks(kinds: Sequence[str | None]) -> list[dict[str, int]]:
    """The tables that stand side by side under one header row: a kind that comes again begins the next one."""
    found: list[dict[str, int]] = []
    current: dict[str, int] = {}
    for at, kind in enumerate(kinds):
        if kind is None:
            continue
        if kind in current:
            found.append(current)
            current = {}
        current[kind] = at
    found.append(current)
    return [columns for columns in found if "drop" in columns]


def plain(cell: Cell) -> str:
    """A name as it is compared: without case and spare spaces."""
    return word(cell).casefold()


def drop_of(cell: Cell, project: Project) -> str | None:
    """The one drop number in a cell, as the project writes its drops; bare digits stand for ``DR`` and the digits."""
    text = word(cell)
    if _BARE.fullmatch(text):
        text = f"DR{text}"
    found = rules.drops_in(text, project.pattern) or rules.drops_in(rules.normalised(text), project.pattern)
    if len(found) != 1 or rules.drops_in(found[0], project.pattern) != found:
        return None
    return found[0]
