"""Somebody who works for several businesses goes from one to the other, and never sees or writes both at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tallybook.app import App
from tallybook.core import api_tokens, audit
from tallybook.core.businesses import Business
from tallybook.core.callers import Role, Scope
from tallybook.core.db import Database
from tests import world
from tests.web.conftest import FIELD, Browser
from tests.world import Someone

GIVE_ROLE = "insert into account_roles (business_id, account_id, role) values (%(business)s, %(account)s, %(role)s)"
TAKE_ROLE = "delete from account_roles where business_id = %(business)s and account_id = %(account)s"


@pytest.fixture
async def other(db: Database) -> Business:
    return await db.run("add", world.kinneret_tours)


@pytest.fixture
async def both(db: Database, business: Business, other: Business) -> Someone:
    """Root is an admin of the fibre installer and a viewer of the tours."""
    root = await db.run("add", lambda conn: world.root(conn, business))
    async with db.transaction() as conn:
        values = {"business": other.id, "account": root.account_id, "role": Role.VIEWER}
        await conn.execute(GIVE_ROLE, values)
    return root


async def actions(db: Database, business: Business) -> list[str]:
    async with db.transaction() as conn:
        entries = await audit.recent(conn, business.id)
    return [entry.action for entry in entries if not entry.action.startswith("account.added")]


def meta(page: str) -> str:
    """The token of a page, as its scripts and forms send it."""
    found = FIELD.search(page)
    assert found is not None
    return found[1] or found[2]


async def test_the_menu_leads_to_the_other_business_and_back(
    browser: Browser, db: Database, both: Someone, business: Business, other: Business
) -> None:
    await browser.log_in(both)
    page = (await browser.get("/account")).text
    assert "Who may use Velo Fibre" in page
    assert f'name="business" value="{other.id}"' in page
    switched = await browser.post("/business", {"business": other.id, "next": "/account?x=1"})
    assert (switched.status_code, switched.headers["location"]) == (303, "/account")
    page = (await browser.get("/account", headers={"accept-language": "en"})).text
    assert "Kinneret Tours" in page
    assert "Who may use" not in page, "a viewer there, whatever elsewhere"
    assert f'name="business" value="{business.id}"' in page
    await browser.post("/business", {"business": business.id})
    assert "Who may use Velo Fibre" in (await browser.get("/account")).text
    assert await actions(db, business) == ["session.business_entered", "session.business_left"]
    assert await actions(db, other) == ["session.business_left", "session.business_entered"]


async def test_a_row_of_the_one_business_is_not_asked_for_in_the_other(
    browser: Browser, both: Someone, other: Business
) -> None:
    await browser.log_in(both)
    answer = await browser.post("/business", {"business": other.id, "next": "/wa-monitor/17?day=2025-11-26"})
    assert answer.headers["location"] == "/wa-monitor"


@pytest.mark.parametrize("number", [0, -1, 999, 2**31, 10**30])
async def test_nobody_gets_to_where_they_have_no_role(
    browser: Browser, db: Database, ana: Someone, other: Business, number: int
) -> None:
    await browser.log_in(ana)
    assert 'action="/business"' not in (await browser.get("/account")).text
    for wanted in (number, other.id):
        assert (await browser.post("/business", {"business": wanted})).status_code == 403
    assert (await browser.post("/business", {"business": "x"})).status_code == 400
    assert "Velo Fibre" in (await browser.get("/account")).text
    assert await actions(db, other) == []


async def test_who_was_taken_out_of_a_business_is_out_of_it_at_once(
    browser: Browser, db: Database, both: Someone, business: Business, other: Business
) -> None:
    await browser.log_in(both)
    await browser.post("/business", {"business": other.id})
    async with db.transaction() as conn:
        await conn.execute(TAKE_ROLE, {"business": other.id, "account": both.account_id})
    assert (await browser.get("/account")).status_code == 303
    await browser.log_in(both)
    assert (await browser.post("/business", {"business": other.id})).status_code == 403
    assert "Velo Fibre" in (await browser.get("/account")).text


async def test_the_next_log_in_is_where_one_was_last(
    browser: Browser, open_browser: Callable[..., Browser], both: Someone, business: Business, other: Business
) -> None:
    await browser.log_in(both)
    await browser.post("/business", {"business": other.id})
    phone = open_browser()
    await phone.log_in(both)
    assert "Kinneret Tours" in (await phone.get("/account")).text
    await phone.post("/business", {"business": business.id})
    await browser.post("/logout")
    await browser.log_in(both)
    assert "Who may use Velo Fibre" in (await browser.get("/account")).text


async def test_a_switch_moves_this_session_alone(
    browser: Browser, open_browser: Callable[..., Browser], both: Someone, other: Business
) -> None:
    phone = open_browser()
    await phone.log_in(both)
    await browser.log_in(both)
    await browser.post("/business", {"business": other.id})
    assert "Who may use Velo Fibre" in (await phone.get("/account")).text


async def test_an_api_token_stays_in_its_business(
    open_browser: Callable[..., Browser], app: App, both: Someone, other: Business
) -> None:
    made = await app.db.run("t", lambda conn: api_tokens.create(conn, both.caller, "t", frozenset(Scope)))
    program = open_browser().client
    bearer = {"authorization": f"Bearer {made}"}
    answer = await program.post("/business", data={"business": str(other.id)}, headers=bearer)
    assert answer.status_code == 403
    assert (await program.get("/schema/openapi.json", headers=bearer)).status_code == 200


async def test_a_form_that_was_opened_for_one_business_is_not_taken_in_another(
    browser: Browser, db: Database, both: Someone, business: Business, other: Business
) -> None:
    await browser.log_in(both)
    await browser.post("/business", {"business": other.id})
    old = meta((await browser.get("/account")).text)
    await browser.post("/business", {"business": business.id})
    person: dict[str, Any] = {"login": "zed", "name": "Zed", "role": "viewer"}
    refused = await browser.post("/account/people", person | {"_csrf_token": old})
    assert refused.status_code == 409
    assert "This page shows another business" in refused.text
    assert (await browser.post("/theme", {"theme": "dark", "_csrf_token": old})).status_code == 303
    assert (await browser.post("/business", {"business": other.id, "_csrf_token": old})).status_code == 303
    assert "account.added" not in str(await actions(db, other))


async def test_leaving_and_preferences_stand_in_the_record(
    browser: Browser, db: Database, business: Business, ana: Someone
) -> None:
    await browser.log_in(ana)
    await browser.post("/theme", {"theme": "dark"})
    await browser.post("/theme", {"theme": "dark"})
    await browser.post("/language", {"locale": "he"})
    await browser.post("/logout")
    await browser.post("/logout")
    async with db.transaction() as conn:
        logged_out, language, theme = (await audit.recent(conn, business.id))[:3]
    assert (logged_out.action, logged_out.who, logged_out.subject_id) == (
        "session.logged_out", "Ana Mokoena", str(ana.account_id),
    )  # fmt: skip
    assert (language.before, language.after) == ({"locale": None, "theme": "dark"}, {"locale": "he", "theme": "dark"})
    assert (theme.before, theme.after) == ({"locale": None, "theme": "auto"}, {"locale": None, "theme": "dark"})
    assert await actions(db, business) == ["session.logged_out"] + ["account.preferences_changed"] * 2
