"""What the monitor's page asks for is looked up by indexes, whatever the planner knows of the tables."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.monitor.store import review_list
from tests import world
from tests.monitor.desk import at

YEAR = 20_000  # reviews, one post each
NOW = at("2025-12-02 16:00")
FILL = (
    """
insert into drops (business_id, space, drop_number, last_posted_at)
select %(business_id)s, 'fibre', 'DR' || 2000000 + i, %(now)s - i * interval '1 year' / %(year)s
from generate_series(1, %(year)s) i
""",
    """
insert into qa_photo_reviews
    (business_id, space, drop_number, project, user_name, review_date, whatsapp_message_date)
select business_id, space, drop_number, 'Lawley', 'made up', last_posted_at::date, last_posted_at
from drops
""",
    """
insert into qa_submissions (business_id, space, drop_number, message_id, project, said_at, effect)
select business_id, space, drop_number, row_number() over (), 'Lawley', last_posted_at, 'created' from drops
""",
)
STATEMENTS = ("PAGE_OF_DAYS", "COUNT_OF_DAYS", "DAY_COUNTS")
SMALL = {"monitor_projects", "marketing_activations", "marketing_posts"}


@pytest.mark.parametrize("analysed", [False, True])
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_a_day_is_looked_up_and_nothing_else_is_read(
    conn: Conn, business: Business, mode: str, analysed: bool
) -> None:
    for statement in FILL:
        await conn.execute(statement, {"business_id": business.id, "now": NOW, "year": YEAR})
    if analysed:
        await conn.execute("analyze drops, qa_photo_reviews, qa_submissions")
    await conn.execute(sql.SQL("set local plan_cache_mode = {}").format(sql.Identifier(mode)))
    today = NOW.date()
    values: dict[str, Any] = {
        "business_id": business.id, "project": None, "search": None, "open": None, "resubmitted": None,
        "start": at("2025-12-02 00:00"), "end": at("2025-12-03 00:00"), "after_id": None, "after_resubmitted": None,
        "after_last_said_at": None, "limit": 51, "most": None, "assigned": None, "nobodys": False,
        "lasts": timedelta(minutes=5), "zone": business.time_zone,
        "today": today,
    }  # fmt: skip
    read_whole = {name: await _tables_read_whole(conn, getattr(review_list, name), values) for name in STATEMENTS}
    assert {name: tables - SMALL for name, tables in read_whole.items()} == {name: set() for name in STATEMENTS}


async def _tables_read_whole(conn: Conn, statement: str, values: dict[str, Any]) -> set[str]:
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    for number, name in enumerate(names, 1):
        statement = statement.replace(f"%({name})s", f"${number}")
    await conn.execute(f"prepare asked as {statement}".encode())
    given = sql.SQL(", ").join(sql.Literal(values[name]) for name in names)
    plan = await (await conn.execute(sql.SQL("explain (costs off) execute asked ({})").format(given))).fetchall()
    await conn.execute("deallocate asked")
    return set(re.findall(r"Seq Scan on (\w+)", "\n".join(line for (line,) in plan)))


# Nothing is prepared on the server, so each statement is planned for its own values.
ANY_DAY: dict[str, dict[str, Any]] = {
    "all": {},
    "open": {"open": True},
    "complete": {"open": False},
    "posted again": {"resubmitted": True},
    "posted once": {"resubmitted": False},
    "of a project": {"project": "Lawley"},
    "mine": {"assigned": 1},
    "nobody's": {"nobodys": True},
    "nobody's open": {"nobodys": True, "open": True},
    "open of a project": {"project": "Lawley", "open": True},
    "a later page": {"after_id": "00000000-0000-7000-8000-000000000000", "after_resubmitted": False,
                     "after_last_said_at": NOW - timedelta(days=30)},
}  # fmt: skip
MOST_READ = 500  # of twenty thousand, for a page of fifty
MANY_COMPLETE = """
update qa_photo_reviews set completed = true where business_id = %(business_id)s and drop_number > 'DR2000100'
"""


@pytest.fixture
async def owner(owner_url: str) -> AsyncIterator[Conn]:
    """Who may gather statistics; what is done is undone after the test."""
    async with await psycopg.AsyncConnection.connect(owner_url) as connection:
        await connection.execute("set local search_path to public, extensions")
        yield connection
        await connection.rollback()


async def test_the_first_page_of_any_day_is_read_from_an_index_in_its_order(owner: Conn) -> None:
    business = await world.velo_fibre(owner)
    for statement in (*FILL, MANY_COMPLETE):
        await owner.execute(statement, {"business_id": business.id, "now": NOW, "year": YEAR})
    await owner.execute("analyze drops, qa_photo_reviews, qa_submissions")
    for asked, different in ANY_DAY.items():
        values: dict[str, Any] = {
            "business_id": business.id, "project": None, "search": None, "open": None, "resubmitted": None,
            "assigned": None, "nobodys": False, "after_id": None, "after_resubmitted": None,
            "after_last_said_at": None, "limit": 51, "lasts": timedelta(minutes=5),
        } | different  # fmt: skip
        read = await _rows_read(owner, review_list.PAGE_OF_ANY_DAY, values)
        assert read["qa_photo_reviews"] <= MOST_READ, asked


async def _rows_read(conn: Conn, statement: str, values: dict[str, Any]) -> dict[str, float]:
    """The most rows that any part of the plan really read of each table, those that it threw away included."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    await conn.execute("set local plan_cache_mode = force_custom_plan")
    for number, name in enumerate(names, 1):
        statement = statement.replace(f"%({name})s", f"${number}")
    await conn.execute(f"prepare asked as {statement}".encode())
    given = sql.SQL(", ").join(sql.Literal(values[name]) for name in names)
    cursor = await conn.execute(sql.SQL("explain (analyze, format json) execute asked ({})").format(given))
    row = await cursor.fetchone()
    await conn.execute("deallocate asked")
    assert row is not None
    read: dict[str, float] = {}
    parts = [row[0][0]["Plan"]]
    while parts:
        part = parts.pop()
        parts += part.get("Plans", [])
        if "Relation Name" in part:
            rows = (part["Actual Rows"] + part.get("Rows Removed by Filter", 0)) * part["Actual Loops"]
            read[part["Relation Name"]] = max(read.get(part["Relation Name"], 0), rows)
    return read
