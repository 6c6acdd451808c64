"""At the terminal somebody sees what waits to be said in groups, and stops it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tallybook.core import audit, outbox
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.messages import Outgoing
from tests import warm


def a_message(key: str) -> Outgoing:
    return Outgoing("bridge", "primary", "120363000000000001@g.us", key, {"text": key})


async def test_what_waits_is_seen_stopped_dropped_and_let_go(
    fresh_db: Database, fresh_url: str, business: Business, tmp_path: Path
) -> None:
    settings = {"TALLYBOOK_DATABASE_URL": fresh_url, "TALLYBOOK_DATA_DIR": str(tmp_path)}

    def run(*options: str) -> Any:
        command = [*warm.command(), "monitor", "replies", *options]
        done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if "--json" in options else done.stdout

    async def put(conn: Conn) -> None:
        for key in "ab":
            await outbox.put(conn, business.id, a_message(key))

    await fresh_db.run("put", put)
    assert run("--json") == {
        "stopped": False, "waiting": 2, "trouble": 0, "sent": 0, "captured": 0, "dropped": 0,
    }  # fmt: skip
    assert "was stopped by command line" in run("--stop")
    assert run("--drop", "--json")["dropped"] == 2
    assert run("--go") == "Sending to groups is on.\ndropped: 2\n"
    async with fresh_db.transaction() as conn:
        told = [(entry.who, entry.action) for entry in await audit.recent(conn, business.id)]
    assert told == [
        ("command line", "sending.released"),
        ("command line", "sending.dropped"),
        ("command line", "sending.stopped"),
    ]
