"""The page of valid drops: what it shows, and who may do what on it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.monitor.service import validity
from tallybook.monitor.service.validity import Entry
from tests import world
from tests.monitor.desk import LAWLEY, MOHADIN, file, open_for, said
from tests.web.conftest import Browser

PAGE = "/wa-monitor/validation"
LISTED = replace(LAWLEY, validated=True)
LIST = "drop_number,project\nDR1752104,Lawley\nDR1752105,lawley\nwhatever,Lawley\n"


@pytest.fixture
async def bia(db: Database, business: Business) -> world.Someone:
    return await db.run("add", lambda conn: world.bia(conn, business))


async def post(db: Database, business: Business, *texts: str) -> None:
    async def work(conn: Conn) -> None:
        desk = await open_for(conn, business, LISTED, MOHADIN)
        await file(conn, business, [said(LISTED, text) for text in texts], desk)

    await db.run("post", work)


async def listed(db: Database, business: Business, *entries: tuple[str, str]) -> None:
    await db.run("list", lambda conn: validity.add(conn, business, [Entry(*one) for one in entries]))


async def upload(browser: Browser, text: str, **fields: str) -> Any:
    return await browser.post(f"{PAGE}/imports", fields, files={"file": ("hld.csv", text.encode(), "text/csv")})


async def rows(db: Database, statement: str) -> list[tuple[Any, ...]]:
    async def work(conn: Conn) -> list[tuple[Any, ...]]:
        return await (await conn.execute(statement)).fetchall()

    return await db.run("look", work)


async def test_an_empty_page_says_what_would_be_here(browser: Browser, ana: world.Someone) -> None:
    await browser.log_in(ana)
    answer = await browser.get(PAGE)
    assert answer.status_code == 200
    for words in ("No project asks for a list", "Nothing to accept"):
        assert words in answer.text
    assert "Import a list" not in answer.text, "a reviewer imports none"
    assert (await browser.get(f"{PAGE}?show=x&below=x~y&q=%25%00&project=%00")).status_code == 200


async def test_a_list_is_looked_at_and_then_imported(
    browser: Browser, db: Database, business: Business, bia: world.Someone
) -> None:
    await post(db, business, "DR1752104", "DR9999999")
    await browser.log_in(bia)
    text = (await browser.get(PAGE)).text
    assert "No list has been imported: its posts are held until there is one" in text
    assert "Its project has no list yet" in text
    answer = await upload(browser, LIST)
    preview = answer.headers["location"]
    shown = (await browser.get(preview)).text
    for words in ("It would add 2 drops, change 0 and withdraw 0.", "row 4", "This is not a drop number."):
        assert words in shown
    assert await rows(db, "select 1 from valid_drop_numbers") == []
    for _ in range(2):
        await browser.post(f"{preview}/apply")
    assert "Imported: 2 added, 0 changed, 0 withdrawn." in (await browser.get(preview)).text
    assert "This list has been imported already." in (await browser.post(f"{preview}/apply")).text
    page = (await browser.get(PAGE)).text
    assert "hld.csv" in page
    again = (await upload(browser, LIST)).headers["location"]
    assert "Nothing would change" in (await browser.get(again)).text


async def test_withdrawing_much_needs_a_tick(
    browser: Browser, db: Database, business: Business, bia: world.Someone
) -> None:
    await listed(db, business, *((f"DR{1_700_000 + n}", "Lawley") for n in range(4)))
    await browser.log_in(bia)
    preview = (await upload(browser, "dr\nDR1700000\nDR1700001\n", project="Lawley", withdraw="1")).headers["location"]
    assert "Lawley loses 2 of its 4 drops" in (await browser.get(preview)).text
    assert (await browser.post(f"{preview}/apply")).status_code == 409
    assert (await browser.post(f"{preview}/apply", {"over": "1"})).status_code == 303
    assert await rows(db, "select count(*) from valid_drop_numbers") == [(2,)]


async def test_what_cannot_be_read_is_refused_on_the_page(browser: Browser, bia: world.Someone) -> None:
    await browser.log_in(bia)
    for text in ("pole\n1\n", ""):
        answer = await upload(browser, text)
        assert answer.status_code == 400
        assert "No column is headed" in answer.text
    assert "Choose a file first." in (await browser.post(f"{PAGE}/imports", {"project": "x"})).text


async def test_a_refused_post_names_the_right_project_and_is_accepted_when_offered(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    await listed(db, business, ("DR1000001", "Lawley"), ("DR1752105", "Mohadin"))
    await post(db, business, "DR1752104", "DR1752105")
    await browser.log_in(ana)
    text = (await browser.get(f"{PAGE}?show=rejected&q=dr175")).text
    assert "valid for <bdi>Mohadin</bdi>" in text
    assert "Accept anyway" not in text, "a reviewer adds to no list"
    await listed(db, business, ("DR1752104", "Lawley"))
    assert "Accept 1 post" in (await browser.get(PAGE)).text
    assert "There are other posts" in (await browser.post(f"{PAGE}/accept-all", {"agreed": "2"})).text
    assert (await browser.post(f"{PAGE}/accept-all", {"agreed": "1"})).status_code == 303
    assert await rows(db, "select drop_number from qa_photo_reviews") == [("DR1752104",)]


async def test_one_is_accepted_anyway_by_a_lead_and_put_aside_by_a_reviewer(
    open_browser: Any, db: Database, business: Business, ana: world.Someone, bia: world.Someone
) -> None:
    await listed(db, business, ("DR1000001", "Lawley"))
    await post(db, business, "DR1752104", "DR1752105")
    found = await rows(db, "select drop_number, message_id from invalid_drop_submissions order by 1")
    forms = [{"of": "Lawley", "drop": drop, "message": str(number)} for drop, number in found]
    reviewer, lead = open_browser(), open_browser("192.0.2.2")
    await reviewer.log_in(ana)
    await lead.log_in(bia)
    assert (await reviewer.post(f"{PAGE}/accept-anyway", forms[0] | {"reason": "x"})).status_code == 403
    assert "Say why, in a few words." in (await lead.post(f"{PAGE}/accept-anyway", forms[0])).text
    assert (await lead.post(f"{PAGE}/accept-anyway", forms[0] | {"reason": "agreed"})).status_code == 303
    assert (await reviewer.post(f"{PAGE}/dismiss", forms[1] | {"reason": "a typo"})).status_code == 303
    assert await rows(db, "select drop_number, state, decided_by from held_posts order by 1") == [
        ("DR1752104", "accepted", bia.name), ("DR1752105", "dismissed", ana.name),
    ]  # fmt: skip
    assert (await reviewer.post(f"{PAGE}/accept", {"message": "x"})).status_code == 400


async def test_who_may_only_look_changes_nothing(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    await browser.log_in(ana)
    assert (await upload(browser, LIST)).status_code == 403
    assert (await browser.get(f"{PAGE}/imports/99")).status_code == 404
    assert (await browser.post(f"{PAGE}/imports/{2**70}/apply")).status_code in {403, 404}
