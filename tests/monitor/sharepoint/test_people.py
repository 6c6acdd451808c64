"""What a person changed on SharePoint is theirs: it is shown, and written over only when somebody says so."""

from __future__ import annotations

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Conflict, NotAllowed
from tallybook.monitor.service import sharepoint_board
from tallybook.monitor.service.sharepoint_board import Decision
from tallybook.monitor.store import sharepoint as items
from tallybook.monitor.store.sharepoint import Item
from tests import world
from tests.graph.server import FakeGraph, Fault
from tests.graph.words import Asked
from tests.monitor import desk
from tests.monitor.desk import LAWLEY, said
from tests.monitor.sharepoint.conftest import DAY, FILE, TOLD, Syncing, numbers
from tests.monitor.sharepoint.test_trouble import writing

KEY = "2025-12-02|Lawley"


async def post_more(db: Database, home: Business) -> None:
    late = [said(LAWLEY, "DR1752109", "2025-12-02 20:30")]
    await db.run("post", lambda conn: desk.file(conn, home, late))


async def item(db: Database, home: Business) -> Item:
    found = await db.run("items", lambda conn: items.shown(conn, home.id, None, 9))
    return next(one for one in found if one.project == "Lawley")


async def decided(db: Database, who: world.Someone, etag: str, project: str | None, *, ours: bool) -> None:
    decision = Decision(DAY, project, etag, ours)
    await db.run("decide", lambda conn: sharepoint_board.decide(conn, who.caller, decision))


@pytest.fixture
async def root(db: Database, home: Business) -> world.Someone:
    return await db.run("add", lambda conn: world.root(conn, home))


async def test_changed_numbers_are_left_alone_and_both_are_kept_for_a_person_to_see(
    sync: Syncing, fake: FakeGraph, db: Database, home: Business
) -> None:
    await sync()
    fake.tenant.lists["Tallybook"].edit(KEY, Drops=99)
    await post_more(db, home)
    report = await sync(nightly=True)
    assert report.conflicts == 1
    assert numbers(fake)[KEY] == (99, 1, 2, 1)
    one = await item(db, home)
    assert (one.state, one.wanted.drops) == ("conflict", 4)
    assert one.theirs is not None
    assert one.theirs.values is not None
    assert (one.theirs.values.drops, one.theirs.by) == (99, "Thandi Nkosi")


async def test_a_change_that_comes_between_our_look_and_our_write_is_not_written_over(
    sync: Syncing, fake: FakeGraph, db: Database, home: Business
) -> None:
    await sync()
    await post_more(db, home)

    def and_meanwhile(asked: Asked) -> bool:
        if writing(asked):
            fake.tenant.lists["Tallybook"].edit(KEY, Drops=99)
        return writing(asked)

    fake.fault(Fault("slow", when=and_meanwhile))
    report = await sync()
    assert report.conflicts == 1
    assert numbers(fake)[KEY] == (99, 1, 2, 1)


async def test_ours_is_written_over_the_version_that_was_seen_and_over_no_later_one(
    sync: Syncing, fake: FakeGraph, db: Database, home: Business, root: world.Someone
) -> None:
    await sync()
    there = fake.tenant.lists["Tallybook"]
    there.edit(KEY, Drops=99)
    await sync()
    seen = (await item(db, home)).theirs
    assert seen is not None
    await decided(db, root, seen.etag, "Lawley", ours=True)
    there.edit(KEY, Drops=77)
    assert (await sync()).conflicts == 1
    assert numbers(fake)[KEY] == (77, 1, 2, 1)
    with pytest.raises(Conflict):
        await decided(db, root, seen.etag, "Lawley", ours=True)
    await decided(db, root, there.by_key(KEY).etag, "Lawley", ours=True)
    assert (await sync()).conflicts == 0
    assert numbers(fake) == TOLD


async def test_what_a_person_keeps_stays_theirs_night_after_night(
    sync: Syncing, fake: FakeGraph, db: Database, home: Business, root: world.Someone
) -> None:
    await sync()
    fake.tenant.lists["Tallybook"].edit(KEY, Drops=99)
    await sync()
    await decided(db, root, fake.tenant.lists["Tallybook"].by_key(KEY).etag, "Lawley", ours=False)
    await post_more(db, home)
    for _ in range(2):
        assert (await sync()).conflicts == 0
    assert numbers(fake)[KEY] == (99, 1, 2, 1)
    assert (await item(db, home)).state == "kept"


async def test_a_deleted_item_is_not_made_again_unless_somebody_says_so(
    sync: Syncing, fake: FakeGraph, db: Database, home: Business, root: world.Someone
) -> None:
    await sync()
    fake.tenant.lists["Tallybook"].delete(KEY)
    assert (await sync()).conflicts == 1
    assert KEY not in numbers(fake)
    await decided(db, root, "", "Lawley", ours=True)
    await sync()
    assert numbers(fake) == TOLD


async def test_an_item_that_a_person_made_under_our_key_first_is_theirs(sync: Syncing, fake: FakeGraph) -> None:
    fake.tenant.lists["Tallybook"].add(TallybookKey=KEY.upper(), Drops=1, Complete=0, Incomplete=1, Resubmitted=0)
    assert (await sync()).conflicts == 1
    assert len(fake.tenant.lists["Tallybook"].items) == len(TOLD)
    assert numbers(fake)[KEY.upper()] == (1, 0, 1, 0)


async def test_who_changes_it_back_has_decided(sync: Syncing, fake: FakeGraph, db: Database, home: Business) -> None:
    await sync()
    fake.tenant.lists["Tallybook"].edit(KEY, Drops=99)
    await sync()
    fake.tenant.lists["Tallybook"].edit(KEY, Drops=3)
    assert (await sync()).conflicts == 0
    assert (await item(db, home)).state == "written"


async def test_a_workbook_that_a_person_saved_stays_theirs_until_somebody_decides(
    sync: Syncing, fake: FakeGraph, db: Database, home: Business, root: world.Someone
) -> None:
    await sync()
    fake.tenant.library.edit(FILE, b"with remarks")
    await post_more(db, home)
    assert (await sync()).conflicts == 1
    assert fake.tenant.library.files[FILE].content == b"with remarks"
    await decided(db, root, fake.tenant.library.files[FILE].etag, None, ours=True)
    assert (await sync()).conflicts == 0
    assert fake.tenant.library.files[FILE].content != b"with remarks"
    assert len(fake.tenant.library.files) == 1


async def test_a_workbook_saved_while_ours_was_going_up_is_not_written_over(
    sync: Syncing, fake: FakeGraph, db: Database, home: Business
) -> None:
    await sync()
    await post_more(db, home)

    def and_meanwhile(asked: Asked) -> bool:
        if asked.method == "PUT":
            fake.tenant.library.edit(FILE, b"with remarks")
        return asked.method == "PUT"

    fake.fault(Fault("slow", when=and_meanwhile))
    assert (await sync()).conflicts == 1
    assert fake.tenant.library.files[FILE].content == b"with remarks"


async def test_only_a_lead_or_an_admin_decides_and_it_is_recorded(
    sync: Syncing, fake: FakeGraph, db: Database, home: Business, root: world.Someone
) -> None:
    await sync()
    ana = await db.run("add", lambda conn: world.ana(conn, home))
    fake.tenant.lists["Tallybook"].edit(KEY, Drops=99)
    await sync()
    etag = fake.tenant.lists["Tallybook"].by_key(KEY).etag
    with pytest.raises(NotAllowed):
        await decided(db, ana, etag, "Lawley", ours=True)
    with pytest.raises(NotAllowed):
        await db.run("ask", lambda conn: sharepoint_board.ask(conn, ana.caller, DAY))
    await decided(db, root, etag, "Lawley", ours=True)

    async def recorded(conn: Conn) -> list[tuple[str, ...]]:
        found = await conn.execute(b"select who, action, subject_id from audit_log where subject = 'sharepoint'")
        return await found.fetchall()

    assert await db.run("record", recorded) == [("Root", "sharepoint.ours", "2025-12-02 Lawley")]


async def test_a_restored_database_that_knows_less_than_sharepoint_finds_its_own_words_again(
    sync: Syncing, fake: FakeGraph, db: Database
) -> None:
    await sync()

    async def forget(conn: Conn) -> None:
        for table in ("sharepoint_items", "sharepoint_files"):
            await conn.execute(f"delete from {table}".encode())

    await db.run("restore", forget)
    report = await sync()
    assert report.conflicts == 0
    assert numbers(fake) == TOLD
    assert len(fake.tenant.lists["Tallybook"].items) == len(TOLD)


async def test_another_list_begins_anew_and_the_old_one_is_left_alone(
    sync: Syncing, fake: FakeGraph, db: Database, home: Business
) -> None:
    await sync()
    old = fake.tenant.lists["Tallybook"]
    fake.tenant.lists["Tallybook"] = type(old)("Tallybook", old.columns, id="list-another")
    await sync()
    assert numbers(fake) == TOLD
    assert len(old.items) == len(TOLD)
