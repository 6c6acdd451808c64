"""A discipline is taken out of use, and brought back, by its page: looked at first, and every page agrees."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.triage.rules import prepare
from tallybook.triage.rules_announce import standing
from tallybook.triage.types import Unused
from tests import world
from tests.web.conftest import Browser
from tests.web.test_triage_pages import demo, facts_of, hidden, thrice

PATH = "/triage/teams/disciplines/use?team=1"
OUT = {"form": "use", "code": "uiEng", "in_use": "no", "reason": "It is done", "do": "use"}
DAY = timedelta(days=1)


@pytest.fixture
async def bia(db: Database, business: Business, browser: Browser) -> world.Someone:
    """A lead, logged in."""
    bia = await db.run("add", lambda conn: world.bia(conn, business))
    await browser.log_in(bia)
    return bia


async def unused(db: Database, business: Business) -> tuple[Unused, ...]:
    facts = await facts_of(db, business)
    return next(one.unused for one in facts.disciplines if one.code == "uiEng")


async def on_duty(db: Database, business: Business) -> dict[str, str | None]:
    return standing(prepare(await facts_of(db, business)), datetime.now(UTC)).on_duty


async def test_a_discipline_goes_out_of_use_by_the_look_at_what_that_changes_with_a_reason_and_once(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    await demo(db, business)
    assert "uiEng" in await on_duty(db, business)
    unseen = await browser.post(PATH, OUT)
    assert (unseen.status_code, "somebody else’s then" in unseen.text) == (409, True)
    looked = (await browser.post(PATH, OUT | {"do": "look"})).text
    assert 'value="It is done"' in looked
    sure = OUT | {"seen": hidden(looked, "seen")}
    silent = await browser.post(PATH, sure | {"reason": " "})
    assert (silent.status_code, "Say why" in silent.text, 'id="found"' in silent.text) == (400, True, True)
    past = await browser.post(PATH, OUT | {"day": "2020-01-01"})
    assert (past.status_code, "now or later" in past.text) == (400, True)
    await browser.post("/triage/teams/disciplines?team=1", {"name": "Product owner"})
    assert (await browser.post(PATH, sure)).status_code == 409, "the rota is another than was looked at"
    assert await unused(db, business) == ()
    looked = (await browser.post(PATH, OUT | {"do": "look"})).text
    await thrice(browser, PATH, OUT | {"seen": hidden(looked, "seen")})
    (rest,) = await unused(db, business)
    assert rest.until is None
    assert "uiEng" not in await on_duty(db, business)
    month = (await browser.get(f"/triage?team=1&month={datetime.now(UTC) + 70 * DAY:%Y-%m}")).text
    assert "UI engineering" not in month
    assert "UI engineering" in (await browser.get("/triage?team=1")).text, "what was before stays"
    assert "UI engineering" in (await browser.get("/triage/fairness?team=1&period=182")).text
    assert "UI engineering" not in (await browser.get("/triage/fairness?team=1&period=ahead")).text


async def test_an_end_that_is_planned_is_said_and_taken_back(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    await demo(db, business)
    form = OUT | {"day": str(datetime.now(UTC).date() + 30 * DAY)}
    await browser.post(PATH, form | {"seen": hidden((await browser.post(PATH, form | {"do": "look"})).text, "seen")})
    assert "goes out of use" in (await browser.get("/triage/teams?team=1")).text
    assert "uiEng" in await on_duty(db, business)
    back = form | {"in_use": "yes", "day": ""}
    await browser.post(PATH, back | {"seen": hidden((await browser.post(PATH, back | {"do": "look"})).text, "seen")})
    assert await unused(db, business) == ()
