"""What other programs are refused is taken from the server's own log: once each, whatever becomes of its files."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tallybook import server_log_link
from tallybook.app import App, open_app
from tallybook.cli.opening import make_environment, on_server
from tallybook.core import alarm_store, embedded, violations_shown
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.login_limits import Limits
from tallybook.core.violations import Kind, UnexpectedViolation
from tallybook.doctor import log_following
from tallybook.health_report import health_report
from tallybook.server_log_link import Reader
from tallybook.settings import Settings

STRICT = "qa_photo_reviews_one_number"
MAKE_STRICT = f"create unique index {STRICT} on qa_photo_reviews (business_id, drop_number)"
DETAIL = "Key (business_id, drop_number)=(1, DR1752104) already exists."
WORDS = {
    "23505": 'duplicate key value violates unique constraint "{}"',
    "42P10": "there is no unique or exclusion constraint matching the ON CONFLICT specification",
}


def now() -> datetime:
    return datetime.now(UTC)


def record(database: str, rule: str = STRICT, **more: Any) -> str:
    """A line of jsonlog as a server writes it, a few minutes old."""
    state = more.pop("state", "23505")
    said = {
        "timestamp": f"{now() - timedelta(minutes=5):%Y-%m-%d %H:%M:%S}.123 UTC", "user": "reports", "dbname": database,
        "pid": 4711, "session_id": os.urandom(4).hex(), "error_severity": "ERROR", "state_code": state,
        "message": WORDS[state].format(rule), "detail": DETAIL, "application_name": "billing", **more,
    }  # fmt: skip
    return json.dumps(said) + "\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "log"
    folder.mkdir()
    return folder


@pytest.fixture
def app(db: Database, database_url: str, tmp_path: Path, log: Path) -> App:
    environ = {"TALLYBOOK_DATABASE_URL": database_url, "TALLYBOOK_SERVER_LOG": str(log)}
    return App(Settings.load(environ, tmp_path), db, [b"k" * 32], Limits(b"k" * 32))


async def rows(db: Database, statement: str) -> list[tuple[Any, ...]]:
    async with db.transaction() as conn:
        return await (await conn.execute(statement.encode())).fetchall()


async def times(db: Database) -> int:
    ((found,),) = await rows(db, "select coalesce(sum(times), 0)::bigint from constraint_violations")
    return int(found)


async def checked(app: App, name: str) -> tuple[str, str]:
    found = {one.name: one for one in (await health_report(app, now())).checks}[name]
    return found.state, found.says


async def test_what_another_program_is_refused_stands_among_the_refusals_with_who_and_its_masked_key(
    app: App, db: Database, business: Business, worker_database: str, log: Path, superuser_url: str
) -> None:
    with psycopg.connect(superuser_url, autocommit=True) as owner:
        owner.execute(MAKE_STRICT.encode())
        try:
            (log / "server.json").write_text(
                record(worker_database)
                + record(worker_database)
                + record(worker_database, "contacts_pkey", detail="Key (business_id, name)=(1, Ana) already exists.")
                + record(worker_database, "x", state="42P10", statement="insert into drops on conflict (x) do nothing")
                # What is none of ours, what we met ourselves, and what is too old to be known for new.
                + record(worker_database, application_name="tallybook")
                + record(worker_database, application_name="tallybook wake-ups")
                + record("another_database")
                + record(worker_database, "their_own_key", statement="insert into theirs values ($1)")
                + record(worker_database, statement="insert into dev.qa_photo_reviews values ($1)")
                + record(worker_database, timestamp="2020-01-01 10:00:00.000 UTC")
            )
            await Reader(app).look()
        finally:
            owner.execute(f"drop index {STRICT}".encode())
    async with db.transaction() as conn:
        found = {one.constraint or one.sqlstate: one for one in await violations_shown.groups(conn, business.id, 10)}
        alarms = {(one.table, one.constraint): one for one in await alarm_store.refusals(conn)}
    assert set(found) == {STRICT, "contacts_pkey", "on conflict (x)"}
    strict = found[STRICT]
    assert (strict.table, strict.kind, strict.unanswered) == ("qa_photo_reviews", Kind.BLOCKS, 2)
    assert [(one.place, one.key_masked) for one in strict.cases] == [
        ("server log: billing", "business_id=1, drop_number=DR1752104")
    ]
    assert found["contacts_pkey"].cases[0].key_masked == "business_id=1, name=‹3 characters›"
    assert (found["on conflict (x)"].table, found["on conflict (x)"].sqlstate) == ("drops", "42P10")
    assert alarms["qa_photo_reviews", STRICT].blocks  # of which people are told at once
    assert (await checked(app, "constraints"))[0] == "wrong"
    assert await checked(app, "server-log") == ("ok", server_log_link.READ)


async def test_nothing_is_taken_twice_and_nothing_lost_however_files_are_rotated_emptied_packed_and_torn(
    app: App, db: Database, worker_database: str, log: Path
) -> None:
    here, reader = log / "server.json", Reader(app)

    async def look() -> int:
        await reader.look()
        return await times(db)

    def line() -> str:
        return record(worker_database, "drops_pkey")

    here.write_text(line() * 1 + line()[:-40])
    assert await look() == 1  # the second one is still being written
    with here.open("a") as file:
        file.write(line())  # the server was killed within it, and goes on in the same line
    assert await look() == 2
    here.rename(log / "server.json.1")
    here.write_text(line())
    assert await look() == 3  # called otherwise
    shutil.copy(here, log / "server.json.2")
    with here.open("a") as file:
        file.write(line())
    assert await look() == 4
    here.write_text("")  # as logrotate's copytruncate does
    assert await look() == 4
    here.write_text(line() + line())
    assert await look() == 6
    (log / "server.json.3.gz").write_bytes(gzip.compress(here.read_bytes() + line().encode()))
    here.unlink()
    assert await look() == 7
    assert await look() == 7
    assert set(reader.seen) == set(log.iterdir()), "what is gone is forgotten, however long the worker runs"
    assert await Reader(app).look() is None  # another process
    assert await times(db) == 7


async def test_a_csvlog_is_followed_over_lines_and_past_a_torn_record(
    app: App, db: Database, worker_database: str, log: Path
) -> None:
    def line(statement: str = "") -> str:
        stamp = f"{now():%Y-%m-%d %H:%M:%S}.123 UTC"
        return (
            f'{stamp},"reports","{worker_database}",4711,"[local]",6925.{os.urandom(3).hex()},7,"INSERT",{stamp},3/7,0,'
            f'ERROR,23505,"duplicate key value violates unique constraint ""drops_pkey""",,,,,,"{statement}",42,,'
            '"billing","client backend",,-42\n'
        )

    here, reader = log / "server.csv", Reader(app)
    whole = line("insert into drops\nvalues (1,\n2)")
    here.write_text(line() + whole[: whole.index("values")])
    await reader.look()
    assert await times(db) == 1
    here.write_text(here.read_text() + whole[whole.index("values") :])
    await reader.look()
    assert await times(db) == 2
    with here.open("a") as file:
        file.write(whole[: whole.index("values")] + line() + line())
    await reader.look()
    assert await times(db) == 2  # it might still be one long record
    long_ago = (now() - timedelta(minutes=2)).timestamp()
    os.utime(here, (long_ago, long_ago))
    await reader.look()
    await reader.look()
    assert await times(db) == 4


async def test_several_who_read_at_once_and_one_who_is_killed_leave_each_refusal_there_once(
    app: App, db: Database, worker_database: str, log: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = 2_000
    (log / "server.json").write_text("".join(record(worker_database, "drops_pkey") for _ in range(lines)))
    command = [sys.executable, "-c", READ_SLOWLY, database_url, str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(3):
            while process.stdout.readline() != "took\n":
                pass
        process.send_signal(signal.SIGKILL)
    assert 0 < await times(db) < lines
    monkeypatch.setattr(log_following.read_on, "__defaults__", (20_000,))
    await asyncio.gather(*(Reader(app).look() for _ in range(3)))
    await Reader(app).look()
    assert await times(db) == lines


READ_SLOWLY = """
import asyncio, sys
from pathlib import Path
from tallybook.app import open_app
from tallybook.doctor import log_following
from tallybook.server_log_link import Reader
from tallybook.settings import Settings

class Telling(Reader):
    async def _took_some(self, file, mark):
        more = await super()._took_some(file, mark)
        print("took", flush=True)
        return more

async def main():
    log_following.read_on.__defaults__ = (20_000,)
    environ = {"TALLYBOOK_DATABASE_URL": sys.argv[1], "TALLYBOOK_SERVER_LOG": sys.argv[2]}
    async with open_app(Settings.load(environ, Path(sys.argv[2]).parent)) as app:
        await Telling(app).look()

asyncio.run(main())
"""


async def test_a_log_that_cannot_be_read_is_told_and_stops_no_other(
    app: App, db: Database, worker_database: str, log: Path
) -> None:
    reader = Reader(app)
    await reader.look()
    assert await checked(app, "server-log") == ("wrong", server_log_link.UNSEEN)
    (log / "a.json").write_text("a plain line\n")
    (log / "b.json.gz").write_bytes(gzip.compress(record(worker_database, "drops_pkey").encode())[:-20])
    (log / "c.json").write_text(record(worker_database, "drops_pkey"))
    await reader.look()
    assert await times(db) == 1
    assert (await checked(app, "server-log"))[0] == "wrong"
    (log / "a.json").unlink()
    (log / "b.json.gz").unlink()
    await reader.look()
    assert await checked(app, "server-log") == ("ok", server_log_link.READ)


async def test_a_record_whose_key_fits_no_row_of_ours_is_taken_and_what_follows_it_too(
    app: App, db: Database, worker_database: str, log: Path
) -> None:
    """A log names no schemas: another program's table may bear a name of ours, over larger numbers."""
    large = record(worker_database, "businesses_pkey", detail="Key (id)=(5000000000) already exists.")
    (log / "server.json").write_text(large + record(worker_database, "drops_pkey"))
    await Reader(app).look()
    assert await rows(db, "select key_masked, existing from constraint_violations order by id limit 1") == [
        ("id=5000000000", None)
    ]
    assert await times(db) == 2


async def test_whoever_finds_our_tables_behind_a_schema_of_their_own_is_heard_and_another_environment_s_are_not(
    app: App, db: Database, worker_database: str, log: Path, superuser_url: str
) -> None:
    paths = {"billing_reports": '"$user", public', "billing_trials": "dev, public"}
    with psycopg.connect(superuser_url, autocommit=True) as owner:
        for role, path in paths.items():
            owner.execute(f"create role {role}; alter role {role} set search_path to {path}".encode())
        try:
            lines = [record(worker_database, "drops_pkey", user=role, application_name=role) for role in paths]
            (log / "server.json").write_text("".join(lines))
            await Reader(app).look()
        finally:
            owner.execute(f"drop role {', '.join(paths)}".encode())
    assert await rows(db, "select place from constraint_violations") == [("server log: billing_reports",)]


OURS = "insert into businesses (name) values ('a double of ours')"
THEIRS = "insert into businesses (name) values ('another''s double')"
KEPT = "select table_name, constraint_name, sqlstate, key_masked, place from constraint_violations order by 3, 5"


async def test_the_embedded_database_writes_such_a_log_without_what_is_personal_and_the_worker_reads_it(
    tmp_path: Path,
) -> None:
    settings = Settings.load({}, tmp_path)
    async with embedded.running(settings.data_dir, exclusive=True) as server:
        await make_environment(server, "prod")
        attached = on_server(settings, server)
        assert attached.server_log == (server.log_folder,)
        with psycopg.connect(server.owner_url, autocommit=True, application_name="psql") as another:
            another.execute(THEIRS.encode())
            another.execute(OURS.encode())
            with pytest.raises(psycopg.errors.UniqueViolation):
                another.execute(THEIRS.encode())
            with pytest.raises(psycopg.errors.InvalidColumnReference):
                another.execute("insert into businesses (name) values ('27820000001') on conflict (locale) do nothing")
        async with open_app(attached) as app:
            with pytest.raises(UnexpectedViolation):
                await app.db.run("a double of ours", lambda conn: conn.execute(OURS))
            async with asyncio.timeout(20):
                while len(found := await rows(app.db, KEPT)) < 3:
                    await Reader(app).look()  # the server writes its log by a process of its own
        (written,) = server.log_folder.glob("*.json")
        assert stat.S_IMODE(written.stat().st_mode) == 0o600
        assert "a double of ours" not in written.read_text()
        assert "27820000001" not in written.read_text()
    assert found == [
        ("businesses", "businesses_name_key", "23505", "name=‹16 characters›", "a double of ours"),
        ("businesses", "businesses_name_key", "23505", "name=‹16 characters›", "server log: psql"),
        (None, None, "42P10", None, "server log: psql"),
    ]
