"""Killed without warning at every request, before it takes effect and after: the next run ends in the same list."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Conflict
from tests.graph.files import Library
from tests.graph.lists import SharePointList
from tests.graph.server import FakeGraph, Fault
from tests.graph.words import Asked
from tests.monitor import desk
from tests.monitor.desk import LAWLEY, MOHADIN, said
from tests.monitor.sharepoint.conftest import FILE, TOLD, Syncing, numbers

ROOT = Path(__file__).parents[3]
LATER = TOLD | {"2025-12-02|Lawley": (4, 1, 3, 1), "2025-12-02|Mohadin": (2, 0, 2, 0)}
FORGET = ("delete from sharepoint_items", "delete from sharepoint_files", "delete from sharepoint_turns")
# What the runs before used counts for a minute; by now they would use it up, and the next one would wait.
AN_HOUR_AGO = """
update sharepoint_runs set started_at = started_at - interval '1 hour', ended_at = ended_at - interval '1 hour'
"""
UNFILE = "delete from qa_submissions where drop_number in ('DR1752109', 'DR1752110')"
UNREVIEW = "delete from qa_photo_reviews where drop_number in ('DR1752109', 'DR1752110')"
FAILED = "select count(*) from sharepoint_runs where state = 'failed' and reason like 'Its process ended%'"


def to_the_api(asked: Asked) -> bool:
    return asked.path.startswith(("/v1.0/", "/upload/"))


async def start_over(db: Database, fake: FakeGraph) -> None:
    async def work(conn: Conn) -> None:
        for statement in (*FORGET, AN_HOUR_AGO, UNFILE, UNREVIEW):
            await conn.execute(statement.encode())

    await db.run("start over", work)
    fake.tenant.lists["Tallybook"] = SharePointList.prepared("Tallybook")
    fake.tenant.library = Library()
    fake.faults.clear()
    fake.asked.clear()


async def post_more(db: Database, home: Business) -> None:
    more = [said(LAWLEY, "DR1752109", "2025-12-02 20:30"), said(MOHADIN, "DR1752110", "2025-12-02 20:30")]
    await db.run("post", lambda conn: desk.file(conn, home, more))


@dataclass
class Syncs:
    """Starts syncs in processes of their own."""

    process: subprocess.Popen[str]

    def start(self, home: Business) -> int:
        """The number of the process."""
        return int(self._told(f"{home.id}\n"))

    def _told(self, line: str = "") -> str:
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(line)
        stdin.flush()
        return stdout.readline()


@pytest.fixture
def syncs(fake: FakeGraph, database_url: str) -> Iterator[Syncs]:
    environ = os.environ | fake.settings | {"TALLYBOOK_DATABASE_URL": database_url, "TALLYBOOK_CONFIG": "none.toml"}
    command = [sys.executable, "-m", "tests.monitor.sharepoint.one_sync"]
    with subprocess.Popen(command, env=environ, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True) as one:
        them = Syncs(one)
        assert them._told().startswith("ready")
        yield them


async def finished(sync: Syncing) -> None:
    """The next run, as soon as the dead one's turn is over."""
    for _ in range(100):
        try:
            await sync()
        except Conflict:
            await asyncio.sleep(0.05)  # until the dead one's lease is over
        else:
            return
    raise AssertionError("the dead run never gave way")


@pytest.mark.parametrize(
    ("after", "every"),
    [pytest.param(False, 1, marks=pytest.mark.soak), pytest.param(True, 1, marks=pytest.mark.soak), (True, 2)],
    ids=["before", "after", "after every second"],
)
@pytest.mark.parametrize("changed", [False, True], ids=["new", "changed"])
async def test_killed_at_every_request_the_next_run_ends_in_the_same_list(
    sync: Syncing, syncs: Syncs, fake: FakeGraph, db: Database, home: Business, changed: bool, after: bool, every: int
) -> None:
    await sync()
    steps = len(fake.asked)
    assert steps >= 7
    for step in range(0, steps, every):
        await start_over(db, fake)
        if changed:
            await sync()
            await post_more(db, home)
        at = fake.fault(Fault("hold", after, to_the_api, skip=step))
        process = syncs.start(home)
        assert await asyncio.to_thread(at.held.wait, 30), step
        os.kill(process, signal.SIGKILL)
        at.let_go.set()
        await finished(sync)
        assert numbers(fake) == (LATER if changed else TOLD), step
        assert len(fake.tenant.lists["Tallybook"].items) == len(TOLD), step
        assert list(fake.tenant.library.files) == [FILE], step
        report = await sync()
        assert (report.written, report.unchanged, report.conflicts) == (0, 6, 0), step
    async with db.transaction() as conn:
        row = await (await conn.execute(FAILED.encode())).fetchone()
    assert row == (len(range(0, steps, every)),)
