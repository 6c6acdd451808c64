"""docs/states.md, the database's checks and the code say the same of every state."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from tallybook.core.db import Conn
from tallybook.core.messages import Status
from tallybook.core.outbox import RISES
from tallybook.core.retention import RULES
from tallybook.monitor.types import LOCK_LASTS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "states.md").read_text(encoding="utf-8")
SECTIONS = dict(part.split("\n", 1) for part in DOCUMENT.split("\n## ")[1:])
TABLES = {
    "Deliveries": "deliveries",
    "Jobs": "jobs",
    "Outgoing messages": "outbox",
    "Messages": "messages",
    "Reviews": "qa_photo_reviews",
    "Photos": "message_files",
    "Review lock": "qa_photo_reviews",
    "Alarms": "alarms",
    "Threads": "whatsapp_conversation",
    "Conversations": "whatsapp_conversation",
    "Messages of a thread": "whatsapp_message",
    "Decisions": "reply_decisions",
    "Imports of lists": "valid_imports",
    "SharePoint items": "sharepoint_items",
    "Broadcasts": "broadcasts",
    "Recipients of broadcasts": "broadcast_recipients",
    "Outgoing webhooks": "hooks",
    "Events of outgoing webhooks": "hook_events",
    "Overrides": "overrides",
}
CHECKS = {"Messages of a thread": "whatsapp_message_status_known", "Decisions": "reply_decisions_decision_known"}
BY_COLUMN = ("Deliveries", "Jobs", "Outgoing messages", "Imports of lists", "Events of outgoing webhooks")
NEVER_REMOVED = ("SharePoint items", "Broadcasts", "Recipients of broadcasts", "Outgoing webhooks")
CHECK = "select pg_get_constraintdef(oid) from pg_constraint where conname = %s and contype = 'c'"


def arrows(section: str) -> set[tuple[str, str]]:
    return set(re.findall(r"^ +(\S+) --> ([^\s:]+)", SECTIONS[section], re.MULTILINE))


def states(section: str) -> set[str]:
    return {state for arrow in arrows(section) for state in arrow} - {"[*]"}


async def check(conn: Conn, name: str) -> str:
    row = await (await conn.execute(CHECK, [name])).fetchone()
    assert row, f"there is no check {name}"
    return row[0]


def test_every_part_is_drawn() -> None:
    assert set(SECTIONS) == set(TABLES)


@pytest.mark.parametrize("section", [*BY_COLUMN, *NEVER_REMOVED, "Alarms", "Photos", "Overrides", *CHECKS])
async def test_the_states_drawn_are_those_the_database_allows(conn: Conn, section: str) -> None:
    allowed = await check(conn, CHECKS.get(section, f"{TABLES[section]}_state_known"))
    assert states(section) == set(re.findall(r"'(\w+)'", allowed))


@pytest.mark.parametrize("section", TABLES)
async def test_each_check_that_is_named_exists(conn: Conn, section: str) -> None:
    for name in re.findall(rf"`({TABLES[section]}_\w+)`", SECTIONS[section]):
        await check(conn, name)


@pytest.mark.parametrize("section", ["Messages", "Reviews", "Review lock", "Threads", "Conversations"])
async def test_states_without_a_column_are_told_apart_by_the_columns_named(conn: Conn, section: str) -> None:
    told = dict(re.findall(r"^\| ([a-z ]+) \| `(.+)` \|$", SECTIONS[section], re.MULTILINE))
    assert states(section) == {state.replace(" ", "_") for state in told}
    each = " + ".join(f"count(*) filter (where {condition})" for condition in told.values())
    row = await (await conn.execute(f"select {each} = count(*) from {TABLES[section]}".encode())).fetchone()
    assert row == (True,)


def test_a_lock_lasts_as_long_as_is_written() -> None:
    (minutes,) = set(re.findall(r"interval '(\d+) minutes'", SECTIONS["Review lock"]))
    assert timedelta(minutes=int(minutes)) == LOCK_LASTS


def test_the_code_knows_the_same_states_and_raises_only_along_the_arrows() -> None:
    drawn = arrows("Outgoing messages")
    assert states("Outgoing messages") == {status.value for status in Status}
    assert {(below.value, status.value) for status, belows in RISES.items() for below in belows} <= drawn


@pytest.mark.parametrize("section", BY_COLUMN)
def test_what_ends_is_what_retention_removes(section: str) -> None:
    (rule,) = [rule for rule in RULES if rule.table == TABLES[section]]
    ended = {state for state, then in arrows(section) if then == "[*]"}
    assert ended == set(re.findall(r"'(\w+)'", rule.condition))
    assert f"after {rule.age.days} days" in SECTIONS[section]
