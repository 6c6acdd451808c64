"""Statistics, marketing and exports as pages, as files and as an API; who may see them, and what is in them."""

from __future__ import annotations

import csv
import html
import io
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tallybook.core import api_tokens
from tallybook.core.businesses import Business
from tallybook.core.callers import Scope
from tallybook.core.db import Conn, Database
from tallybook.core.sheets import read_sheets
from tallybook.core.table_files import MOST_ROWS
from tallybook.monitor import statistics_jobs
from tallybook.monitor.service import locations, validity
from tallybook.monitor.service.validity import Entry
from tallybook.web import downloads, register_words
from tallybook.words import words
from tests import world
from tests.monitor.desk import LAWLEY, MARKETING, MOHADIN, file, open_for, said
from tests.web.conftest import Browser

STATISTICS, MARKETED, EXPORT = "/wa-monitor/statistics", "/wa-monitor/marketing", "/wa-monitor/export.csv"
PAGES = [STATISTICS, f"{STATISTICS}.csv", f"{STATISTICS}.png", MARKETED, f"{MARKETED}.xlsx", EXPORT]
APIS = [
    "/api/wa-monitor-project-stats", "/api/wa-monitor-projects-summary", "/api/marketing-activations",
    "/api/wa-monitor-health",
]  # fmt: skip
FORMULA = "update qa_photo_reviews set comment = '=HYPERLINK(\"http://example.org\")', user_name = '@cmd'"
MANY = """
insert into qa_photo_reviews (business_id, drop_number, user_name, project, whatsapp_message_date, review_date)
select %(business)s, 'DR' || n, 'By hand', 'Lawley', now(), current_date from generate_series(1000000, 1004999) n
"""


@pytest.fixture
async def ana(db: Database, business: Business) -> world.Someone:
    async with db.transaction() as conn:
        await open_for(conn, business)
    await statistics_jobs.whole(db, business)
    return await db.run("add", lambda conn: world.ana(conn, business))


def now_at(minutes: int = 0) -> str:
    """A moment of today's in Johannesburg, as the desk writes it."""
    at = datetime.now(UTC) + timedelta(hours=2)
    return f"{at.replace(hour=0, minute=0) + timedelta(minutes=minutes):%Y-%m-%d %H:%M}"


async def posted(db: Database, business: Business) -> None:
    async with db.transaction() as conn:
        await file(conn, business, [said(LAWLEY, f"DR175210{n}", now_at(n)) for n in range(3)])
        await file(conn, business, [said(MOHADIN, "DR1752109", now_at(9)), said(MARKETING, "DR1752109", now_at(9))])


def table(content: bytes) -> list[dict[str, str]]:
    assert content.startswith(b"\xef\xbb\xbf"), "the mark by which Excel knows UTF-8"
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


async def bearer(db: Database, business: Business) -> dict[str, str]:
    root = await db.run("add", lambda conn: world.root(conn, business))
    token = await db.run("token", lambda conn: api_tokens.create(conn, root.caller, "reads", frozenset({Scope.READ})))
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("path", PAGES)
async def test_a_stranger_is_sent_to_the_door(browser: Browser, path: str) -> None:
    answer = await browser.get(path)
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/login")


@pytest.mark.parametrize("path", APIS)
async def test_a_program_without_a_token_gets_nothing(browser: Browser, path: str) -> None:
    assert (await browser.client.get(path)).status_code == 401


async def test_the_page_says_what_was_posted_and_counts_it_at_once(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    await browser.log_in(ana)
    assert "Nothing was posted in this period" in (await browser.get(STATISTICS)).text
    await posted(db, business)
    page = (await browser.get(STATISTICS)).text
    assert "<b>4</b>" in page
    assert "Everything is counted." in page


@pytest.mark.parametrize("query", ["days=8", "days=x", "project=%00", "table=who&x=1"])
async def test_what_means_nothing_is_refused_in_words(browser: Browser, ana: world.Someone, query: str) -> None:
    await browser.log_in(ana)
    path = f"{STATISTICS}.csv" if "table" in query else STATISTICS
    assert (await browser.get(f"{path}?{query}")).status_code == 400


async def test_each_table_of_the_page_is_a_file(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    await posted(db, business)
    await browser.log_in(ana)
    projects = table((await browser.get(f"{STATISTICS}.csv")).content)
    assert {row["Project"]: row["Today: drops"] for row in projects if row["Today: drops"] != "0"} == {
        "Lawley": "3", "Mohadin": "1", "Marketing Activations": "1",
    }  # fmt: skip
    trend = table((await browser.get(f"{STATISTICS}.csv?table=trend&project=Lawley")).content)
    assert trend[-1]["Drops"] == "3"
    assert len(trend) == 30
    people = read_sheets((await browser.get(f"{STATISTICS}.xlsx?table=people")).content)[0]
    assert people.rows[1].cells[:3] == ["posted", "+27820000001", 4]
    assert (await browser.get(f"{STATISTICS}.png")).content.startswith(b"\x89PNG")


async def test_an_export_has_exactly_the_rows_of_the_list_in_its_order(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    await posted(db, business)
    await browser.log_in(ana)
    rows = table((await browser.get(f"{EXPORT}?project=Lawley")).content)
    assert [row["Drop"] for row in rows] == ["DR1752102", "DR1752101", "DR1752100"]
    assert rows[0]["Posted (Africa/Johannesburg)"] == f"{now_at(2)}:00"
    assert (rows[0]["ONT Barcode"], rows[0]["State"]) == ("MISSING", "Open")
    assert [row["Drop"] for row in table((await browser.get(f"{EXPORT}?q=2109")).content)] == ["DR1752109"]
    assert table((await browser.get(f"{EXPORT}?show=complete")).content) == []
    sheet = read_sheets((await browser.get("/wa-monitor/export.xlsx?from=&to=")).content)[0]
    assert len(sheet.rows) == 5
    assert isinstance(sheet.rows[1].cells[2], datetime)


async def test_no_cell_of_a_file_is_run_as_a_formula(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    await posted(db, business)
    async with db.transaction() as conn:
        await conn.execute(FORMULA)
    await browser.log_in(ana)
    rows = table((await browser.get(EXPORT)).content)
    assert all(row["Comment"].startswith("'=") and row["By"].startswith("'@") for row in rows)
    workbook = (await browser.get("/wa-monitor/export.xlsx")).content
    assert "=HYPERLINK" in str(read_sheets(workbook)[0].rows[1].cells), "a text, as it was written"
    assert b"<f>" not in workbook


async def test_many_rows_come_whole_and_leave_nothing_behind(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    async with db.transaction() as conn:
        await conn.execute(MANY, {"business": business.id})
    await browser.log_in(ana)
    answer = await browser.get(EXPORT)
    assert len(table(answer.content)) == 5000
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert list(Path(tempfile.gettempdir()).glob("tallybook-export-*")) == []


async def test_too_many_rows_and_too_many_exports_are_refused_in_words(
    browser: Browser, db: Database, business: Business, ana: world.Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    await posted(db, business)
    await browser.log_in(ana)
    monkeypatch.setitem(MOST_ROWS, "csv", 3)
    answer = await browser.get(EXPORT)
    assert (answer.status_code, "Narrow the filters" in answer.text) == (413, True)
    async with downloads._places, downloads._places:
        assert (await browser.get(EXPORT)).status_code == 429


async def test_an_export_holds_nothing_of_another_business(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    await posted(db, business)
    caio = await db.run("add", world.caio)
    await browser.log_in(caio)
    assert table((await browser.get(f"{EXPORT}?from=&to=")).content) == []
    assert table((await browser.get(f"{MARKETED}.csv")).content) == []
    figures = table((await browser.get(f"{STATISTICS}.csv")).content)
    assert figures == []


async def test_marketing_tells_places_and_whether_a_list_knows_a_drop(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    await posted(db, business)
    async with db.transaction() as conn:
        await locations.keep(conn, business, locations.read(b"DR nr;Lat;Long\nDR1752109;-26,383;27,818\n"))
    await browser.log_in(ana)
    page = (await browser.get(MARKETED)).text
    assert "https://www.openstreetmap.org/?mlat=-26.383&amp;mlon=27.818#map=18/-26.383/27.818" in page
    assert 'rel="noopener noreferrer external"' in page
    row = table((await browser.get(f"{MARKETED}.csv")).content)[0]
    assert (row["Drop"], row["Latitude"]) == ("DR1752109", "-26.383")
    assert "Nothing was activated on this day" in (await browser.get(f"{MARKETED}?date=2025-01-01")).text
    assert (await browser.get(f"{MARKETED}?date=yesterday")).status_code == 400


async def test_what_marketing_notes_of_a_drop_is_read_in_hebrew_too(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    await db.run("import", lambda conn: validity.add(conn, business, [Entry("DR1752100", "Lawley")]))
    await posted(db, business)
    await browser.log_in(ana)
    await browser.post("/language", {"locale": "he", "next": MARKETED})
    for path in (MARKETED, "/wa-monitor/explain?drop=DR1752109"):
        page = html.unescape((await browser.get(path)).text)
        assert "In no project's list" not in page
        assert "לא ברשימה של אף פרויקט" in page
    assert register_words.remark("In the list of Lawley", words("he")) == "ברשימה של \u2068Lawley\u2069"
    assert register_words.remark("Checked by hand", words("he")) == "Checked by hand"


async def test_marketing_is_paged_by_key(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    async with db.transaction() as conn:
        drops = " ".join(f"DR17{n:05}" for n in range(130))
        await file(conn, business, [said(MARKETING, drops, now_at())])
    await browser.log_in(ana)
    first = (await browser.get(MARKETED)).text
    older = first.split('further"><a class="button" href="')[1].split('"')[0].replace("&amp;", "&")
    second = (await browser.get(older)).text
    assert (first.count('class="drop"'), second.count('class="drop"')) == (100, 30)
    assert (await browser.get(f"{MARKETED}?after=nonsense")).status_code == 400


async def test_programs_get_the_shapes_they_know(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    await posted(db, business)
    headers = await bearer(db, business)

    async def data(path: str) -> Any:
        answer = await browser.client.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    stats = await data("/api/wa-monitor-project-stats?project=Lawley")
    assert stats["today"] == {"total": 3, "complete": 0, "incomplete": 3, "completionRate": 0.0}
    assert set(stats) == {"today", "week", "month", "allTime"}
    summary = await data("/api/wa-monitor-projects-summary")
    assert summary["overallStats"]["total"] == 4
    assert summary["resubmissions"] == {"total": 0, "rate": 0.0, "firstTimePassRate": None}
    assert summary["agentPerformance"][0] == {
        "agent": "+27820000001", "submissions": 4, "reviews": 0, "completed": 0,
    }  # fmt: skip
    day = await data("/api/marketing-activations")
    assert day["stats"]["total"] == 1
    assert {"dropNumber", "submittedAt", "isValid", "validationMessage", "lat", "long"} <= set(day["submissions"][0])
    health = await data("/api/wa-monitor-health")
    assert health["overall_status"] == "down", "no worker runs here, and nobody says that it does"
    assert health["checks"]["vps"]["drop_monitor_prod"]["status"] == "down"
    assert health["checks"]["database"]["recent_data"] == {
        "status": "up", "details": "4 drops posted since yesterday.", "latency_ms": None, "error": None,
    }  # fmt: skip
    assert {one["status"] for one in health["checks"]["api"].values()} == {"up"}
    wrong = await browser.client.get("/api/wa-monitor-project-stats?project=Nowhere", headers=headers)
    assert wrong.status_code == 404
    backwards = await browser.client.get(
        "/api/wa-monitor-projects-summary?startDate=2025-02-01&endDate=2025-01-01", headers=headers
    )
    assert backwards.status_code == 400


def test_a_list_of_places_is_read_however_it_is_headed() -> None:
    given = locations.read(b"Site list\nDrop Number,Latitude,Longitude\ndr 1752101,-26.1,28.1\nDR1752102,0,0\n,1,1\n")
    assert [msgspec.structs.astuple(one) for one in given.locations] == [("DR1752101", -26.1, 28.1)]
    assert given.unread == [4, 5]


async def test_a_list_of_places_may_be_read_again(conn: Conn, business: Business) -> None:
    given = locations.read(b"drop,lat,long\nDR1,-26.1,28.1\nDR2,-26.2,28.2\n")
    assert (await locations.keep(conn, business, given)).new == 2
    moved = locations.read(b"drop,lat,long\nDR1,-26.1,28.1\nDR2,-26.3,28.2\n")
    again = await locations.keep(conn, business, moved)
    assert (again.new, again.moved, again.same) == (0, 1, 1)
