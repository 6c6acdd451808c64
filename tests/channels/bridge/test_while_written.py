"""The promise: read while the bridge works, the books hold all that the file does, and no commit was refused."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tallybook.channels.bridge import snapshot
from tests.channels.bridge.books import Books, fill, source_of
from tests.channels.bridge.bridge_file import LAWLEY, BridgeFile

ROOT = Path(__file__).parents[3]
SECONDS = 3.0


@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
async def test_nothing_is_missed_and_the_bridge_is_not_held_up(
    tmp_path: Path, journal_mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    locks: list[Path] = []
    locked = snapshot.ordinary

    def counted(path: Path, query: Callable[[sqlite3.Connection], object]) -> object:
        locks.append(path)
        return locked(path, query)

    monkeypatch.setattr(snapshot, "ordinary", counted)
    with BridgeFile(tmp_path, journal_mode=journal_mode) as bridge:
        fill(bridge, 20_000)
        books = Books(source_of(bridge))
        command = [sys.executable, "-m", "tests.channels.bridge.busy_bridge", str(tmp_path), journal_mode]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            assert writer.stdout.readline() == "ready\n"
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                await books.poll()
                await asyncio.sleep(0.002)  # the writer writes
            met = json.loads(writer.communicate("stop\n")[0])
        await books.poll()
        await books.source.aclose()
        held = bridge.connection.execute("select id, content from messages where chat_jid = ?", (LAWLEY,)).fetchall()
    stored = {external_id: one.text for (_, external_id), one in books.stored.items()}
    assert {message_id: text for message_id, text in held if stored.get(message_id) != text} == {}
    assert met["commits"] > 50
    # Only where twenty tries in a row were disturbed was a lock taken, and only a lock can be in the writer's way.
    assert locks or met["blocked"] == 0
