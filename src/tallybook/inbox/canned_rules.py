"""Canned answers: the places in them for names, how those are filled, and lists of them in spreadsheets. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from tallybook.core.errors import Conflict, Invalid, TooLarge
from tallybook.core.sheet_cells import csv_cell, word
from tallybook.core.sheets import Cell, Row, read_sheets

from . import desk_rules

LANGUAGES = ("en", "he")
COLUMNS = ("shortcut", "language", "text")
HEADER_WITHIN = 20  # rows
MOST_LINES = 2_000
LONGEST_BODY = 4096  # characters
# What may stand between braces, as each language says it.
VARIABLES: Mapping[str, tuple[str, ...]] = {
    "customer name": ("customer name", "שם הלקוח"),
    "first name": ("first name", "שם פרטי"),
    "customer phone": ("customer phone", "טלפון הלקוח"),
    "my name": ("my name", "השם שלי"),
    "business": ("business", "העסק"),
    "lead name": ("lead name", "שם הליד"),
}
BY_WORDS = {words: name for name, spellings in VARIABLES.items() for words in spellings}
_PLACE = re.compile(r"\{([^{}\n]{1,40})\}")


class Line(msgspec.Struct, frozen=True):
    """A canned answer as it is written down."""

    language: str
    shortcut: str
    body: str

    @property
    def folded(self) -> str:
        return desk_rules.folded(self.shortcut)


class Kept(msgspec.Struct, frozen=True):
    """A canned answer as it is kept."""

    id: int
    language: str
    shortcut: str
    body: str


class Filled(msgspec.Struct, frozen=True):
    """A canned answer with what is known in its places. ``missing`` are the variables of which nothing is known."""

    text: str
    missing: list[str]


class Wrong(msgspec.Struct, frozen=True):
    """A row that cannot be used, as Excel numbers it, and why."""

    row: int
    reason: str


class Read(msgspec.Struct, frozen=True):
    """What a file says; of lines that say the same shortcut twice the first."""

    lines: list[Line]
    wrong: list[Wrong]


def line(language: str, shortcut: str, body: str) -> Line:
    """Raises Invalid for a language, shortcut or text of no use, and for a place that nothing can fill."""
    if language not in LANGUAGES:
        raise Invalid("The language must be en or he.", languages=list(LANGUAGES))
    name = desk_rules.named(shortcut.strip().removeprefix("/"), desk_rules.LONGEST_SHORTCUT)
    text = desk_rules.written(body, LONGEST_BODY)
    unknown = [place for place in _PLACE.findall(text) if _name(place) is None]
    if unknown:
        raise Invalid("A place in the text is one that nothing can fill.", place=unknown[0], places=list(VARIABLES))
    return Line(language, name, text)


def _name(words: str) -> str | None:
    return BY_WORDS.get(" ".join(words.split()).casefold())


def filled(body: str, values: Mapping[str, str | None]) -> Filled:
    """The text with its places filled, each once: what a customer calls themselves is never read as a place."""
    missing: dict[str, None] = {}

    def fill(match: re.Match[str]) -> str:
        name = _name(match[1])
        value = values.get(name) if name is not None else None
        if value:
            return value.replace("{", "(").replace("}", ")")
        if name is not None:
            missing[name] = None
        return match[0]

    return Filled(_PLACE.sub(fill, body), list(missing))


def unfilled(text: str) -> list[str]:
    """The places of a text that still wait for a name, as they stand in it."""
    return [match[0] for match in _PLACE.finditer(text) if _name(match[1]) is not None]


def require_filled(text: str) -> None:
    """Raises Conflict for a text that a customer would see with a place in it."""
    if unfilled(text):
        raise Conflict("There is still a place for a name in the text. Fill it in or take it out.")


def first_name(name: str | None) -> str | None:
    """What somebody is called by those who know them; None for a phone."""
    first = (name or "").split()[:1]
    return first[0] if first and not first[0].startswith("+") else None


def found(kept: Sequence[Kept], search: str, language: str) -> list[Kept]:
    """Those that fit what was typed, the reader's language first, and shortcuts that begin with it before others."""
    sought = desk_rules.folded(search.strip())

    def rank(one: Kept) -> tuple[bool, bool, str]:
        name = desk_rules.folded(one.shortcut)
        return (not name.startswith(sought), one.language != language, name)

    fits = [one for one in kept if sought in desk_rules.folded(f"{one.shortcut}\n{one.body}")]
    return sorted(fits, key=rank)


def read(data: bytes) -> Read:
    """The lines of a CSV or XLSX file with the columns shortcut, language and text.

    Raises Invalid where no sheet has them, TooLarge above 2,000 lines or 5 MB.
    """
    lines: dict[tuple[str, str], Line] = {}
    wrong: list[Wrong] = []
    heads = 0
    for sheet in read_sheets(data):
        begun = _header(sheet.rows)
        if begun is None:
            continue
        heads += 1
        for row in sheet.rows[begun[0] :]:
            _take(row, begun[1], lines, wrong)
    if not heads:
        raise Invalid(f"The file has no header with the columns {', '.join(COLUMNS)}.")
    if len(lines) > MOST_LINES:
        raise TooLarge(f"The file has more than {MOST_LINES:,} answers.", limit=MOST_LINES)
    return Read(list(lines.values()), wrong)


def _take(row: Row, columns: Mapping[str, int], lines: dict[tuple[str, str], Line], wrong: list[Wrong]) -> None:
    cells = [_text(row.cells[columns[name]] if columns[name] < len(row.cells) else "") for name in COLUMNS]
    if not any(cells):
        return
    try:
        told = line(cells[1].casefold(), cells[0], cells[2])
    except Invalid as error:
        wrong.append(Wrong(row.number, error.message))
        return
    there = lines.setdefault((told.language, told.folded), told)
    if there.body != told.body:
        wrong.append(Wrong(row.number, "The same shortcut stands further up with another text."))


def _text(cell: Cell) -> str:
    """Lines in a cell stay; an apostrophe that an export put before a sign goes."""
    if not isinstance(cell, str):
        return word(cell)
    return (cell[1:] if csv_cell(cell[1:]) == cell else cell).strip()


def _header(rows: Sequence[Row]) -> tuple[int, Mapping[str, int]] | None:
    for place, row in enumerate(rows[:HEADER_WITHIN]):
        heads = [word(cell).casefold() for cell in row.cells]
        if all(name in heads for name in COLUMNS):
            return place + 1, {name: heads.index(name) for name in COLUMNS}
    return None
