"""At the terminal a customer's data is handed over once, and forgotten once it was said yes to."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tests.cli.test_inbox_answers import EACH
from tests.core.worked import rows
from tests.web.talks import NALEDI, say, words


async def ran(url: str, folder: Path, *commands: tuple[str, ...]) -> list[tuple[int, str, str]]:
    settings = {
        "TALLYBOOK_DATABASE_URL": url, "TALLYBOOK_DATA_DIR": str(folder / "data"), "TALLYBOOK_LOG_LEVEL": "error",
    }  # fmt: skip
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", EACH], input=json.dumps([["inbox", *one] for one in commands]),
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
    assert json.loads(erase[1]) == {"erasure": 1, "messages": 2, "received": 2}
    assert await rows(db, "select count(*) from contacts") == [(0,)]
    assert await rows(db, "select needles, done_at is not null from erasures") == [(None, True)]
    assert NALEDI not in "".join(one[1] + one[2] for one in (export, erase, twice))
