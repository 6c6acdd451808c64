"""Whose numbers a day has: a project that went or was renamed keeps what it did, and a new one has no past."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tallybook import sharepoint_link
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Invalid
from tallybook.monitor.service.sharepoint import Order, Sync
from tallybook.settings import Settings
from tests.graph.server import FakeGraph
from tests.monitor.sharepoint.conftest import TOLD, Syncing, numbers

GONE = "update monitor_projects set active = false where name = 'Lawley'"
RENAMED = """
insert into monitor_projects (business_id, name, kind, drop_space, group_jid, validated, watched_since)
select business_id, 'Lawley North', kind, drop_space, group_jid, validated, '2025-12-03'
from monitor_projects where name = 'Lawley'
"""
KEY = "2025-12-02|Lawley"


async def change(db: Database, *statements: str) -> None:
    async def work(conn: Conn) -> None:
        for statement in statements:
            await conn.execute(statement.encode())

    await db.run("change", work)


async def test_a_project_that_was_removed_before_the_night_is_told_with_what_was_posted(
    sync: Syncing, fake: FakeGraph, db: Database
) -> None:
    await change(db, GONE)
    await sync(nightly=True)
    assert numbers(fake) == TOLD


async def test_a_renamed_project_s_day_stays_its_own_and_goes_on_being_brought_up_to_date(
    sync: Syncing, fake: FakeGraph, db: Database
) -> None:
    await sync(nightly=True)
    await change(db, GONE, RENAMED, "update qa_photo_reviews set completed = true")
    await sync(nightly=True)
    found = numbers(fake)
    assert found[KEY] == (3, 3, 0, 1)
    assert found.keys() == TOLD.keys(), "the new name has no zeros on a day before it was watched"


async def test_what_was_told_of_a_project_is_taken_back_when_its_posts_go(
    sync: Syncing, fake: FakeGraph, db: Database
) -> None:
    await sync(nightly=True)
    await change(
        db, GONE, "delete from qa_submissions where project = 'Lawley'",
        "delete from qa_photo_reviews where project = 'Lawley'",
    )  # fmt: skip
    await sync(nightly=True)
    assert numbers(fake)[KEY] == (0, 0, 0, 0)


async def test_a_day_that_has_not_begun_is_refused(sync: Syncing, fake: FakeGraph) -> None:
    with pytest.raises(Invalid, match="has not begun yet"):
        await sync((datetime.now(UTC) + timedelta(days=2)).date())
    assert numbers(fake) == {}


async def test_a_run_after_another_within_the_minute_starts_with_what_that_one_used(
    sync: Syncing, db: Database, home: Business, settings: Settings
) -> None:
    """The limit is the application's: a process that is new has not a new minute."""
    report = await sync()
    async with sharepoint_link.library(settings) as graph:
        await Sync(db, home, graph).run(Order(report.day, "Ana Mokoena"))
        used = sum(units for _, units in graph.wire.budget._used)
    async with sharepoint_link.library(settings) as alone:
        await change(db, "update sharepoint_runs set ended_at = ended_at - interval '2 minutes'")
        await Sync(db, home, alone).run(Order(report.day, "Ana Mokoena"))
        assert used - sum(units for _, units in alone.wire.budget._used) == 4 * len({*TOLD, "the workbook"})
