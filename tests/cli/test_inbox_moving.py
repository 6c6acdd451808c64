"""At the terminal an older inbox is brought in and recorded webhooks come once more, both after a look at them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tests.channels.whatsapp.bodies import NUMBER, said, text
from tests.channels.whatsapp.test_received import add
from tests.cli.test_inbox_answers import EACH
from tests.core.worked import rows

MESSAGES = """id,business_id,conversation_id,to_number,direction,body,status,created_at
1,1,,082 000 0001,in,Is it open?,received,2025-03-01 10:00:00
2,1,,27820000001,outbound,It is,read,2025-03-01 10:01:00
3,1,,nobody,in,Whose?,received,2025-03-01 10:02:00
"""
SAID = "select conversation_id, body, direction, status from whatsapp_message order by said_at"


def each(database_url: str, folder: Path, *commands: list[str]) -> list[tuple[int, str, str]]:
    settings = {"TALLYBOOK_DATABASE_URL": database_url, "TALLYBOOK_DATA_DIR": str(folder / "data"), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", EACH], input=json.dumps(commands), text=True, capture_output=True, check=True,
        cwd=folder, env={**os.environ, **settings, "TALLYBOOK_LOG_LEVEL": "error"},
    )  # fmt: skip
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


async def test_an_older_inbox_and_recorded_webhooks_come_in_after_a_look(
    db: Database, business: Business, database_url: str, tmp_path: Path
) -> None:
    await add(db, business)
    (tmp_path / "whatsapp_message.csv").write_text(MESSAGES, encoding="utf-8")
    (tmp_path / "recorded.jsonl").write_bytes(said(text("Hello again", 7)))
    legacy, replay = ["inbox", "import-legacy", "--files", str(tmp_path)], ["inbox", "replay", "recorded.jsonl"]
    looked, imported, again, held, taken, wrong = each(
        database_url, tmp_path,
        [*legacy, "--dry-run"], legacy, [*legacy, "--json"], [*replay, "--dry-run", "--json"], replay,
        ["inbox", "replay", "nowhere"],
    )  # fmt: skip
    assert looked[0] == imported[0] == 0, imported[2]
    assert "Nothing was changed." in looked[1]
    assert "nobody can be known by its number" in imported[1]
    assert [one["added"] for one in json.loads(again[1])["tables"]] == [0]
    assert json.loads(held[1])["numbers"] == {NUMBER: 1}
    assert "1 webhooks: 1 received, 0 known already." in taken[1]
    assert wrong[0] == 2
    ((one, *first), (two, *second), (_, *third)) = await rows(db, SAID)
    assert one == two
    assert (first, second) == (["Is it open?", "in", "received"], ["It is", "out", "read"])
    assert third == ["Hello again", "in", "received"]
