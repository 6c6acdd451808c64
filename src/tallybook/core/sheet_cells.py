"""What people mean by a cell: a day, a time of day, a word; and how a cell is written so that no program runs it. Pure.

Days come first in dates (31/12/2025), as in South Africa and Israel; what cannot be a date so read is refused, not
guessed at.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta

from .sheets import Cell

EXCEL_BEGINS = date(1899, 12, 30)  # Excel's day 0, its imaginary 29 February 1900 being allowed for
SERIALS = (36526, 73050)  # 2000-01-01 to 2099-12-31
CENTURY = 2000
IN_TWO_DIGITS = 100  # years below it were written without their century
NOON = 12
MONTHS = 12

_DAY_FIRST = re.compile(r"(\d{1,2})[./\-\s](\d{1,2})[./\-\s](\d{4}|\d{2})")
_YEAR_FIRST = re.compile(r"(\d{4})[./\-](\d{1,2})[./\-](\d{1,2})")
_NAMED = re.compile(r"(\d{1,2})[\s\-.]*([A-Za-z]{3,9})\.?[\s\-,]*(\d{4}|\d{2})")
_CLOCK = re.compile(r"(\d{1,2})\s*[:hH.]\s*(\d{2})(?:[:.](\d{2})(?:[.,]\d+)?)?\s*([AaPp])?\.?\s*(?:[Mm]\.?)?")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_MONTHS = {name: number for number, names in enumerate(
    ("jan", "feb", "mar mrt", "apr", "may mei", "jun", "jul", "aug", "sep", "oct okt", "nov", "dec des"), start=1)
    for name in names.split()}  # fmt: skip


def word(cell: Cell) -> str:
    """A cell as a word: whole numbers without ``.0``, spaces of every kind as one space."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return " ".join(str(cell).split())


def day_of(cell: Cell) -> date | None:
    """The day that a cell names, however it is written; None where it names none."""
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    if isinstance(cell, bool | time | timedelta):
        return None
    text = word(cell)
    if _NUMBER.fullmatch(text):
        return _serial_day(float(text.replace(",", ".")))
    return _written_day(text)


def _serial_day(number: float) -> date | None:
    return EXCEL_BEGINS + timedelta(days=int(number)) if SERIALS[0] <= number < SERIALS[1] + 1 else None


def _written_day(text: str) -> date | None:
    """The date that a text is, or begins with; whatever time follows is not looked at."""
    if found := _day_within(_YEAR_FIRST, text):
        year, month, day = (int(part) for part in found.groups())
    elif found := _day_within(_DAY_FIRST, text):
        day, month, year = (int(part) for part in found.groups())
    elif (found := _day_within(_NAMED, text)) and found[2][:3].lower() in _MONTHS:
        day, month, year = int(found[1]), _MONTHS[found[2][:3].lower()], int(found[3])
    else:
        return None
    try:
        return date(year + CENTURY if year < IN_TWO_DIGITS else year, month, day)
    except ValueError:
        return None


def _day_within(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """A whole date: no digit too many, and behind it nothing or a time."""
    found = pattern.match(text)
    return found if found and re.match(r"[\s,.]|T\d|$", text[found.end() :]) else None


def is_month_first(cell: Cell) -> bool:
    """Whether a cell is a date only if its month stands first, as in America: 11/20/2025."""
    parts = _slashed(cell)
    return parts is not None and 1 <= parts[0] <= MONTHS < parts[1]


def is_ambiguous(cell: Cell) -> bool:
    """Whether a cell is one date if its day stands first and another if its month does."""
    parts = _slashed(cell)
    return parts is not None and parts[0] != parts[1] and max(parts) <= MONTHS


def _slashed(cell: Cell) -> tuple[int, int] | None:
    found = _day_within(_DAY_FIRST, word(cell)) if isinstance(cell, str) else None
    return (int(found[1]), int(found[2])) if found else None


def time_of(cell: Cell) -> time | None:
    """The time of day that a cell names: a clock's, Excel's fraction of a day, or the time beside a date."""
    if isinstance(cell, datetime):
        return cell.time() if cell.time() != time() else None
    if isinstance(cell, time):
        return cell
    if isinstance(cell, timedelta):
        return _fraction(cell / timedelta(days=1))
    if isinstance(cell, bool | date):
        return None
    text = word(cell)
    number = float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None
    if number is not None and (number < 1 or number >= SERIALS[0]):
        return _fraction(number)
    found = _CLOCK.fullmatch(text) or _CLOCK.fullmatch(_without_day(text))
    return _clock(found) if found else None


def _without_day(text: str) -> str:
    for pattern in (_YEAR_FIRST, _DAY_FIRST, _NAMED):
        if found := pattern.match(text):
            return text[found.end() :].lstrip(" ,T")
    return ""


def _fraction(number: float) -> time | None:
    """The time of an Excel number; a whole one is a day and no time."""
    if number < 0 or number >= SERIALS[1] + 1 or (number >= 1 and number == int(number)):
        return None
    seconds = min(round((number % 1) * 86400), 86399)
    return (datetime.combine(EXCEL_BEGINS, time()) + timedelta(seconds=seconds)).time()


def _clock(found: re.Match[str]) -> time | None:
    hour, minute, second, half = int(found[1]), int(found[2]), int(found[3] or 0), (found[4] or "").lower()
    if half and not 1 <= hour <= NOON:
        return None
    if half:
        hour = hour % NOON + (NOON if half == "p" else 0)
    try:
        return time(hour, minute, second)
    except ValueError:
        return None


_RUNS = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_cell(value: object) -> str:
    """A value as text that a spreadsheet program shows and does not run as a formula. A number below zero is none."""
    if isinstance(value, int | float):
        return str(value)
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_RUNS) or text.lstrip().startswith(_RUNS[:4]) else text


def csv_file(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A CSV file that Excel opens with the right letters: UTF-8 with its mark, every cell safe."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows([csv_cell(value) for value in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")
