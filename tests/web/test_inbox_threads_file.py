"""The list of threads as a file: as it is filtered, in the reader's language, for who may see it and nobody else."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import httpx
import psycopg
import pytest

from tallybook.core.businesses import Business
from tallybook.core.callers import Scope
from tallybook.core.db import Conn, Database
from tallybook.core.sheets import read_sheets
from tallybook.inbox.service import threads
from tallybook.inbox.service.threads import Filter, Shown
from tests import world as office
from tests.inbox import world
from tests.inbox.world import AVI, LIOR, NOA, NOON
from tests.web.conftest import OpenApi

PAGE, API = "/inbox/threads", "/api/crm/threads"
FORMULA = '=HYPERLINK("https://example.com")'


@pytest.fixture
async def customers(db: Database, business: Business) -> None:
    """Noa, a lead, who asks something; Avi, whose name is a formula, with a photo; Lior, whose thread is closed."""

    async def work(conn: Conn) -> None:
        noa = await world.customer(conn, business, NOA, lead="נועה כהן", profile="noa")
        await world.says(conn, noa, "Where is my order?", said_at=NOON + timedelta(minutes=5))
        avi = await world.customer(conn, business, AVI, profile=FORMULA)
        await world.says(conn, avi, "", type="image", said_at=NOON + timedelta(minutes=1))
        await world.customer(conn, business, LIOR, profile="Lior", open=False, at=NOON - timedelta(days=1))

    await db.run("customers", work)


async def table(api: httpx.AsyncClient, path: str, **query: str) -> list[dict[str, str]]:
    answer = await api.get(f"{path}.csv", params=query)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


@pytest.mark.parametrize("path", [PAGE, API])
async def test_the_file_is_what_the_filters_show_in_the_order_of_the_list(
    open_api: OpenApi, root: office.Someone, customers: None, path: str
) -> None:
    api = await open_api(root, Scope.READ)
    noa, avi, lior = await table(api, path)
    assert noa == {
        "Thread": "1", "Name": "נועה כהן", "Phone": f"'{NOA}", "Name as a lead": "נועה כהן",
        "Newest message": "Where is my order?", "Said by": "Customer",
        "Said at (Africa/Johannesburg)": "2026-02-10 12:05:00", "Unread": "1", "State": "Thread open",
        "Assigned to": "", "Team": "", "Labels": "",
    }  # fmt: skip
    assert (avi["Name"], avi["Newest message"]) == (f"'{FORMULA}", "📷 Photo"), (
        "no cell is run by a spreadsheet program"
    )
    assert (lior["Name"], lior["State"], lior["Unread"]) == ("Lior", "Thread closed", "0")
    for query, names in (
        ({"show": "closed"}, ["Lior"]),
        ({"q": "נועה"}, ["נועה כהן"]),
        ({"q": "082 000 0013"}, ["Lior"]),
    ):
        assert [one["Name"] for one in await table(api, path, **query)] == names
    (sheet,) = read_sheets((await api.get(f"{path}.xlsx", params={"show": "closed"})).content)
    assert [row.cells[1] for row in sheet.rows] == ["Name", "Lior"]


async def test_a_hebrew_reader_s_file_is_headed_in_hebrew(
    open_api: OpenApi, root: office.Someone, customers: None
) -> None:
    api = await open_api(root, Scope.READ)
    api.headers["accept-language"] = "he"
    _, avi, lior = await table(api, PAGE)
    assert (avi["ההודעה האחרונה"], avi["נאמר על ידי"]) == ("📷 תמונה", "לקוח")
    assert lior["סטטוס"] == "נסגרה"


async def test_a_file_is_for_who_may_see_the_list_and_holds_nothing_of_another_business(
    open_api: OpenApi, db: Database, root: office.Someone, customers: None
) -> None:
    theirs = await open_api(await db.run("caio", office.caio), Scope.READ)
    for path in (PAGE, API):
        assert await table(theirs, path) == []
        assert (await theirs.get(f"{path}.csv", headers={"authorization": "Bearer nobody"})).status_code == 401
    assert (await theirs.get(f"{API}.csv", params={"show": "none"})).status_code == 400


async def test_who_writes_while_a_file_is_made_stands_in_it_once_and_nobody_is_left_out(
    db: Database, database_url: str, root: office.Someone, customers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "BATCH", 1)
    lior = world.Someone(root.business, 3, 3, f"phone:{root.business.id}:{LIOR}", None)
    names: list[str] = []
    async with db.transaction() as conn, await psycopg.AsyncConnection.connect(database_url) as meanwhile:
        async for found in threads.exported(conn, root.caller, Shown(Filter.ALL), "", 10):
            if not names:
                await world.says(meanwhile, lior, "I am back")
                await meanwhile.commit()
            names += [one.name for one in found]
    assert names == ["נועה כהן", FORMULA, "Lior"]
