"""Nobody in who does not belong: the login, the session's cookie, the token, and what each may reach."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tallybook.app import App
from tallybook.core import api_tokens, people
from tallybook.core.businesses import Business
from tallybook.core.callers import Role, Scope
from tallybook.core.db import Database
from tallybook.setting_values import networks
from tallybook.web import asgi, auth
from tests import world
from tests.web.conftest import Browser
from tests.world import PASSWORD, Someone

TOKEN = re.compile(r"tb_[\w-]{43}")
ONE_TIME = re.compile(r"\b(?:[a-z2-9]{5}-){3}[a-z2-9]{5}\b")
SESSION = "tallybook_session"


async def new_token(app: App, owner: Someone, *scopes: Scope) -> str:
    return await app.db.run("token", lambda conn: api_tokens.create(conn, owner.caller, "t", frozenset(scopes)))


# ── The login page ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_unknown_visitor_is_sent_to_the_login_and_back_to_where_they_were(
    browser: Browser, ana: Someone
) -> None:
    answer = await browser.get("/account?tab=tokens&x=%D7%A9")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/login?next=/account%3Ftab%3Dtokens%26x%3D%25D7%25A9",
    )
    page = await browser.get(answer.headers["location"])
    assert 'value="/account?tab=tokens&amp;x=%D7%A9"' in page.text
    logged_in = await browser.log_in(ana)
    assert (logged_in.status_code, logged_in.headers["location"]) == (303, auth.HOME)
    assert (await browser.get("/account")).status_code == 200


async def test_a_wrong_password_keeps_the_name_but_never_the_password(browser: Browser, ana: Someone) -> None:
    answer = await browser.post("/login", {"login": '<b>"ana', "password": "hunter2-hunter2"})
    assert answer.status_code == 401
    assert "&lt;b&gt;&#34;ana" in answer.text
    assert "hunter2" not in answer.text
    assert SESSION not in browser.client.cookies


async def test_a_program_is_told_in_json(browser: Browser) -> None:
    answer = await browser.client.get("/schema/openapi.json", headers={"accept": "application/json"})
    assert answer.status_code == 401
    assert answer.json()["success"] is False
    assert answer.json()["error"]["code"] == "UNAUTHORIZED"


async def test_a_part_of_a_page_moves_the_whole_page_to_the_login(browser: Browser) -> None:
    asked = {"hx-request": "true", "hx-current-url": "http://tallybook.test/wa-monitor?project=Lawley"}
    answer = await browser.get("/account", headers=asked)
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/login?next=/wa-monitor%3Fproject%3DLawley"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.test/", "//evil.test", "/\\evil.test", "\\\\evil.test", "javascript:alert(1)", "/\t/evil.test",
        "/a\r\nset-cookie: x=1", "\n//evil.test", " //evil.test", "http:evil.test", "///evil.test", "/login", "/logout",
        "/" + "x" * 3000, "", "evil.test",
    ],
)  # fmt: skip
async def test_the_login_leads_to_our_own_pages_alone(browser: Browser, ana: Someone, target: str) -> None:
    answer = await browser.log_in(ana, params=None)
    assert answer.headers["location"] == auth.HOME
    browser.client.cookies.delete(SESSION)
    answer = await browser.post("/login", {"login": "ana", "password": PASSWORD, "next": target})
    assert answer.headers["location"] == auth.HOME
    assert "x" not in answer.cookies
    answer = await browser.get("/login", params={"next": target})
    assert answer.headers["location"] == auth.HOME


async def test_a_cookie_planted_before_the_login_is_worth_nothing_after_it(
    browser: Browser, open_browser: Callable[..., Browser], ana: Someone
) -> None:
    browser.client.cookies.set(SESSION, "planted", domain="tallybook.test", path="/")
    answer = await browser.log_in(ana)
    assert answer.cookies[SESSION] != "planted"
    attacker = open_browser()
    attacker.client.cookies.set(SESSION, "planted")
    assert (await attacker.get("/account")).status_code == 303


async def test_a_second_login_ends_the_session_of_the_first(
    browser: Browser, open_browser: Callable[..., Browser], ana: Someone
) -> None:
    first = (await browser.log_in(ana)).cookies[SESSION]
    await browser.log_in(ana)
    other = open_browser()
    other.client.cookies.set(SESSION, first)
    assert (await other.get("/account")).status_code == 303


async def test_a_logout_ends_the_session_on_the_server(
    browser: Browser, open_browser: Callable[..., Browser], ana: Someone
) -> None:
    token = (await browser.log_in(ana)).cookies[SESSION]
    answer = await browser.post("/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    thief = open_browser()
    thief.client.cookies.set(SESSION, token)
    assert (await thief.get("/account")).status_code == 303


async def test_the_sessions_cookie_is_closed_to_scripts_and_other_sites(browser: Browser, ana: Someone) -> None:
    answer = await browser.log_in(ana)
    cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith(SESSION))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Domain" not in cookie
    assert "Secure" not in cookie


async def test_thirty_two_guesses_at_once_get_ten_tries(open_browser: Callable[..., Browser], ana: Someone) -> None:
    browsers = [open_browser("198.51.100.1") for _ in range(32)]
    answers = await asyncio.gather(*(one.log_in(ana, f"guess {number}") for number, one in enumerate(browsers)))
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 22
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers if answer.status_code == 429)
    assert (await open_browser("198.51.100.1").log_in(ana)).status_code == 429
    assert (await open_browser("198.51.100.2").log_in(ana)).status_code == 303, "and the owner is not locked out"


async def test_a_forged_forwarding_header_does_not_make_a_new_address(
    open_browser: Callable[..., Browser], app: App, ana: Someone
) -> None:
    browser = open_browser("203.0.113.5")
    seen = set()
    for number in range(3):
        await browser.post("/login", {"login": f"n{number}"}, headers={"x-forwarded-for": f"192.0.2.{number}"})
    async with app.db.transaction() as conn:
        seen = {row[0] for row in await (await conn.execute("select address_hash from login_attempts")).fetchall()}
    assert len(seen) == 1


@pytest.mark.parametrize(("trusted", "counted"), [("", 1), ("127.0.0.1", 3)])
async def test_tries_behind_a_proxy_of_this_machine_are_told_apart_only_where_it_is_trusted(
    app: App, ana: Someone, open_browser: Callable[..., Browser], trusted: str, counted: int
) -> None:
    settings = dataclasses.replace(app.settings, trusted_proxies=networks(trusted, Path()))
    browser = open_browser("127.0.0.1", served=asgi.build(dataclasses.replace(app, settings=settings)))
    for number in range(3):
        forwarded = {"x-forwarded-for": f"198.51.100.1, 192.0.2.{number}"}
        await browser.post("/login", {"login": f"n{number}"}, headers=forwarded)
    async with app.db.transaction() as conn:
        row = await (await conn.execute("select count(distinct address_hash) from login_attempts")).fetchone()
    assert row == (counted,)


# ── Sessions, tokens and rights ────────────────────────────────────────────────────────────────────────────────────


async def test_a_one_time_password_opens_nothing_but_its_own_change(
    browser: Browser, db: Database, business: Business
) -> None:
    once = await db.run("first", lambda conn: people.ensure_first_admin(conn, business.id, world.CHEAP))
    await browser.post("/login", {"login": "admin", "password": once})
    for path in ("/", "/schema", "/schema/openapi.json"):
        answer = await browser.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert (await browser.post("/account/people", {"login": "x", "name": "X"})).status_code == 303
    as_program = await browser.client.get("/schema/openapi.json", headers={"accept": "application/json"})
    assert as_program.json()["error"]["code"] == "PASSWORD_MUST_CHANGE"
    changed = await browser.post("/account/password", {"old": once, "new": "amber splice tray 9"})
    assert changed.status_code == 303
    assert (await browser.get("/schema")).status_code == 200


async def test_a_changed_password_logs_the_other_browsers_out(
    browser: Browser, open_browser: Callable[..., Browser], ana: Someone
) -> None:
    other = open_browser()
    await other.log_in(ana)
    await browser.log_in(ana)
    wrong = await browser.post("/account/password", {"old": "wrong", "new": "amber splice tray 9"})
    assert wrong.status_code == 400
    assert "amber splice" not in wrong.text
    assert (await browser.post("/account/password", {"old": PASSWORD, "new": "amber splice tray 9"})).status_code == 200
    assert (await browser.get("/account")).status_code == 200
    assert (await other.get("/account")).status_code == 303


@pytest.mark.parametrize("role", [Role.VIEWER, Role.REVIEWER, Role.AGENT, Role.LEAD])
async def test_nobody_but_an_admin_administers(browser: Browser, db: Database, business: Business, role: Role) -> None:
    someone = await db.run("add", lambda conn: world.ana(conn, business, role=role))
    await browser.log_in(someone)
    mine = f"/account/people/{someone.account_id}"
    for path, form in (
        (f"{mine}/role", {"role": "admin"}),
        (f"{mine}/active", {"active": "false"}),
        (f"{mine}/remove", {}),
        (f"{mine}/reset", {}),
        ("/account/people", {"login": "evil", "name": "E", "role": "admin"}),
        ("/account/tokens", {"name": "t", "scopes": "admin"}),
        ("/account/tokens/1/revoke", {}),
    ):
        answer = await browser.post(path, form)
        assert answer.status_code == 403, path
    assert (await browser.get("/account")).status_code == 200
    assert (await browser.get("/metrics")).status_code == 403


async def test_an_admin_adds_people_and_sees_their_one_time_password_once(
    browser: Browser, open_browser: Callable[..., Browser], root: Someone
) -> None:
    await browser.log_in(root)
    made = await browser.post("/account/people", {"login": "Zed", "name": "Zed <i>", "role": "viewer"})
    once = ONE_TIME.search(made.text)
    assert once is not None
    assert "<i>" not in made.text
    assert ONE_TIME.search((await browser.get("/account")).text) is None
    zed = open_browser()
    assert (await zed.post("/login", {"login": "zed", "password": once[0]})).headers["location"] == auth.HOME
    again = await browser.post("/account/people", {"login": "zed", "name": "Other", "role": "viewer"})
    assert again.status_code == 409
    assert (await browser.post("/account/people", {"login": "y", "name": "Y", "role": "owner"})).status_code == 400


async def test_an_admin_of_another_business_reaches_nothing_here(
    browser: Browser, db: Database, ana: Someone, root: Someone
) -> None:
    caio = await db.run("add", world.caio)
    await browser.log_in(caio)
    assert "root" not in (await browser.get("/account")).text
    for path, form in (("role", {"role": "viewer"}), ("active", {"active": "false"}), ("remove", {}), ("reset", {})):
        answer = await browser.post(f"/account/people/{ana.account_id}/{path}", form)
        assert answer.status_code == 404


async def test_a_token_is_shown_once_works_and_dies_when_revoked(
    browser: Browser, open_browser: Callable[..., Browser], root: Someone
) -> None:
    await browser.log_in(root)
    made = TOKEN.search((await browser.post("/account/tokens", {"name": "report", "scopes": "read"})).text)
    assert made is not None
    assert TOKEN.search((await browser.get("/account")).text) is None
    program = open_browser().client
    bearer = {"authorization": f"Bearer {made[0]}"}
    assert (await program.get("/schema/openapi.json", headers=bearer)).status_code == 200
    assert (await browser.post("/account/tokens/1/revoke")).status_code == 303
    refused = await program.get("/schema/openapi.json", headers=bearer)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    "given", ["Basic cm9vdDpyb290", "Bearer", "Bearer ", "Bearer tb_wrong", "tb_x", "", "Bearer é"]
)
async def test_an_authorization_that_is_wrong_is_not_mended_by_a_cookie(
    browser: Browser, root: Someone, given: str
) -> None:
    await browser.log_in(root)
    answer = await browser.get("/account", headers={"authorization": given.encode()})
    assert answer.status_code == 401


async def test_a_token_with_the_scope_to_read_cannot_administer(
    open_browser: Callable[..., Browser], app: App, root: Someone
) -> None:
    bearer = {"authorization": f"Bearer {await new_token(app, root, Scope.READ)}"}
    answer = await open_browser().client.post(
        "/account/people", data={"login": "evil", "name": "E", "role": "admin"}, headers=bearer
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")


async def test_metrics_are_for_this_machine_and_for_admins(
    open_browser: Callable[..., Browser], app: App, root: Someone
) -> None:
    async def ask(address: str, **headers: str) -> httpx.Response:
        return await open_browser(address).client.get("/metrics", headers=headers)

    assert "tallybook_logins_total" in (await ask("127.0.0.1")).text
    assert (await ask("::1")).status_code == 200
    assert (await ask("192.0.2.1")).status_code == 401
    assert (await ask("127.0.0.1", **{"x-forwarded-for": "192.0.2.1"})).status_code == 401
    behind = dataclasses.replace(app.settings, trusted_proxies=networks("127.0.0.1", Path()))
    proxied = open_browser("127.0.0.1", served=asgi.build(dataclasses.replace(app, settings=behind)))
    assert (await proxied.client.get("/metrics")).status_code == 401
    assert (await proxied.client.get("/metrics", headers={"x-forwarded-for": "127.0.0.1"})).status_code == 401
    admin, reader = await new_token(app, root, Scope.ADMIN), await new_token(app, root, Scope.READ)
    assert (await ask("192.0.2.1", authorization=f"Bearer {admin}")).status_code == 200
    assert (await ask("192.0.2.1", authorization=f"Bearer {reader}")).status_code == 403


async def test_a_reader_chooses_the_language_before_and_after_the_login(browser: Browser, ana: Someone) -> None:
    page = await browser.get("/login", headers={"accept-language": "he-IL,he;q=0.9,en;q=0.5"})
    assert '<html lang="he" dir="rtl"' in page.text
    await browser.post("/language", {"locale": "en", "next": "/login"})
    page = await browser.get("/login", headers={"accept-language": "he"})
    assert '<html lang="en" dir="ltr"' in page.text
    await browser.log_in(ana)
    await browser.post("/language", {"locale": "he", "next": "//evil.test"})
    browser.client.cookies.delete("lang")
    assert '<html lang="he" dir="rtl"' in (await browser.get("/account")).text
    assert (await browser.post("/language", {"locale": "xx"})).status_code == 400


async def test_a_theme_is_kept_with_the_account(browser: Browser, app: App, ana: Someone) -> None:
    await browser.log_in(ana)
    assert (await browser.post("/theme", {"theme": "dark", "next": "/account"})).headers["location"] == "/account"
    assert (await browser.post("/theme", {"theme": "pink"})).status_code == 400
    async with app.db.transaction() as conn:
        assert await (await conn.execute("select theme from accounts")).fetchone() == ("dark",)
