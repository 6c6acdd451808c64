"""The drops that the old monitor lost: posted to Marketing and to Lawley, they end in both registers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from tests.channels.bridge.bridge_file import LAWLEY, MOHADIN, SAST, BridgeFile
from tests.postgres import OWNER, Server
from tests.proof.conftest import furnish
from tests.proof.product import ROOT, Product
from tests.proof.story import MARKETING

READERS = 3
DOCUMENT = ROOT.parent / "shared" / "seeds" / "000_8183d544e9d5632c.txt"
# Drop, when it was posted to Marketing, and when to Lawley.
DROPS = (
    ("DR1752104", "2025-11-26 12:47", "2025-11-26 13:42"),
    ("DR1733787", "2025-12-01 14:26", "2025-12-01 15:28"),
    ("DR1733755", "2025-12-02 11:23", "2025-12-02 11:28"),
    ("DR1733714", "2025-12-02 13:03", "2025-12-02 13:24"),
)
QUERY = """SELECT
  drop_number,
  string_agg(DISTINCT source || ' (' || TO_CHAR(sast_time, 'Mon DD HH24:MI') || ')', ', ') as locations
FROM (
  SELECT drop_number, 'QA/' || project as source, whatsapp_message_date AT TIME ZONE 'Africa/Johannesburg' as sast_time
  FROM qa_photo_reviews
  WHERE drop_number IN ('DR1752104', 'DR1733787', 'DR1733755', 'DR1733714')

  UNION ALL

  SELECT drop_number, 'Marketing' as source, whatsapp_message_date AT TIME ZONE 'Africa/Johannesburg' as sast_time
  FROM marketing_activations
  WHERE drop_number IN ('DR1752104', 'DR1733787', 'DR1733755', 'DR1733714')
) combined
GROUP BY drop_number
ORDER BY drop_number;"""
TABLE = """ DR1733714   | Marketing (Dec 02 13:03), QA/Lawley (Dec 02 13:24)
 DR1733755   | Marketing (Dec 02 11:23), QA/Lawley (Dec 02 11:28)
 DR1733787   | Marketing (Dec 01 14:26), QA/Lawley (Dec 01 15:28)
 DR1752104   | Marketing (Nov 26 12:47), QA/Lawley (Nov 26 13:42)"""
EFFECTS = """
select (select count(*) from qa_photo_reviews), (select count(*) from qa_submissions),
    (select count(*) from marketing_activations), (select count(*) from marketing_posts),
    (select count(*) from messages),
    (select count(*) from constraint_violations where not answered), (select bool_or(resubmitted) from qa_photo_reviews)
"""
BOTH = """
select drop_number, project from qa_photo_reviews union all
select drop_number, project from marketing_activations order by project
"""
PATTERN = r"pattern = '\bDR[ :]?[0-9]{6,8}\b|\bDR_TEST[0-9]+\b'"


@pytest.fixture
def example(open_product: Callable[..., Product], fresh_url: str, postgres: Server, fresh_name: str) -> Product:
    """An installation with the example's projects file, in which Lawley takes only drops that are in its list."""
    furnish(postgres.url(OWNER, fresh_name))
    product = open_product(database_url=fresh_url)
    (product.folder / "tallybook.toml").write_text((ROOT / "tallybook.example.toml").read_text())
    return product


def post_all(bridge: BridgeFile, group: str, column: int) -> None:
    for row in DROPS:
        at = datetime.fromisoformat(row[column]).replace(tzinfo=SAST)
        bridge.post(group, row[0], id=f"{group[:20]}-{row[0]}", sender="27820000001", at=at)


@pytest.mark.parametrize("first", ["Marketing", "Lawley"])
def test_the_seeds_drops_end_in_both_registers_whatever_came_first(
    example: Product, fresh_owner_url: str, first: str
) -> None:
    listed = example.folder / "valid.csv"
    listed.write_text("drop_number,project\n" + "".join(f"{drop},Lawley\n" for drop, _, _ in DROPS))
    assert "4 drops added" in example.run("monitor", "import-valid", str(listed))
    groups = [(MARKETING, 1), (LAWLEY, 2)]
    with example.bridge() as bridge:
        for group, column in groups if first == "Marketing" else reversed(groups):
            post_all(bridge, group, column)
            example.run_many(READERS, "monitor", "scan", "--once")
        for group, column in groups:  # the bridge delivers everything once more
            post_all(bridge, group, column)
        example.run_many(READERS, "monitor", "scan", "--once")
    with psycopg.connect(fresh_owner_url) as owner:
        rows = owner.execute(QUERY.encode()).fetchall()
        assert owner.execute(EFFECTS.encode()).fetchone() == (4, 4, 4, 4, 8, 0, False)
    assert "\n".join(f" {drop:<11} | {locations}" for drop, locations in rows) == TABLE
    assert example.created_lines() == dict.fromkeys((drop for drop, _, _ in DROPS), 1)


@pytest.mark.skipif(not DOCUMENT.exists(), reason="the document is not beside this repository")
def test_the_query_and_its_table_are_the_document_s_own() -> None:
    text = DOCUMENT.read_text()
    assert QUERY in text
    assert TABLE in text


def test_the_seed_s_test_drop_works_where_a_project_s_pattern_allows_it(product: Product, fresh_owner_url: str) -> None:
    allow_test_drops(product.folder / "tallybook.toml", "Lawley", "Marketing Activations")
    with product.bridge() as bridge:
        for group in (MARKETING, LAWLEY, MOHADIN):
            bridge.post(group, "please check dr_test123", sender="27820000001")
            product.run("monitor", "scan", "--once")
    with psycopg.connect(fresh_owner_url) as owner:
        assert owner.execute(BOTH.encode()).fetchall() == [
            ("DR_TEST123", "Lawley"), ("DR_TEST123", "Marketing Activations"),
        ]  # fmt: skip
        assert owner.execute(b"select count(*) from constraint_violations").fetchone() == (0,)


def allow_test_drops(file: Path, *projects: str) -> None:
    text = file.read_text()
    for project in projects:
        text = text.replace(f'name = "{project}"\n', f'name = "{project}"\n{PATTERN}\n')
    file.write_text(text)
