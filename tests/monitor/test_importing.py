"""Lists are imported after a look, whole or not at all, and as often as one likes."""

from __future__ import annotations

import asyncio
import io
import time
from typing import Any

import pytest
import xlsxwriter
from msgspec.structs import replace

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.core.sheets import MAX_BYTES
from tallybook.monitor.service import importing, validity
from tallybook.monitor.service.importing import File, compare
from tallybook.monitor.service.refiling import Person
from tallybook.monitor.validity_types import Change, Entry, Imported, Over, Preview
from tests import world
from tests.monitor.desk import LAWLEY, MARKETING, MOHADIN, file, open_for, said

NADIA, OMAR = Person("Nadia"), Person("Omar")
LIST = b"DR nr,Site\ndr 1752104,lawley\nDR:1733787 , Mohadin \n,\nDR1752104,Lawley\n1752105,Lawley\n"


def csv(project: str, *drops: str) -> bytes:
    return f"drop_number,project\n{''.join(f'{drop},{project}{chr(10)}' for drop in drops)}".encode()


async def rows(db: Database, statement: str) -> list[tuple[Any, ...]]:
    async def work(conn: Conn) -> list[tuple[Any, ...]]:
        return await (await conn.execute(statement)).fetchall()

    return await db.run("look", work)


@pytest.fixture
async def home(db: Database, business: Business) -> Business:
    await db.run("mirror", lambda conn: open_for(conn, business, replace(LAWLEY, validated=True), MOHADIN, MARKETING))
    return business


async def give(db: Database, business: Business, data: bytes, **more: Any) -> int:
    return await importing.give(db, business, File("hld.xlsx", data, **more), NADIA, MAX_BYTES)


async def look(db: Database, business: Business, number: int) -> Preview:
    return (await db.run("look", lambda conn: importing.look(conn, business, number)))[2]


async def done(db: Database, business: Business, data: bytes, **more: Any) -> Imported:
    return await importing.run(db, business, await give(db, business, data, **more), NADIA)


async def test_a_file_is_shown_before_it_changes_anything(db: Database, home: Business) -> None:
    number = await give(db, home, LIST + b"nonsense,Lawley\n")
    kept, read, changes = await db.run("look", lambda conn: importing.look(conn, home, number))
    assert (kept.state, kept.projects, read.repeats) == ("given", ["Lawley", "Mohadin"], 1)
    assert [(one.row, one.reason, one.detail) for one in read.unread] == [
        (7, "This is not a drop number.", "nonsense | Lawley")
    ]
    assert changes.added == [Entry("DR1733787", "Mohadin"), Entry("DR1752104", "Lawley"), Entry("DR1752105", "Lawley")]
    assert await rows(db, "select 1 from valid_drop_numbers") == []


async def test_what_is_imported_says_where_it_came_from(db: Database, home: Business) -> None:
    assert await done(db, home, LIST) == Imported(added=3, known=0)
    found = await rows(db, "select drop_number, project, sync_source, sync_timestamp > now() - interval '1 minute' "
                           "from valid_drop_numbers order by 1")  # fmt: skip
    assert found[0] == ("DR1733787", "Mohadin", "import: hld.xlsx", True)
    assert await rows(db, "select who, state, added, file_name, list from valid_imports") == [
        ("Nadia", "done", 3, "hld.xlsx", None)
    ]
    assert await rows(db, "select who, action from audit_log") == [("Nadia", "valid_list.imported")]


async def test_the_same_file_again_changes_nothing(db: Database, home: Business) -> None:
    await done(db, home, LIST)
    number = await give(db, home, LIST)
    assert (await look(db, home, number)).changes_nothing
    assert await importing.run(db, home, number, NADIA) == Imported(added=0, known=3)


async def test_a_workbook_is_read_like_a_text_file(db: Database, home: Business) -> None:
    whole = io.BytesIO()
    with xlsxwriter.Workbook(whole) as book:
        lawley = book.add_worksheet("lawley")
        for at, line in enumerate([("Prepared by Omar",), ("Drop Number", "Pole"), (1752104, 1), ("DR 1752105", 2)]):
            lawley.write_row(at, 0, line)
        book.add_worksheet("Notes").write(0, 0, "nothing here")
    number = await give(db, home, whole.getvalue())
    _, read, changes = await db.run("look", lambda conn: importing.look(conn, home, number))
    assert changes.gains == [Entry("DR1752104", "Lawley"), Entry("DR1752105", "Lawley")]
    assert [(one.sheet, one.reason) for one in read.unread] == [("Notes", "This sheet has no column of drop numbers.")]


def test_what_is_added_changed_and_withdrawn_is_told_by_drop() -> None:
    now = [("DR1", "Lawley"), ("DR2", "Lawley"), ("DR3", "Mohadin"), ("DR4", "Lawley"), ("DR5", "Etwatwa")]
    wanted = [Entry("DR1", "Lawley"), Entry("DR2", "Mohadin"), Entry("DR3", "Mohadin"), Entry("DR6", "Lawley")]
    changes = compare(now, wanted, {"Lawley", "Mohadin"}, withdraws=True)
    assert changes.added == [Entry("DR6", "Lawley")]
    assert changes.changed == [Change("DR2", ("Lawley",), ("Mohadin",))]
    assert changes.withdrawn == [Entry("DR4", "Lawley")]
    assert changes.losses == [Entry("DR2", "Lawley"), Entry("DR4", "Lawley")]
    assert changes.over == [Over("Lawley", 2, 3)]
    assert changes.unchanged == 2
    kept = compare(now, wanted, {"Lawley"}, withdraws=False)
    assert (kept.losses, kept.changed) == ([], [Change("DR2", ("Lawley",), ("Lawley", "Mohadin"))])
    assert kept.strange == ["Mohadin"]


async def test_what_the_file_lacks_is_withdrawn_only_when_told(db: Database, home: Business) -> None:
    drops = [f"DR{1_700_000 + n}" for n in range(10)]
    await done(db, home, csv("Lawley", *drops) + b"DR1733787,Mohadin\n")
    assert await done(db, home, csv("Lawley", *drops[1:])) == Imported(0, 9)
    assert await done(db, home, csv("Lawley", *drops[1:]), withdraws=True) == Imported(0, 9, 0, 1)
    left = await rows(db, "select drop_number from valid_drop_numbers order by 1")
    assert [row[0] for row in left] == [*drops[1:], "DR1733787"], "another project's list is not touched"


async def test_withdrawing_more_than_a_fifth_is_asked_about_again(db: Database, home: Business) -> None:
    drops = [f"DR{1_700_000 + n}" for n in range(10)]
    await done(db, home, csv("Lawley", *drops))
    number = await give(db, home, csv("Lawley", *drops[3:]), withdraws=True)
    with pytest.raises(Conflict, match="Lawley would lose 3 of 10"):
        await importing.run(db, home, number, NADIA)
    assert await rows(db, "select count(*) from valid_drop_numbers") == [(10,)]
    assert (await importing.run(db, home, number, NADIA, over=True)).withdrawn == 3


async def test_nothing_is_withdrawn_by_a_file_with_a_row_that_cannot_be_read(db: Database, home: Business) -> None:
    """What the row means would go too."""
    await done(db, home, csv("Lawley", *(f"DR{1_700_000 + n}" for n in range(10))))
    drops = [f"DR{1_700_000 + n}" for n in range(1, 10)]
    number = await give(db, home, csv("Lawley", *drops, "DR17 000 00 or so"), withdraws=True)
    with pytest.raises(Conflict, match="Row 11 cannot be used"):
        await importing.run(db, home, number, NADIA)


async def test_an_import_is_done_once(db: Database, home: Business) -> None:
    number = await give(db, home, LIST)
    both = await asyncio.gather(
        *(importing.run(db, home, number, who) for who in (NADIA, OMAR)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in both) == ["Conflict", "Imported"]
    with pytest.raises(Conflict, match="already"):
        await importing.run(db, home, number, OMAR)
    assert await rows(db, "select count(*) from audit_log") == [(1,)]


async def test_two_imports_of_one_project_go_one_after_the_other(db: Database, home: Business) -> None:
    one = await give(db, home, csv("Lawley", *(f"DR{1_700_000 + n}" for n in range(500))))
    other = await give(db, home, csv("Lawley", *(f"DR{1_700_250 + n}" for n in range(500))))
    first, second = await asyncio.gather(*(importing.run(db, home, number, NADIA) for number in (one, other)))
    assert (first.added + second.added, first.known + second.known) == (750, 250)


async def test_what_fails_changes_nothing_and_holds_nobody_up(db: Database, home: Business) -> None:
    number = await give(db, home, LIST)

    def fail(done: int, total: int) -> None:
        raise LookupError(done, total)

    with pytest.raises(LookupError):
        await importing.run(db, home, number, NADIA, progress=fail)
    assert await rows(db, "select state from valid_imports") == [("ended",)]
    assert await rows(db, "select 1 from valid_drop_numbers") == []
    assert (await importing.run(db, home, number, NADIA)).added == 3


async def test_twenty_five_thousand_lines_take_seconds(db: Database, home: Business) -> None:
    heard: list[tuple[int, int]] = []
    data = csv("Lawley", *(f"DR{1_700_000 + n}" for n in range(25_000)))
    began = time.monotonic()
    number = await give(db, home, data)
    await look(db, home, number)
    await importing.run(db, home, number, NADIA, progress=lambda at, total: heard.append((at, total)))
    assert time.monotonic() - began < 10
    assert heard == [(at, 25_000) for at in range(5000, 25_001, 5000)]


async def test_marketing_is_told_when_a_list_comes_changes_or_goes(db: Database, home: Business) -> None:
    noted = "select is_valid, validation_message from marketing_activations"
    desk = await db.run("desk", lambda conn: open_for(conn, home, LAWLEY, MARKETING))
    await db.run("post", lambda conn: file(conn, home, [said(MARKETING, "DR1752104")], desk))
    assert await rows(db, noted) == [(None, "No list has been imported")]
    await done(db, home, csv("Mohadin", "DR1733787"))
    assert await rows(db, noted) == [(False, "In no project's list")]
    await done(db, home, csv("Lawley", "DR1752104"))
    assert await rows(db, noted) == [(True, "In the list of Lawley")]
    await importing.run(db, home, await give(db, home, csv("Lawley", "DR1752105"), withdraws=True), NADIA, over=True)
    assert await rows(db, noted) == [(False, "In no project's list")]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "The first row has: nothing"),
        (b"pole,colour\n1,red\n", "The first row has: pole, colour"),
        (b"drop_number\nDR1752104\n", "Row 2: It does not say which project"),
        (b"drop_number,project\nx,Lawley\n", "Row 2: This is not a drop number"),
    ],
)
async def test_a_file_without_a_line_that_can_be_used_is_refused(
    db: Database, home: Business, data: bytes, says: str
) -> None:
    with pytest.raises(Invalid, match=says):
        await give(db, home, data)


async def test_an_import_is_its_own_business_s(db: Database, home: Business) -> None:
    number = await give(db, home, LIST)
    other = await db.run("other", world.kinneret_tours)
    with pytest.raises(NotFound):
        await importing.run(db, other, number, NADIA)
    await db.run("list", lambda conn: validity.add(conn, other, [Entry("DR1752104", "Lawley")]))
    assert len((await look(db, home, number)).gains) == 3
