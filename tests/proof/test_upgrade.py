"""From the release before to this one and back: its tables with data in them, its statements, its way of starting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tallybook.core import environment, key_check, revisions, roll_back
from tallybook.core.db import open_database
from tallybook.core.errors import WrongSetup
from tallybook.doctor.placeholders import numbered
from tests.postgres import APP, OWNER, Server

# As release 0.1.0 was: its migrations, and each statement of its code by where it stood.
RELEASE = Path(__file__).parent / "release_0_1_0"
VERSION = """
create table alembic_version (
    version_num varchar(32) not null, constraint alembic_version_pkc primary key (version_num));
insert into alembic_version values ('0002')
"""
COLUMNS = """
select table_name, column_name, is_nullable, column_default is not null or is_identity = 'YES', udt_name
from information_schema.columns where table_schema = 'public'
"""
CONSTRAINTS = """
select c.conrelid::regclass::text, c.conname, pg_get_constraintdef(c.oid) from pg_constraint c
where c.connamespace = 'public'::regnamespace order by 1, 2
"""
INDEXES = "select tablename, indexname, indexdef from pg_indexes where schemaname = 'public' order by 1, 2"
# The listed trigger fills it, as the test before this one's sees when the old release adds a review.
FILLED = {("qa_photo_reviews", "last_said_at")}
AT = "2025-12-01 13:42:00+00"


def statements() -> dict[str, str]:
    found = re.findall(r"(?m)^-- ([\w.]+)\n(.*?)\n;;$", (RELEASE / "statements.sql").read_text("utf-8"), re.DOTALL)
    assert len(found) > 120
    return dict(found)


@pytest.fixture
def old(postgres: Server, worker_database: str) -> Iterator[str]:
    """A database as release 0.1.0 left it, with rows that it wrote. The name of it."""
    name = f"{worker_database}_old"
    postgres.drop(name)
    postgres.run(f"create database {name} owner {OWNER}")
    with psycopg.connect(postgres.url(OWNER, name)) as conn:
        for file in ("0001.sql", "0002.sql"):
            conn.execute((RELEASE / file).read_bytes())
        conn.execute(VERSION.encode())
        conn.execute(f"grant usage on schema public to {APP}".encode())
        conn.execute(f"grant select, insert, update, delete on all tables in schema public to {APP}".encode())
        conn.execute(f"grant usage, select on all sequences in schema public to {APP}".encode())
    yield name
    postgres.drop(name)


def work_of_the_old_release(url: str, drop: str) -> None:
    """A post filed, a tick, a job, a message and a record, all by the old release's own statements."""
    old = statements()
    with psycopg.connect(url) as conn:

        def run(where: str, **values: Any) -> list[tuple[Any, ...]]:
            done = conn.execute(old[where].encode(), values)
            return done.fetchall() if done.description else []

        run("core.businesses.ADD", name="Velo Fibre", time_zone="Africa/Johannesburg", locale="en")
        (business, *_) = run("core.businesses.EVERY")[0]
        post = {
            "business_id": business, "space": ["fibre"], "drop_number": [drop], "said_at": [AT], "message_id": [1],
            "project": ["Lawley"], "phone": ["+27820000001"],
        }  # fmt: skip
        run("monitor.store.filing.LOCK_DROPS", **post)
        made = run(
            "monitor.store.filing.CREATE_REVIEWS",
            **post, ids=[f"00000000-0000-7000-8000-00000{drop[2:]}"], review_date=["2025-12-01"],
            comment=["a note"], bridge=["primary"],
        )  # fmt: skip
        assert made == [("fibre", drop)]
        run("monitor.store.filing.ADD_SUBMISSIONS", **post, effect=["created"])
        run("monitor.store.filing.ADD_INVALID", **post, chat=["a chat"])
        run("monitor.store.marketing.ACTIVATE", **post, is_valid=[True], says=["in the list"])
        run("monitor.store.marketing.ADD_POSTS", **post)
        job = {"business_id": business, "kind": "a kind", "key": drop, "args": "{}", "not_before": None}
        run("core.jobs.ENQUEUE", **job)
        out = {"channel": "pigeon", "account": "a", "to": "b", "dedup_key": drop, "body": "{}"}
        run("core.outbox.PUT", business_id=business, **out)
        entry = {"who": "Ana", "account_id": None, "action": "a.b", "subject": "s", "subject_id": drop}
        run("core.audit.RECORD", business_id=business, before=None, after=None, **entry)
        run("core.heartbeats.BEAT", name="worker", details="{}")
        conn.execute(b"update qa_photo_reviews set step_01_house_photo = true where drop_number = %s", [drop])
        conn.execute(
            b"""insert into messages (business_id, channel, account, scope, external_id, chat, sender_raw, said_at,
                text, content_hash) values (%s, 'bridge', 'primary', 'c', %s, 'c', 's', now(), 't', '')""",
            [business, drop],
        )


def rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    tables = (
        "qa_photo_reviews",
        "qa_submissions",
        "marketing_activations",
        "drops",
        "outbox",
        "jobs",
        "audit_log",
        "messages",
    )
    with psycopg.connect(url) as conn:
        # The columns that 0.1.0 knew stand first, in their order.
        return {
            table: conn.execute(
                f"select (to_jsonb(t) ->> 'business_id'), count(*) from {table} t group by 1".encode()
            ).fetchall()
            for table in tables
        }


def looked(url: str, query: str) -> set[tuple[Any, ...]]:
    with psycopg.connect(url) as conn:
        return set(conn.execute(query.encode()).fetchall())


async def test_the_old_release_works_on_after_what_is_migrated_before_the_new_one(old: str, postgres: Server) -> None:
    owner, app = postgres.url(OWNER, old), postgres.url(APP, old)
    work_of_the_old_release(app, "DR1752104")
    before = rows(app)
    applied = await revisions.migrate(owner, "prod", "pre")
    assert applied == [one for one in revisions.known_revisions() if one > "0002"], "all of it is safe before new code"
    assert rows(app) == before
    work_of_the_old_release(app, "DR1733787")
    with psycopg.connect(app) as conn:
        assert conn.execute(b"select drop_number, step_01_house_photo from qa_photo_reviews order by 1").fetchall() == [
            ("DR1733787", True), ("DR1752104", True),
        ]  # fmt: skip


async def test_every_statement_of_the_old_release_runs_on_the_new_tables(old: str, postgres: Server) -> None:
    await revisions.migrate(postgres.url(OWNER, old), "prod", "pre")
    with psycopg.connect(postgres.url("postgres", old), autocommit=True) as conn:
        conn.execute(b"set plan_cache_mode = force_generic_plan")
        for where, text in statements().items():
            conn.execute(f"prepare one as {numbered(text)}".encode())
            count = len(set(re.findall(r"%\((\w+)\)s", text)))
            nulls = f"({', '.join(['null'] * count)})" if count else ""
            # Planning finds the key that each ON CONFLICT names, which preparing does not.
            conn.execute(f"explain execute one{nulls}".encode())
            conn.execute(b"deallocate one")
            assert where


async def test_nothing_that_the_old_release_writes_is_taken_away_or_demands_more(old: str, postgres: Server) -> None:
    owner = postgres.url(OWNER, old)
    before = {row[:2]: row[2:] for row in looked(owner, COLUMNS)}
    await revisions.migrate(owner, "prod", "pre")
    after = {row[:2]: row[2:] for row in looked(owner, COLUMNS)}
    assert before.keys() <= after.keys()
    assert {name: after[name][2] for name in before} == {name: before[name][2] for name in before}
    old_tables = {table for table, _ in before}
    demanding = [name for name, (null, default, _) in after.items() if null == "NO" and not default]
    assert {name for name in demanding if name[0] in old_tables and name not in before} == FILLED


async def test_an_upgraded_database_is_the_same_as_a_new_one(old: str, postgres: Server, fresh_owner_url: str) -> None:
    owner = postgres.url(OWNER, old)
    await revisions.migrate(owner, "prod")
    for query in (COLUMNS, CONSTRAINTS, INDEXES):
        assert looked(owner, query) == looked(fresh_owner_url, query)
    async with open_database(owner, "prod") as db:
        await db.run("check", key_check.check)


async def test_the_old_release_may_start_again_and_the_new_one_after_it(old: str, postgres: Server) -> None:
    owner, app = postgres.url(OWNER, old), postgres.url(APP, old)
    work_of_the_old_release(app, "DR1752104")
    await environment.create(owner, "prod", {})
    newest = revisions.known_revisions()[-1]
    assert await roll_back.back(owner, "prod", revisions.known_revisions()) == newest
    # What 0.1.0 asks before it starts: is the revision one that it knows, and its newest?
    assert looked(app, "select version_num from alembic_version") == {("0002",)}
    work_of_the_old_release(app, "DR1733787")
    async with open_database(app, "prod") as db:
        with pytest.raises(WrongSetup, match="Run: tallybook migrate"):
            await db.run("check", revisions.check_current)
    assert await revisions.migrate(owner, "prod") == []
    assert looked(app, "select version_num from alembic_version") == {(newest,)}
    assert len(looked(app, "select drop_number from qa_photo_reviews")) == 2
    assert await revisions.migrate(owner, "prod") == []


async def test_a_later_release_goes_on_from_where_the_tables_stand_too(
    old: str, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, known = postgres.url(OWNER, old), revisions.known_revisions()
    await revisions.migrate(owner, "prod")
    await roll_back.back(owner, "prod", known)
    monkeypatch.setattr(roll_back, "BEFORE", known[-1])  # the release after this one, to which this one is the old one
    assert await revisions.migrate(owner, "prod") == []
    assert looked(owner, "select version_num from alembic_version") == {(known[-1],)}


async def test_going_back_twice_or_from_nowhere_does_no_harm(old: str, postgres: Server) -> None:
    owner = postgres.url(OWNER, old)
    known = revisions.known_revisions()
    assert await roll_back.back(owner, "prod", known) == "0002"
    await revisions.migrate(owner, "prod")
    assert await roll_back.back(owner, "prod", known) == known[-1]
    assert await roll_back.back(owner, "prod", known) == "0002"
    assert await revisions.migrate(owner, "prod") == []
    with psycopg.connect(owner) as conn:
        conn.execute(b"update alembic_version set version_num = '9999'")
    with pytest.raises(WrongSetup, match="nothing to go back from"):
        await roll_back.back(owner, "prod", known)
