"""What the monitor's page asks for is looked up by indexes, whatever the planner knows of the tables."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from psycopg import sql

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.monitor.store import review_list
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
SMALL = {"monitor_projects", "marketing_activations"}


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
        "after_last_said_at": None, "limit": 51, "most": None, "assigned": None, "nobodys": False, "lasts": timedelta(minutes=5), "zone": business.time_zone,
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
