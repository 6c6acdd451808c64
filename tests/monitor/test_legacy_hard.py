"""Old rows that are written otherwise, stand in the wrong table, or come while the bridge is read."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.import_book import Outcome
from tallybook.monitor.service import legacy
from tallybook.monitor.service.legacy import Import
from tallybook.monitor.service.legacy_rows import OTHERWISE, Terms
from tallybook.monitor.store import legacy as store
from tallybook.monitor.store import projects as project_store
from tests.monitor.desk import LAWLEY, PROJECTS, desk, file, project, said
from tests.monitor.old_system import OLD_SCHEMA

ETWATWA = project("Etwatwa", validated=True, space="fibre")
SPACES = {one.name: one.space for one in (*PROJECTS, ETWATWA)}
COLUMNS = """insert into qa_photo_reviews (drop_number, review_date, user_name, project, submitted_by,
    whatsapp_message_date, created_at, completed, step_01_house_photo) values """
ONE = "('DR1000001','2025-12-01','x','{}','27820000001','2025-12-01 08:00+02','2025-12-01 08:00:12+02',true,true)"
BLOCKED = "select count(*) from pg_locks where not granted"


@pytest.fixture
async def home(db: Database, business: Business) -> Business:
    await db.run("mirror", lambda conn: project_store.mirror(conn, business.id, [*PROJECTS, ETWATWA]))
    return business


@pytest.fixture
def old(owner_url: str) -> Any:
    """Empty old tables in a schema of their own, gone after the test."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("drop schema if exists legacy cascade; create schema legacy; set search_path to legacy")
        connection.execute(OLD_SCHEMA.encode())
        yield connection
        connection.execute("drop schema legacy cascade")


async def imported(
    db: Database, home: Business, url: str, *statements: str, dry_run: bool = False, **terms: Any
) -> Outcome:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set search_path to legacy")
        for statement in statements:
            connection.execute(statement.encode())
    rows, _ = await store.rows_of(url, "legacy")
    every = Import(home, Terms(home.zone, ZoneInfo("UTC"), SPACES, **terms), rows)
    return await db.run("import", lambda conn: every.run(conn, "a test", dry_run=dry_run))


async def look(db: Database, query: str) -> list[tuple[Any, ...]]:
    async with db.transaction() as conn:
        return await (await conn.execute(query.encode())).fetchall()


def counts(outcome: Outcome, table: str = "qa_photo_reviews") -> tuple[int, int, int]:
    (found,) = (one for one in outcome.tables if one.name == table)
    assert found.read == found.added + found.known + found.left_out
    return found.added, found.known, found.left_out


def reasons(outcome: Outcome) -> set[str]:
    return {one.why for one in outcome.remarks}


async def test_a_project_written_otherwise_is_the_same_and_the_bridge_makes_no_second_life_of_its_drop(
    db: Database, home: Business, old: Any, owner_url: str
) -> None:
    outcome = await imported(db, home, owner_url, COLUMNS + ONE.format("  LAWLEY "))
    assert (counts(outcome), reasons(outcome)) == ((1, 0, 0), {OTHERWISE})
    await db.run("bridge", lambda conn: file(conn, home, [said(LAWLEY, "DR1000001", "2025-12-01 08:00")]))
    assert await look(db, "select space, project, completed, resubmitted from qa_photo_reviews") == [
        ("fibre", "Lawley", True, False)
    ]


async def test_an_unknown_project_is_left_out_with_its_name_or_mapped(
    db: Database, home: Business, old: Any, owner_url: str
) -> None:
    dry = await imported(db, home, owner_url, COLUMNS + ONE.format("Nowhere"), dry_run=True)
    assert counts(dry) == (0, 0, 1)
    assert "“Nowhere”" in dry.remarks[0].why
    outcome = await imported(db, home, owner_url, renamed={"NOWHERE": "Lawley"})
    assert counts(outcome) == (1, 0, 0)
    assert await look(db, "select project, space from qa_photo_reviews") == [("Lawley", "fibre")]


async def test_marketing_among_the_old_reviews_goes_to_marketing_and_a_dry_run_says_so(
    db: Database, home: Business, old: Any, owner_url: str
) -> None:
    rows = COLUMNS + ONE.format("Marketing Activations")
    dry = await imported(db, home, owner_url, rows, dry_run=True)
    wet = await imported(db, home, owner_url)
    assert (dry.tables, dry.remarks) == (wet.tables, wet.remarks)
    assert (counts(wet), reasons(wet)) == ((1, 0, 0), {legacy.MARKETING})
    assert await look(db, "select from qa_photo_reviews") == []
    assert await look(db, "select drop_number, project from marketing_activations") == [
        ("DR1000001", "Marketing Activations")
    ]
    assert counts(await imported(db, home, owner_url)) == (0, 1, 0)


async def test_ids_that_are_numbers_come_in_once(db: Database, home: Business, old: Any, owner_url: str) -> None:
    numbers = "alter table qa_photo_reviews drop column id; alter table qa_photo_reviews add id serial primary key"
    assert counts(await imported(db, home, owner_url, numbers, COLUMNS + ONE.format("Lawley"))) == (1, 0, 0)
    assert counts(await imported(db, home, owner_url)) == (0, 1, 0)


async def test_two_rows_with_one_id_both_come_in(db: Database, home: Business, old: Any, owner_url: str) -> None:
    rows = """alter table qa_photo_reviews drop constraint qa_photo_reviews_pkey;
        insert into qa_photo_reviews (id, drop_number, review_date, user_name, project, whatsapp_message_date) values
        ('00000000-0000-4000-8000-000000000001','DR1000001','2025-12-01','x','Lawley','2025-12-01 08:00+02'),
        ('00000000-0000-4000-8000-000000000001','DR1000002','2025-12-01','x','Lawley','2025-12-01 08:00+02')"""
    outcome = await imported(db, home, owner_url, rows)
    assert (counts(outcome), reasons(outcome)) == ((2, 0, 0), {legacy.SAME_ID})
    assert counts(await imported(db, home, owner_url)) == (0, 2, 0)


async def test_a_row_with_a_date_alone_is_not_posted_again_by_that_day_s_post(
    db: Database, home: Business, old: Any, owner_url: str
) -> None:
    row = ONE.format("Lawley").replace("'2025-12-01 08:00+02','2025-12-01 08:00:12+02'", "null,null")
    await imported(db, home, owner_url, COLUMNS + row)
    await db.run("bridge", lambda conn: file(conn, home, [said(LAWLEY, "DR1000001", "2025-12-01 08:00")]))
    assert await look(db, "select completed, resubmitted from qa_photo_reviews") == [(True, False)]


async def test_old_ticks_are_laid_over_a_review_that_nobody_has_touched_and_over_no_other(
    db: Database, home: Business, old: Any, owner_url: str
) -> None:
    posts = [said(LAWLEY, f"DR100000{number}", "2025-12-01 08:00") for number in (1, 2)]
    await db.run("bridge", lambda conn: file(conn, home, posts))
    async with db.transaction() as conn:
        await conn.execute(b"update qa_photo_reviews set step_08_ont_barcode = true where drop_number = 'DR1000002'")
    rows = f"{ONE.format('Lawley')}, {ONE.format('Lawley').replace('DR1000001', 'DR1000002')}"
    outcome = await imported(db, home, owner_url, COLUMNS + rows)
    assert (counts(outcome), reasons(outcome)) == ((1, 0, 1), {legacy.LAID, legacy.TAKEN})
    ticks = "select drop_number, step_01_house_photo, step_08_ont_barcode, completed from qa_photo_reviews order by 1"
    assert await look(db, ticks) == [("DR1000001", True, False, True), ("DR1000002", False, True, False)]
    assert counts(await imported(db, home, owner_url)) == (0, 1, 1)


async def test_what_the_bridge_files_while_the_import_runs_is_seen_by_it(
    db: Database, home: Business, old: Any, owner_url: str
) -> None:
    async with db.transaction() as conn:
        await file(conn, home, [said(LAWLEY, "DR1000001", "2025-12-01 08:00")])
        work = imported(db, home, owner_url, COLUMNS + ONE.format("Lawley"))
        importing = asyncio.create_task(work, context=contextvars.Context())  # another's transaction, not one in this
        async with asyncio.timeout(20):
            while old.execute(BLOCKED).fetchone() == (0,):
                await asyncio.sleep(0.02)  # a lock that is waited for is seen by looking alone
    outcome = await importing
    assert (counts(outcome), reasons(outcome)) == ((1, 0, 0), {legacy.LAID})
    assert await look(db, "select completed, resubmitted from qa_photo_reviews") == [(True, False)]


@pytest.mark.parametrize("bridge_first", [True, False])
async def test_a_refused_post_is_kept_once_whoever_brings_it_first(
    db: Database, home: Business, old: Any, owner_url: str, *, bridge_first: bool
) -> None:
    async with db.transaction() as conn:
        await conn.execute(b"insert into valid_drop_numbers (drop_number, project) values ('DR1', 'Etwatwa')")
    row = """insert into invalid_drop_submissions (drop_number, project, sender, submitted_at)
        values ('DR1000001', 'etwatwa', '27820000001', '2025-12-01 08:00+02')"""

    posts = [said(ETWATWA, "DR1000001", "2025-12-01 08:00")]

    async def bridge() -> None:
        await db.run("bridge", lambda conn: file(conn, home, posts, desk(*PROJECTS, ETWATWA)))

    if bridge_first:
        await bridge()
    await imported(db, home, owner_url, row)
    await bridge()
    assert await look(db, "select drop_number, message_id is not null from invalid_drop_submissions") == [
        ("DR1000001", True)
    ]
