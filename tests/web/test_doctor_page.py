"""The doctor's page and its API: who sees it, what it says of a run and of refusals, and what it keeps to itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tallybook.core import doctor_runs
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.doctor_runs import Found, Run
from tests import world
from tests.web.conftest import Browser

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TOO_STRICT = Found(
    "too-strict", "error", "qa_photo_reviews",
    "qa_photo_reviews_drop_key looks at the drop number alone, so a drop of a second project is refused.",
    "alter table qa_photo_reviews drop constraint qa_photo_reviews_drop_key;", "qa_photo_reviews_drop_key",
    rows=({"business_id": 1, "drop_number": "DR1752104", "user_name": "‹4 characters›"},
          {"business_id": 77, "drop_number": "DR9999999", "user_name": "‹4 characters›"}),
    groups=2, error="duplicate key value violates unique constraint", times=4, last=NOON,
)  # fmt: skip
LOOSE = Found(
    "redundant-key", "warning", "drops", "drops_again holds what drops_pkey holds.", "drop index drops_again;"
)
REFUSED = """
insert into constraint_violations
    (sqlstate, table_name, constraint_name, declared, key_masked, existing, place, answered, times)
values ('23505', 'qa_photo_reviews', 'qa_photo_reviews_number_key', false, 'business_id=1, drop_number=DR1752104',
        '{"business_id": 1, "project": "Lawley"}', 'file a post', false, 412),
    ('23505', 'qa_photo_reviews', 'qa_photo_reviews_number_key', false, 'business_id=77, drop_number=DR9999998', null,
        'file a post', false, 1),
    ('23505', 'inbox_labels', 'inbox_labels_name_key', true, 'business_id=1, name=‹3 characters›', null, 'name a label',
        true, 2)
"""


def run_of(at: datetime, *found: Found) -> Run:
    errors = sum(one.severity == "error" for one in found)
    return Run(0, at, 0.8, "nightly", "0.5.0", 130, 90, 240, errors, len(found) - errors, 0, list(found))


async def sick(db: Database) -> None:
    """Two nights: in the second a fault came and a warning went."""
    async with db.transaction() as conn:
        await doctor_runs.keep(conn, run_of(NOON, LOOSE))
        await doctor_runs.keep(conn, run_of(NOON + timedelta(days=1), TOO_STRICT))
        await conn.execute(REFUSED.encode())


async def test_only_admins_of_whoever_runs_it_see_it(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    assert (await browser.get("/doctor")).status_code == 303
    await browser.log_in(ana)
    assert (await browser.get("/doctor")).status_code == 403
    assert (await browser.get("/api/doctor")).status_code == 403
    assert (await browser.post("/doctor/examine")).status_code == 403
    assert not await db.run("look", doctor_runs.is_running)


async def test_an_admin_of_another_business_is_told_whose_it_is(
    browser: Browser, db: Database, business: Business, root: world.Someone
) -> None:
    await sick(db)
    await browser.log_in(await db.run("add", world.caio))
    page = await browser.get("/doctor")
    assert page.status_code in {200, 403}
    assert "DR1752104" not in page.text
    assert (await browser.get("/api/doctor")).status_code == 403


async def test_it_says_what_is_wrong_what_shows_it_and_what_to_do(
    browser: Browser, db: Database, business: Business, root: world.Someone
) -> None:
    await browser.log_in(root)
    assert "Not examined yet" in (await browser.get("/doctor")).text
    await sick(db)
    page = (await browser.get("/doctor")).text
    heading, shown = "A rule is too strict", "2 groups of rows stand against it"
    for said in ("1 fault in the schema.", heading, "a drop of a second project", shown, "Users met it 4 times"):
        assert said in page, said
    assert page.count("DR1752104") >= 2
    assert "drop constraint qa_photo_reviews_drop_key" in page
    assert "DR9999999" not in page, "another business's row"
    assert "DR9999998" not in page, "another business's case"


async def test_what_the_key_compares_comes_first_in_a_row_which_is_read_as_the_database_has_it(
    browser: Browser, db: Database, business: Business, root: world.Someone
) -> None:
    row = {"id": 1, "done": True, "note": None, "business_id": business.id, "drop_number": "DR1752104"}
    doubles = Found(
        "missing-key", "error", "drops", "Says.", "Do.", key="drops (business_id, drop_number)", rows=(row,)
    )
    unseen = Found("not-looked-at", "note", "", "The rest was not looked at.", "Look again.")
    async with db.transaction() as conn:
        await doctor_runs.keep(conn, run_of(NOON))
        await doctor_runs.keep(conn, run_of(NOON + timedelta(days=1), doubles, unseen))
    await browser.log_in(root)
    page = (await browser.get("/doctor")).text
    shown = re.findall(r"<dt>(\w+)</dt><dd><bdi>(.*?)</bdi>", page)
    assert [name for name, _ in shown] == ["business_id", "drop_number", "id", "done", "note"]
    assert dict(shown) | {"done": "true", "note": "–"} == dict(shown)
    assert "Something was not looked at" in page
    assert "None<" not in page, "it has no name, and its table is all of them"


async def test_the_history_says_what_came_and_went_and_shows_each_run(
    browser: Browser, db: Database, business: Business, root: world.Someone
) -> None:
    await sick(db)
    await browser.log_in(root)
    found = (await browser.get("/api/doctor")).json()["data"]
    told = [[[one["code"] for one in step[what]] for what in ("came", "went")] for step in found["history"]]
    assert told == [[["too-strict"], ["redundant-key"]], [[], []]]
    page = (await browser.get(f"/doctor?run={found['history'][1]['id']}")).text
    assert "drops_again holds what drops_pkey holds" in page
    assert "To the latest examination" in page
    assert (await browser.get("/doctor?run=999")).status_code == 404
    assert (await browser.get("/doctor?run=-1")).status_code == 400


async def test_what_was_refused_is_told_apart_by_constraint(
    browser: Browser, db: Database, business: Business, root: world.Someone
) -> None:
    await sick(db)
    await browser.log_in(root)
    refusals = (await browser.get("/api/doctor")).json()["data"]["refusals"]
    assert [(one["constraint"], one["kind"], one["answered"], one["unanswered"]) for one in refusals] == [
        ("inbox_labels_name_key", "expected", 2, 0), ("qa_photo_reviews_number_key", "blocks", 0, 413),
    ]  # fmt: skip
    page = (await browser.get("/doctor?kind=blocks")).text
    assert "qa_photo_reviews_number_key on qa_photo_reviews is no rule of ours" in page
    assert "inbox_labels_name_key" not in page


async def test_examine_now_asks_once_and_says_that_it_is_at_it(
    browser: Browser, db: Database, business: Business, root: world.Someone
) -> None:
    await browser.log_in(root)
    for _ in range(2):
        assert (await browser.post("/doctor/examine")).status_code == 303
    async with db.transaction() as conn:
        jobs = await (await conn.execute(b"select args from jobs where kind = 'doctor.examine'")).fetchall()
    assert jobs == [({"cause": "asked"},)]
    assert "Being examined" in (await browser.get("/doctor")).text


async def test_a_page_of_many_constraints_leads_to_the_next(
    browser: Browser, db: Database, business: Business, root: world.Someone
) -> None:
    async with db.transaction() as conn:
        await conn.execute(
            b"""insert into constraint_violations (sqlstate, table_name, constraint_name, declared, place)
            select '23505', 'drops', 'key_' || to_char(n, 'FM000') || '_end', false, 'x'
            from generate_series(1, 40) n"""
        )
        for night in range(25):
            await doctor_runs.keep(conn, run_of(NOON + timedelta(days=night)))
    await browser.log_in(root)
    page = (await browser.get("/doctor")).text
    assert ("key_011_end" in page, "key_010_end" in page) == (True, False)
    below = page.split("refused_below=")[1].split("#")[0]
    older = (await browser.get(f"/doctor?refused_below={below}")).text
    assert ("key_011_end" in older, "key_010_end" in older) == (False, True)
    below = page.split("?below=")[1].split("#")[0]
    assert (await browser.get(f"/doctor?below={below}")).text.count('<td class="name"><a') == 5


async def test_the_web_server_tells_whoever_scrapes_it_what_the_last_run_found(
    open_browser: Callable[..., Browser], db: Database, business: Business
) -> None:
    async def scraped() -> list[str]:
        text = (await open_browser("127.0.0.1").client.get("/metrics")).text
        return [line for line in text.splitlines() if line.startswith("tallybook_doctor_")]

    await sick(db)
    assert 'tallybook_doctor_findings{code="too-strict",severity="error"} 1.0' in await scraped()
    assert f"tallybook_doctor_last_run_timestamp {(NOON + timedelta(days=1)).timestamp():.10g}" in [
        f"{name} {float(value):.10g}" for name, value in (line.rsplit(" ", 1) for line in await scraped())
    ]
    async with db.transaction() as conn:
        await doctor_runs.keep(conn, run_of(NOON + timedelta(days=2)))
    assert [line for line in await scraped() if "findings" in line] == []
