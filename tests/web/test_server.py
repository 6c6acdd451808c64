"""What the web server says of itself when it starts and stops."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx

from tallybook.web.server import EXPERIMENTAL, is_news
from tests.web.browser import Site

IDLE = 300  # more than Granian takes by itself


async def begun(site: Site) -> None:
    """The product's web process, once it answers."""
    command = (sys.executable, "-m", "tallybook", "serve")
    site.process = await asyncio.create_subprocess_exec(*command, env=site.environment, stderr=subprocess.DEVNULL)
    async with asyncio.timeout(60), httpx.AsyncClient() as client:
        while True:
            with suppress(httpx.TransportError):
                if (await client.get(f"{site.address}/healthz")).status_code == 200:
                    return
            await asyncio.sleep(0.05)  # a server that is not ready signals nothing


async def test_hundreds_of_open_pages_keep_nobody_else_from_being_answered(database_url: str, tmp_path: Path) -> None:
    site = Site(database_url, tmp_path, TALLYBOOK_LOG_FORMAT="json")
    await begun(site)
    at = httpx.URL(site.address)
    ask = f"GET /healthz HTTP/1.1\r\nHost: {at.host}\r\n\r\n".encode()
    held = [await asyncio.open_connection(at.host, at.port) for _ in range(IDLE)]
    for reader, writer in held:
        writer.write(ask)
        assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 200")
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{site.address}/healthz", timeout=10)).status_code == 200
    for _, writer in held:
        writer.close()
    assert await site.stop() == 0


async def test_a_start_and_a_stop_say_what_happens_and_warn_of_nothing(database_url: str, tmp_path: Path) -> None:
    site = Site(database_url, tmp_path, TALLYBOOK_LOG_FORMAT="json")
    await begun(site)
    assert await site.stop() == 0
    log = [json.loads(line) for line in (tmp_path / "web.log").read_text("utf-8").splitlines()]
    of_granian = [line for line in log if str(line.get("logger", "")).startswith("_granian")]
    assert any(line["event"].startswith("Listening at") for line in of_granian)
    assert [line for line in log if line["level"] not in {"DEBUG", "INFO"}] == []


def test_every_other_warning_passes() -> None:
    def line(text: str) -> logging.LogRecord:
        return logging.LogRecord("_granian", logging.WARNING, "", 0, text, None, None)

    assert not is_news(line(EXPERIMENTAL))
    assert is_news(line("Killing worker-1 after it refused to gracefully stop"))
    assert is_news(line(f"{EXPERIMENTAL} And more."))
