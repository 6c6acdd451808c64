"""At the terminal a customer's data is handed over once, and forgotten once it was said yes to."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

from tallybook.core import environment_copying
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.environment_copying import Request
from tests.cli.test_inbox_answers import EACH
from tests.core.worked import rows
from tests.web.talks import NALEDI, say, words


async def ran(url: str, folder: Path, *commands: tuple[str, ...], owner: str = "") -> list[tuple[int, str, str]]:
    settings = {
        "TALLYBOOK_DATABASE_URL": url, "TALLYBOOK_DATA_DIR": str(folder / "data"), "TALLYBOOK_LOG_LEVEL": "error",
    } | ({"TALLYBOOK_OWNER_DATABASE_URL": owner} if owner else {})  # fmt: skip
    asked = [[*one] if one[0] == "env" else ["inbox", *one] for one in commands]
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", EACH], input=json.dumps(asked),
        env=os.environ | settings, check=True, capture_output=True, text=True, cwd=folder, timeout=60,
    )  # fmt: skip
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


async def test_a_customer_is_exported_and_then_forgotten_and_then_nobody(
    db: Database, business: Business, database_url: str, tmp_path: Path
) -> None:
    await say(db, business, words("One"), words("Two"))
    file = str(tmp_path / "naledi.zip")
    export, again, unasked, erase, twice = await ran(
        database_url, tmp_path,
        ("export-contact", "082 000 0001", "--to", file),
        ("export-contact", NALEDI, "--to", file),
        ("erase-contact", NALEDI),
        ("erase-contact", NALEDI, "--yes", "--json"),
        ("erase-contact", NALEDI, "--yes"),
    )  # fmt: skip
    assert [one[0] for one in (export, again, unasked, erase, twice)] == [0, 1, 2, 0, 1], (export, erase)
    with ZipFile(file) as archive:
        assert b"Two" in archive.read("messages.csv")
    assert "cannot be written" in again[2]
    assert json.loads(erase[1]) == {"erasure": 1, "messages": 2, "received": 2, "copies": {}}
    assert await rows(db, "select count(*) from contacts") == [(0,)]
    assert await rows(db, "select needles, done_at is not null from erasures") == [(None, True)]
    assert NALEDI not in "".join(one[1] + one[2] for one in (export, erase, twice))


async def test_a_readable_copy_forgets_at_once_where_the_owner_s_address_is_there_and_else_is_said_to_wait(
    fresh_db: Database, business: Business, fresh_url: str, fresh_owner_url: str, tmp_path: Path
) -> None:
    sipho = "+27820000002"
    await say(fresh_db, business, words("One"), words("Two", sipho))
    since = datetime.now(UTC) - timedelta(days=1)
    await environment_copying.copy(fresh_owner_url, Request("dev", since, None))
    (waits,) = await ran(fresh_url, tmp_path, ("erase-contact", NALEDI, "--yes"))
    assert "tallybook env forget dev" in waits[1]
    erase, forget = await ran(
        fresh_url, tmp_path, ("erase-contact", sipho, "--yes", "--json"), ("env", "forget", "--json"),
        owner=fresh_owner_url,
    )  # fmt: skip
    assert json.loads(erase[1])["copies"] == {"dev": True}
    assert json.loads(forget[1]) == {"environments": [{"environment": "dev", "threads": 0, "ended": True}]}
