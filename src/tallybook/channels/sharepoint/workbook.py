"""A workbook from sheets of plain values. A text is always written as a text, never as a formula or a link."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from tallybook.core.later import later

from .types import Sheet

if TYPE_CHECKING:
    import xlsxwriter
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet
else:
    xlsxwriter = later("xlsxwriter")

LONGEST_TEXT = 32_767  # characters in a cell
WIDEST = 48
MADE = datetime(2025, 1, 1, tzinfo=UTC)  # fixed, so that the same sheets are the same bytes
SAFE = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


def fingerprint(sheets: Sequence[Sheet]) -> str:
    """The same for the same sheets, whatever library draws them."""
    return hashlib.sha256(msgspec.json.encode(sheets)).hexdigest()


def workbook(sheets: Sequence[Sheet]) -> bytes:
    """The file, as XLSX."""
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, SAFE) as book:
        book.set_properties({"created": MADE})
        bold = book.add_format({"bold": True, "bottom": 1})
        moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        for sheet in sheets:
            _fill(book.add_worksheet(sheet.name), sheet, bold, moment)
    return target.getvalue()


def _fill(page: Worksheet, sheet: Sheet, bold: Format, moment: Format) -> None:
    for column, name in enumerate(sheet.head):
        longest = max((len(str(row[column])) for row in sheet.rows), default=0)
        page.set_column(column, column, min(WIDEST, max(longest, len(name)) + 2))
        page.write_string(0, column, name, bold)
    for number, row in enumerate(sheet.rows, 1):
        for column, value in enumerate(row):
            _put(page, (number, column), value, moment)
    page.freeze_panes(1, 0)
    page.autofilter(0, 0, max(len(sheet.rows), 1), len(sheet.head) - 1)


def _put(page: Worksheet, place: tuple[int, int], value: object, moment: Format) -> None:
    match value:
        case None:
            pass
        case bool():
            page.write_boolean(*place, value)
        case int() | float():
            page.write_number(*place, value)
        case datetime():
            page.write_datetime(*place, value, moment)
        case _:
            page.write_string(*place, str(value)[:LONGEST_TEXT])
