"""The pages of one drop's story and of a supervisor's list, as plain HTTP: what they do, for whom, and nonsense."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Conn, Database
from tests import world
from tests.web.browser import LAWLEY, MARKETING, post, set_up
from tests.web.conftest import Browser

LIST = b"Date;DR nr;Time\n02/12/2025;DR1752104;09:00\n02/12/2025;DR1752105;10:15\n02/12/2025;=cmd();\n"
UPLOAD = "/wa-monitor/reconcile"
EVIL = "<script>alert(1)</script>"


@pytest.fixture
async def home(db: Database, business: Business) -> Business:
    await set_up(db, business)
    return business


@pytest.fixture
async def ana(db: Database, home: Business, browser: Browser) -> world.Someone:
    person = await db.run("add", lambda conn: world.ana(conn, home))
    await browser.log_in(person)
    return person


async def give(browser: Browser, data: bytes = LIST, **fields: str) -> Any:
    return await browser.post(UPLOAD, {"project": "Lawley"} | fields, files={"file": ("lawley.csv", data, "text/csv")})


async def rows(db: Database, statement: str) -> list[tuple[Any, ...]]:
    async def work(conn: Conn) -> list[tuple[Any, ...]]:
        return await (await conn.execute(statement.encode())).fetchall()

    return await db.run("look", work)


async def test_a_list_is_looked_at_before_anything_is_added_and_added_once(
    browser: Browser, db: Database, home: Business, ana: world.Someone
) -> None:
    given = await give(browser)
    assert given.status_code == 303
    place = given.headers["location"]
    page = await browser.get(place)
    assert "2 drops of this list are not in the database." in page.text
    assert "This is not one drop number." in page.text
    assert await rows(db, "select count(*) from messages") == [(0,)]
    refused = await browser.post(f"{place}/add", {"reason": " "})
    assert (refused.status_code, "Say why, in a few words." in refused.text) == (400, True)
    for _ in range(2):
        added = await browser.post(f"{place}/add", {"reason": f"on the list {EVIL}"})
        assert added.status_code == 303
    page = await browser.get(place)
    assert "Every drop of this list is in the database." in page.text
    assert "&lt;script&gt;" in page.text
    assert await rows(db, "select drop_number, user_name from qa_photo_reviews order by 1") == [
        ("DR1752104", "Manual Entry"), ("DR1752105", "Manual Entry"),
    ]  # fmt: skip
    assert await rows(db, "select count(*), min(account_id) from audit_log where subject = 'drop'") == [
        (2, ana.account_id)
    ]
    assert "lawley.csv" in (await browser.get(UPLOAD)).text


async def test_each_part_is_downloaded_as_csv_that_no_program_runs(
    browser: Browser, home: Business, ana: world.Someone
) -> None:
    place = (await give(browser)).headers["location"]
    for part, lines in [("only-file", 2), ("both", 0), ("only-database", 0), ("not-used", 1)]:
        answer = await browser.get(f"{place}/{part}.csv")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert "attachment" in answer.headers["content-disposition"]
        table = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert len(table) == lines + 1
        assert not [cell for row in table for cell in row if cell.startswith(("=", "+", "-", "@"))]
    assert (await browser.get(f"{place}/nothing.csv")).status_code == 404


@pytest.mark.parametrize(
    ("data", "fields", "told"),
    [
        (b"nothing here", {}, (400, "DR nr")),
        (b"PK\x03\x04broken", {}, (400, "damaged")),
        (LIST, {"project": "Atlantis"}, (400, "Atlantis")),
        (LIST, {"day": "tomorrow"}, (400, "2026-01-31")),
        (b"DR nr\n" + b"DR1752104\n" * 499_999, {}, (413, "rows")),
        (b"x" * 5_050_000, {}, (413, "5 MB")),
        (b"x" * 6_000_000, {}, (413, "")),
    ],
)
async def test_what_cannot_be_used_is_told_in_a_sentence(
    browser: Browser, home: Business, ana: world.Someone, data: bytes, fields: dict[str, str], told: tuple[int, str]
) -> None:
    answer = await give(browser, data, **fields)
    assert answer.status_code == told[0]
    assert told[1] in answer.text


async def test_without_a_file_the_form_says_so_and_keeps_what_was_typed(
    browser: Browser, home: Business, ana: world.Someone
) -> None:
    answer = await browser.post(UPLOAD, {"project": "Mohadin"})
    assert "Choose a file first." in answer.text
    assert 'value="Mohadin" selected' in answer.text


async def test_who_may_only_look_gives_and_adds_nothing(
    browser: Browser, open_browser: Callable[..., Browser], db: Database, home: Business, ana: world.Someone
) -> None:
    place = (await give(browser)).headers["location"]
    viewer = await db.run("add", lambda conn: world.someone(conn, home, login="v", name="V", role=Role.VIEWER))
    other = open_browser()
    await other.log_in(viewer)
    assert (await other.get(place)).status_code == 200
    assert (await give(other)).status_code == 403
    assert (await other.post(f"{place}/add", {"reason": "x"})).status_code == 403
    assert (await other.post("/wa-monitor/explain/file-again", {"drop": "DR1"})).status_code == 403
    assert (await open_browser().get(place)).status_code in {302, 303}


async def test_another_business_finds_neither_the_list_nor_the_drop(
    browser: Browser, open_browser: Callable[..., Browser], db: Database, home: Business, ana: world.Someone
) -> None:
    await post(db, home, "DR1752104")
    place = (await give(browser)).headers["location"]
    caio = await db.run("add", world.caio)
    other = open_browser()
    await other.log_in(caio)
    for path in (place, f"{place}/both.csv", f"{UPLOAD}/{10**20}"):
        assert (await other.get(path)).status_code == 404
    assert (await other.post(f"{place}/add", {"reason": "x"})).status_code == 404
    assert (await other.get("/wa-monitor/explain?drop=1752104")).text.count("Lawley") == 0


@pytest.mark.parametrize("asked", ["DR1752104", "dr%201752104", "1752104", "Drop+number+1752104"])
async def test_a_drop_s_story_is_told_however_it_is_spelled(
    browser: Browser, db: Database, home: Business, ana: world.Someone, asked: str
) -> None:
    await post(db, home, "DR1752104", MARKETING)
    await post(db, home, f"DR1752104 {EVIL}", LAWLEY)
    page = await browser.get(f"/wa-monitor/explain?drop={asked}")
    assert "2 posts of DR1752104 are stored, and every one is where it belongs." in page.text
    assert "Made the review" in page.text
    assert "Made the activation" in page.text
    assert EVIL not in page.text
    told = await browser.client.get("/api/wa-monitor-explain", params={"drop": "1752104"})
    assert [one["decision"] for one in told.json()["data"]["posts"]] == ["activated", "created"]


async def test_what_is_missing_is_put_back_from_the_page_or_left_out_with_a_reason(
    browser: Browser, db: Database, home: Business, ana: world.Someone
) -> None:
    await post(db, home, "DR1752104")
    await rows(db, "delete from qa_photo_reviews returning 1")
    page = await browser.get("/wa-monitor/explain?drop=DR1752104")
    assert "DR1752104 is missing from a register where it belongs: QA reviews." in page.text
    done = await browser.post("/wa-monitor/explain/file-again", {"drop": "DR1752104"})
    assert "is where it belongs" in (await browser.get(done.headers["location"])).text
    await rows(db, "delete from qa_photo_reviews returning 1")
    refused = await browser.post("/wa-monitor/explain/leave", {"drop": "DR1752104", "reason": ""})
    assert "Say why, in a few words." in refused.text
    left = await browser.post("/wa-monitor/explain/leave", {"drop": "DR1752104", "reason": "a test"})
    assert left.status_code == 303
    page = await browser.get(left.headers["location"])
    assert "DR1752104 was left out of a register on purpose: QA reviews." in page.text


async def test_where_there_is_nothing_the_page_says_what_is_near(
    browser: Browser, db: Database, home: Business, ana: world.Someone
) -> None:
    await post(db, home, "DR1752103")
    await post(db, home, "DR1752194")
    page = (await browser.get("/wa-monitor/explain?drop=DR1752104")).text
    assert "No message with DR1752104 was stored." in page
    assert "a neighbour" in page
    assert "one slip of a finger away" in page
    assert "Give one drop number at a time." in (await browser.get("/wa-monitor/explain?drop=DR1752104+DR1752105")).text
    assert "Ask for a drop" in (await browser.get("/wa-monitor/explain")).text


async def test_the_story_tells_what_the_group_was_told(
    browser: Browser, db: Database, home: Business, ana: world.Someone
) -> None:
    await post(db, home, "DR1752104")
    await rows(
        db,
        "insert into review_feedback (business_id, review_id, number, text, posts, who, sent_at) "
        "select business_id, id, 1, 'DR1752104 well done', 1, 'Ana', now() from qa_photo_reviews returning 1",
    )
    page = (await browser.get("/wa-monitor/explain?drop=DR1752104")).text
    assert "What its group was told" in page
    assert "DR1752104 well done" in page
