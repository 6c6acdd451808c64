"""Every route of the product, walked by an admin of another business: nothing of the first is told or changed.

The first business has a row in every table of its own, so that any look-up without a scope finds something.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

import httpx
import psycopg
import pytest
from psycopg import sql

from tallybook.app import App
from tallybook.core import api_tokens
from tallybook.core.businesses import Business
from tallybook.core.callers import Scope
from tallybook.core.db import Conn, Database
from tallybook.core.keys import DIRECTORY_TABLES, NATURAL_KEYS
from tests import world as office
from tests.inbox import world
from tests.inbox.world import NOA
from tests.web import described
from tests.web.built_once import application
from tests.web.conftest import HERE

MARK = "zebrafish"
TABLES = sorted(({key.table for key in NATURAL_KEYS} | {"audit_log"}) - DIRECTORY_TABLES)
COLUMNS = """
select column_name, data_type, coalesce(character_maximum_length, 0) from information_schema.columns
where table_schema = current_schema() and table_name = %s and is_nullable = 'NO' and column_default is null
    and is_identity = 'NO' and is_generated = 'NEVER'
"""
ALLOWED = """
select a.attname, substring(pg_get_constraintdef(c.oid) from $$'([a-z_]+)'$$)
from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and c.conkey = array[a.attnum]
where c.contype = 'c' and c.conrelid = %s::regclass
"""
VALUES: dict[str, Any] = {
    "smallint": 1, "integer": 1, "bigint": 1, "numeric": 1, "double precision": 1.0, "boolean": True,
    "timestamp with time zone": "2026-02-10T10:00:00Z", "timestamp without time zone": "2026-02-10T10:00:00",
    "date": "2026-02-10", "jsonb": "{}", "bytea": b"\x01", "uuid": "00000000-0000-0000-0000-000000000001",
    "ARRAY": "{}", "time without time zone": "10:00",
}  # fmt: skip
# What a rule of the table asks for beyond its types.
LATER = {"ends_at": "2026-02-10T11:00:00Z"}
OWN: dict[str, dict[str, Any]] = {
    "appointments": LATER,
    "overrides": LATER,
    "sprints": LATER | {"end_date": "2026-02-11"},
    "triage_absences": LATER,
    "triage_feed_events": LATER,
    "triage_feeds": {"kind": "team", "team_id": 1},
    "triage_rosters": {"days": [1]},
    "triage_teams": {"zone": "Africa/Johannesburg"},
}
EXISTS = "select 1 from {} where business_id = %s"
INSERT = "insert into {} ({}) values ({})"
ROWS = "select coalesce(jsonb_agg(t order by t::text), '[]')::text from {} t where business_id = %s"


def fill(conn: psycopg.Connection, business: Business) -> None:
    """A row of the business in each of its tables, that says the mark wherever it may say anything."""
    conn.execute("set session_replication_role = replica")  # what they point at is not asked for
    for table in TABLES:
        if conn.execute(sql.SQL(EXISTS).format(sql.Identifier(table)), (business.id,)).fetchone():
            continue
        allowed: dict[str, Any] = dict(conn.execute(ALLOWED, (table,)).fetchall())
        row: dict[str, Any] = {"business_id": business.id}
        for name, kind, length in conn.execute(COLUMNS, (table,)).fetchall():
            text = allowed.get(name) or (MARK if not length or length >= len(MARK) else "z")
            row.setdefault(name, VALUES.get(kind, text))
        row |= OWN.get(table, {})
        names = sql.SQL(", ").join(map(sql.Identifier, row))
        places = sql.SQL(", ").join(map(sql.Placeholder, row))
        conn.execute(sql.SQL(INSERT).format(sql.Identifier(table), names, places), row)


@pytest.fixture
async def theirs(db: Database, business: Business, superuser_url: str, root: office.Someone) -> world.Someone:
    """A customer of the first business, and everything else that a business can have."""

    async def work(conn: Conn) -> world.Someone:
        who = await world.customer(conn, business, NOA, lead=f"Noa {MARK}", profile=MARK, name=f"Noa {MARK}")
        await world.says(conn, who, f"Where is my {MARK}?", external="wamid.z")
        return who

    who = await db.run("theirs", work)
    with psycopg.connect(superuser_url, autocommit=True) as conn:
        fill(conn, business)
    return who


# What is asked of a field beyond its type, so that a body is understood and what it names is looked for.
FILLED: dict[str, str] = {
    "language": "en", "colour": "grey", "what": "pause", "do": "pause", "events": "message.received", "url": "https://example.com/hook",
    "address": "https://example.com/calendar.ics", "slack_id": "U012AB3CD", "hand_over": "10:00:00",
    "heads_up": "17:00:00", "zone": "Africa/Johannesburg", "at": "2026-12-01T10:00", "starts": "2026-12-01T10:00",
    "ends": "2026-12-01T11:00", "on": "any", "week": "10:00", "kind": "team", "email": "", "country": "ZA",
    "listed": "", "list": "", "day": "2026-12-01", "date": "2026-12-01", "since": "2026-12-01", "until": "2026-12-02",
    "hours": "open", "password": "",
}  # fmt: skip
STATUSES = {"appointments": "booked", "leads": "new"}
OTHER = 2  # what is joined is joined with something else
# Of these the body is refused first: it names people who are nobody's here, is no JSON, or no whole rule.
REFUSED_EARLY = {
    "PUT /api/inbox/automation/rules/{rule_id:int}",
    "PUT /api/crm/teams/{team_id:int}",
    "PUT /api/triage/people/{slack_id:str}",
    "PUT /api/triage/people/{slack_id:str}/account",
    "POST /inbox/{conversation_id:int}/here",
}
BODIES = {"/api/crm/threads/{thread_id:str}/message": {"text": "x", "key": "x"}}


# What they say is the same of something that nobody has at all.
ALIKE = {
    "POST /api/wa-monitor-drops/{review_id:uuid}/unlock",
    "GET /api/triage/people/{slack_id:str}/calendars",
}


@dataclass(frozen=True)
class Call:
    """A request with the first business's numbers and names in its address, its query and its body."""

    of: described.Operation
    path: str
    more: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.of.method} {self.path}"


def calls(app: Any, told: dict[str, Any], who: world.Someone) -> Iterator[Call]:
    """Every route by each of its methods, with each of the names that the first business has for its things."""
    form = {name: FILLED.get(name, str(who.id)) for name in described.fields()} | {"into": str(OTHER)}
    for one in described.operations(app, told):
        filled = partial(_filled, one.route, who)
        query = {name: described.body(kind, told, filled, name) for name, kind in one.query.items()}
        body = BODIES.get(one.route) or described.body(one.body, told, filled)
        typed = form | {"to": "take"} if one.route.startswith("/inbox/") else form
        sent = {"json": body} if one.is_api else {"data": typed}
        asked = [{}, {"params": query or form}] if one.method == "GET" else [{"params": query, **sent}]
        for name in _names(one.route, who):
            yield from (Call(one, one.path(name, VALUES["uuid"]), more) for more in asked)


def _names(route: str, who: world.Someone) -> list[object]:
    """By what the first business's things are known: a thread by three names, others by a word or a number."""
    if "_id:str}" not in route:
        return [who.id, MARK] if ":str}" in route else [who.id]
    return [who.id, MARK, who.key, NOA]


def _filled(route: str, who: world.Someone, name: str, schema: dict[str, Any]) -> Any:
    if name == "status":
        return next((status for part, status in STATUSES.items() if part in route), "")
    return OTHER if name == "into" else described.plausible(schema, who.id, FILLED.get(name, "x"))


def rows_of(conn: psycopg.Connection, business: Business) -> dict[str, str]:
    """Everything that a business has, table by table, as text."""
    found = {}
    for table in TABLES:
        statement = sql.SQL(ROWS).format(sql.Identifier(table))
        found[table] = str(conn.execute(statement, (business.id,)).fetchone())
    return found


async def test_no_route_tells_an_admin_of_another_business_anything_or_changes_anything(
    app: App, db: Database, business: Business, theirs: world.Someone, superuser_url: str
) -> None:
    caio = await db.run("caio", office.caio)
    whole = application(app)
    token = await db.run("token", lambda conn: api_tokens.create(conn, caio.caller, "walk", frozenset(Scope)))
    headers = {"authorization": f"Bearer {token}", "accept": "text/html,application/json"}
    with psycopg.connect(superuser_url, autocommit=True) as conn:
        before = rows_of(conn, business)
        assert all(row != "('[]',)" for row in before.values())
        assert theirs.id == 1  # as the numbers of all else that the first business has
        wrong: list[str] = []
        asked: set[str] = set()
        early: set[str] = set()
        transport = httpx.ASGITransport(whole, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=HERE, headers=headers) as client:
            for call in calls(whole.app, await described.document(client), theirs):
                answer = await client.request(call.of.method, call.path, **call.more)
                asked.add(str(call))
                assert answer.status_code != 401
                secrets = {MARK, NOA} - {unquote(part) for part in call.path.split("/")}
                if any(one in answer.text for one in secrets) or answer.status_code >= 500:
                    wrong.append(f"{call}: {answer.status_code}")
                if "{" not in call.of.route or str(call.of) in ALIKE:
                    continue
                if answer.is_success:
                    wrong.append(f"{call}: {answer.status_code}, as if it were theirs")
                if answer.status_code != 404 and call.of.method != "GET":
                    early.add(str(call.of))
        assert wrong == []
        assert early == REFUSED_EARLY
        assert len(asked) > 200
        after = rows_of(conn, business)
    assert {table for table in TABLES if before[table] != after[table]} == set()
