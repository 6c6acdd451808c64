"""Spreadsheets as people send them, and those that were made to do harm."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from datetime import date, datetime, time, timedelta

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from tallybook.core.errors import Invalid, TallybookError, TooLarge
from tallybook.core.sheet_cells import csv_cell, csv_file, day_of, time_of, word
from tallybook.core.sheets import MAX_BYTES, Row, read_sheets

TABLE = [["Date", "DR nr", "שם"], ["02/12/2025", "DR1752104", "דנה"]]


def workbook(*cells: tuple[int, int, object], name: str = "A") -> bytes:
    whole = io.BytesIO()
    with xlsxwriter.Workbook(whole, {"in_memory": True}) as book:
        sheet = book.add_worksheet(name)
        day = book.add_format({"num_format": "dd/mm/yyyy"})
        for row, column, value in cells:
            if isinstance(value, datetime):
                sheet.write_datetime(row, column, value, day)
            else:
                sheet.write(row, column, value)
    return whole.getvalue()


def zipped(**parts: bytes) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as folder:
        for name, part in parts.items():
            folder.writestr(name.replace("__", "/").replace("_xml", ".xml"), part)
    return whole.getvalue()


def altered(book: bytes, part: str, old: bytes, new: bytes) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as before, zipfile.ZipFile(whole, "w") as after:
        for info in before.infolist():
            data = before.read(info)
            assert info.filename != part or old in data
            after.writestr(info.filename, data.replace(old, new) if info.filename == part else data)
    return whole.getvalue()


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1255"])
def test_a_csv_file_is_read_in_whatever_encoding_excel_chose(separator: str, encoding: str) -> None:
    text = "\r\n".join(separator.join(line) for line in TABLE)
    (sheet,) = read_sheets(text.encode(encoding))
    assert [row.cells for row in sheet.rows] == TABLE


def test_a_western_windows_file_keeps_its_letters() -> None:
    (sheet,) = read_sheets("Name,DR\nAndré Müller,DR1752104\n".encode("cp1252"))
    assert sheet.rows[1].cells[0] == "André Müller"


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_any_system_ends_them(ending: str) -> None:
    (sheet,) = read_sheets(ending.join(["a,b", "c,d"]).encode())
    assert [row.cells for row in sheet.rows] == [["a", "b"], ["c", "d"]]


def test_rows_have_the_numbers_that_an_editor_shows() -> None:
    text = 'sep=;\nDate;DR\n\n"a\nb";c\n;\nlast;x\n'
    (sheet,) = read_sheets(text.encode())
    assert sheet.rows == [Row(2, ["Date", "DR"]), Row(4, ["a\nb", "c"]), Row(7, ["last", "x"])]


def test_an_xlsx_file_is_read_with_dates_numbers_and_the_rows_that_excel_shows() -> None:
    book = workbook((2, 1, "DR nr"), (3, 1, 1752104), (3, 2, datetime(2025, 12, 2)), (5, 0, 45993.5), name="Lawley")
    (sheet,) = read_sheets(book)
    assert sheet.name == "Lawley"
    assert sheet.rows == [
        Row(3, ["", "DR nr", ""]), Row(4, ["", 1752104.0, date(2025, 12, 2)]), Row(6, [45993.5, "", ""]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("02/12/2025", date(2025, 12, 2)), ("2-12-25", date(2025, 12, 2)), ("2.12.2025", date(2025, 12, 2)),
        ("2025-12-02", date(2025, 12, 2)), ("2025/12/02 13:24", date(2025, 12, 2)), ("2 Dec 2025", date(2025, 12, 2)),
        ("02-Des-25", date(2025, 12, 2)), (45993, date(2025, 12, 2)), (45993.55, date(2025, 12, 2)),
        ("45993", date(2025, 12, 2)), (datetime(2025, 12, 2, 13), date(2025, 12, 2)),
        ("12/25/2025", None), ("31/02/2025", None), ("", None), ("today", None), (1752104, None), (True, None),
    ],
)  # fmt: skip
def test_a_day_is_read_however_it_is_written_and_never_guessed(cell: str | float | datetime, day: date | None) -> None:
    assert day_of(cell) == day


@pytest.mark.parametrize(
    ("cell", "clock"),
    [
        ("13:24", time(13, 24)), ("13:24:05", time(13, 24, 5)), ("1:24 PM", time(13, 24)), ("12:05am", time(0, 5)),
        ("13h24", time(13, 24)), ("13.24", time(13, 24)), (0.5, time(12)), (0.999999, time(23, 59, 59)),
        (45993.25, time(6)), ("0,75", time(18)), (time(7, 30), time(7, 30)), (timedelta(hours=5), time(5)),
        (datetime(2025, 12, 2, 9, 5), time(9, 5)), ("02/12/2025 09:05", time(9, 5)), ("2025-12-02T09:05", time(9, 5)),
        (datetime(2025, 12, 2), None), (45993, None), ("25:00", None), ("13:00 PM", None), ("", None), ("noon", None),
    ],
)  # fmt: skip
def test_a_time_is_read_however_it_is_written(cell: str | float | datetime | time, clock: time | None) -> None:
    assert time_of(cell) == clock


def test_a_whole_number_is_a_word_without_a_fraction() -> None:
    assert (word(1752104.0), word("  DR \u00a0 1 ")) == ("1752104", "DR 1")


@pytest.mark.parametrize("text", ["=1+1", "+27", "-2", "@SUM(A1)", "\t=1", "  =cmd|' /C calc'!A0", "\r=1"])
def test_a_cell_that_a_program_would_run_is_shown_instead(text: str) -> None:
    assert csv_cell(text).startswith("'")
    assert csv_file(["a"], [[text]]).decode("utf-8-sig").splitlines()[1].lstrip('"').startswith("'")


def test_an_ordinary_cell_stays_as_it_is() -> None:
    assert [csv_cell(value) for value in ("DR1752104", 12, None, "a=b")] == ["DR1752104", "12", "", "a=b"]


def test_a_file_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge):
        read_sheets(b"x" * (MAX_BYTES + 1))


def test_a_small_file_that_unfolds_to_much_is_refused() -> None:
    with pytest.raises(TooLarge, match="unfolds"):
        read_sheets(zipped(_Content_Types__xml=b"", xl__big_xml=b" " * 70_000_000))


def test_cells_that_lie_too_far_apart_are_refused_before_room_is_made_for_them() -> None:
    book = workbook((0, 0, "DR nr"), (1, 0, "DR1752104"))
    far = altered(book, "xl/worksheets/sheet1.xml", b'r="A2"', b'r="XFD1048576"')
    with pytest.raises(TooLarge, match="apart"):
        read_sheets(far)


def test_entities_are_refused() -> None:
    book = workbook((0, 0, "DR nr"))
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><worksheet'
    with pytest.raises(Invalid, match="entities"):
        read_sheets(altered(book, "xl/worksheets/sheet1.xml", b"<worksheet", bomb))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\x03\x04 and nothing else", "damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "old or a protected"),
        (zipped(hello_xml=b"<a/>"), "no XLSX"),
        (b"\x00\x01\x02" * 100, "neither"),
        (b"\xff\xfe\x00", "damaged"),
        (b'a,"' + b"x" * 200_000, "quotation"),
        (b",".join([b"x"] * 1000), "columns"),
    ],
)
def test_what_is_no_list_is_refused_in_a_sentence(data: bytes, words: str) -> None:
    with pytest.raises(TallybookError, match=words):
        read_sheets(data)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused_in_a_sentence(data: bytes) -> None:
    for begun in (data, b"PK\x03\x04" + data):
        with suppress(TallybookError):
            read_sheets(begun)


def test_a_truncated_workbook_is_refused_in_a_sentence() -> None:
    book = workbook((0, 0, "DR nr"), (1, 0, "DR1752104"))
    for cut in range(30, len(book), max(len(book) // 40, 1)):
        with pytest.raises(TallybookError):
            read_sheets(book[:cut])


def test_a_quotation_mark_that_is_never_closed_is_told_and_swallows_no_row() -> None:
    with pytest.raises(Invalid, match="Row 2 cannot be read as CSV"):
        read_sheets(b'Date,DR nr\n02/12/2025,"DR1752201\n02/12/2025,DR1752202\n')


def test_a_line_that_names_a_tab_as_separator_is_understood() -> None:
    (sheet,) = read_sheets(b"sep=\t\na, b; c\td\n")
    assert sheet.rows == [Row(2, ["a, b; c", "d"])]


@pytest.mark.parametrize("how", ["hide", "very_hidden"])
def test_a_hidden_sheet_is_named_and_not_read(how: str) -> None:
    whole = io.BytesIO()
    with xlsxwriter.Workbook(whole, {"in_memory": True}) as book:
        book.add_worksheet("Seen").write(0, 0, "a")
        hidden = book.add_worksheet("Old")
        hidden.write(0, 0, "b")
        getattr(hidden, how)()
    assert [(sheet.name, len(sheet.rows), sheet.hidden) for sheet in read_sheets(whole.getvalue())] == [
        ("Seen", 1, False), ("Old", 0, True),
    ]  # fmt: skip


def test_a_damaged_workbook_of_another_packing_is_refused_in_a_sentence() -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_LZMA) as folder:
        folder.writestr("[Content_Types].xml", b"<Types/>" * 1000)
    data = bytearray(whole.getvalue())
    data[60:90] = bytes(255 - one for one in data[60:90])
    with pytest.raises(Invalid, match="damaged"):
        read_sheets(bytes(data))


@pytest.mark.parametrize("text", ["1/12/20255", "2025-12-021", "2025-12-02x", "1 Dec 20255", "01/12/2025/3"])
def test_a_date_with_something_behind_it_that_is_no_time_is_none(text: str) -> None:
    assert day_of(text) is None
