"""The commands by which a person plans, repairs and takes back; each single fault is mended by them too."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from typer.testing import CliRunner, Result

from tallybook.cli import doctor_repair
from tallybook.core.errors import TallybookError
from tests.postgres import OWNER, Server

CONTRACT = """
[[keys]]
table = "reviews"
columns = ["drop_number", "project"]
name = "reviews_key"

[[apart]]
table = "turns"
name = "turns_apart"
rule = "exclude using gist (during with &&)"
same = "turns"
"""
SCHEMA = """
drop schema if exists tallybook_doctor cascade;
drop schema public cascade;
create schema public;
create table reviews (id int primary key, drop_number text not null, project text not null, note text,
    constraint reviews_drop unique (drop_number));
create table turns (id serial primary key, during tstzrange);
"""
app = typer.Typer()
app.command("plan")(doctor_repair.plan)
app.command("repair")(doctor_repair.repair)
app.command("undo")(doctor_repair.undo)
Doctor = Callable[..., Result]


@pytest.fixture(scope="module")
def database(postgres: Server, worker_database: str) -> Iterator[str]:
    name = f"{worker_database}_commands"
    postgres.drop(name)
    postgres.run(f"create database {name} owner {OWNER}")
    yield postgres.url(OWNER, name)
    postgres.drop(name)


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
        yield connection


@pytest.fixture
def doctor(database: str, tmp_path: Path) -> Doctor:
    contract = tmp_path / "contract.toml"
    contract.write_text(CONTRACT)

    def run(command: str, *words: str, answer: str | None = None) -> Result:
        more = [] if command == "undo" else ["--contract", str(contract)]
        return CliRunner().invoke(app, [command, "--database", database, *more, *words], input=answer)

    return run


def run_of(conn: psycopg.Connection[Any]) -> str:
    """The latest run that was written down."""
    row = conn.execute("select run from tallybook_doctor.runs order by began desc limit 1").fetchone()
    assert row
    return str(row[0])


def test_a_repair_is_shown_agreed_to_continued_and_undone(
    conn: psycopg.Connection[Any], doctor: Doctor, tmp_path: Path
) -> None:
    words = ("--table", "reviews", "--keep", "newest:id", "--merge", "note=first")
    conn.execute(
        "alter table reviews drop constraint reviews_drop, add constraint reviews_project unique (project, id)"
    )
    conn.execute("insert into reviews values (1, 'DR1', 'Lawley', 'old'), (2, 'DR1', 'Lawley', null)")
    file = tmp_path / "plan.sql"
    planned = doctor("plan", *words, "--output", str(file))
    assert planned.exit_code == 0, planned.output
    assert "1 groups of duplicates; 1 rows go" in planned.output
    assert "create unique index concurrently" in file.read_text()
    looked = doctor("repair", *words, "--dry-run")
    assert "stays {'id': 2" in looked.output
    assert "Nothing was changed." in looked.output
    assert "Nothing was changed." in doctor("repair", *words, answer="n\n").output
    assert conn.execute("select to_regclass('tallybook_doctor.runs')").fetchone() == (None,)
    done = doctor("repair", *words, "--yes")
    assert done.exit_code == 0, done.output
    assert conn.execute("select * from reviews").fetchall() == [(2, "DR1", "Lawley", "old")]
    undone = doctor("undo", run_of(conn), "--yes")
    assert "the checksum of all rows is what it was before" in undone.output
    assert conn.execute("select id, note from reviews order by id").fetchall() == [(1, "old"), (2, None)]


@pytest.mark.parametrize("command", ["plan", "repair"])
def test_a_plan_that_cannot_be_written_is_told_before_anything_is_changed(
    conn: psycopg.Connection[Any], doctor: Doctor, tmp_path: Path, command: str
) -> None:
    conn.execute("insert into reviews values (1, 'DR1', 'Lawley', null)")
    words = ("--table", "reviews", "--keep", "newest:id", "--output", str(tmp_path / "none" / "plan.sql"))
    refused = doctor(command, *words, answer="y\n")
    assert isinstance(refused.exception, TallybookError)
    assert "cannot be written: No such file" in refused.exception.message
    assert conn.execute("select to_regclass('tallybook_doctor.runs')").fetchone() == (None,)


def test_it_stops_until_the_code_is_switched(conn: psycopg.Connection[Any], doctor: Doctor) -> None:
    conn.execute("insert into reviews values (1, 'DR1', 'Lawley', null)")
    stopped = doctor("repair", "--table", "reviews", "--keep", "newest:id", "--yes")
    assert "repair --continue" in stopped.output
    assert conn.execute("select count(*) from pg_constraint where conname = 'reviews_drop'").fetchone() == (1,)
    assert doctor("repair", "--continue", run_of(conn)).exit_code == 0
    conn.execute("insert into reviews values (2, 'DR1', 'Velo Test', null)")
    refused = doctor("repair", "--undo", run_of(conn), "--yes")
    assert isinstance(refused.exception, TallybookError)
    assert "Velo Test" in refused.exception.message


def test_code_that_still_names_the_old_key_keeps_it_until_it_is_switched(
    conn: psycopg.Connection[Any], doctor: Doctor, tmp_path: Path
) -> None:
    contract = tmp_path / "code.toml"
    code = '[[upserts]]\nplace = "store.py:7"\nstatement = "{}"\n'
    into = "insert into reviews (id, drop_number, project) values ($1, $2, $3) on conflict ({}) do nothing"
    with_code = ("--contract", str(contract))
    contract.write_text(CONTRACT + code.format(into.format("drop_number")))
    words = ("--table", "reviews", "--keep", "newest:id", "--yes")
    assert "store.py:7" in doctor("repair", *words, *with_code).output
    for again in (with_code, ()):
        waits = doctor("repair", "--continue", run_of(conn), *again)
        assert "still rely on reviews_drop, which would go: store.py:7" in waits.output
    contract.write_text(CONTRACT + code.format(into.format("drop_number, project")))
    assert "holds" in doctor("repair", "--continue", run_of(conn), *with_code).output
    assert conn.execute("select count(*) from pg_constraint where conname = 'reviews_drop'").fetchone() == (0,)


def test_of_several_faults_one_is_to_be_chosen(conn: psycopg.Connection[Any], doctor: Doctor) -> None:
    asked = doctor("repair", "--keep", "newest:id")
    assert isinstance(asked.exception, TallybookError)
    assert "--table reviews --key reviews_key" in asked.exception.message
    assert "--table turns --key turns_apart" in asked.exception.message
    unknown = doctor("undo", "r0", "--yes")
    assert isinstance(unknown.exception, TallybookError)
    assert "No run r0" in unknown.exception.message


def test_a_sequence_behind_goes_on_past_its_table(conn: psycopg.Connection[Any], doctor: Doctor) -> None:
    conn.execute("insert into turns (id) values (40)")
    assert doctor("repair", "--key", "turns_id_seq", "--yes").exit_code == 0
    assert conn.execute("insert into turns default values returning id").fetchone() == (41,)
    left = doctor("undo", run_of(conn), "--yes")
    assert "is left as it is. It changes no row" in left.output
    assert conn.execute("select state from tallybook_doctor.runs").fetchone() == ("done",)


def test_rows_that_break_a_rule_are_named_and_it_is_held_against_all_once_none_does(
    conn: psycopg.Connection[Any], doctor: Doctor
) -> None:
    conn.execute("insert into reviews values (1, 'DR1', 'Lawley', ''), (2, 'DR2', 'Lawley', 'said')")
    conn.execute("alter table reviews add constraint notes_say check (note <> '') not valid")
    for words in (("--dry-run",), ("--yes",)):
        refused = doctor("repair", "--key", "notes_say", *words)
        assert isinstance(refused.exception, TallybookError)
        assert "'id': 1" in refused.exception.message
        assert "'id': 2" not in refused.exception.message
    conn.execute("delete from reviews where id = 1")
    assert doctor("repair", "--key", "notes_say", "--yes").exit_code == 0
    assert conn.execute("select convalidated from pg_constraint where conname = 'notes_say'").fetchone() == (True,)


def test_rows_that_are_not_apart_are_named_and_the_rule_added_once_they_are(
    conn: psycopg.Connection[Any], doctor: Doctor
) -> None:
    conn.execute("insert into turns (during) values ('[2025-01-01,2025-01-03)'), ('[2025-01-02,2025-01-04)')")
    refused = doctor("repair", "--key", "turns_apart", "--yes")
    assert isinstance(refused.exception, TallybookError)
    assert "'id': 1" in refused.exception.message
    conn.execute("delete from turns where id = 2")
    assert doctor("repair", "--key", "turns_apart", "--yes").exit_code == 0
    with pytest.raises(psycopg.errors.ExclusionViolation):
        conn.execute("insert into turns (during) values ('[2025-01-02,2025-01-04)')")
    assert doctor("undo", run_of(conn), "--yes").exit_code == 0
    assert conn.execute("select count(*) from pg_constraint where contype = 'x'").fetchone() == (0,)


def test_a_constraint_that_old_rows_were_never_held_against_is_validated(
    conn: psycopg.Connection[Any], doctor: Doctor
) -> None:
    conn.execute("alter table reviews add constraint noted check (note <> '') not valid")
    done = doctor("repair", "--key", "noted", "--yes")
    assert done.exit_code == 0, done.output
    assert conn.execute("select convalidated from pg_constraint where conname = 'noted'").fetchone() == (True,)


@pytest.mark.parametrize("declared", [True, False])
def test_what_is_left_of_a_failed_building_is_built_anew(
    conn: psycopg.Connection[Any], doctor: Doctor, *, declared: bool
) -> None:
    conn.execute("alter table reviews drop constraint reviews_drop")
    conn.execute("insert into reviews values (1, 'DR1', 'Lawley', 'a'), (2, 'DR1', 'Lawley', 'a')")
    columns = "drop_number, project" if declared else "note"
    with pytest.raises(psycopg.errors.UniqueViolation):
        conn.execute(f"create unique index concurrently half on reviews ({columns})".encode())
    conn.execute("delete from reviews where id = 2")
    done = doctor("repair", "--key", "half", "--keep", "newest:id", "--yes")
    assert done.exit_code == 0, done.exception
    if declared:
        assert doctor("repair", "--continue", run_of(conn)).exit_code == 0
    left = conn.execute("select count(*) from pg_index where not indisvalid").fetchone()
    assert left == (0,)


def test_of_two_alike_one_goes_once_the_code_is_switched(conn: psycopg.Connection[Any], doctor: Doctor) -> None:
    conn.execute("alter table reviews drop constraint reviews_drop, "
                 "add constraint reviews_key unique (drop_number, project), "
                 "add constraint reviews_key1 unique (drop_number, project)")  # fmt: skip
    assert "repair --continue" in doctor("repair", "--key", "reviews_key1", "--yes").output
    assert doctor("repair", "--continue", run_of(conn)).exit_code == 0
    unique = "select conname from pg_constraint where contype = 'u' and conrelid = 'reviews'::regclass"
    assert conn.execute(unique).fetchall() == [("reviews_key",)]
    assert doctor("undo", run_of(conn), "--yes").exit_code == 0
    assert len(conn.execute(unique).fetchall()) == 2


def test_a_role_that_may_make_no_schema_is_told_what_to_do(
    conn: psycopg.Connection[Any], postgres: Server, doctor: Doctor
) -> None:
    conn.execute("alter table reviews drop constraint reviews_drop")
    name = conn.info.dbname
    postgres.run(f"alter database {name} owner to postgres")
    try:
        refused = doctor("repair", "--table", "reviews", "--keep", "newest:id", "--yes")
    finally:
        postgres.run(f"alter database {name} owner to {OWNER}")
    assert isinstance(refused.exception, TallybookError)
    assert "create schema tallybook_doctor" in refused.exception.message


def test_of_two_rules_over_the_same_columns_one_is_chosen_by_its_predicate(
    conn: psycopg.Connection[Any], doctor: Doctor, tmp_path: Path
) -> None:
    rules = [
        f'[[keys]]\ntable = "reviews"\ncolumns = ["drop_number"]\nwhere = "project = \'{name}\'"\n' for name in "ab"
    ]
    (tmp_path / "contract.toml").write_text("\n".join(rules))
    conn.execute("alter table reviews drop constraint reviews_drop")
    asked = doctor("repair", "--key", "drop_number")
    assert isinstance(asked.exception, TallybookError)
    chosen = "drop_number where project = 'a'"
    assert f"--table reviews --key {shlex.quote(chosen)}\n" in asked.exception.message
    done = doctor("repair", "--key", chosen, "--keep", "newest:id", "--yes")
    assert done.exit_code == 0, done.output
    assert conn.execute(
        "select count(*) from pg_indexes where indexdef like '%WHERE (project = ''a''%'"
    ).fetchone() == (1,)
