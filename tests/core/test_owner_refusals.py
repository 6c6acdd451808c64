"""What the owner's own connections are refused is recorded too, in the environment in which they were at work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from tallybook.core import backup, environment, owner_refusals, revisions, roll_back
from tallybook.core.errors import Unavailable
from tests.postgres import OWNER, Server

RECORDED = "select sqlstate, table_name, constraint_name, place from {}.constraint_violations"


def run(url: str, *statements: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as conn:
        for statement in statements:
            done = conn.execute(statement.encode())
        return done.fetchall() if done.description else []


async def test_who_makes_an_environment_goes_back_a_release_or_migrates_leaves_a_record(fresh_owner_url: str) -> None:
    run(
        fresh_owner_url,
        "insert into businesses (name) values ('Ana'), ('Bia')",
        "create unique index one_locale on dev.businesses (locale)",
    )
    with pytest.raises(errors.UniqueViolation):
        await environment.create(fresh_owner_url, "dev", {})
    assert run(fresh_owner_url, RECORDED.format("dev")) == [
        ("23505", "businesses", "one_locale", "make the environment dev")
    ]

    known = revisions.known_revisions()
    forbid = "alter table alembic_version add constraint {0} check (version_num {1})"
    run(fresh_owner_url, forbid.format("no_way_back", "> '0002'"))
    with pytest.raises(errors.CheckViolation):
        await roll_back.back(fresh_owner_url, "prod", known)
    run(fresh_owner_url, "alter table alembic_version drop constraint no_way_back")
    await roll_back.back(fresh_owner_url, "prod", known)
    run(fresh_owner_url, forbid.format("no_way_on", "<= '0002'"))
    with pytest.raises(errors.CheckViolation):
        await revisions.migrate(fresh_owner_url, "prod")
    assert run(fresh_owner_url, RECORDED.format("public")) == [
        ("23514", "alembic_version", "no_way_back", "go back a release"),
        ("23514", "alembic_version", "no_way_on", "migrate"),
    ]


@pytest.fixture
def empty_url(postgres: Server, fresh_name: str) -> Iterator[str]:
    name = f"{fresh_name}_empty"
    postgres.run(f"create database {name} owner {OWNER}")
    yield postgres.url(OWNER, name)
    postgres.drop(name)


async def test_a_backup_that_a_rule_refuses_is_told_whoever_asked_and_recorded_where_there_are_tables_for_it(
    fresh_owner_url: str, empty_url: str, tmp_path: Path
) -> None:
    """The rule looks at a table that is filled later."""
    run(
        fresh_owner_url,
        "create table z_allowed (n int)", "insert into z_allowed values (1)",
        "create function is_allowed(int) returns bool language sql as 'select exists (select from public.z_allowed "
        "where n = $1)'",
        "create table a_odd (n int constraint odd_is_allowed check (is_allowed(n)))", "insert into a_odd values (1)",
    )  # fmt: skip
    file = tmp_path / "backup"
    await backup.backup(fresh_owner_url, file)
    with pytest.raises(Unavailable, match='restored: new row for relation "a_odd" violates check constraint') as told:
        await backup.restore(fresh_owner_url, file, replace=True)
    refused = "odd_is_allowed on a_odd refuses one of the rows. The database is as it was, and this is recorded"
    assert told.value.message.endswith(f"{refused} there.")
    with pytest.raises(Unavailable) as told:
        await backup.restore(empty_url, file)
    assert told.value.message.endswith(f"{refused} nowhere else, since it has no tables yet.")
    assert run(fresh_owner_url, RECORDED.format("public")) == [("23514", "a_odd", "odd_is_allowed", "restore a backup")]


def test_what_psql_says_in_full_is_read_and_what_is_personal_in_it_is_masked() -> None:
    said = (
        'psql:<stdin>:9: ERROR:  23505: could not create unique index "contacts_name"\n'
        "DETAIL:  Key (business_id, name)=(1, Ana) is duplicated.\n"
        "SCHEMA NAME:  public\nTABLE NAME:  contacts\nCONSTRAINT NAME:  contacts_name\nLOCATION:  x, tuplesort.c:1\n"
    )
    found = owner_refusals.told_by_psql(said)
    assert found is not None
    assert (found.sqlstate, found.table, found.constraint) == ("23505", "contacts", "contacts_name")
    assert found.masked == "business_id=1, name=‹3 characters›"
    assert owner_refusals.sentence(found, kept=True).startswith(
        "contacts_name on contacts refuses a row with business_id=1, name=‹3 characters›. "
    )
    assert owner_refusals.told_by_psql('psql:<stdin>:9: ERROR:  42P01: relation "x" does not exist') is None
    assert owner_refusals.told_by_psql("pg_restore: error: could not read") is None
