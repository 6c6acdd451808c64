"""The old system's tables come in whole: nothing is lost, guessed or overwritten, and twice changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from tallybook.core import environment, older_tables, revisions
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.errors import WrongSetup
from tallybook.core.import_book import Outcome
from tallybook.monitor.service import legacy
from tallybook.monitor.service.legacy import Import
from tallybook.monitor.service.legacy_rows import HALF_LOCK, LID, NO_ZONE, Terms
from tallybook.monitor.store import legacy as store
from tallybook.monitor.store import projects as project_store
from tests.architecture.test_keys import TABLES
from tests.monitor.desk import LAWLEY, MARKETING, PROJECTS, file, said
from tests.monitor.old_system import FILLED, OLD_SCHEMA

SAST = ZoneInfo("Africa/Johannesburg")
SPACES = {project.name: project.space for project in PROJECTS}
LIDS = {"106678912345678": "27820000009"}


@pytest.fixture
def old(owner_url: str) -> Any:
    """The old tables in a schema of their own, gone after the test."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("drop schema if exists legacy cascade; create schema legacy; set search_path to legacy")
        connection.execute((OLD_SCHEMA + FILLED).encode())
        yield owner_url
        connection.execute("drop schema legacy cascade")


@pytest.fixture
async def home(db: Database, business: Business) -> Business:
    await db.run("mirror", lambda conn: project_store.mirror(conn, business.id, PROJECTS))
    return business


async def imported(db: Database, business: Business, url: str, *, dry_run: bool = False, **terms: Any) -> Outcome:
    rows, _ = await store.rows_of(url, "legacy")
    known = Terms(business.zone, ZoneInfo("UTC"), SPACES, lids=LIDS, **terms)
    every = Import(business, known, rows)
    return await db.run("import", lambda conn: every.run(conn, "a test", dry_run=dry_run))


async def look(db: Database, query: str) -> list[tuple[Any, ...]]:
    async with db.transaction() as conn:
        return await (await conn.execute(query.encode())).fetchall()


async def everything(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    tables = [row[0] for row in await look(db, TABLES)]
    return {table: await look(db, f"select t::text from {table} t order by 1") for table in sorted(tables)}


def why(outcome: Outcome, table: str = "qa_photo_reviews") -> dict[tuple[str, str], int]:
    return {(one.becomes, one.why): one.rows for one in outcome.remarks if one.table == table}


async def test_every_row_is_added_or_left_out_with_its_reason(db: Database, home: Business, old: str) -> None:
    outcome = await imported(db, home, old)
    counts = {one.name: (one.read, one.added, one.known, one.left_out) for one in outcome.tables}
    assert counts == {
        "valid_drop_numbers": (2, 2, 0, 0), "qa_photo_reviews": (7, 5, 0, 2), "marketing_activations": (3, 3, 0, 0),
        "invalid_drop_submissions": (1, 1, 0, 0),
    }  # fmt: skip
    assert all(read == added + there + left for read, added, there, left in counts.values())
    assert why(outcome) == {
        ("left out", legacy.TWICE): 1,
        ("left out", "it names no project; --project says which one such rows belong to"): 1,
        ("added", legacy.DATED): 1, ("added", LID): 1, ("added", NO_ZONE): 1, ("added", HALF_LOCK): 1,
    }  # fmt: skip
    assert why(outcome, "marketing_activations") == {("added", legacy.REPEATED): 1}


async def test_ticks_reasons_comment_feedback_and_lock_are_kept(db: Database, home: Business, old: str) -> None:
    await imported(db, home, old)
    (row,) = await look(
        db,
        """select space, project, step_01_house_photo, step_08_ont_barcode, step_02_cable_from_pole, completed_photos,
            resubmitted, incorrect_steps, incorrect_comments, locked_by, locked_at, feedback_sent,
            whatsapp_message_date, comment, submitted_by
        from qa_photo_reviews where drop_number = 'DR1752104' and review_date = '2025-11-26'""",
    )
    assert row[:10] == (
        "fibre", "Lawley", True, True, False, 2, True, ["step_02_cable_from_pole"],
        {"step_02_cable_from_pole": "Blurry"}, "Ana",
    )  # fmt: skip
    assert row[10:13] == (
        datetime(2025, 11, 28, 12, tzinfo=UTC), datetime(2025, 11, 27, 10, tzinfo=UTC),
        datetime(2025, 11, 26, 13, 42, 54, tzinfo=SAST),
    )  # fmt: skip
    assert "RESUBMITTED" in row[13]
    assert row[14] == "27820000001"


async def test_a_lid_is_looked_up_and_never_taken_for_a_phone(db: Database, home: Business, old: str) -> None:
    await imported(db, home, old)
    senders = await look(
        db, "select drop_number, submitted_by, user_name from qa_photo_reviews order by 1, review_date"
    )
    assert {drop: (by, name) for drop, by, name in senders if drop in {"DR1733787", "DR1733755"}} == {
        "DR1733787": ("27820000009", "27820000009"), "DR1733755": (None, "unresolved"),
    }  # fmt: skip


async def test_each_post_has_its_row_and_each_drop_its_last_moment(db: Database, home: Business, old: str) -> None:
    await imported(db, home, old)
    posts = await look(
        db, "select said_at, effect from qa_submissions where drop_number = 'DR1752104' order by said_at"
    )
    assert posts == [
        (datetime(2025, 11, 26, 13, 42, 54, tzinfo=SAST), "created"),
        (datetime(2025, 11, 28, 9, 30, tzinfo=SAST), "resubmitted"),
        (datetime(2025, 12, 1, 8, tzinfo=SAST), "resubmitted"),
    ]
    assert len(await look(db, "select from drops")) == 4


async def test_twice_changes_nothing(db: Database, home: Business, old: str) -> None:
    await imported(db, home, old)
    before = await everything(db)
    outcome = await imported(db, home, old)
    assert await everything(db) == before
    assert [one.added for one in outcome.tables] == [0, 0, 0, 0]
    assert len(await look(db, "select from audit_log where action = 'legacy.imported'")) == 1


async def test_a_dry_run_says_the_same_and_changes_nothing(db: Database, home: Business, old: str) -> None:
    before = await everything(db)
    dry = await imported(db, home, old, dry_run=True)
    assert await everything(db) == before
    wet = await imported(db, home, old)
    assert (dry.tables, dry.remarks) == (wet.tables, wet.remarks)


async def test_the_project_of_rows_that_name_none_can_be_said(db: Database, home: Business, old: str) -> None:
    outcome = await imported(db, home, old, nameless="Lawley")
    assert outcome.tables[1].left_out == 1
    (row,) = await look(
        db,
        "select project, space, user_name, whatsapp_message_date from qa_photo_reviews where drop_number='DR1733714'",
    )
    assert row == ("Lawley", "fibre", "Manual Entry", None)


async def test_a_review_that_stands_here_is_not_overwritten(db: Database, home: Business, old: str) -> None:
    async with db.transaction() as conn:
        await file(
            conn,
            home,
            [said(LAWLEY, "DR1752104", "2025-11-26 13:42:54"), said(LAWLEY, "DR1733700", "2025-12-03 08:00")],
        )
        await conn.execute(b"update qa_photo_reviews set comment = 'mine' where drop_number = 'DR1752104'")
    outcome = await imported(db, home, old)
    reasons = why(outcome)
    assert reasons["left out", legacy.TAKEN] == 1
    assert reasons["added", legacy.DATED] == 2, "one beside a review of another day, and one beside the review of today"
    assert ("mine",) in await look(db, "select comment from qa_photo_reviews where drop_number = 'DR1752104'")


async def test_posts_that_the_old_system_filed_are_history_when_the_bridge_is_read_again(
    db: Database, home: Business, old: str
) -> None:
    await imported(db, home, old)
    before = await look(
        db, "select id, resubmitted, feedback_sent, comment, updated_at from qa_photo_reviews order by id"
    )
    async with db.transaction() as conn:
        await file(
            conn, home,
            [said(LAWLEY, "DR1752104", "2025-11-26 13:42:54"), said(LAWLEY, "DR1752104 done", "2025-11-28 09:29:50"),
             said(MARKETING, "DR1752104", "2025-11-26 12:47:00")],
        )  # fmt: skip
    assert (
        await look(db, "select id, resubmitted, feedback_sent, comment, updated_at from qa_photo_reviews order by id")
        == before
    )
    assert len(await look(db, "select from marketing_activations where drop_number = 'DR1752104'")) == 1
    async with db.transaction() as conn:
        await file(conn, home, [said(LAWLEY, "DR1752104", "2025-12-01 08:00:01")])
    assert ("DR1752104",) in await look(
        db, "select drop_number from qa_photo_reviews where resubmitted and review_date = '2025-12-01'"
    )


async def test_the_old_tables_are_only_read(db: Database, home: Business, old: str) -> None:
    with psycopg.connect(old) as connection:
        before = connection.execute(
            "select md5(string_agg(t::text, '' order by id)) from legacy.qa_photo_reviews t"
        ).fetchall()
        await imported(db, home, old)
        after = connection.execute(
            "select md5(string_agg(t::text, '' order by id)) from legacy.qa_photo_reviews t"
        ).fetchall()
    assert before == after


async def test_a_schema_without_old_tables_or_with_ours_is_refused(db: Database, owner_url: str) -> None:
    with pytest.raises(WrongSetup, match="tables of this product"):
        await store.rows_of(owner_url, "public")
    with pytest.raises(WrongSetup, match="none of the old tables"):
        await store.rows_of(owner_url, "extensions")


async def test_old_tables_in_our_place_are_told_and_moved_with_every_row(
    fresh_owner_url: str, postgres: Any, worker_database: str
) -> None:
    name = f"{worker_database}_old"
    postgres.drop(name)
    postgres.run(f"create database {name} owner tallybook_owner")
    url = postgres.url("tallybook_owner", name)
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute((OLD_SCHEMA + FILLED).encode())
            with pytest.raises(WrongSetup, match="import-legacy --move"):
                await revisions.migrate(url, "prod")
            moved = await older_tables.move(url, "prod")
            assert "qa_photo_reviews" in moved
            assert await older_tables.move(url, "prod") == []
            assert connection.execute("select count(*) from legacy.qa_photo_reviews").fetchone() == (7,)
            await environment.create(url, "prod", {})
            assert connection.execute("select count(*) from public.qa_photo_reviews").fetchone() == (0,)
        rows, beside = await store.rows_of(url, "legacy")
        assert (len(rows["qa_photo_reviews"]), beside) == (7, ["sharepoint_sync_state"])
    finally:
        postgres.drop(name)


async def test_a_row_that_cannot_be_read_leaves_its_neighbours_alone(db: Database, home: Business, old: str) -> None:
    with psycopg.connect(old) as connection:
        connection.execute("alter table legacy.qa_photo_reviews alter drop_number drop not null")
        connection.execute(
            "insert into legacy.qa_photo_reviews (user_name, drop_number) values ('x', null), ('x', ' ')"
        )
        connection.execute(
            "insert into legacy.marketing_activations (drop_number, whatsapp_message_date) values ('DR1', 'infinity')"
        )
    outcome = await imported(db, home, old)
    assert why(outcome)["left out", "it has no drop number"] == 2
    assert outcome.tables[1].added == 5
    assert outcome.tables[2].left_out == 1
