"""The four lost drops, once more: a rule that nobody knows refuses a post, and this time everybody hears of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from tallybook.core import health, sources
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.sources import Intake
from tallybook.monitor.jobs import TOPIC
from tallybook.monitor.store import projects as project_store
from tests.core.held import Once
from tests.core.worked import rows
from tests.monitor.desk import LAWLEY, MARKETING, PROJECTS, VELO_TEST, desk, said

RECORDED = "select table_name, constraint_name, key_masked, existing->>'project', place from constraint_violations"
PARKED = "select id, parked_reason from messages where parked_reason is not null"
KEY = "drop_number=DR1752104, review_date=2025-12-02"


@pytest.fixture
def the_old_rule(superuser_url: str, clean_database: None) -> Iterator[None]:
    """The key that the system before this one had: one review of a drop and a day, whichever group it was posted in."""
    with psycopg.connect(superuser_url, autocommit=True) as owner:
        owner.execute("alter table qa_photo_reviews add constraint predecessor unique (drop_number, review_date)")
        yield
        owner.execute("alter table qa_photo_reviews drop constraint predecessor")


@pytest.mark.usefixtures("the_old_rule")
async def test_a_post_that_a_rule_refuses_is_parked_with_the_rule_s_name_and_recorded_with_the_row_in_its_way(
    db: Database, business: Business
) -> None:
    await db.run("mirror", lambda conn: project_store.mirror(conn, business.id, PROJECTS))
    held = [said(LAWLEY, "DR1752104"), said(VELO_TEST, "DR1752104"), said(MARKETING, "DR1752104")]
    await sources.catch_up(db, Intake(business, Once(held), desk(), TOPIC), lambda *_: None)
    ((number, reason),) = await rows(db, PARKED)
    assert reason == "the database refused it: UniqueViolation predecessor on qa_photo_reviews"
    ((table, constraint, key, in_its_way, place),) = await rows(db, RECORDED)
    assert (table, constraint, key, place) == ("qa_photo_reviews", "predecessor", KEY, f"messages {number}")
    assert in_its_way in ("Lawley", "Velo Test")
    assert await rows(db, "select count(*) from qa_photo_reviews") == [(1,)]
    assert await rows(db, "select count(*) from marketing_activations") == [(1,)], "its neighbour is filed"
    judged = {check.name: check.state for check in (await health.report(db, datetime.now(UTC))).checks}
    assert (judged["constraints"], judged["parked"]) == ("wrong", "wrong")
