"""The page of SharePoint as plain HTTP: who sees it, who decides, and what it makes of nonsense."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tallybook.app import App
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tests import world
from tests.web.built_once import application
from tests.web.conftest import Browser

PATH = "/wa-monitor/sharepoint"
SET_UP = {"sharepoint_tenant": "contoso.example", "sharepoint_site": "https://contoso.example/sites/Fibre"}
LogIn = Callable[..., Awaitable[world.Someone]]


@pytest.fixture(params=[{}])
def asgi_app(app: App, request: pytest.FixtureRequest) -> Any:
    return application(dataclasses.replace(app, settings=dataclasses.replace(app.settings, **SET_UP | request.param)))


@pytest.fixture
def log_in(db: Database, business: Business, browser: Browser) -> LogIn:
    async def work(who: Callable[..., Awaitable[world.Someone]], **more: Any) -> world.Someone:
        person = await db.run("add", lambda conn: who(conn, **({"business": business} | more)))
        await browser.log_in(person)
        return person

    return work


async def asked(db: Database) -> list[tuple[Any, ...]]:
    async with db.transaction() as conn:
        return await (await conn.execute(b"select business_id, args->>'day', args->>'asked_by' from jobs")).fetchall()


async def test_a_lead_has_a_day_written_by_the_worker(
    browser: Browser, log_in: LogIn, db: Database, business: Business
) -> None:
    lead = await log_in(world.bia)
    assert "Write a day now" in (await browser.get(PATH)).text
    answer = await browser.post(PATH, {"day": "2025-12-02"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}?asked=1")
    assert await asked(db) == [(business.id, "2025-12-02", lead.name)]


async def test_a_reviewer_sees_it_and_may_not_decide(browser: Browser, log_in: LogIn, db: Database) -> None:
    await log_in(world.ana)
    page = await browser.get(PATH)
    assert (page.status_code, "Write a day now" in page.text) == (200, False)
    assert (await browser.post(PATH, {"day": "2025-12-02"})).status_code == 403
    decision = {"day": "2025-12-02", "project": "Lawley", "etag": "", "choice": "ours"}
    assert (await browser.post(f"{PATH}/decide", decision)).status_code == 403
    assert await asked(db) == []


@pytest.mark.parametrize("asgi_app", [{"env": "dev"}], indirect=True)
async def test_outside_production_nobody_writes_anything(browser: Browser, log_in: LogIn, db: Database) -> None:
    await log_in(world.root)
    page = await browser.get(PATH)
    assert "Only production writes to SharePoint." in page.text
    assert "Write a day now" not in page.text
    assert (await browser.post(PATH, {"day": "2025-12-02"})).status_code == 403
    assert await asked(db) == []


async def test_the_list_of_one_business_is_not_written_by_another_s_admin(
    browser: Browser, db: Database, business: Business, tmp_path: Path
) -> None:
    (tmp_path / "tallybook.toml").write_text(f'[monitor]\nbusiness = "{business.name}"\n', "utf-8")
    caio = await db.run("add", world.caio)
    await browser.log_in(caio)
    page = await browser.get(PATH)
    assert "SharePoint לא הוגדר" in page.text
    assert (await browser.post(PATH, {"day": "2025-12-02"})).status_code == 403
    assert await asked(db) == []


@pytest.mark.parametrize("day", ["", "tomorrow", "0001-01-01", "2025-13-01", "2025-12-02' or 1=1"])
async def test_a_day_that_is_none_is_refused(browser: Browser, log_in: LogIn, db: Database, day: str) -> None:
    await log_in(world.root)
    assert (await browser.post(PATH, {"day": day})).status_code == 400
    if day:
        assert (await browser.get(PATH, params={"before": day})).status_code == 400
    decision = {"day": day, "project": "Lawley", "etag": "", "choice": "ours"}
    assert (await browser.post(f"{PATH}/decide", decision)).status_code == 400
    assert await asked(db) == []


@pytest.mark.parametrize("wrong", [{"choice": "both"}, {"project": "x" * 300}, {"etag": "\0"}])
async def test_a_choice_that_is_none_is_refused(
    browser: Browser, log_in: LogIn, db: Database, wrong: dict[str, str]
) -> None:
    await log_in(world.root)
    decision = {"day": str(date(2025, 12, 2)), "project": "Lawley", "etag": "v1", "choice": "ours"}
    assert (await browser.post(f"{PATH}/decide", decision | wrong)).status_code == 400
    assert (await browser.post(f"{PATH}/decide", decision)).status_code == 409
    assert await asked(db) == []
