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


async def test_a_start_and_a_stop_say_what_happens_and_warn_of_nothing(database_url: str, tmp_path: Path) -> None:
    site = Site(database_url, tmp_path, TALLYBOOK_LOG_FORMAT="json")
    command = (sys.executable, "-m", "tallybook", "serve")
    site.process = await asyncio.create_subprocess_exec(*command, env=site._environment, stderr=subprocess.DEVNULL)
    async with asyncio.timeout(60), httpx.AsyncClient() as client:
        while True:
            with suppress(httpx.TransportError):
                if (await client.get(f"{site.address}/healthz")).status_code == 200:
                    break
            await asyncio.sleep(0.05)
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
