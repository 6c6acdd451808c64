"""A backup holds everything, and restored into an empty database it is the same database again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tallybook.core import backup
from tallybook.core.backup import Program
from tallybook.core.errors import Conflict, Unavailable, WrongSetup
from tests.postgres import DEV, OWNER, Server

TABLES = """
select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname in ('public', 'dev') order by 1
"""
# Sums do not depend on the order of the rows.
CHECKSUM = "select count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) from {} t"
SHAPE = """
select array_agg(format('%s %s %s', n.nspname, c.conname, pg_get_constraintdef(c.oid)) order by n.nspname, c.conname)
from pg_constraint c join pg_namespace n on n.oid = c.connamespace where n.nspname in ('public', 'dev')
"""
FILL = """
insert into {schema}.businesses (name, time_zone)
    values ('Velo Fibre', 'Africa/Johannesburg'), ('קינרת', 'Asia/Jerusalem');
insert into {schema}.deliveries (channel, body, body_sha256)
    select 'bridge', sha256(n::text::bytea), sha256(n::text::bytea) from generate_series(1, 500) n;
insert into {schema}.drops (business_id, space, drop_number, last_posted_at)
    select 1, 'fibre', 'DR' || n, '2026-01-01'::timestamptz + make_interval(secs => n) from generate_series(1, 500) n;
insert into {schema}.outbox (business_id, channel, account, recipient, dedup_key, body)
    values (1, 'bridge', 'velo', '27820000001', 'a', '{{"text": "שלום, %% and :name and \\\\ and ''"}}');
"""


def contents(url: str) -> dict[str, tuple]:
    with psycopg.connect(url) as conn:
        tables = [name for (name,) in conn.execute(TABLES)]
        found = {name: conn.execute(CHECKSUM.format(name).encode()).fetchone() for name in tables}
        return found | {"shape": conn.execute(SHAPE).fetchone()}


def fill(url: str) -> None:
    with psycopg.connect(url) as conn:
        for schema in ("public", "dev"):
            conn.execute(sql.SQL(FILL).format(schema=sql.Identifier(schema)))


@pytest.fixture
def empty_url(postgres: Server, fresh_name: str) -> Iterator[str]:
    name = f"{fresh_name}_restored"
    postgres.run(f"create database {name} owner {OWNER}")
    yield postgres.url(OWNER, name)
    postgres.drop(name)


@pytest.fixture
def full_url(postgres: Server, fresh_name: str) -> str:
    url = postgres.url(OWNER, fresh_name)
    fill(url)
    return url


async def test_a_restored_database_is_the_same_in_every_table_of_every_environment(
    full_url: str, empty_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "a backup"
    await backup.backup(full_url, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a backup"]
    await backup.restore(empty_url, file)
    restored = contents(empty_url)
    assert restored == contents(full_url)
    assert restored["dev.drops"][0] == 500
    with psycopg.connect(empty_url) as conn:
        conn.execute("insert into deliveries (channel, body, body_sha256) values ('bridge', 'new', 'new')")


async def test_a_database_that_holds_something_is_replaced_only_when_that_is_confirmed(
    full_url: str, empty_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    await backup.backup(full_url, file)
    before = contents(full_url)
    with psycopg.connect(full_url) as conn:
        conn.execute("delete from deliveries where id < 100")
    changed = contents(full_url)
    with pytest.raises(Conflict, match="or with --replace: what it holds is then replaced"):
        await backup.restore(full_url, file)
    assert contents(full_url) == changed
    await backup.restore(full_url, file, replace=True)
    assert contents(full_url) == before


async def test_a_damaged_backup_changes_nothing(full_url: str, empty_url: str, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    await backup.backup(full_url, file)
    os.truncate(file, file.stat().st_size // 3)
    with pytest.raises(Unavailable, match="could not be restored: could not read"):
        await backup.restore(empty_url, file)
    assert list(contents(empty_url)) == ["shape"]
    with pytest.raises(WrongSetup, match="no backup"):
        await backup.restore(empty_url, tmp_path / "nowhere")


@pytest.mark.parametrize(("where", "why"), [("nowhere/backup", "No such file or directory"), ("", "Is a directory")])
async def test_a_place_where_no_file_can_be_written_is_told(
    full_url: str, tmp_path: Path, where: str, why: str
) -> None:
    with pytest.raises(WrongSetup, match=rf"{tmp_path / where} cannot be written: {why}\."):
        await backup.backup(full_url, tmp_path / where)
    assert list(tmp_path.parent.glob(".*.unfinished")) == []


async def test_a_backup_that_fails_leaves_the_last_one_and_no_half_one(
    postgres: Server, fresh_name: str, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    file.write_bytes(b"yesterday's")
    with pytest.raises(Unavailable, match="permission denied"):
        await backup.backup(postgres.url(DEV, fresh_name), file)
    assert file.read_bytes() == b"yesterday's"
    assert list(tmp_path.iterdir()) == [file]


async def test_the_password_is_no_argument_of_the_program(tmp_path: Path) -> None:
    said = tmp_path / "said"
    program = tmp_path / "pg_dump"
    program.write_text(f'#!/bin/sh\nprintf "%s %s" "$*" "$PGPASSWORD" > "{said}"\n')
    program.chmod(0o700)
    with (tmp_path / "dump").open("wb") as target:
        url = "postgresql://owner:hush@db.invalid/tally?sslmode=require"
        await backup._dump(Program(program, 18), url, target.fileno())
    arguments, _, password = said.read_text().rpartition(" ")
    assert password == "hush"
    assert "hush" not in arguments
    assert "host=db.invalid" in arguments
    assert "sslmode=require" in arguments


def test_a_server_newer_than_every_program_is_refused_with_a_sentence() -> None:
    old, new = Program(Path("/old/pg_dump"), 15), Program(Path("/new/pg_dump"), 18)
    assert [backup._nearest([new, old], server) for server in (15, 16)] == [old, new]
    assert [backup._newest([old, new], server) for server in (15, 16)] == [new, new]
    with pytest.raises(WrongSetup, match=r"PostgreSQL 19; a backup needs .* of version 19 or newer"):
        backup._nearest([new, old], 19)


async def test_a_restore_that_the_database_refuses_says_why_and_changes_nothing(
    postgres: Server, full_url: str, fresh_name: str, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    await backup.backup(full_url, file)
    with psycopg.connect(full_url) as conn:
        conn.execute("create view in_the_way as select * from drops")
    before = contents(full_url)
    with pytest.raises(Unavailable, match=r"cannot drop table public\.drops because other objects depend on it"):
        await backup.restore(full_url, file, replace=True)
    assert contents(full_url) == before


def test_the_first_error_alone_is_shown() -> None:
    said = "pg_restore: error: COPY failed for table x\nDETAIL: Key (phone)=(27820000001)\n"
    assert backup._first_error(said) == "COPY failed for table x"
    assert backup._first_error("psql:<stdin>:9: ERROR:  it is so\nDETAIL: private") == "it is so"
    assert backup._first_error("") == "it gave no reason"
