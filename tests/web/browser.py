"""A real Chromium before the real server on a real database, and what the browser tests say about pages."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import httpx
from axe_core_python.base import AXE_SCRIPT
from playwright.async_api import BrowserContext, Page

from tallybook.core import ingest, wakeups
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.messages import Identity, Incoming
from tallybook.monitor import rules
from tallybook.monitor.service.filing import Desk
from tallybook.monitor.store import projects as project_store
from tallybook.monitor.types import Kind, Project
from tests import warm, world

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
# With all of them every two of language, size and scheme meet.
LOOKS = ("light", "hebrew phone dark", "dark phone", "hebrew")
EVERY_LOOK = os.environ.get("TALLYBOOK_TEST_LOOKS") == "all"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# What is in order is neither listed nor brought here: that takes longer than to look at it.
VIOLATIONS = "rules => axe.run({runOnly: rules, resultTypes: ['violations']}).then(results => results.violations)"
# The folder into which pages are drawn, where somebody wants to look at them.
PICTURES = os.environ.get("TALLYBOOK_TEST_PICTURES")
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}
TOKEN = re.compile(r'name="_csrf_token" value="([^"]+)"')
START_SECONDS = 120  # of a busy machine
SOON = 2000  # milliseconds in which a post must be on the page

T = TypeVar("T")

_numbers = count(1)


def project(name: str, **different: Any) -> Project:
    """A group of the fibre installer's, not validated."""
    values: dict[str, Any] = {
        "group": f"1203630000{hashlib.sha256(name.encode()).hexdigest()[:6]}@g.us", "kind": Kind.QA, "space": "fibre",
        "validated": False, "pattern": rules.compile_pattern(None),
    }  # fmt: skip
    return Project(name=name, **(values | different))


LAWLEY = project("Lawley")
MOHADIN = project("Mohadin")
MARKETING = project("Marketing Activations", kind=Kind.MARKETING, space="marketing")
PROJECTS = (LAWLEY, MOHADIN, MARKETING)


async def set_up(db: Database, business: Business, projects: tuple[Project, ...] = PROJECTS) -> None:
    """The mirror of a projects file."""
    await db.run("mirror", lambda conn: project_store.mirror(conn, business.id, projects))


async def post(
    db: Database, business: Business, text: str, where: Project = LAWLEY, ago: timedelta = timedelta(0), who: int = 7
) -> None:
    """Somebody says something in a group, as the bridge's reader would hand it on."""
    number = next(_numbers)
    incoming = Incoming(
        channel="bridge", account="bridge", scope=where.group, external_id=f"M{number}", chat=where.group,
        sender=Identity(f"278200000{who:02}@s.whatsapp.net", f"+278200000{who:02}"), said_at=datetime.now(UTC) - ago,
        text=text, content_hash=hashlib.sha256(text.encode()).digest(),
    )  # fmt: skip
    desk = Desk({where.group: where}, business.zone)

    async def work(conn: Conn) -> None:
        await ingest.absorb(conn, business, [incoming], desk)
        await wakeups.wake_up(conn, "monitor", business.id)

    await db.run("post", work)


class Site:
    """The web server in a process of its own, on a free port of this machine."""

    def __init__(self, database_url: str, folder: Path, **settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self.data = folder / "data"
        self.environment = {**os.environ, "TALLYBOOK_DATABASE_URL": database_url, "TALLYBOOK_PORT": str(port)} | {
            "TALLYBOOK_DATA_DIR": str(self.data), "TALLYBOOK_LOG_FILE": str(folder / "web.log"), **settings,
        }  # fmt: skip
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns once it answers."""
        self.process = await asyncio.create_subprocess_exec(
            *warm.command("tests.web.serving"), env=self.environment, stderr=asyncio.subprocess.DEVNULL
        )
        async with httpx.AsyncClient() as client:
            for _ in range(START_SECONDS * 10):
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(f"{self.address}/healthz")).status_code == 200:
                        return
                await asyncio.sleep(0.1)
        self.process.kill()
        raise AssertionError("the web server did not start")

    async def stop(self) -> int:
        """Asks it to stop; returns its exit code."""
        if self.process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), 20)


def looks(usual: T, every: Sequence[T]) -> Sequence[T]:
    """In which looks a page is tried: the ``usual`` one, or ``every`` one where all are asked for.

    The usual one differs from page to page, so that in each run every look is that of some pages.
    """
    assert usual in every
    return every if EVERY_LOOK else [usual]


def seen_as(look: str) -> dict[str, Any]:
    """The options of a tab that is of one of the LOOKS, or of words like them."""
    return {
        "viewport": PHONE if "phone" in look else DESK,
        "color_scheme": "dark" if "dark" in look else "light",
        "locale": "he" if "hebrew" in look else "en",
    }


# What htmx says of a request whose page was left meanwhile. One that fails has a line of its own besides.
LEFT = ("htmx:sendAbort", "htmx:afterRequest")


@dataclass
class Tab:
    """A page, and everything about it that nobody should have seen."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("console", lambda said: self._note(said.type, said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", lambda request: self._check_host(request.url))

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and not any(part in text for part in (*self.expected, *LEFT)):
            self.complaints.append(f"{kind}: {text}")

    def _check_host(self, url: str) -> None:
        if not url.startswith((self.address, "data:", "blob:")):
            self.complaints.append(f"foreign: {url}")

    async def go(self, path: str) -> None:
        await self.page.goto(self.address + path)

    async def let_in(self, who: world.Someone) -> None:
        """Sends what the form sends: to draw it, and the page after it, takes a second of work for each tab."""
        request, at = self.page.context.request, f"{self.address}/login"
        token = TOKEN.search(await (await request.get(at)).text())
        assert token is not None
        form = {"_csrf_token": token[1], "login": who.login, "password": world.PASSWORD}
        assert (await request.post(at, form=form, max_redirects=0)).status == 303

    async def log_in(self, who: world.Someone) -> None:
        await self.go("/login")
        await self.page.fill("#login", who.login)
        await self.page.fill("#password", world.PASSWORD)
        await self.page.click("main button")
        await self.page.wait_for_url("**/wa-monitor")

    async def keep(self, name: str, *, whole: bool = False) -> None:
        """A picture of what is seen, or of the ``whole`` page, where PICTURES says; else nothing."""
        if PICTURES:
            await self.page.screenshot(path=Path(PICTURES) / f"{name.replace(' ', '-')}.png", full_page=whole)

    async def violations(self) -> list[str]:
        """What breaks WCAG 2.2 AA, one line for each place."""
        await self.page.evaluate(AXE_SCRIPT)
        results = await self.page.evaluate(VIOLATIONS, RULES)
        return [
            f"{found['id']}: {node['target']} {node.get('failureSummary', '')[:300]}"
            for found in results
            for node in found["nodes"]
        ]


OpenTab = Callable[..., Any]


async def tabs_of(context_of: Callable[..., Any], address: str) -> AsyncIterator[OpenTab]:
    """Opens tabs, each of a person's own browser profile; at the end nothing may have been complained of."""
    tabs: list[tuple[Tab, BrowserContext]] = []

    async def open_tab(who: world.Someone | None = None, at: str | None = None, **options: Any) -> Tab:
        context = await context_of(**({"viewport": DESK, "reduced_motion": "reduce"} | options))
        context.set_default_timeout(10_000)
        tab = Tab(await context.new_page(), address)
        tab.watch()
        tabs.append((tab, context))
        if who is not None:
            await tab.let_in(who)
        if at is not None:
            await tab.go(at)
        return tab

    yield open_tab
    for tab, context in tabs:
        # An answer that is still being held back when the test is over is nobody's fault.
        await tab.page.unroute_all(behavior="ignoreErrors")
        await context.close()
    complaints = [line for tab, _ in tabs for line in tab.complaints]
    assert complaints == [], "\n".join(complaints)
