"""The doctor reaches any database by any usual address, and never repeats a password."""

from __future__ import annotations

import pytest
import typer
from psycopg.conninfo import conninfo_to_dict

from tallybook.cli.doctor_database import address, connected, not_reached, schemas_of
from tallybook.core.errors import Unavailable, WrongSetup
from tests.postgres import Server

SECRET = "0pen-Sesame"


@pytest.mark.parametrize(
    ("given", "environ", "named"),
    [
        (f"postgresql://ana:{SECRET}@db:6000/shop", {}, {"host": "db", "port": "6000", "dbname": "shop"}),
        (f"postgresql+psycopg://ana:{SECRET}@db/shop?sslmode=require", {}, {"host": "db", "sslmode": "require"}),
        ("postgres+asyncpg://db/shop", {}, {"dbname": "shop"}),
        ("host=db dbname=shop connect_timeout=3", {}, {"host": "db", "connect_timeout": "3"}),
        ("shop-prod", {}, {"service": "shop-prod"}),
        (None, {"DATABASE_URL": "postgresql://db/shop", "PGHOST": "other"}, {"host": "db"}),
        (None, {"PGHOST": "db"}, {"connect_timeout": "10"}),
        ("host=@abstract dbname=shop", {}, {"host": "@abstract"}),
        ("host=one,two port=1,2 client_encoding=latin1", {}, {"port": "1,2", "client_encoding": "latin1"}),
        ("dbname=one", {"DATABASE_URL": "postgresql://db/shop"}, {"dbname": "one"}),
    ],
)
def test_an_address_may_be_given_in_any_usual_form(
    given: str | None, environ: dict[str, str], named: dict[str, str]
) -> None:
    assert named.items() <= conninfo_to_dict(address(given, environ)).items()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (f"postgresql://ana:{SECRET}%zz@db/shop", "cannot be read. It is a URL"),
        (f"postgresql://ana:{SECRET}@db/shop?schema=public", "PostgreSQL knows no schema in it"),
        (f"hots=db password={SECRET}", "PostgreSQL knows no hots in it"),
        (f"mysql://ana:{SECRET}@db/shop", "cannot be read"),
        (f"postgresql://ana:p@{SECRET}@db.invalid/shop", "%40"),
        (f"postgresql://ana:{SECRET}/and@db.invalid/shop", "%2F"),
        (None, "Name a database"),
    ],
)
def test_an_address_that_cannot_be_read_is_not_repeated(given: str | None, says: str) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        address(given, {})
    assert says in str(refused.value)
    assert SECRET not in str(refused.value)
    assert "Sesame" not in str(refused.value)


async def test_whatever_address_it_goes_by_the_server_s_log_can_tell_the_doctor_from_other_programs(
    postgres: Server, worker_database: str
) -> None:
    """What it is refused where it asks what a statement relies on, no user has met."""
    plain = postgres.url("postgres", worker_database)
    for asked, *named in (
        (plain, "tallybook doctor", "UTF8"), (f"{plain}&application_name=ci&client_encoding=latin1", "ci", "LATIN1"),
    ):  # fmt: skip
        async with connected(asked) as conn:
            assert [conn.info.parameter_status(one) for one in ("application_name", "client_encoding")] == named


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ('FATAL:  password authentication failed for user "ana"', "PGPASSWORD"),
        ('FATAL: database "shop" does not exist', "database's name"),
        ("connection refused\n\tIs the server running on that host?", "Start the server"),
        ("could not translate host name", "Check the host"),
        ("something of its own", "Check the address"),
    ],
)
def test_what_cannot_be_reached_is_told_with_what_to_do(said: str, hint: str) -> None:
    assert hint in not_reached(said, SECRET)
    assert SECRET not in not_reached(f"{said} {SECRET}", SECRET)


async def test_a_real_refusal_is_a_sentence(postgres: Server) -> None:
    for url, hint in (
        (f"postgresql://ana:{SECRET}@127.0.0.1:1/shop", "Start the server"),
        (postgres.url("postgres", "no_such_database"), "database's name"),
        (postgres.url("nobody_at_all", "postgres"), "Check the user"),
        ("no-such-service", "dbname=NAME"),
        ("postgresql://127.0.0.1:1/shop?connect_timeout=abc", "connect_timeout"),
    ):
        with pytest.raises(Unavailable, match=hint) as refused:
            async with connected(address(url, {})):
                pass
        assert SECRET not in refused.value.message
        assert "\n" not in refused.value.message


async def test_a_database_of_no_encoding_is_read_as_text(postgres: Server, worker_database: str) -> None:
    name = f"{worker_database}_ascii"
    async with connected(postgres.url("postgres", worker_database)) as conn:
        made = f"create database {name} encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0"
        await conn.execute(made.encode())
        try:
            async with connected(address(postgres.url("postgres", name), {})) as theirs:
                assert await schemas_of(theirs, ["public"]) == ["public"]
                assert [table async for table in await theirs.execute("select 'public'::name")] == [("public",)]
        finally:
            await conn.execute(f"drop database {name}".encode())


async def test_a_schema_that_our_role_may_not_use_is_named(postgres: Server, worker_database: str) -> None:
    role = f"{worker_database}_stranger"
    async with connected(postgres.url("postgres", worker_database)) as conn, conn.transaction(force_rollback=True):
        await conn.execute(f'create role {role}; create schema "Closed"; set local role {role}'.encode())
        await conn.execute(b'set local search_path to nowhere, "$user", "Closed"')
        with pytest.raises(WrongSetup, match=f"Our role {role} may not use the schema Closed, which"):
            await schemas_of(conn, None)
        await conn.execute(b"set local search_path to nowhere")
        with pytest.raises(WrongSetup, match="names no schema that is there"):
            await schemas_of(conn, None)
