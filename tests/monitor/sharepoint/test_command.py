"""``tallybook monitor sync-sharepoint``: what it does, what it says, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tallybook.core.businesses import Business
from tests import warm
from tests.graph.server import SECRET, FakeGraph
from tests.monitor.sharepoint.conftest import TOLD, numbers

Ended = tuple[int, str, str]
Command = Callable[..., Awaitable[Ended]]


@pytest.fixture
def command(fake: FakeGraph, home: Business, database_url: str, tmp_path: Path) -> Command:
    here = {"TALLYBOOK_DATABASE_URL": database_url, "TALLYBOOK_DATA_DIR": str(tmp_path / "data")}

    async def call(*arguments: str, **settings: str) -> Ended:
        process = await asyncio.create_subprocess_exec(
            *warm.command(), "monitor", "sync-sharepoint", *arguments,
            env=os.environ | fake.settings | here | settings, cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    return call


async def test_a_day_is_written_and_reported_with_the_date_that_was_asked_for(
    command: Command, fake: FakeGraph
) -> None:
    code, out, _ = await command("--date", "2025-12-02", "--json")
    assert code == 0
    report = json.loads(out)
    assert (report["day"], report["days"], report["written"]) == ("2025-12-02", ["2025-12-02"], 6)
    assert numbers(fake) == TOLD
    fake.tenant.lists["Tallybook"].edit("2025-12-02|Lawley", Drops=99)
    code, out, _ = await command("--date", "2025-12-02")
    assert code == 0
    assert out.startswith("2025-12-02: 0 written, 5 as they were. 1 changed by a person there and left alone")


async def test_it_ends_with_1_where_it_failed_and_2_where_it_was_asked_wrongly_and_says_no_secret(
    command: Command, fake: FakeGraph
) -> None:
    code, _, err = await command("--env", "dev")
    assert (code, "Only production writes to SharePoint; this is dev." in err) == (1, True)
    code, _, err = await command("--date", "02/12/2025")
    assert code == 2
    fake.secret = "another"
    code, out, err = await command("--date", "2025-12-02", TALLYBOOK_LOG_LEVEL="debug")
    assert code == 1
    assert "Microsoft refuses this application (invalid_client)" in err
    assert SECRET not in out + err
    assert "token-" not in out + err
    assert fake.asked == []


async def test_no_log_line_holds_a_token_a_secret_or_the_address_of_an_upload(command: Command) -> None:
    """Whoever has the address of an upload may write the file: it is a secret as the token is."""
    code, out, err = await command("--date", "2025-12-02", TALLYBOOK_LOG_LEVEL="debug", TALLYBOOK_LOG_FORMAT="plain")
    assert code == 0
    assert [line for line in (out + err).splitlines() if "/upload/" in line or "token-" in line or SECRET in line] == []


async def test_a_list_is_made_on_demand(command: Command, fake: FakeGraph) -> None:
    fake.tenant.lists.clear()
    assert (await command("--date", "2025-12-02"))[0] == 1
    assert (await command("--prepare"))[1] == "The list is made.\n"
    assert (await command("--prepare"))[1] == "The list is there, as it should be.\n"
    assert (await command("--date", "2025-12-02"))[0] == 0
    assert numbers(fake) == TOLD
