"""Supervisors' lists in every layout that they have come in; no row of them is dropped."""

from __future__ import annotations

from datetime import date, time

import pytest

from tallybook.core.errors import Invalid
from tallybook.core.sheets import HIDDEN, Cell, Row, Sheet, read_sheets
from tallybook.monitor.rules import compile_pattern
from tallybook.monitor.service.supervisor_list import (
    MONTH_FIRST,
    NOT_A_DAY,
    Entry,
    Given,
    SupervisorList,
    read_list,
)
from tests.core.test_sheets import workbook
from tests.monitor.desk import LAWLEY, PROJECTS, project

TODAY = date(2025, 12, 3)
DAY = date(2025, 12, 2)


def read(text: str | bytes, **given: object) -> SupervisorList:
    data = text if isinstance(text, bytes) else text.encode()
    return read_list(read_sheets(data), PROJECTS, Given(**given), TODAY)


def drops(found: SupervisorList) -> list[tuple[str, str]]:
    return [(entry.project, entry.drop_number) for entry in found.entries]


@pytest.mark.parametrize(
    "header",
    ["Date,DR nr,Time", "DATE,DR NR.,TIME", "date , Dr_Number,time", "Datum,Drop No,Tyd", "תאריך,DR,שעה"],
)
def test_headers_may_be_in_any_case_and_spelling(header: str) -> None:
    found = read(f"{header}\n02/12/2025,DR1752104,13:24\n", project="lawley")
    assert found.entries == [Entry("", 2, "Lawley", "DR1752104", DAY, time(13, 24))]


def test_columns_may_stand_in_any_order_among_others() -> None:
    found = read("Nr,Time,Remark,DR nr,Date\n1,0.5,fine,1752104,45993\n", project="Lawley")
    assert found.entries == [Entry("", 2, "Lawley", "DR1752104", DAY, time(12))]


def test_several_projects_stand_side_by_side_with_their_names_above() -> None:
    book = workbook(
        (0, 0, "LAWLEY"), (0, 4, "Mohadin "),
        *((1, column, name) for column, name in enumerate(["Date", "DR nr", "Time", "", "Date", "Time", "DR nr"])),
        (2, 0, 45993), (2, 1, "DR1752104"), (2, 2, 0.25), (2, 4, "2/12/2025"), (2, 5, "07:00"), (2, 6, 1752105),
        (3, 4, 45993), (3, 6, "dr 1752106"),
    )  # fmt: skip
    assert read(book).entries == [
        Entry("A", 3, "Lawley", "DR1752104", DAY, time(6)),
        Entry("A", 3, "Mohadin", "DR1752105", DAY, time(7)),
        Entry("A", 4, "Mohadin", "DR1752106", DAY, None),
    ]


def test_a_sheet_may_be_named_for_its_project_and_a_column_may_name_it() -> None:
    by_sheet = read(workbook((0, 0, "DR nr"), (0, 1, "Date"), (1, 0, "DR1752104"), (1, 1, 45993), name="Mohadin"))
    assert drops(by_sheet) == [("Mohadin", "DR1752104")]
    by_column = read("Project;Date;DR nr\nLawley;2/12/2025;DR1752104\nMOHADIN;2/12/2025;DR1752105\n")
    assert drops(by_column) == [("Lawley", "DR1752104"), ("Mohadin", "DR1752105")]


def test_a_column_may_have_its_project_s_name_alone() -> None:
    assert drops(read("Lawley,Mohadin\nDR1752104,DR1752105\n,DR1752106\n", day=DAY)) == [
        ("Lawley", "DR1752104"), ("Mohadin", "DR1752105"), ("Mohadin", "DR1752106"),
    ]  # fmt: skip


def test_a_title_above_the_header_is_no_project() -> None:
    assert drops(read("December,,\nDR nr,Date\nDR1752104,2/12/2025\n", project="Lawley")) == [("Lawley", "DR1752104")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Lawley,2/12/2025,,", "no drop number"),
        ("Lawley,2/12/2025,house 12,", "not one drop number"),
        ("Lawley,2/12/2025,DR1752104 DR1752105,", "not one drop number"),
        ("Lawley,,DR1752104,", "no date"),
        ("Lawley,32/12/2025,DR1752104,", "not a date"),
        ("Lawley,2/12/2035,DR1752104,", "future"),
        ("Lawley,2/12/2025,DR1752104,soon", "not a time"),
        ("Atlantis,2/12/2025,DR1752104,", "No project of this name"),
        (",2/12/2025,DR1752104,", "which project"),
    ],
)
def test_a_row_that_cannot_be_used_is_told_with_its_number_and_why(line: str, reason: str) -> None:
    found = read(f"Project,Date,DR nr,Time\nLawley,2/12/2025,DR1752100,\n{line}\n")
    assert len(found.entries) == 1
    assert [(unread.row, reason in unread.reason) for unread in found.unread] == [(3, True)]


def test_no_row_is_lost_between_the_parts() -> None:
    lines = ["Date,DR nr,Time", "2/12/2025,DR1752104,08:00", "2/12/2025,DR1752104,09:00", "x,DR1752105,", "Total,,1"]
    found = read("\n".join(lines), project="Lawley")
    rows = [entry.row for entry in found.entries] + [repeat.entry.row for repeat in found.repeats]
    assert sorted(rows + [unread.row for unread in found.unread]) == [2, 3, 4, 5]


def test_a_sheet_without_a_header_beside_one_with_is_told_row_by_row() -> None:
    sheets = [
        Sheet("One", [Row(1, ["DR nr", "Date"]), Row(2, ["DR1752104", "2/12/2025"])]),
        Sheet("Two", [Row(1, ["DR1752105"]), Row(2, ["DR1752106"])]),
    ]
    found = read_list(sheets, PROJECTS, Given("Lawley"), TODAY)
    assert [(unread.sheet, unread.row) for unread in found.unread] == [("Two", 1), ("Two", 2)]


def test_the_same_drop_on_another_day_is_another_line() -> None:
    found = read("DR nr,Date\nDR1752104,1/12/2025\nDR1752104,2/12/2025\n", project="Lawley")
    assert ([entry.day.day for entry in found.entries], found.repeats) == ([1, 2], [])


def test_a_project_s_own_pattern_decides_what_a_drop_is() -> None:
    own = project("Poles", pattern=compile_pattern(r"P-[0-9]{3}"))
    rows: list[list[Cell]] = [["Drop", "Date"], ["p-123", "2/12/2025"], ["DR1752104", "2/12/2025"]]
    sheet = Sheet("", [Row(number, cells) for number, cells in enumerate(rows, start=1)])
    found = read_list([sheet], [own, LAWLEY], Given("Poles"), TODAY)
    assert (drops(found), [line.row for line in found.unread]) == ([("Poles", "P-123")], [3])


@pytest.mark.parametrize("text", ["a,b\n1,2\n", ""])
def test_a_file_without_drop_numbers_is_refused_with_what_it_has(text: str) -> None:
    with pytest.raises(Invalid, match="DR nr"):
        read(text, project="Lawley")


def test_a_column_with_a_date_that_has_its_month_first_is_not_half_read() -> None:
    """Read with the day first, 12/02/2025 would quietly be another day than the American who wrote it meant."""
    found = read("Date,DR nr\n11/20/2025,DR1752201\n12/02/2025,DR1752202\n12/12/2025,DR1752203\n", project="Lawley")
    # 12/12 is one day either way, though here it lies ahead of today.
    assert [(line.row, line.reason) for line in found.unread[:2]] == [(2, NOT_A_DAY), (3, MONTH_FIRST)]
    assert drops(found) == []
    other = read("Date,DR nr,Date,DR nr\n11/20/2025,DR1752201,02/12/2025,DR1752202\n", project="Lawley")
    assert drops(other) == [("Lawley", "DR1752202")], "another table's column speaks for itself"


def test_a_hidden_sheet_is_told() -> None:
    sheets = [
        Sheet("One", [Row(1, ["DR nr", "Date"]), Row(2, ["DR1752104", "2/12/2025"])]),
        Sheet("Old", [], hidden=True),
    ]
    found = read_list(sheets, PROJECTS, Given(project="Lawley"), TODAY)
    assert (drops(found), [(one.sheet, one.reason) for one in found.unread]) == (
        [("Lawley", "DR1752104")], [("Old", HIDDEN)],
    )  # fmt: skip
