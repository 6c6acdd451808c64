"""A browser, of a kind, in front of the real application on a real database."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright import async_api as playwright

from tallybook.app import App
from tallybook.core import api_tokens
from tallybook.core.callers import Scope
from tallybook.core.db import Database
from tallybook.core.login_limits import Limits
from tallybook.settings import Settings
from tests import world
from tests.programs import require
from tests.web.browser import FLAGS, OpenTab, Site, tabs_of
from tests.web.built_once import application

HERE = "http://tallybook.test"
OpenApi = Callable[..., Awaitable[httpx.AsyncClient]]
FOLLOWING = pytest.StashKey[pytest.Item | None]()
FIELD = re.compile(r'name="_csrf_token" value="([^"]+)"|name="csrf-token" content="([^"]+)"')


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings.load({"TALLYBOOK_DATABASE_URL": database_url}, tmp_path)


@pytest.fixture
def app(db: Database, settings: Settings) -> App:
    """The App, with cheap passwords."""
    return App(settings, db, [b"k" * 32], Limits(b"k" * 32), world.CHEAP)


@dataclass
class Browser:
    """Keeps cookies, asks for HTML, does not follow redirects, and fills the hidden field in when it posts."""

    client: httpx.AsyncClient
    headers: dict[str, str] = field(default_factory=lambda: {"accept": "text/html"})

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.client.get(path, headers=self.headers | more.pop("headers", {}), **more)

    async def post(self, path: str, data: dict[str, Any] | None = None, **more: Any) -> httpx.Response:
        form = {"_csrf_token": await self.token()} | (data or {})
        return await self.client.post(path, data=form, headers=self.headers | more.pop("headers", {}), **more)

    async def token(self) -> str:
        """The token of the pages, as the browser would read it from one."""
        cookie = next((value for name, value in self.client.cookies.items() if name.endswith("csrf")), None)
        if cookie is None:
            await self.get("/login")
            cookie = next(value for name, value in self.client.cookies.items() if name.endswith("csrf"))
        return cookie

    async def log_in(self, who: world.Someone, password: str = world.PASSWORD, **more: Any) -> httpx.Response:
        return await self.post("/login", {"login": who.login, "password": password}, **more)


@pytest.fixture
def asgi_app(app: App) -> Any:
    return application(app)


@pytest.fixture
async def open_browser(asgi_app: Any) -> AsyncIterator[Callable[..., Browser]]:
    """Opens another browser, at an address of the network or before another application if told."""
    opened: list[Browser] = []

    def new(address: str = "192.0.2.1", at: str = HERE, served: Any = None) -> Browser:
        transport = httpx.ASGITransport(served or asgi_app, client=(address, 50000), raise_app_exceptions=False)
        opened.append(Browser(httpx.AsyncClient(transport=transport, base_url=at)))
        return opened[-1]

    yield new
    for browser in opened:
        await browser.client.aclose()


@pytest.fixture
def browser(open_browser: Callable[..., Browser]) -> Browser:
    return open_browser()


# ── A real browser before a real server ────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def open_api(app: App) -> AsyncIterator[OpenApi]:
    """A program with a token of somebody."""
    opened: list[httpx.AsyncClient] = []
    whole = application(app)

    async def new(who: world.Someone, *scopes: Scope) -> httpx.AsyncClient:
        wanted = frozenset(scopes or {Scope.READ, Scope.REVIEW})
        token = await app.db.run("token", lambda conn: api_tokens.create(conn, who.caller, "a program", wanted))
        transport = httpx.ASGITransport(whole, raise_app_exceptions=False)
        headers = {"authorization": f"Bearer {token}"}
        opened.append(httpx.AsyncClient(transport=transport, base_url=HERE, headers=headers))
        return opened[-1]

    yield new
    for client in opened:
        await client.aclose()


@pytest.fixture(scope="session")
async def kept_sites() -> AsyncIterator[list[Site]]:
    """The web server that the test before left to the next one, if any."""
    kept: list[Site] = []
    yield kept
    for site in kept:  # the run was broken off
        await site.stop()


@pytest.fixture
async def site(
    request: pytest.FixtureRequest, kept_sites: list[Site], db: Database, database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Site]:  # fmt: skip
    """A web server as shipped. Tests that follow each other share it: to start it takes more than a second of work.

    It is gone before the database is emptied for any other test: it looks at it, and tells of it, all the time.
    """
    if not kept_sites:
        kept_sites.append(Site(database_url, tmp_path_factory.mktemp("site")))
        await kept_sites[0].start()
    yield kept_sites[0]
    following = request.config.stash[FOLLOWING]
    if following is None or not asks_for_site(following):
        assert await kept_sites.pop().stop() == 0


def asks_for_site(item: pytest.Item) -> bool:
    """Whether a test is shown the usual web server, and not one that its own file sets up."""
    return "site" in getattr(item, "fixturenames", ()) and not hasattr(getattr(item, "module", None), "site")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    item.config.stash[FOLLOWING] = nextitem


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser tests come first, and those of a file stay together, so that few web servers are started."""
    items.sort(key=lambda item: not asks_for_site(item))
    for item in items:
        if "open_tab" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[playwright.Browser]:
    program = require("chromium")
    async with playwright.async_playwright() as program_of:
        browser = await program_of.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def open_tab(chromium: playwright.Browser, site: Site, db: Database) -> AsyncIterator[OpenTab]:
    async for opener in tabs_of(chromium.new_context, site.address):
        yield opener
