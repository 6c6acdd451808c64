"""Lists of questions and answers, as people keep them in spreadsheets. Pure: bytes in, lines out."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from tallybook.core.errors import Invalid, TooLarge
from tallybook.core.sheet_cells import word
from tallybook.core.sheets import MAX_CELL, Cell, Row, Sheet, read_sheets
from tallybook.inbox import responder
from tallybook.inbox.answer_types import Line

HEADER_WITHIN = 20  # rows
MOST_LINES = 5_000
LONGEST_QUESTION = 500  # characters, as the table has it
LONGEST_ANSWER = MAX_CELL - 1  # a cell that is longer was cut, and half an answer is none
LANGUAGES = ("en", "he")
COLUMNS = ("question", "answer", "language")

NO_QUESTION = "There is no question."
NO_ANSWER = "There is no answer."
NO_TEXT = "The question or the answer is a date or a time. Format its cell as text."
LONG_QUESTION = f"The question is longer than {LONGEST_QUESTION} characters."
LONG_ANSWER = f"The answer is longer than {LONGEST_ANSWER:,} characters."
NO_LANGUAGE = "The language must be en or he."
IS_HEBREW = "The question has Hebrew letters and stands as en, so it would never be found. Its language is he."
SAYS_NOTHING = "The question has no word by which it could be told from others."
NOT_SHOWN = "It holds a character that cannot be shown."
SAID_OTHERWISE = "The same question has another answer in row {row}."


class Wrong(msgspec.Struct, frozen=True):
    """A row that cannot be used, as Excel numbers it, and why. A CSV file's sheet has no name."""

    sheet: str
    row: int
    reason: str


class Read(msgspec.Struct, frozen=True):
    """What a file says. ``repeats`` lines said the same twice; ``left_out`` are sheets without the columns."""

    lines: list[Line]
    wrong: list[Wrong]
    repeats: int
    left_out: list[str]


@dataclass
class _Reader:
    """Reads sheets into one list, by language and question."""

    lines: dict[tuple[str, str], tuple[Line, int]] = field(default_factory=dict)
    wrong: list[Wrong] = field(default_factory=list)
    repeats: int = 0

    def sheet(self, sheet: Sheet) -> bool:
        """Reads one sheet; False if it has no header."""
        begun = _header(sheet.rows)
        if begun is None:
            return False
        after, columns = begun
        for row in sheet.rows[after:]:
            cells = [row.cells[columns[name]] if columns[name] < len(row.cells) else "" for name in COLUMNS]
            if any(cell != "" for cell in cells):
                told = self._take(line_of(*cells), row.number)
                self.wrong += [Wrong(sheet.name, row.number, told)] if told else []
        return True

    def _take(self, read: Line | str, row: int) -> str | None:
        """Why a line cannot be used; None where it was taken, or was there already."""
        if isinstance(read, str):
            return read
        there, first = self.lines.setdefault((read.language, read.question), (read, row))
        if there is read:
            return None
        if there.answer != read.answer:
            return SAID_OTHERWISE.format(row=first)
        self.repeats += 1
        return None


def read(data: bytes) -> Read:
    """The lines of a CSV or XLSX file with the columns question, answer and language.

    Raises Invalid where no sheet has them or nothing stands below, TooLarge above 5,000 lines or 5 MB.
    """
    sheets = read_sheets(data)
    reader = _Reader()
    left_out = [sheet.name for sheet in sheets if not reader.sheet(sheet) and (sheet.rows or sheet.hidden)]
    if not reader.lines and not reader.wrong:
        raise Invalid(f"The file has no line below a header with the columns {', '.join(COLUMNS)}.")
    if len(reader.lines) > MOST_LINES:
        raise TooLarge(f"The file has more than {MOST_LINES:,} questions.", limit=MOST_LINES)
    return Read([line for line, _ in reader.lines.values()], reader.wrong, reader.repeats, left_out)


def _header(rows: Sequence[Row]) -> tuple[int, Mapping[str, int]] | None:
    """How many rows stand before the list's own, and which column is what."""
    for place, row in enumerate(rows[:HEADER_WITHIN]):
        heads = [word(cell).casefold() for cell in row.cells]
        if all(name in heads for name in COLUMNS):
            return place + 1, {name: heads.index(name) for name in COLUMNS}
    return None


def line_of(question: Cell, answer: Cell, language: Cell) -> Line | str:
    """What a row says, or why it cannot be used."""
    if not isinstance(question, str | int | float) or not isinstance(answer, str | int | float):
        return NO_TEXT
    asked, said = _plain(word(question)), _plain(answer if isinstance(answer, str) else word(answer))
    tongue = word(language).casefold()
    reasons = (
        (not asked, NO_QUESTION),
        (not said, NO_ANSWER),
        (len(asked) > LONGEST_QUESTION, LONG_QUESTION),
        (len(said) > LONGEST_ANSWER, LONG_ANSWER),
        (not all(_is_shown(letter) for letter in asked + said), NOT_SHOWN),
        (tongue not in LANGUAGES, NO_LANGUAGE),
        (tongue == "en" and responder.language_of(asked) == "he", IS_HEBREW),
        (not responder.words_of(asked), SAYS_NOTHING),
    )
    return next((reason for holds, reason in reasons if holds), None) or Line(tongue, asked, said)


def _plain(text: str) -> str:
    """One spelling of what looks the same, so that the same file is the same list."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n").strip())


def _is_shown(letter: str) -> bool:
    return letter in "\n\t" or unicodedata.category(letter) not in {"Cc", "Cs"}
