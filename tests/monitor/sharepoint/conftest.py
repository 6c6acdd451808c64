"""A day on which drops were posted, and a tenant to tell of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from tallybook import sharepoint_link
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.monitor.service.sharepoint import Order, Report, Sync
from tallybook.settings import Settings
from tests.graph.server import FakeGraph, serving
from tests.monitor import desk
from tests.monitor.desk import LAWLEY, MARKETING, MOHADIN, said

DAY = date(2025, 12, 2)
# What the list says of that day, by key: drops, complete, incomplete, resubmitted.
TOLD = {
    "2025-12-02|Lawley": (3, 1, 2, 1),
    "2025-12-02|Mamelodi": (0, 0, 0, 0),
    "2025-12-02|Marketing Activations": (2, 0, 0, 1),
    "2025-12-02|Mohadin": (1, 0, 1, 0),
    "2025-12-02|Velo Test": (0, 0, 0, 0),
}
FILE = "Tallybook/2025-12-02 Tallybook.xlsx"
COMPLETE = "update qa_photo_reviews set completed = true where drop_number = 'DR1752101'"
WATCHED = "update monitor_projects set watched_since = '2025-12-01'"
Syncing = Callable[..., Awaitable[Report]]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGraph]:
    with serving(tmp_path) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(running.ca_file))
        yield running


@pytest.fixture
def settings(fake: FakeGraph, database_url: str, tmp_path: Path) -> Settings:
    return Settings.load(
        {"TALLYBOOK_DATABASE_URL": database_url, "TALLYBOOK_DATA_DIR": str(tmp_path / "data"), **fake.settings},
        tmp_path,
    )


async def fill(conn: Conn, business: Business) -> None:
    """Three drops in Lawley, one of them posted twice and one complete; one in Mohadin; two marketed, one twice."""
    at_desk = await desk.open_for(conn, business)
    posts = [
        said(LAWLEY, "DR1752101", "2025-12-02 00:10"),
        said(LAWLEY, "DR1752102", "2025-12-02 09:00"),
        said(LAWLEY, "DR1752103", "2025-12-01 15:00"),
        said(LAWLEY, "DR1752103 again", "2025-12-02 23:50"),
        said(LAWLEY, "DR1752103 and again", "2025-12-02 23:59"),
        said(MOHADIN, "=DR1752104", "2025-12-02 12:00"),
        said(MARKETING, "DR1752101", "2025-12-02 10:00"),
        said(MARKETING, "DR1752105", "2025-12-02 10:00"),
        said(MARKETING, "DR1752105", "2025-12-02 11:00"),
    ]
    await desk.file(conn, business, posts, at_desk)
    await conn.execute(COMPLETE.encode())
    await conn.execute(WATCHED.encode())


@pytest.fixture
async def home(db: Database, business: Business) -> Business:
    await db.run("fill", lambda conn: fill(conn, business))
    return business


@pytest.fixture
def sync(db: Database, home: Business, settings: Settings) -> Syncing:
    """Brings the tenant up to date, as production does."""

    async def run(day: date = DAY, *, nightly: bool = False, lease: float = 5.0, timeout: float = 5.0) -> Report:
        async with sharepoint_link.library(settings) as graph:
            graph.wire.http.timeout = timeout
            return await Sync(db, home, graph, lease).run(Order(day, "Ana Mokoena", nightly))

    return run


def numbers(fake: FakeGraph) -> dict[str, tuple[int, ...]]:
    """What the list says, by key."""
    return {
        key: tuple(fields[name] for name in ("Drops", "Complete", "Incomplete", "Resubmitted"))
        for key, fields in fake.tenant.items.items()
    }
