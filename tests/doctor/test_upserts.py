"""Each statement with ON CONFLICT is held against a live database, which says what it would rely on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from tallybook.doctor import upserts
from tallybook.doctor.arbiters import Targets
from tallybook.doctor.catalog_reading import read
from tallybook.doctor.contract import Upsert
from tallybook.doctor.types import Code, Finding, Severity
from tests.postgres import Server

SCHEMA = """
create schema clinic;
create table clinic.plain (id serial primary key, tenant int not null, name text not null, note text);
create unique index plain_tenant_name on clinic.plain (tenant, name);
create table clinic.partial (id serial primary key, sprint int, role text, status text);
create unique index partial_approved on clinic.partial (sprint, role) where status = 'approved';
create table clinic.late (a int, b int, constraint late_key unique (a, b) deferrable initially immediate);
create table clinic.lowered (email text);
create unique index lowered_email on clinic.lowered (lower(email));
create table clinic.parted (day date not null, number int not null, unique (day, number)) partition by range (day);
create table clinic.parted_1 partition of clinic.parted for values from ('2026-01-01') to ('2027-01-01');
create table clinic.apart (a int, during int4range, constraint apart_during exclude using gist (during with &&));
create table clinic.broken (a int);
insert into clinic.broken values (1);
create unique index broken_a on clinic.broken (a);
create role {role} nologin;
grant usage on schema clinic to {role};
grant select on all tables in schema clinic to {role};
"""
INVALID = "update pg_index set indisvalid = false where indexrelid = 'clinic.broken_a'::regclass"


@pytest.fixture(scope="module")
async def clinic(postgres: Server, worker_database: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A schema with every kind of key, in a transaction that never ends well."""
    url = postgres.url("postgres", worker_database)
    async with await psycopg.AsyncConnection.connect(url) as conn:
        await conn.execute(SCHEMA.format(role=f"{worker_database}_looks").encode())
        await conn.execute(INVALID)
        yield conn
        await conn.rollback()


async def found(conn: psycopg.AsyncConnection[Any], *statements: str) -> list[Finding]:
    catalog = await read(conn, ["clinic"])
    asked = [Upsert(place=f"app.py:{number}", statement=text) for number, text in enumerate(statements, 1)]
    return await upserts.examine(conn, asked, catalog, ["clinic"])


@pytest.mark.parametrize(
    "statement",
    [
        "insert into plain (tenant, name) values ($1, $2) on conflict (name, tenant) do update set note = $3",
        "insert into clinic.plain (tenant, name) values ($1, $2) on conflict (id) do nothing",
        (
            "insert into partial (sprint, role) values ($1, $2) on conflict (sprint, role) where status = 'approved' "
            "do nothing"
        ),
        "insert into lowered (email) values ($1) on conflict (lower(email)) do nothing",
        "insert into parted (day, number) values ($1, $2) on conflict (day, number) do nothing",
        "insert into apart (during) values ($1) on conflict on constraint apart_during do nothing",
        (
            "with one as (insert into plain (tenant, name) values ($1, $2) on conflict (tenant, name) do nothing "
            "returning id) insert into late (a) select id from one"
        ),
        (
            "insert into plain (tenant, name) select $1, n from unnest($2::text[]) n "
            "on conflict on constraint plain_pkey do nothing"
        ),
    ],
)
async def test_nothing_is_said_of_a_statement_that_has_its_key(clinic: Any, statement: str) -> None:
    assert await found(clinic, statement) == []


@pytest.mark.parametrize(
    ("statement", "code", "words"),
    [
        (
            "insert into plain (tenant, name) values ($1, $2) on conflict (tenant) do nothing",
            Code.CONFLICT_WITHOUT_ARBITER,
            ["plain_tenant_name is on more columns (tenant, name)"],
        ),
        (
            "insert into plain (tenant, name) values ($1, $2) on conflict (tenant, name, note) do nothing",
            Code.CONFLICT_WITHOUT_ARBITER,
            ["plain_tenant_name is on fewer columns (tenant, name)"],
        ),
        (
            "insert into partial (sprint) values ($1) on conflict (sprint, role) do nothing",
            Code.CONFLICT_WITHOUT_ARBITER,
            ["partial_approved", "covers only rows where", "the statement does not say so"],
        ),
        (
            "insert into partial (sprint) values ($1) on conflict (sprint, role) where status = 'pending' do nothing",
            Code.CONFLICT_WITHOUT_ARBITER,
            ["partial_approved", "the statement says where status = 'pending'"],
        ),
        (
            "insert into partial (sprint) values ($1) on conflict (sprint, role) where status = $2 do nothing",
            Code.PARAMETER_IN_PREDICATE,
            ["five times", "$2", "partial_approved"],
        ),
        (
            "insert into plain (tenant, name) values ($1, $2) on conflict on constraint plain_tenant_name do nothing",
            Code.NOT_A_CONSTRAINT,
            ["plain_tenant_name is an index and no constraint"],
        ),
        (
            "insert into plain (tenant, name) values ($1, $2) on conflict on constraint gone do nothing",
            Code.CONFLICT_WITHOUT_ARBITER,
            ["plain has no constraint gone"],
        ),
        (
            "insert into late (a, b) values ($1, $2) on conflict (b, a) do nothing",
            Code.DEFERRABLE_ARBITER,
            ["late_key is deferrable"],
        ),
        (
            "insert into late (a, b) values ($1, $2) on conflict on constraint late_key do nothing",
            Code.DEFERRABLE_ARBITER,
            ["late_key is deferrable"],
        ),
        (
            "insert into lowered (email) values ($1) on conflict (email) do nothing",
            Code.CONFLICT_WITHOUT_ARBITER,
            ["lowered_email is on ((lower(email)))", "not the same expression"],
        ),
        (
            "insert into broken (a) values ($1) on conflict (a) do nothing",
            Code.CONFLICT_WITHOUT_ARBITER,
            ["broken_a has these columns but is invalid"],
        ),
        (
            "insert into parted (day, number) values ($1, $2) on conflict (number) do nothing",
            Code.CONFLICT_WITHOUT_ARBITER,
            ["partitioned by day"],
        ),
        (
            "insert into apart (during) values ($1) on conflict (during) do nothing",
            Code.CONFLICT_WITHOUT_ARBITER,
            ["apart_during is an exclusion"],
        ),
        (
            "insert into plain (tenant, name) values ($1, $2) on conflict do nothing",
            Code.CONFLICT_WITHOUT_TARGET,
            ["plain_pkey", "plain_tenant_name", "dropped without an error"],
        ),
        (
            "insert into nowhere (tenant) values ($1) on conflict (tenant) do nothing",
            Code.STATEMENT_REFUSED,
            ['relation "nowhere" does not exist'],
        ),
        (
            "insert into plain (tenant, name) values ($1, $2) on conflict (tenant, naem) do nothing",
            Code.STATEMENT_REFUSED,
            ['column "naem" does not exist'],
        ),
        (
            "insert into plain (tenant) values (1) on conflict (id) do nothing; drop table plain",
            Code.STATEMENT_REFUSED,
            ["multiple commands"],
        ),
    ],
)
async def test_what_a_statement_lacks_is_named(clinic: Any, statement: str, code: Code, words: list[str]) -> None:
    (finding,) = await found(clinic, statement)
    assert (finding.code, finding.place) == (code, "app.py:1")
    for word in words:
        assert word in finding.says
    assert finding.do


async def test_dropping_on_any_conflict_fails_where_a_key_is_deferrable(clinic: Any) -> None:
    codes = [one.code for one in await found(clinic, "insert into late (a) values ($1) on conflict do nothing")]
    assert codes == [Code.CONFLICT_WITHOUT_TARGET, Code.DEFERRABLE_ARBITER]


async def test_a_role_that_may_only_look_is_told_the_same(clinic: Any, worker_database: str) -> None:
    good = "insert into plain (tenant, name) values ($1, $2) on conflict (tenant, name) do nothing"
    late = "insert into late (a, b) values ($1, $2) on conflict (a, b) do nothing"
    bad = "insert into plain (tenant, name) values ($1, $2) on conflict (name) do nothing"
    await clinic.execute(f"set role {worker_database}_looks".encode())
    try:
        findings = await found(clinic, good, bad, late)
    finally:
        await clinic.execute("reset role")
    assert [one.place for one in findings] == ["app.py:2", "app.py:3"]
    assert [one.code for one in findings] == [Code.CONFLICT_WITHOUT_ARBITER, Code.DEFERRABLE_ARBITER]


async def test_a_table_that_only_another_schema_has_is_not_taken_for_ours(clinic: Any) -> None:
    """The schema of the extensions is on the path, and may be one that holds tables too."""
    await clinic.execute("create schema other")
    catalog = await read(clinic, ["clinic"])
    answer = upserts.Answer(arbiters=("x",), schemas=frozenset({"other"}), understood=True)
    one = Upsert(place="a.sql:1", statement="insert into strays (a) values (1) on conflict (a) do nothing")
    (finding,) = upserts.findings(one, answer, Targets(catalog, ["clinic"]))
    assert "other" in finding.says


async def test_nothing_is_written_and_nothing_stays_locked(clinic: Any) -> None:
    await found(clinic, "insert into plain (tenant, name) values (1, 'a') on conflict (tenant, name) do nothing")
    rows = await (await clinic.execute("select count(*) from clinic.plain")).fetchone()
    assert rows == (0,)
    held = "select count(*) from pg_prepared_statements where name = 'tallybook_doctor'"
    assert await (await clinic.execute(held)).fetchone() == (0,)


async def test_a_finding_of_a_statement_that_fails_is_an_error(clinic: Any) -> None:
    (finding,) = await found(clinic, "insert into plain (tenant, name) values (1, 'a') on conflict (name) do nothing")
    assert (finding.severity, finding.schema, finding.table) == (Severity.ERROR, "clinic", "plain")
    assert finding.evidence.error == "there is no unique or exclusion constraint matching the ON CONFLICT specification"


async def test_statements_for_which_there_is_no_time_are_named(clinic: Any) -> None:
    text = "insert into plain (tenant, name) values (1, 'a') on conflict (name) do nothing"
    asked = [Upsert(place=f"a.py:{line}", statement=text) for line in (1, 2)]
    (finding,) = await upserts.examine(clinic, asked, await read(clinic, ["clinic"]), ["clinic"], seconds=0)
    assert (finding.code, finding.place) == (Code.NOT_LOOKED_AT, "a.py:1")
    assert "2 statements" in finding.says


async def test_a_statement_that_is_read_twice_is_told_once(clinic: Any) -> None:
    one = Upsert(place="a.py:1", statement="insert into plain (name) values ('a') on conflict (name) do nothing")
    assert len(await upserts.examine(clinic, [one, one], await read(clinic, ["clinic"]), ["clinic"])) == 1


async def test_a_key_for_a_table_of_another_server_or_of_parts_is_proposed_as_it_can_be_made(clinic: Any) -> None:
    async with clinic.transaction(force_rollback=True):
        await clinic.execute("create foreign data wrapper far")
        await clinic.execute("create server far foreign data wrapper far")
        await clinic.execute("create foreign table clinic.away (a int) server far")
        (away,) = await found(clinic, "insert into away values ($1) on conflict (a) do nothing")
        assert "is a table of another server" in away.says
        assert away.do.startswith("keep the key on the other server")
        await clinic.execute("set local search_path to clinic")
        (parted,) = await found(clinic, "insert into parted values ($1, $2) on conflict (number, day, x) do nothing")
        await clinic.execute("alter table clinic.parted add x int")
        (parted,) = await found(clinic, "insert into parted values ($1, $2) on conflict (number, day, x) do nothing")
        await clinic.execute(parted.do.partition("build the key: ")[2])
