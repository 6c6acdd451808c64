"""Spreadsheets that people send: CSV in whatever encoding Excel chose, and XLSX. Bytes in, rows with their numbers out.

What is read is bounded before it is parsed: a file may be small and yet unfold to gigabytes.
"""

from __future__ import annotations

import codecs
import csv
import io
import lzma
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, TypeAlias
from xml.parsers import expat

import msgspec

from .errors import Invalid, TooLarge
from .later import later

if TYPE_CHECKING:
    import python_calamine
else:
    python_calamine = later("python_calamine")

MAX_BYTES = 5_000_000
MAX_UNFOLDED = 60_000_000  # bytes of all parts of an XLSX file together
MAX_PARTS = 500
MAX_GRID = 3_000_000  # cells of one sheet, empty ones between others included: the parser makes room for each
MAX_ROWS = 200_000
MAX_COLUMNS = 500
MAX_CELL = 2_000  # characters that are kept of one cell
HIDDEN = "This sheet is hidden, so it was not read."

Cell: TypeAlias = str | int | float | bool | datetime | date | time | timedelta


class Row(msgspec.Struct, frozen=True):
    """One row. ``number`` is the one that Excel or an editor shows. An empty cell is an empty string."""

    number: int
    cells: list[Cell]


class Sheet(msgspec.Struct, frozen=True):
    """One sheet of a workbook; a CSV file is one without a name. Empty rows are left out, and all of a hidden sheet."""

    name: str
    rows: list[Row]
    hidden: bool = False


def read_sheets(data: bytes, most: int = MAX_BYTES) -> list[Sheet]:
    """The sheets of a CSV or XLSX file, told apart by what is in it and not by its name. Pure; up to a second of work.

    Raises TooLarge, or Invalid with a sentence that says what to do.
    """
    if len(data) > most:
        raise TooLarge(f"The file is larger than {most // 1_000_000} MB.", limit=most)
    if data.startswith(b"PK\x03\x04"):
        return _workbook(data)
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise Invalid("This is an old or a protected Excel file. Save it as XLSX without a password, or as CSV.")
    return [Sheet("", _csv_rows(_text(data)))]


# ── CSV ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_SEPARATORS = ",;\t|"
_HEBREW_WORD = re.compile(r"[\u05d0-\u05ea]{2}")


def _text(data: bytes) -> str:
    """What the bytes say: by their mark, else as UTF-8, else as Windows wrote it in Hebrew or in the West."""
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8":
            raise Invalid("The file is damaged: its text does not keep to its own encoding.") from None
        text = data.decode("cp1255", "replace")
        if not _HEBREW_WORD.search(text):
            text = data.decode("cp1252", "replace")
    if "\0" in text:
        raise Invalid("This is neither a CSV nor an XLSX file.")
    return text


def _csv_rows(text: str) -> list[Row]:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    told = re.fullmatch(r"sep=(.) *", lines[0], re.IGNORECASE)
    separator = told[1] if told else _separator(lines[:20])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[Row] = []
    begins = 1
    try:
        for cells in reader:
            number, begins = begins, reader.line_num + 1
            if len(cells) > MAX_COLUMNS:
                raise TooLarge(f"Row {number} has more than {MAX_COLUMNS} columns.", limit=MAX_COLUMNS)
            if any(cell.strip() for cell in cells) and not (told and number == 1):
                rows.append(Row(number, [cell.strip()[:MAX_CELL] for cell in cells]))
            if len(rows) > MAX_ROWS:
                raise TooLarge(f"The file has more than {MAX_ROWS:,} rows.", limit=MAX_ROWS)
    except csv.Error as error:
        raise Invalid(f"Row {begins} cannot be read as CSV. Is a quotation mark missing?") from error
    return rows


def _separator(lines: Iterable[str]) -> str:
    """The separator that most of the first lines have; a comma inside quotation marks is none."""
    bare = [re.sub(r'"[^"]*"', "", line) for line in lines]
    found = Counter({mark: sum(mark in line for line in bare) for mark in _SEPARATORS})
    return found.most_common(1)[0][0]


# ── XLSX ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _workbook(data: bytes) -> list[Sheet]:
    parts = _parts(data)
    if "[Content_Types].xml" not in parts or not any(name.startswith("xl/") for name in parts):
        raise Invalid("This is a ZIP file but no XLSX workbook. Save the list as XLSX or CSV.")
    if any(name.endswith(".bin") and "workbook" in name for name in parts):
        raise Invalid("This is a binary workbook (XLSB). Save it as XLSX or CSV.")
    for name, part in parts.items():
        if name.endswith((".xml", ".rels")):
            _check_grid(part)
    try:
        book = python_calamine.load_workbook(io.BytesIO(_packed(parts)))
        return [
            Sheet(one.name, _rows(book.get_sheet_by_name(one.name).to_python(skip_empty_area=False)))
            if one.visible is python_calamine.SheetVisibleEnum.Visible
            else Sheet(one.name, [], hidden=True)
            for one in book.sheets_metadata
            if one.typ is python_calamine.SheetTypeEnum.WorkSheet
        ]
    except BaseException as error:
        # A panic of the parser is no Exception, and says nothing that a person could use.
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise Invalid("This XLSX file is damaged. Open it in Excel and save it again.") from None
        raise


def _parts(data: bytes) -> dict[str, bytes]:
    """Every part of the file, unfolded here and bounded: the sizes that a ZIP file declares may be lies."""
    left = MAX_UNFOLDED
    parts: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as folder:
            listed = folder.infolist()
            if len(listed) > MAX_PARTS:
                raise TooLarge("The workbook has too many parts.", limit=MAX_PARTS)
            for info in listed:
                if info.flag_bits & 1:
                    raise Invalid("The workbook has a password. Save it without one.")
                if info.file_size > left:
                    raise TooLarge("The workbook unfolds to more than we take.", limit=MAX_UNFOLDED)
                with folder.open(info) as part:
                    parts[info.filename] = part.read(left + 1)
                left -= len(parts[info.filename])
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, OSError) as error:
        raise Invalid("This XLSX file is damaged. Open it in Excel and save it again.") from error
    return parts


def _packed(parts: dict[str, bytes]) -> bytes:
    """A workbook of exactly the parts that were looked at."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as folder:
        for name, part in parts.items():
            folder.writestr(name, part)
    return whole.getvalue()


def _check_grid(part: bytes) -> None:
    """Refuses a sheet whose corners lie so far apart that its grid would not fit into memory. Raises TooLarge."""
    corner = [0, 0]

    def begins(tag: str, attributes: dict[str, str]) -> None:
        place = attributes.get("r")
        name = tag.rpartition(":")[2]
        if place is None or name not in {"c", "row"}:
            return
        column, row = _place(place)
        corner[0], corner[1] = max(corner[0], column), max(corner[1], row)
        if corner[0] * corner[1] > MAX_GRID or corner[1] > MAX_ROWS:
            raise TooLarge("A sheet's cells lie too far apart. Delete the empty rows and columns between them.")

    def declares(*_: object) -> None:
        raise Invalid("The workbook declares entities of its own, which no spreadsheet program does.")

    parser = expat.ParserCreate()
    parser.StartElementHandler = begins
    parser.EntityDeclHandler = declares
    try:
        parser.Parse(part, True)  # noqa: FBT003 - it takes no keyword
    except expat.ExpatError as error:
        raise Invalid("This XLSX file is damaged. Open it in Excel and save it again.") from error


def _place(text: str) -> tuple[int, int]:
    """``AB12`` as (28, 12); a row's own ``12`` as (1, 12). What is no place counts as out of all bounds."""
    found = re.fullmatch(r"([A-Za-z]{0,3})([0-9]{1,7})", text)
    if found is None:
        return MAX_GRID, MAX_GRID
    column = 0
    for letter in found[1].upper():
        column = column * 26 + ord(letter) - 64
    return max(column, 1), int(found[2])


def _rows(grid: Sequence[Sequence[Cell]]) -> list[Row]:
    return [
        Row(number, [cell.strip()[:MAX_CELL] if isinstance(cell, str) else cell for cell in cells])
        for number, cells in enumerate(grid, start=1)
        if any(cell not in ("", None) for cell in cells)
    ]
