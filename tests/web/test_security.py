"""What a hostile site, a hostile client and a bad day for the server get as an answer."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from litestar import get, post
from litestar.params import FromPath, JSONBody

from tallybook.app import App
from tallybook.core.businesses import Business
from tallybook.core.db import Database, open_database
from tallybook.core.login_limits import Limits
from tallybook.settings import Settings
from tallybook.web import asgi
from tallybook.web.answers import Ok, ok
from tallybook.web.needs import Asked
from tests import world
from tests.postgres import Server
from tests.web.conftest import Browser
from tests.world import Someone

SECRET = "0820000001 said hello"


@get("/api/me", sync_to_thread=False)
def me(request: Asked) -> Ok[str]:
    return ok(request.user.name)


@post("/api/echo", sync_to_thread=False)
def echo(data: JSONBody[dict[str, str]]) -> Ok[dict[str, str]]:
    return ok(data)


@get("/api/broken/{phone:str}", sync_to_thread=False, opt={"open": True})
def broken(phone: FromPath[str]) -> None:
    raise RuntimeError(SECRET + phone)


@pytest.fixture
def asgi_app(app: App) -> Any:
    return asgi.build(app, [me, echo, broken])


# ── Other sites ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_form_without_the_pages_token_is_refused(browser: Browser, ana: Someone) -> None:
    await browser.log_in(ana)
    for form in ({}, {"_csrf_token": ""}, {"_csrf_token": "0" * 128}):
        for path in ("/logout", "/theme", "/account/password", "/login", "/language"):
            answer = await browser.client.post(path, data=form, headers=browser.headers)
            assert answer.status_code == 403, path
    assert (await browser.get("/account")).status_code == 200


async def test_a_script_of_ours_sends_the_token_in_a_header(browser: Browser, ana: Someone) -> None:
    await browser.log_in(ana)
    answer = await browser.client.post("/api/echo", json={"a": "b"}, headers={"x-csrftoken": await browser.token()})
    assert answer.status_code == 201
    assert answer.json()["data"] == {"a": "b"}
    assert (await browser.client.post("/api/echo", json={"a": "b"})).status_code == 403


@pytest.mark.parametrize("said", ["cross-site", "same-site"])
async def test_what_the_browser_says_comes_from_another_site_is_refused_even_with_a_token(
    browser: Browser, ana: Someone, said: str
) -> None:
    await browser.log_in(ana)
    answer = await browser.post("/logout", headers={"sec-fetch-site": said})
    assert answer.status_code == 403
    assert (await browser.post("/logout", headers={"sec-fetch-site": "same-origin"})).status_code == 303


async def test_a_made_up_authorization_does_not_switch_the_cross_site_guard_off(browser: Browser, ana: Someone) -> None:
    await browser.log_in(ana)
    for path in ("/login", "/logout", "/language"):
        answer = await browser.client.post(path, data={"locale": "he"}, headers={"authorization": "Bearer tb_x"})
        assert answer.status_code in {401, 403}, path
    assert (await browser.get("/account")).status_code == 200


# ── Headers ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "path",
    ["/login", "/", "/account", "/nowhere", "/api/broken/1", "/healthz", "/readyz", "/static/none.css", "/api/me"],
)
async def test_every_answer_wears_the_headers(browser: Browser, path: str) -> None:
    answer = await browser.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["permissions-policy"]
    assert "strict-transport-security" not in answer.headers
    assert "no-store" in answer.headers["cache-control"]
    assert "server" not in answer.headers


async def test_behind_https_cookies_are_secure_and_tied_to_the_host(
    db: Database, database_url: str, tmp_path: Path, business: Business, ana: Someone
) -> None:
    given = {"TALLYBOOK_DATABASE_URL": database_url, "TALLYBOOK_DATA_DIR": str(tmp_path)}
    settings = Settings.load(given | {"TALLYBOOK_PUBLIC_URL": "https://tallybook.test"}, tmp_path)
    served = asgi.build(App(settings, db, [b"k" * 32], Limits(b"k" * 32), world.CHEAP))
    transport = httpx.ASGITransport(served)
    async with httpx.AsyncClient(transport=transport, base_url="https://tallybook.test") as client:
        answer = await Browser(client).log_in(ana)
        assert "max-age" in answer.headers["strict-transport-security"]
        cookies = [cookie for cookie in client.cookies.jar if cookie.name.startswith("__Host-")]
        assert {cookie.name for cookie in cookies} == {"__Host-csrf", "__Host-session"}
        assert all(cookie.secure and cookie.path == "/" for cookie in cookies)


# ── Hostile requests ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_body_over_a_megabyte_is_refused_announced_or_not(browser: Browser, ana: Someone) -> None:
    async def endless() -> Any:
        for _ in range(40):
            yield b"x" * 100_000

    form = {"content-type": "application/x-www-form-urlencoded"}
    for content in (b"x" * 1_000_001, endless()):
        answer = await browser.client.post("/login", content=content, headers=form | browser.headers)
        assert answer.status_code == 413
    lie = await browser.client.post("/login", content=b"x", headers=form | {"content-length": "9" * 30})
    assert lie.status_code == 413
    assert lie.json()["error"]["code"] == "TOO_LARGE"


async def test_head_is_get_without_a_body(browser: Browser) -> None:
    for path in ("/login", "/healthz", "/nowhere", "/account"):
        asked = await browser.client.head(path, headers=browser.headers)
        got = await browser.get(path)
        assert (asked.status_code, asked.content) == (got.status_code, b"")


async def test_options_and_wrong_methods_reveal_nothing_and_do_nothing(browser: Browser, ana: Someone) -> None:
    await browser.log_in(ana)
    answer = await browser.client.options("/logout")
    assert answer.status_code == 204
    assert "access-control-allow-origin" not in answer.headers
    assert (await browser.get("/logout")).status_code == 405
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "BREW"):
        assert (await browser.client.request(method, "/account", headers=browser.headers)).status_code in {405, 501}
    assert (await browser.get("/account")).status_code == 200


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/login", {"login": ["a", "b"], "password": "x"}),
        ("/language", {}),
        ("/account/people", {"role": "admin\r\n"}),
        ("/account/people/99999999999999999999/role", {"role": "viewer"}),
        ("/account/people/x/role", {"role": "viewer"}),
        ("/account/tokens/-1/revoke", {}),
        ("/account/sessions/end", {"handle": "\0"}),
        ("/account/people", {"login": "\0\ud800".encode("utf-8", "surrogatepass"), "name": "x", "role": "viewer"}),
    ],
)
async def test_nonsense_is_answered_with_a_four_hundred(
    browser: Browser, db: Database, business: Business, path: str, form: dict[str, Any]
) -> None:
    root = await db.run("add", lambda conn: world.root(conn, business))
    await browser.log_in(root)
    answer = await browser.post(path, form)
    assert answer.status_code in {303, 400, 401, 404}, answer.text


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'{"a": 1}', b'"' + b"[" * 100_000])
async def test_a_broken_json_body_is_the_senders_fault(browser: Browser, ana: Someone, body: bytes) -> None:
    await browser.log_in(ana)
    headers = {"x-csrftoken": await browser.token(), "content-type": "application/json"}
    answer = await browser.client.post("/api/echo", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"


async def test_static_files_cannot_be_climbed_out_of(browser: Browser) -> None:
    for path in ("/static/../asgi.py", "/static/%2e%2e/asgi.py", "/static/..%2f..%2fapp.py", "/static//etc/passwd"):
        answer = await browser.get(path)
        assert answer.status_code in {400, 404}
        assert "import" not in answer.text


# ── Errors ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_unforeseen_error_tells_a_reference_and_nothing_else(browser: Browser) -> None:
    with structlog.testing.capture_logs() as logs:
        answer = await browser.client.get("/api/broken/27820000001?q=27820000002")
    fault = answer.json()["error"]
    assert (answer.status_code, fault["code"]) == (500, "ERROR")
    assert fault["details"]["reference"] in str(logs)
    for secret in ("082000", "hello", "27820000001", "27820000002"):
        assert secret not in answer.text
        assert secret not in str(logs)
    failed = next(line for line in logs if line["log_level"] == "error")
    assert failed["route"] == "/api/broken/{phone}"
    assert "broken" in failed["where"][-1]


async def test_an_error_is_a_page_for_people_and_json_for_programs(browser: Browser, ana: Someone) -> None:
    page = await browser.get("/nowhere")
    assert (page.status_code, page.headers["content-type"].split(";")[0]) == (404, "text/html")
    told = await browser.client.get("/api/nowhere", headers=browser.headers)
    assert told.json() == {
        "success": False,
        "error": {"code": "NOT_FOUND", "message": told.json()["error"]["message"], "details": {}},
    }
    await browser.log_in(ana)
    fine = await browser.client.get("/api/me")
    assert (fine.json()["success"], fine.json()["data"]) == (True, "Ana Mokoena")
    assert fine.json()["meta"]["timestamp"]


async def test_while_the_database_is_away_the_answer_says_so_and_when_to_ask_again(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings.load({"TALLYBOOK_DATABASE_URL": server.url(), "TALLYBOOK_DATA_DIR": str(tmp_path)}, tmp_path)
    async with open_database(server.url(), "prod", size=2) as database:
        app = App(settings, database, [b"k" * 32], Limits(b"k" * 32), world.CHEAP)
        transport = httpx.ASGITransport(asgi.build(app), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://tallybook.test", timeout=60) as client:
            browser = Browser(client)
            assert (await browser.get("/readyz")).status_code == 200
            server.stop()
            client.cookies.set("tallybook_session", "x")
            logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
            answer = await browser.get("/account")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert str(server.folder) not in answer.text
            assert (await browser.get("/readyz")).status_code == 503
            assert (await browser.get("/healthz")).text == "ok"
            server.start()
            assert (await browser.get("/account")).status_code == 303


async def test_not_ready_while_the_schema_is_of_another_release(server: Server, tmp_path: Path) -> None:
    server.run("update alembic_version set version_num = 'later'", "tallybook")
    settings = Settings.load({"TALLYBOOK_DATABASE_URL": server.url(), "TALLYBOOK_DATA_DIR": str(tmp_path)}, tmp_path)
    async with open_database(server.url(), "prod", size=2) as database:
        served = asgi.build(App(settings, database, [b"k" * 32], Limits(b"k" * 32), world.CHEAP))
        transport = httpx.ASGITransport(served)
        async with httpx.AsyncClient(transport=transport, base_url="http://tallybook.test") as client:
            assert (await client.get("/readyz")).status_code == 503


# ── The API's description ──────────────────────────────────────────────────────────────────────────────────────────


async def test_the_api_page_lists_the_operations_without_a_script_or_a_foreign_host(
    browser: Browser, ana: Someone
) -> None:
    await browser.log_in(ana)
    page = await browser.get("/schema")
    assert "/api/echo" in page.text
    assert "<script>" not in page.text
    assert "https://" not in page.text
    schema = json.loads((await browser.get("/schema/openapi.json")).text)
    assert set(schema["paths"]) == {"/api/me", "/api/echo", "/api/broken/{phone}"}
    assert (await browser.get("/schema/swagger")).status_code == 404
