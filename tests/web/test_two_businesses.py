"""Every route of the product, walked by an admin of another business: nothing of the first is told or changed.

The first business has a row in every table of its own, so that any look-up without a scope finds something.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest
from litestar.routes import HTTPRoute
from psycopg import sql

from tallybook.app import App
from tallybook.core import api_tokens
from tallybook.core.businesses import Business
from tallybook.core.callers import Scope
from tallybook.core.db import Conn, Database
from tallybook.core.keys import DIRECTORY_TABLES, NATURAL_KEYS
from tallybook.web import server
from tests import world as office
from tests.inbox import world
from tests.inbox.world import NOA
from tests.web.conftest import HERE

MARK = "zebrafish"
TABLES = sorted(({key.table for key in NATURAL_KEYS} | {"audit_log"}) - DIRECTORY_TABLES)
# What is of the installation or of the caller alone, whoever asks; by some of it the caller would end their own token.
NOBODYS = ("/account", "/login", "/logout", "/live", "/schema", "/static", "/metrics", "/healthz", "/readyz")
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


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    route: str


def calls(app: Any, who: world.Someone) -> Iterator[Call]:
    """Every route by each of its methods, and each thing in its address by the names that the first business has."""
    names = {"int": [str(who.id), "1"], "str": [who.key, NOA, str(who.id), "1"]}
    for route in app.routes:
        if not isinstance(route, HTTPRoute) or route.path.startswith(NOBODYS):
            continue
        kinds = set(re.findall(r":(\w+)}", route.path_format)) or set(re.findall(r":(\w+)}", route.path))
        for place in range(max((len(names.get(kind, ["1"])) for kind in kinds), default=1)):
            path = re.sub(
                r"{\w+:(\w+)}", lambda found, place=place: _nth(names.get(found[1], ["1"]), place), route.path
            )
            for method in sorted(route.methods - {"OPTIONS", "HEAD"}):
                yield Call(method, path, route.path)


def _nth(some: list[str], place: int) -> str:
    return quote(some[place % len(some)], safe="")


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
    whole = server.application(app)
    token = await db.run("token", lambda conn: api_tokens.create(conn, caio.caller, "walk", frozenset(Scope)))
    headers = {"authorization": f"Bearer {token}", "accept": "text/html,application/json"}
    with psycopg.connect(superuser_url, autocommit=True) as conn:
        before = rows_of(conn, business)
        assert all(row != "('[]',)" for row in before.values())
        told: list[str] = []
        walked = 0
        transport = httpx.ASGITransport(whole, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=HERE, headers=headers) as client:
            for call in calls(whole.app, theirs):
                body = {} if call.method in {"GET", "DELETE"} else {"json": {}}
                answer = await client.request(call.method, call.path, **body)
                walked += 1
                assert answer.status_code != 401
                if MARK in answer.text or NOA in answer.text or answer.status_code >= 500:
                    told.append(f"{call.method} {call.path}: {answer.status_code}")
                if "{" in call.route and answer.is_success:
                    told.append(f"{call.method} {call.path}: {answer.status_code}, as if it were theirs")
        assert told == []
        assert walked > 200
        after = rows_of(conn, business)
    assert {table for table in TABLES if before[table] != after[table]} == set()
