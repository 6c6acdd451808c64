"""The monitor's pages as plain HTTP: what they show, to whom, and what they make of nonsense."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import NUL_IN_TEXT, Conn, Database
from tallybook.monitor.service import reviews
from tallybook.monitor.types import STEP_COLUMNS, STEPS, Filters, Review
from tallybook.web import phrases
from tests import world
from tests.web.browser import LAWLEY, MOHADIN, post, project, set_up
from tests.web.conftest import Browser

EVIL = "<script>alert(1)</script>\"'&"


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


async def review_of(db: Database, home: Business, drop: str) -> Review:
    async def find(conn: Conn) -> Review:
        rows = await reviews.listed(conn, home, Filters(search=drop))
        return await reviews.one(conn, home, rows[0].id)

    return await db.run("find", find)


async def test_the_list_is_of_today_by_the_message_s_own_time(
    browser: Browser, db: Database, home: Business, ana: world.Someone
) -> None:
    await post(db, home, "DR1752104")
    await post(db, home, "DR1752105", ago=timedelta(days=1, minutes=1))
    today = (await browser.get("/wa-monitor")).text
    assert "DR1752104" in today
    assert "DR1752105" not in today
    assert "DR1752105" in (await browser.get("/wa-monitor?from=&to=")).text


async def test_a_filter_that_means_nothing_is_refused_in_words(browser: Browser, ana: world.Someone) -> None:
    for query in (
        "show=some",
        "posted=twice",
        "from=yesterday",
        "from=0001-01-01",
        "q=" + "x" * 51,
        "after=%F0",
        "q=%00",
    ):
        answer = await browser.get(f"/wa-monitor?{query}")
        assert answer.status_code == 400, query
        assert "Traceback" not in answer.text


async def test_pages_follow_each_other_by_key_without_a_gap(
    browser: Browser, db: Database, home: Business, ana: world.Someone
) -> None:
    for number in range(53):
        await post(db, home, f"DR17{number:05}", ago=timedelta(seconds=number))
    first = (await browser.get("/wa-monitor?from=&to=")).text
    older = re.search(r'id="older"><a class="button" href="([^"]+)"', first)
    assert older is not None
    address = older[1].replace("&amp;", "&")
    second = (await browser.get(address, headers={"hx-request": "true", "x-part": "rows"})).text
    shown = re.findall(r'data-id="([^"]+)" data-news', first + second)
    assert len(shown) == len(set(shown)) == 53
    assert "53 drops" in first


async def test_names_with_markup_in_them_stay_names(
    browser: Browser, db: Database, home: Business, ana: world.Someone
) -> None:
    evil = project(EVIL)
    await set_up(db, home, (evil,))
    await post(db, home, "DR1752104", where=evil)
    review = await review_of(db, home, "DR1752104")
    for path in ("/wa-monitor", f"/wa-monitor/{review.id}", "/health", f"/wa-monitor?q={EVIL}&from=&to="):
        page = (await browser.get(path)).text
        assert "alert(1)" in page or path == "/health"
        assert "<script>alert" not in page


async def test_another_business_s_review_is_not_there(
    browser: Browser, db: Database, home: Business, ana: world.Someone
) -> None:
    other = await db.run("add", world.kinneret_tours)
    await set_up(db, other)
    await post(db, other, "DR9999999")
    theirs = await review_of(db, other, "DR9999999")
    for review_id in (theirs.id, uuid4()):
        assert (await browser.get(f"/wa-monitor/{review_id}")).status_code == 404
        assert (await browser.post(f"/wa-monitor/{review_id}", {STEP_COLUMNS[0]: "right"})).status_code == 404
    assert "DR9999999" not in (await browser.get("/wa-monitor?from=&to=")).text
    assert (await browser.get("/wa-monitor/not-an-id")).status_code == 404


async def test_who_may_only_look_cannot_write(
    db: Database, home: Business, open_browser: Callable[..., Browser]
) -> None:
    viewer = await db.run("add", lambda conn: world.ana(conn, home, login="vera", name="Vera", role=world.Role.VIEWER))
    await post(db, home, "DR1752104")
    review = await review_of(db, home, "DR1752104")
    browser = open_browser()
    await browser.log_in(viewer)
    page = await browser.get(f"/wa-monitor/{review.id}")
    assert "You can read reviews but not change them." in page.text
    assert (await browser.post(f"/wa-monitor/{review.id}", {STEP_COLUMNS[0]: "right"})).status_code == 403
    assert (await review_of(db, home, "DR1752104")).ticks == review.ticks


async def test_a_form_writes_only_what_its_writer_changed(
    browser: Browser, db: Database, home: Business, ana: world.Someone
) -> None:
    await post(db, home, "DR1752104")
    review = await review_of(db, home, "DR1752104")
    path = f"/wa-monitor/{review.id}"
    await browser.post(path, {"was": "m" * 12, STEP_COLUMNS[1]: "right"})
    stale = {"was": "m" * 12, STEP_COLUMNS[0]: "right", STEP_COLUMNS[1]: "missing"}
    assert (await browser.post(path, stale)).status_code == 303
    ticks = (await review_of(db, home, "DR1752104")).ticks
    assert (ticks[STEP_COLUMNS[0]], ticks[STEP_COLUMNS[1]]) == (True, True)


async def test_a_refused_form_comes_back_with_what_was_typed(
    browser: Browser, db: Database, home: Business, ana: world.Someone
) -> None:
    await post(db, home, "DR1752104")
    review = await review_of(db, home, "DR1752104")
    bia = await db.run("add", lambda conn: world.bia(conn, home))
    who = reviews.Reviewer(bia.account_id, bia.name)
    await db.run("lock", lambda conn: reviews.take_lock(conn, home, review.id, who))
    form = {"comment": f"Mine {EVIL}", STEP_COLUMNS[2]: "wrong", f"reason_{STEP_COLUMNS[2]}": "Half a picture"}
    answer = await browser.post(f"/wa-monitor/{review.id}", form)
    assert answer.status_code == 409
    assert f"{bia.name} is working on this review." in answer.text
    assert "Half a picture" in answer.text
    assert "Mine &lt;script&gt;" in answer.text
    for bad in ({STEP_COLUMNS[0]: "wrong"}, {STEP_COLUMNS[0]: "perfect"}, {"comment": "x" * 10_001}):
        assert (await browser.post(f"/wa-monitor/{review.id}", bad)).status_code in {400, 409}


@pytest.mark.parametrize(
    "typed", [{"comment": "Look\0"}, {STEP_COLUMNS[0]: "wrong", f"reason_{STEP_COLUMNS[0]}": "\0"}]
)
async def test_what_no_database_can_hold_is_refused_in_the_user_s_words(
    browser: Browser, db: Database, home: Business, ana: world.Someone, typed: dict[str, str]
) -> None:
    await post(db, home, "DR1752104")
    review = await review_of(db, home, "DR1752104")
    answer = await browser.post(f"/wa-monitor/{review.id}", {"was": "m" * len(STEPS)} | typed)
    assert answer.status_code == 400
    assert NUL_IN_TEXT in phrases.ERRORS
    assert NUL_IN_TEXT in answer.text


async def test_a_stranger_is_sent_to_the_login_and_back(browser: Browser) -> None:
    answer = await browser.get("/wa-monitor?project=Lawley")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=/wa-monitor%3Fproject%3DLawley"


async def test_the_days_count_each_project_on_its_own(
    browser: Browser, db: Database, home: Business, ana: world.Someone
) -> None:
    await post(db, home, "DR1752104 and DR1752105", where=LAWLEY)
    await post(db, home, "DR1752106", where=MOHADIN)
    page = (await browser.get("/wa-monitor")).text
    assert "2 drops today, usually 0" in page
    assert "1 drop today, usually 0" in page


async def test_health_says_it_in_a_sentence_first(browser: Browser, ana: world.Someone) -> None:
    page = await browser.get("/health")
    assert page.status_code == 200
    assert page.text.index("<h2>") < page.text.index("<table")
    assert "No worker has ever run here" in page.text


async def test_a_page_with_two_hundred_posts_is_small(
    browser: Browser, db: Database, home: Business, ana: world.Someone
) -> None:
    for number in range(50):
        await post(db, home, f"DR17{number:05}")
    page = await browser.get("/wa-monitor")
    assert len(page.content) < 150_000


def test_the_words_marked_for_translation_are_the_steps() -> None:
    assert tuple(step.label for step in STEPS) == phrases.STEPS
