"""At the terminal what channels told besides messages is counted, listed, looked at, and shown whole."""

from __future__ import annotations

import json
from pathlib import Path

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tests.channels.whatsapp.bodies import CUSTOMER, NOON, body, change
from tests.channels.whatsapp.test_received import add, come
from tests.cli.test_inbox_contacts import ran


async def test_it_is_listed_without_what_anybody_wrote_and_one_is_shown_whole(
    db: Database, business: Business, database_url: str, tmp_path: Path
) -> None:
    await add(db, business)
    calls = change("calls", {"id": "wacid.1", "from": CUSTOMER}, field="calls")
    await come(db, body(calls, change("messages", {"text": {"body": "Is it open?"}}), time=NOON))
    listed, machine, one, whole, seen, nobody = await ran(
        database_url, tmp_path,
        ("news",), ("news", "--json"), ("news", "--kind", "unreadable"), ("news", "--show", "1"),
        ("news", "--seen", "2", "--json"), ("news", "--show", "99"),
    )  # fmt: skip
    assert [one[0] for one in (listed, machine, one, whole, seen, nobody)] == [0, 0, 0, 0, 0, 1]
    found = json.loads(machine[1])
    assert {each["kind"]: (each["items"], each["new"]) for each in found["kinds"]} == {
        "unknown:calls": (1, 0), "unreadable": (1, 1),
    }  # fmt: skip
    assert "unknown:calls" in listed[1]
    assert "unknown:calls" not in one[1].split("\n\n")[1]
    assert CUSTOMER not in listed[1] + machine[1] + one[1]
    assert "Is it open?" in whole[1]
    assert json.loads(seen[1]) == {"seen": 1}
