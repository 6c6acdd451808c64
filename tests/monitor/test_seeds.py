"""SQL that people have run for years runs unchanged: the documents' own where they are at hand, equals everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.environment import create
from tests import world
from tests.architecture.sources import ROOT
from tests.monitor.desk import LAWLEY, MARKETING, PROJECTS, VELO_TEST, file, open_for, said

SEEDS = ROOT.parent / "shared" / "seeds"
# How many statements each document has that read or write data. What the others hold besides is DDL of tables that
# come with their modules (users, sprints, overrides: triage; whatsapp_conversation: inbox); the one statement of 003
# asks the catalogue for a constraint of such a table, and runs already.
STATEMENTS = {"000": 6, "001": 9, "002": 0, "003": 1, "004": 0}
READS_OR_WRITES = re.compile(r"\s*(select|insert|update|delete|truncate|with)\b", re.IGNORECASE)

FOUR_DROPS = [
    ("DR1752104", "2025-11-26 12:47", "2025-11-26 13:42"),
    ("DR1733787", "2025-12-01 14:26", "2025-12-01 15:28"),
    ("DR1733755", "2025-12-02 11:23", "2025-12-02 11:28"),
    ("DR1733714", "2025-12-02 13:03", "2025-12-02 13:24"),
]
LOCATIONS = """
SELECT
  drop_number,
  string_agg(DISTINCT source || ' (' || TO_CHAR(sast_time, 'Mon DD HH24:MI') || ')', ', ') as locations
FROM (
  SELECT drop_number, 'QA/' || project as source, whatsapp_message_date AT TIME ZONE 'Africa/Johannesburg' as sast_time
  FROM qa_photo_reviews
  UNION ALL
  SELECT drop_number, 'Marketing' as source, whatsapp_message_date AT TIME ZONE 'Africa/Johannesburg' as sast_time
  FROM marketing_activations
) combined
GROUP BY drop_number
ORDER BY drop_number;
"""
TABLE = [
    ("DR1733714", "Marketing (Dec 02 13:03), QA/Lawley (Dec 02 13:24)"),
    ("DR1733755", "Marketing (Dec 02 11:23), QA/Lawley (Dec 02 11:28)"),
    ("DR1733787", "Marketing (Dec 01 14:26), QA/Lawley (Dec 01 15:28)"),
    ("DR1752104", "Marketing (Nov 26 12:47), QA/Lawley (Nov 26 13:42)"),
]
BY_HAND = """
INSERT INTO qa_photo_reviews (
  drop_number, project, whatsapp_message_date,
  submitted_by, user_name, review_date, created_at, updated_at
) VALUES (
  'DR1752104', 'Lawley', '2025-11-26 11:42:54+00'::timestamptz,
  '27820000001', '27820000001', '2025-11-26'::date, NOW(), NOW()
);
"""


@pytest.mark.parametrize("order", ["marketing first", "reviews first", "one batch"])
async def test_the_four_lost_drops_stand_in_both_registers(conn: Conn, business: Business, order: str) -> None:
    """Posted to Marketing and then to Lawley, as the seed tells it, the four that its constraint lost are all there."""
    marketing = [said(MARKETING, drop, first) for drop, first, _ in FOUR_DROPS]
    reviews = [said(LAWLEY, drop, second) for drop, _, second in FOUR_DROPS]
    batches = {
        "marketing first": [marketing, reviews],
        "reviews first": [reviews, marketing],
        "one batch": [marketing + reviews],
    }
    for batch in batches[order]:
        await file(conn, business, batch)
        await file(conn, business, batch)
    assert await (await conn.execute(LOCATIONS)).fetchall() == TABLE


async def test_a_row_written_by_hand_gets_its_business_and_its_drop_space(conn: Conn, business: Business) -> None:
    await open_for(conn, business)
    await conn.execute(BY_HAND)
    row = await (await conn.execute("select business_id, space from qa_photo_reviews")).fetchone()
    assert row == (business.id, "fibre")


async def test_the_same_row_for_another_space_on_the_same_day_is_no_duplicate(conn: Conn, business: Business) -> None:
    await open_for(conn, business)
    await conn.execute(BY_HAND)
    await conn.execute(BY_HAND.replace("Lawley", VELO_TEST.name))
    with pytest.raises(psycopg.errors.UniqueViolation, match="qa_photo_reviews_drop_key"):
        await conn.execute(BY_HAND.replace("Lawley", "Mohadin"))


async def test_with_several_businesses_a_row_must_name_its_own(conn: Conn, business: Business) -> None:
    await world.velo_fibre(conn, name="Another")
    with pytest.raises(psycopg.errors.NotNullViolation, match="several"):
        await conn.execute(BY_HAND)


async def test_production_s_rows_are_copied_to_dev_by_the_documents_own_statements(
    fresh_owner_url: str,
) -> None:
    async with await psycopg.AsyncConnection.connect(fresh_owner_url, autocommit=True) as owner:
        business = await world.velo_fibre(owner)
        await open_for(owner, business, *PROJECTS)
        await create(fresh_owner_url, "dev", {})
        await owner.execute(BY_HAND)
        for _ in range(2):
            await owner.execute("TRUNCATE dev.qa_photo_reviews")
            await owner.execute(
                "INSERT INTO dev.qa_photo_reviews SELECT * FROM public.qa_photo_reviews "
                "WHERE created_at > NOW() - INTERVAL '24 hours'"
            )
        row = await (await owner.execute("select count(*), min(space) from dev.qa_photo_reviews")).fetchone()
        assert row == (1, "fibre")
        await owner.execute(BY_HAND.replace("qa_photo_reviews", "dev.qa_photo_reviews").replace("DR1752104", "DR1"))


def documents() -> Iterator[Path]:
    yield from sorted(SEEDS.glob("*.txt")) if SEEDS.is_dir() else ()


def statements(text: str) -> Iterator[str]:
    """Every statement in a document's code blocks that reads or writes data, as it stands there."""
    for block in re.findall(r"```(?:sql|bash)\n(.*?)```", text, re.DOTALL):
        lines = [line for line in block.splitlines() if not re.match(r"\s*(--|#|psql|grep|tail)", line)]
        for statement in re.split(r";\s*(?:\n|$)", "\n".join(lines)):
            if READS_OR_WRITES.match(statement):
                yield statement


FOUND = [(path.name[:3], statement) for path in documents() for statement in statements(path.read_text("utf-8"))]


@pytest.mark.skipif(not FOUND, reason="the documents are not beside this checkout; their equals above are")
async def test_every_statement_of_the_documents_runs_unchanged(fresh_owner_url: str) -> None:
    assert {name: [one for one, _ in FOUND].count(name) for name in STATEMENTS} == STATEMENTS
    async with await psycopg.AsyncConnection.connect(fresh_owner_url, autocommit=True) as owner:
        business = await world.velo_fibre(owner)
        await open_for(owner, business, *PROJECTS)
        await create(fresh_owner_url, "dev", {})
        for name, statement in FOUND:
            result: Any = await owner.execute(statement.encode())
            assert result.pgresult.status is not None, (name, statement)
