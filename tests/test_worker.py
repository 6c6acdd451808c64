"""The worker lives through whatever becomes of its parts, and shows what it counts."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from pathlib import Path

import httpx
import pytest

from tallybook import worker
from tallybook.app import open_app
from tallybook.core.db import Database
from tallybook.settings import Settings


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


async def test_the_worker_shows_its_figures_while_it_works_and_no_longer(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    port, stop = free_port(), asyncio.Event()
    settings = dataclasses.replace(
        Settings.load({"TALLYBOOK_DATABASE_URL": database_url, "TALLYBOOK_DATA_DIR": str(tmp_path)}, tmp_path),
        worker_metrics_port=port,
    )
    async with open_app(settings) as app, asyncio.timeout(60):
        working = asyncio.create_task(worker.work(app, stop))
        async with httpx.AsyncClient() as client:
            while True:
                try:
                    answer = await client.get(f"http://127.0.0.1:{port}/metrics")
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.05)
            assert "tallybook_messages_total" in answer.text
            stop.set()
            await working
            with pytest.raises(httpx.ConnectError):
                await client.get(f"http://127.0.0.1:{port}/metrics")
