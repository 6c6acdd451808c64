"""What is done to reviews without a script and by programs: feedback, assignment, photos, many at once; and by whom."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tallybook import photo_link
from tallybook.app import App
from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Invalid
from tallybook.core.kept_files import path_of
from tallybook.monitor.types import Review
from tallybook.web import monitor_bulk
from tests import world
from tests.web.browser import post, set_up
from tests.web.conftest import Browser
from tests.web.test_browser_reviews import keep, photo
from tests.web.test_monitor_page import EVIL, review_of

SAID = "select body ->> 'text' from outbox order by id"
JSON = {"accept": "application/json"}


@pytest.fixture
async def home(db: Database, business: Business) -> Business:
    await set_up(db, business)
    return business


@pytest.fixture
async def ana(db: Database, home: Business, browser: Browser) -> world.Someone:
    """Ana, logged in."""
    person = await db.run("add", lambda conn: world.ana(conn, home))
    await browser.log_in(person)
    return person


async def posted(db: Database, home: Business, drop: str = "DR1752104") -> Review:
    await post(db, home, drop, ago=timedelta(minutes=1))
    return await review_of(db, home, drop)


async def column(db: Database, statement: str) -> list[Any]:
    async with db.transaction() as conn:
        return [row[0] for row in await (await conn.execute(statement.encode())).fetchall()]


async def test_feedback_is_sent_by_a_plain_form_once_however_often_it_is_pressed(
    browser: Browser, db: Database, home: Business, ana: world.Someone
) -> None:
    review = await posted(db, home)
    form = {"feedback": f"Well done\r\n{EVIL}", "number": "1", "posts": "1"}
    for _ in range(2):
        answer = await browser.post(f"/wa-monitor/{review.id}/feedback", form)
        assert answer.status_code == 303
    assert await column(db, SAID) == [f"DR1752104\nFeedback on the review:\nWell done\n{EVIL}"]
    page = (await browser.get(f"/wa-monitor/{review.id}")).text
    assert "Waits to be sent" in page
    assert EVIL not in page


async def test_what_was_typed_stays_when_feedback_cannot_be_sent(
    browser: Browser, db: Database, home: Business, ana: world.Someone
) -> None:
    review = await posted(db, home)
    form = {"feedback": "My own words", "number": "1", "posts": "7"}
    answer = await browser.post(f"/wa-monitor/{review.id}/feedback", form)
    assert answer.status_code == 409
    assert "It was posted again meanwhile" in answer.text
    assert "My own words</textarea>" in answer.text
    for nonsense in ({"number": "x"}, {"number": "9" * 30}, {"number": "5"}, {"posts": "-1"}, {"feedback": " "}):
        answer = await browser.post(f"/wa-monitor/{review.id}/feedback", form | {"posts": "1"} | nonsense)
        assert answer.status_code == 400, nonsense
    assert await column(db, SAID) == []


async def test_a_program_reads_what_is_proposed_sends_it_and_reads_what_became_of_it(
    browser: Browser, db: Database, home: Business, ana: world.Someone
) -> None:
    review = await posted(db, home)
    api = f"/api/wa-monitor-drops/{review.id}/feedback"
    talk = (await browser.get(api, headers=JSON)).json()["data"]
    assert (talk["number"], talk["possible"], talk["mentions"]) == (1, True, True)
    body = {"text": talk["proposed"], "number": talk["number"], "posts": 1}
    token = {"x-csrftoken": await browser.token()}
    answer = await browser.client.post(api, json=body, headers=JSON | token)
    assert answer.status_code == 200
    again = await browser.client.post(api, json=body | {"text": "Other words"}, headers=JSON | token)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "SAID_MEANWHILE")
    assert [one["state"] for one in (await browser.get(api, headers=JSON)).json()["data"]["said"]] == ["waiting"]


async def test_a_review_is_assigned_by_a_plain_form_and_the_list_can_be_asked_for_it(
    browser: Browser, db: Database, home: Business, ana: world.Someone
) -> None:
    review = await posted(db, home)
    await posted(db, home, "DR1752105")
    answer = await browser.post(f"/wa-monitor/{review.id}/assign", {"to": str(ana.account_id), "was": ""})
    assert answer.status_code == 303
    for query, there in (("me", True), ("nobody", False), (str(ana.account_id), True), ("999", False)):
        rows = (await browser.get(f"/wa-monitor?assigned={query}")).text.split('id="rows"')[1]
        assert ("DR1752104" in rows) == there, query
    found = (await browser.get("/api/wa-monitor-drops?assigned=me", headers=JSON)).json()["data"]
    assert [drop["assigned"] for drop in found["drops"]] == [ana.name]
    for nonsense in ("x", "1" * 12, "-1"):
        assert (await browser.get(f"/wa-monitor?assigned={nonsense}")).status_code == 400
    answer = await browser.post(f"/wa-monitor/{review.id}/assign", {"to": "", "was": ""})
    assert answer.status_code == 409
    assert "Somebody else assigned this review meanwhile." in answer.text


async def test_many_are_previewed_and_then_done_and_nonsense_does_nothing(
    browser: Browser, db: Database, home: Business, ana: world.Someone
) -> None:
    reviews = [await posted(db, home, f"DR175210{n}") for n in range(3)]
    ids = " ".join(str(review.id) for review in reviews)
    page = await browser.post("/wa-monitor/bulk", {"act": "assign", "ids": ids})
    assert page.status_code == 200
    assert "3 drops are chosen." in page.text
    assert await column(db, "select assigned_agent from qa_photo_reviews") == [None] * 3
    found = re.search(r'name="rows" value="([^"]+)"', page.text)
    assert found is not None
    sure = {"act": "assign", "to": str(ana.account_id), "rows": found[1], "sure": "1"}
    done = await browser.post("/wa-monitor/bulk", sure)
    assert "3 drops were changed." in done.text
    assert await column(db, "select assigned_agent from qa_photo_reviews") == [ana.name] * 3
    everything = await browser.post("/wa-monitor/bulk", {"act": "looked_at", "all": "1"})
    assert "3 drops are chosen." in everything.text
    assert (await browser.post("/wa-monitor/bulk", {"act": "looked_at"})).text.count("No drop is chosen.") == 1
    nonsense: list[dict[str, str]] = [
        {}, {"act": "complete", "ids": ids}, {"act": "assign", "ids": "x"}, sure | {"rows": "a:b:c"},
        sure | {"to": "x"}, {"act": "unlock", "ids": " ".join(str(uuid4()) for _ in range(501))},
    ]  # fmt: skip
    for form in nonsense:
        assert (await browser.post("/wa-monitor/bulk", form)).status_code == 400
    assert (await browser.get("/wa-monitor/bulk")).status_code == 303
    with pytest.raises(Invalid):
        monitor_bulk.read_rows("1:2")


async def test_a_photo_is_lost_when_it_is_not_there_and_not_while_the_disk_is_away(
    browser: Browser, app: App, db: Database, home: Business, ana: world.Someone, tmp_path: Path
) -> None:
    review = await posted(db, home)
    content = b"\xff\xd8\xff\xe0 a house"
    await photo(db, home, content)
    folder = photo_link.folder(app.settings)
    (number,) = await keep(db, home, folder, [content], ["image/jpeg"])
    address, states = f"/wa-monitor/{review.id}/photos/{number}", "select state from message_files"
    assert (await browser.get(address)).content == content
    folder.rename(tmp_path / "unmounted")
    assert (await browser.get(address)).status_code == 503
    (tmp_path / "unmounted").rename(folder)
    path = path_of(folder, hashlib.sha256(content).digest())
    path.unlink()
    path.symlink_to(path.name)  # not to be read, and there all the same
    assert (await browser.get(address)).status_code == 503
    assert await column(db, states) == ["kept"]
    path.unlink()
    assert (await browser.get(address)).status_code == 404
    assert await column(db, states) == ["failed"]


async def test_who_may_only_look_does_none_of_it_and_another_business_finds_nothing(
    open_browser: Callable[..., Browser], db: Database, home: Business
) -> None:
    review = await posted(db, home)

    async def others(conn: Conn) -> tuple[world.Someone, world.Someone]:
        viewer = await world.someone(conn, home, login="vera", name="Vera", role=Role.VIEWER)
        return viewer, await world.caio(conn)

    viewer, caio = await db.run("others", others)
    forms: dict[str, dict[str, str]] = {
        f"/wa-monitor/{review.id}/feedback": {"feedback": "Hi", "number": "1", "posts": "1"},
        f"/wa-monitor/{review.id}/assign": {"to": "1"},
        f"/wa-monitor/{review.id}/photos/1": {"do": "confirm"},
        "/wa-monitor/bulk": {"act": "looked_at", "all": "1", "sure": "1"},
    }
    for person, status in ((viewer, 403), (caio, 404)):
        browser = open_browser()
        await browser.log_in(person)
        for path, form in forms.items():
            answer = await browser.post(path, form)
            assert answer.status_code == (200 if path.endswith("bulk") and person is caio else status), path
        assert (await browser.get(f"/wa-monitor/{review.id}/photos/1")).status_code == 404
    assert (await open_browser().get(f"/wa-monitor/{review.id}/photos/1")).status_code in {302, 303, 401}
    assert await column(db, SAID) == []
