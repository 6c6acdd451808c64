"""No command takes a schema that is not an environment's for one, whatever it is called."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tallybook.core import environment, environment_comparing, environment_copying, environment_resetting
from tallybook.core.environment_copying import Request
from tallybook.core.environment_masking import Masks
from tallybook.core.errors import WrongSetup
from tallybook.projects_file import read_projects_file
from tallybook.settings import Settings
from tests.core.test_environment_resetting import counts, filled

__all__ = ["filled"]

OTHERS = (
    "public",
    "extensions",
    "legacy",
    "legacy_dev",
    "information_schema",
    "pg_catalog",
    "pg_mine",
    "owner",
    "reader",
)
MISSPELT = "dve"
SINCE = datetime(2025, 1, 1, tzinfo=UTC)
# Roles are the whole server's, and other tests make some at the same time.
ROLES = ",".join(f"tallybook_{name}" for name in (*OTHERS, MISSPELT, "prod", "dev"))
# The whole of a database: what its schemas hold, who may do what with it, and who there is.
STANDS = (
    "select nspname::text, nspacl::text from pg_namespace where nspname !~ '^pg_(toast_)?temp' order by 1",
    "select oid::regclass::text, relacl::text from pg_class where relkind in ('r', 'S') order by 1",
    "select defaclnamespace::regnamespace::text, defaclrole, defaclacl::text from pg_default_acl order by 1, 2",
    f"select rolname::text, rolconfig::text from pg_roles where rolname = any('{{{ROLES}}}') order by 1",
    f"""select roleid::regrole::text, member::regrole::text from pg_auth_members
    where member::regrole::text = any('{{{ROLES}}}') order by 1, 2""",
    "select text, sender_phone from public.messages order by id",
    "select count(*) from public.audit_log",
    "select x from legacy.old_reviews",
)


def stands(url: str) -> list[Any]:
    with psycopg.connect(url) as conn:
        return [conn.execute(statement.encode()).fetchall() for statement in STANDS]


async def _ask(what: str, url: str, name: str) -> None:
    if what == "create":
        await environment.create(url, name, {})
    elif what == "see what a copy takes":
        await environment_copying.preview(url, Request(name, SINCE, Masks(b"k")))
    elif what == "copy":
        await environment_copying.copy(url, Request(name, SINCE, Masks(b"k")))
    elif what == "see what a reset removes":
        await environment_resetting.preview(url, name, people=True)
    elif what == "reset":
        await environment_resetting.reset(url, name, people=True)
    else:
        await environment_comparing.compare(url, name, 7, SINCE)


COMMANDS = ("create", "see what a copy takes", "copy", "see what a reset removes", "reset", "compare")


@pytest.fixture
def with_older_tables(filled: str) -> str:
    with psycopg.connect(filled) as owner:
        owner.execute("create schema legacy")
        owner.execute("create table legacy.old_reviews (x int)")
        owner.execute("insert into legacy.old_reviews values (1)")
    return filled


async def test_no_command_touches_a_schema_that_is_not_an_environment_s(with_older_tables: str) -> None:
    before = stands(with_older_tables)
    for name in OTHERS:
        for what in COMMANDS:
            with pytest.raises(WrongSetup, match="cannot be the name of an environment"):
                await _ask(what, with_older_tables, name)
    assert stands(with_older_tables) == before
    assert counts(with_older_tables, "public") == (1, 1, 1, 1, 1, 1)


async def test_a_name_mistyped_makes_neither_a_schema_nor_a_role(with_older_tables: str) -> None:
    before = stands(with_older_tables)
    for what in COMMANDS[1:]:
        with pytest.raises(WrongSetup, match="There is no environment dve yet"):
            await _ask(what, with_older_tables, MISSPELT)
    assert stands(with_older_tables) == before


async def test_tables_of_another_program_are_not_taken_for_ours(with_older_tables: str) -> None:
    """Many programs keep their revision in a table of that name."""
    with psycopg.connect(with_older_tables) as owner:
        owner.execute("create schema crm")
        owner.execute("create table crm.alembic_version (version_num text)")
        owner.execute("insert into crm.alembic_version values ('3f9a')")
        if owner.execute("select 1 from pg_roles where rolname = 'tallybook_crm'").fetchone() is None:
            owner.execute("create role tallybook_crm")
    before = stands(with_older_tables)
    for what in COMMANDS[1:]:
        with pytest.raises(WrongSetup, match="is not of this release, or not ours"):
            await _ask(what, with_older_tables, "crm")
    assert stands(with_older_tables) == before


async def test_a_look_at_what_would_happen_changes_nothing(with_older_tables: str) -> None:
    """Not even rights that somebody took away: those are given back once somebody said yes."""
    with psycopg.connect(with_older_tables) as owner:
        owner.execute("revoke truncate on dev.jobs from tallybook_dev")
    before = stands(with_older_tables)
    for what in ("see what a copy takes", "see what a reset removes", "compare"):
        await _ask(what, with_older_tables, "dev")
    assert stands(with_older_tables) == before
    await _ask("reset", with_older_tables, "dev")
    assert counts(with_older_tables, "dev") == (0, 0, 0, 0, 0, 1)


@pytest.mark.parametrize("name", OTHERS)
def test_no_setting_and_no_file_can_name_one(name: str, tmp_path: Path) -> None:
    with pytest.raises(WrongSetup, match="the database uses this one for other things"):
        Settings.load({"TALLYBOOK_ENV": name}, tmp_path)
    file = tmp_path / "tallybook.toml"
    file.write_text(
        '[monitor]\n[[monitor.projects]]\nname = "Lawley"\nkind = "qa"\n'
        f'group = "120363000000000001@g.us"\nenvironments = ["prod", "{name}"]\n'
    )
    with pytest.raises(WrongSetup, match="one of these names"):
        read_projects_file(file)
