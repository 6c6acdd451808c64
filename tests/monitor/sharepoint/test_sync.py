"""The list and the workbook say what the day was, however often and by whatever way they are asked to."""

from __future__ import annotations

from io import BytesIO

import python_calamine

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tests.graph.server import FakeGraph
from tests.monitor import desk
from tests.monitor.desk import LAWLEY, said
from tests.monitor.sharepoint.conftest import DAY, FILE, TOLD, Syncing, numbers


async def test_the_list_has_one_item_for_each_project_of_the_day_and_the_days_workbook_is_there(
    sync: Syncing, fake: FakeGraph
) -> None:
    report = await sync()
    assert numbers(fake) == TOLD
    assert list(fake.tenant.library.files) == [FILE]
    assert (report.written, report.unchanged, report.conflicts) == (6, 0, 0)
    one = fake.tenant.items["2025-12-02|Lawley"]
    assert (one["Title"], one["Day"], one["Project"]) == ("Lawley 2025-12-02", "2025-12-02", "Lawley")


async def test_a_second_run_changes_nothing(sync: Syncing, fake: FakeGraph) -> None:
    await sync()
    versions = {item.id: item.version for item in fake.tenant.lists["Tallybook"].items.values()}
    report = await sync()
    assert (report.written, report.unchanged) == (0, 6)
    assert {item.id: item.version for item in fake.tenant.lists["Tallybook"].items.values()} == versions
    assert fake.tenant.library.uploads == 1


async def test_what_was_posted_since_is_written_into_the_same_item(
    sync: Syncing, fake: FakeGraph, db: Database, home: Business
) -> None:
    await sync()
    late = [said(LAWLEY, "DR1752109", "2025-12-02 20:30")]
    await db.run("post", lambda conn: desk.file(conn, home, late))
    report = await sync(nightly=True)
    assert numbers(fake) == TOLD | {"2025-12-02|Lawley": (4, 1, 3, 1)}
    assert report.written == 2
    assert fake.tenant.library.uploads == 2


async def test_a_person_s_own_column_is_no_conflict_and_stays(
    sync: Syncing, fake: FakeGraph, db: Database, home: Business
) -> None:
    await sync()
    fake.tenant.lists["Tallybook"].edit("2025-12-02|Lawley", Remark="Ask Ben")
    late = [said(LAWLEY, "DR1752109", "2025-12-02 20:30")]
    await db.run("post", lambda conn: desk.file(conn, home, late))
    assert (await sync()).conflicts == 0
    assert fake.tenant.items["2025-12-02|Lawley"]["Remark"] == "Ask Ben"
    assert numbers(fake)["2025-12-02|Lawley"] == (4, 1, 3, 1)


async def test_the_workbook_shows_the_day_and_no_text_of_it_is_a_formula(sync: Syncing, fake: FakeGraph) -> None:
    await sync()
    content = fake.tenant.library.files[FILE].content
    book = python_calamine.CalamineWorkbook.from_filelike(BytesIO(content))
    day = book.get_sheet_by_name("Day").to_python()
    assert [tuple(row[2:]) for row in day[1:]] == list(TOLD.values())
    reviews = book.get_sheet_by_name("Reviews").to_python()
    assert [row[1] for row in reviews[1:]] == ["DR1752101", "DR1752102", "DR1752103", "DR1752104"]
    assert reviews[1][5] == "yes"
    assert set(reviews[2][6:18]) == {"MISSING"}
    marketing = book.get_sheet_by_name("Marketing").to_python()
    assert [(row[1], row[4]) for row in marketing[1:]] == [("DR1752101", "no"), ("DR1752105", "yes")]


async def test_the_report_names_the_day_that_was_asked_for(sync: Syncing) -> None:
    report = await sync(DAY)
    assert report.day == DAY
    assert report.days == [DAY]
