"""Two environments on one database and one bridge file: the database itself keeps them apart."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import errors, sql

from tallybook.core.revisions import known_revisions
from tests.postgres import APP, DEV, OWNER, Server
from tests.proof.conftest import furnish
from tests.proof.oracle import expected, read_books
from tests.proof.product import PostingBridge, Product, wait_until

TABLES = """
select format('%I.%I', n.nspname, c.relname), n.nspname, c.relname
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = {schema} and c.relkind in ('r', 'v', 'm', 'p')
"""
SEQUENCES = "select format('%I.%I', schemaname, sequencename) from pg_sequences where schemaname = 'public'"
WRITES = (
    "select * from {}", "select count(*) from {}", "insert into {} default values", "delete from {}", "truncate {}",
    "copy {} to stdout", "do $$ begin lock table {}; end $$",
    "alter table {} add column mine int", "drop table {}",
    "create index on {} (business_id)", "select ({}).* from {}",
)  # fmt: skip
# What else a role might try; none of these needs a table's name.
TRIES = (
    "select public.only_business()",
    "create table public.mine (a int)",
    "create schema mine",
    "create extension citext",
    "create extension citext schema dev",
    "create function public.mine() returns int language sql as 'select 1'",
    "create view dev.messages_of_prod as select * from public.messages",
    "create table dev.mine (a int)",
    "grant usage on schema public to tallybook_dev",
    "alter schema public owner to tallybook_dev",
    "set role tallybook_owner",
    "set role tallybook_prod",
    "set session authorization tallybook_prod",
    "alter role tallybook_dev superuser",
    "alter role tallybook_prod password 'mine'",
    "do $$ begin execute 'select * from public.messages'; end $$",
    "select * from pg_read_file('/etc/passwd')",
    "select query_to_xml('select * from public.messages', true, true, '')",
    "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'tallybook_prod'",
)
REFUSED = (errors.InsufficientPrivilege, errors.FeatureNotSupported)
GRANTS = """
select c.relname::text, array(select unnest(c.relacl)::text order by 1) from pg_class c
where c.relnamespace = 'dev'::regnamespace and c.relkind in ('r', 'S') union all
select 'schema', array(select unnest(nspacl)::text order by 1) from pg_namespace where nspname = 'dev' union all
select 'defaults ' || defaclobjtype::text, array(select unnest(defaclacl)::text order by 1) from pg_default_acl
where defaclnamespace = 'dev'::regnamespace order by 1
"""
LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - [A-Z]+ - (.*)$")
QUOTED = re.compile(r"(✅ \[DEV\] Created QA review for DR\d+|(🔄|❌|✅|⏭️|🚫|⏸️) \[DEV\] .+)$")


@pytest.fixture
def shared(server: Server) -> Iterator[Server]:
    """A server with both environments, furnished, and a listener of prod's to be aimed at."""
    furnish(server.url(OWNER))
    with psycopg.connect(server.url(APP)):
        yield server


def tables_of(server: Server, schema: str) -> list[tuple[str, ...]]:
    with psycopg.connect(server.url("postgres")) as connection:
        rows = connection.execute(sql.SQL(TABLES).format(schema=sql.Literal(schema))).fetchall()
    assert len(rows) > 20
    return rows


def is_refused(connection: psycopg.Connection, statement: str) -> bool:
    """Whether the database says no; anything but a lack of rights is no refusal."""
    try:
        if statement.startswith("copy"):
            with connection.cursor().copy(statement.encode()) as out:
                out.read()
        else:
            connection.execute(statement.encode())
    except REFUSED:
        return True
    return False


@pytest.mark.parametrize(("role", "other"), [(DEV, "public"), (APP, "dev")])
def test_the_database_refuses_each_environment_s_role_in_the_other_one_s_schema(
    shared: Server, role: str, other: str
) -> None:
    with psycopg.connect(shared.url(role), autocommit=True) as connection:
        for table, _, name in tables_of(shared, other):
            for statement in (*WRITES, "update {} set " + _some_column(shared, table) + " = default"):
                assert is_refused(connection, statement.replace("{}", table)), statement
            connection.execute(sql.SQL("set search_path to {}").format(sql.Identifier(other)))
            with pytest.raises((errors.UndefinedTable, errors.InsufficientPrivilege)):
                connection.execute(sql.SQL("select * from {}").format(sql.Identifier(name)))
            connection.execute("reset search_path")


def _some_column(server: Server, table: str) -> str:
    with psycopg.connect(server.url("postgres")) as connection:
        cursor = connection.execute(f"select * from {table} limit 0".encode())
        assert cursor.description is not None
        return cursor.description[0].name


def test_the_database_refuses_dev_s_role_every_other_way_to_production(shared: Server) -> None:
    with psycopg.connect(shared.url(OWNER), autocommit=True) as owner:
        owner.execute("create table public.made_later (a int)")
        sequences = [row[0] for row in owner.execute(SEQUENCES.encode()).fetchall()]
    with psycopg.connect(shared.url(DEV), autocommit=True) as connection:
        for statement in (
            *TRIES, "select * from public.made_later", *(f"select nextval('{sequence}')" for sequence in sequences),
        ):  # fmt: skip
            assert is_refused(connection, statement), statement


def test_both_environments_read_one_file_at_once_and_each_has_its_own_rows_and_lines(
    shared: Server, open_product: Callable[..., Product]
) -> None:
    prod = open_product(database_url=shared.url(APP))
    dev_log = prod.folder / "dev.log"
    dev = {"env": "dev", "database_url": shared.url(DEV), "log_file": str(dev_log)}
    with PostingBridge(prod, seed=4, pause=0.01) as bridge:
        workers = [prod.start("work"), prod.start("work", **dev)]
        wait_until(lambda: len(read_books(shared.url(OWNER), "dev").messages) > 50, "fifty messages of dev's")
        wait_until(lambda: len(read_books(shared.url(OWNER)).messages) > 50, "fifty messages of prod's")
        told = bridge.stop()
    for environment, schema in (("prod", "public"), ("dev", "dev")):
        wanted = expected(told, environment)
        wait_until(lambda: len(read_books(shared.url(OWNER), schema).messages) >= len(wanted.messages), environment)  # noqa: B023 - called in this round
        books = read_books(shared.url(OWNER), schema)
        assert books == expected(told, environment, books.seen)
    assert [worker.stop() for worker in workers] == [0, 0]
    assert "[DEV]" not in prod.log.read_text()
    events = [found[1] for line in dev_log.read_text().splitlines() if (found := LINE.match(line))]
    assert any(event.startswith("✅ [DEV] Created QA review for DR") for event in events)
    assert [event for event in events if not event.startswith("[DEV] ") and not QUOTED.match(event)] == []


def test_an_environment_that_was_dropped_is_made_again_whole(
    shared: Server, open_product: Callable[..., Product]
) -> None:
    product = open_product(database_url=shared.url(APP), owner_database_url=shared.url(OWNER))
    grants = read_grants(shared)
    for _ in range(2):
        assert applied(product.run("env", "create", "dev", "--json")) == []
        assert read_grants(shared) == grants
    with psycopg.connect(shared.url(OWNER)) as owner:
        owner.execute("drop schema dev cascade")
    assert applied(product.run("env", "create", "dev", "--json")) == known_revisions()
    assert read_grants(shared) == grants
    with product.bridge() as bridge:
        bridge.post("120363000000000003@g.us", "DR1752104", sender="27820000001")
    product.run("monitor", "scan", "--once", env="dev", database_url=shared.url(DEV), owner_database_url="")
    assert [review[:3] for review in read_books(shared.url(OWNER), "dev").reviews] == [
        ("Velo Test", "DR1752104", "Velo Test")
    ]


def applied(said: str) -> list[str]:
    """The migrations that a command applied, by its JSON."""
    return list(json.loads(said[said.index("{") :])["applied"])


def read_grants(server: Server) -> list[tuple[object, ...]]:
    with psycopg.connect(server.url("postgres")) as connection:
        return connection.execute(GRANTS.encode()).fetchall()
