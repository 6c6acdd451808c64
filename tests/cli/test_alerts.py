"""``tallybook alerts test`` reaches everybody, or says whom it did not reach."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tests import warm
from tests.receivers import LOCAL, SECRET, mail_server, webhook_server
from tests.test_alerting import FILE


async def called(folder: Path, url: str, port: int, *more: str) -> tuple[int, str, str]:
    environ = os.environ | {
        "TALLYBOOK_DATABASE_URL": url, "TALLYBOOK_DATA_DIR": str(folder / "data"), "TALLYBOOK_LOG_LEVEL": "error",
        "TALLYBOOK_CONFIG": str(folder / "tallybook.toml"), "TALLYBOOK_SMTP_URL": f"smtp+plain://{LOCAL}:{port}",
        "TALLYBOOK_ALERT_WEBHOOK_SECRET": SECRET,
    }  # fmt: skip
    pipe = asyncio.subprocess.PIPE
    command = [*warm.command(), "alerts", "test", *more]
    process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=pipe, stderr=pipe)
    said, complained = await process.communicate()
    return process.returncode or 0, said.decode(), complained.decode()


async def test_everybody_is_reached_or_named(
    db: Database, business: Business, database_url: str, tmp_path: Path
) -> None:
    async with mail_server() as mail, webhook_server() as hook:
        (tmp_path / "tallybook.toml").write_text(FILE.format(host=LOCAL, port=hook.port))
        code, said, _ = await called(tmp_path, database_url, mail.port, "--json")
        assert (code, [one["state"] for one in json.loads(said)]) == (0, ["sent"] * 3)
        assert mail.subjects() == [f"Test: alarms of {business.name}"] * 2
        mail.answers = ["550 no", "550 no"]
        code, said, _ = await called(tmp_path, database_url, mail.port)
        assert code == 1
        assert "✗ mail ana@example.org: parked; the mail server refused it (550)" in said
        assert "✓ webhook pager: sent" in said


async def test_where_nobody_is_told_it_says_so(
    db: Database, business: Business, database_url: str, tmp_path: Path
) -> None:
    code, _, complained = await called(tmp_path, database_url, 1)
    assert code == 1
    assert "Nobody is told of alarms" in complained
