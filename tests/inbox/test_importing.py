"""An older inbox comes over: each customer once, each message once, and what is left out says why."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from tallybook.core import deliveries, older_rows
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.channel import MAX_BODY
from tallybook.core.db import Database
from tallybook.core.errors import Invalid, WrongSetup
from tallybook.core.import_book import Outcome
from tallybook.inbox import legacy_rules
from tallybook.inbox.legacy_rules import Terms
from tallybook.inbox.service import erasing, importing_bodies
from tallybook.inbox.service.erasing import Places
from tallybook.inbox.service.importing import EMPTY, FORGOTTEN, JOINED, Import
from tallybook.inbox.service.importing_people import TWICE
from tallybook.inbox.store import importing as store
from tallybook.told_channels import entry_of
from tests.channels.whatsapp.bodies import NUMBER, said, text
from tests.channels.whatsapp.test_received import HOOK, add, come
from tests.core.worked import rows

TERMS = Terms(ZoneInfo("UTC"), "ZA", {"whatsapp": NUMBER})
NALEDI, SIPHO = "+27820000001", "+27820000002"
THREADS = """
select canonical_key, inbound - read_inbound, is_open, summary, customer_name from whatsapp_conversation order by 1
"""
SAID = "select body, direction, source, status from whatsapp_message order by said_at, id"


def conversation(number: int, phone: str, **more: Any) -> dict[str, Any]:
    told = {"id": number, "business_id": 1, "customer_number": phone, "provider": "meta", "is_open": True}
    return told | {"last_message_at": "2025-03-01T10:00:00", "canonical_key": f"phone:1:{phone}"} | more


def message(number: int, to: str, body: str, **more: Any) -> dict[str, Any]:
    told = {"id": number, "business_id": 1, "to_number": to, "body": body, "direction": "in", "provider": "meta"}
    return told | {"created_at": f"2025-03-01T10:{number:02}:00", "status": "received", "message_type": "text"} | more


OLD: dict[str, list[dict[str, Any]]] = {
    "leads": [
        {"id": 7, "tenant_id": 1, "name": "Naledi Khumalo", "phone_e164": NALEDI, "status": "won", "notes": "Roof"},
        {"id": 8, "tenant_id": 1, "name": "Nobody", "phone_e164": None},
    ],
    "contact_identities": [
        {"id": 1, "business_id": 1, "channel": "whatsapp", "external_id": "190000000000001@lid", "lead_id": 7},
    ],
    "whatsapp_conversation": [
        conversation(1, "27820000001", customer_name="Naledi", started_at="2025-01-01T08:00:00"),
        conversation(2, "190000000000001@lid", lead_id=7, canonical_key="lead:1:7", summary="Wants a roof",
                     last_message_at="2025-03-02T10:00:00", is_open=False),
        conversation(3, "082 000 0002"),
        conversation(4, "+27820000009"),
        conversation(5, "not a number"),
    ],
    "whatsapp_message": [
        message(1, NALEDI, "With a plus", provider_message_id="wamid.A"),
        message(2, "27820000001", "Bare", direction="inbound", conversation_id=None),
        message(3, "0820000001", "Local", conversation_id=99),
        message(4, "27820000001@s.whatsapp.net", "As a JID"),
        message(5, "190000000000001@lid", "By a LID", conversation_id=2),
        message(6, NALEDI, "Ours by the bot", direction="outbound", source="bot", status="read",
                read_at="2025-03-01T11:00:00"),
        message(7, NALEDI, "Never left", direction="out", status="queued", source="automation"),
        message(8, NALEDI, "With a plus", provider_message_id="wamid.A"),
        message(9, NALEDI, "Another of that id", provider_message_id="wamid.A"),
        message(10, "082 000 0002", "Sipho here", conversation_id=3),
        message(11, "x", "Whose?", conversation_id=None),
        message(12, NALEDI, "When?", created_at=None),
        message(13, NALEDI, "Where to?", direction="sideways"),
        message(14, NALEDI, "Who of ours?", direction="out"),
        message(15, "x", "By the lead", lead_id=7),
    ],
}  # fmt: skip


async def brought(
    db: Database, business: Business, old: Mapping[str, Sequence[Mapping[str, Any]]] = OLD, *, dry_run: bool = False,
    terms: Terms = TERMS,
) -> Outcome:  # fmt: skip
    return await Import(db, business, terms, old, lambda *_: None).run("command line", dry_run=dry_run)


def counts(outcome: Outcome) -> dict[str, tuple[int, int, int, int]]:
    return {one.name: (one.read, one.added, one.known, one.left_out) for one in outcome.tables}


async def test_each_customer_has_one_thread_with_all_that_was_said_and_nothing_waits(
    db: Database, business: Business
) -> None:
    outcome = await brought(db, business)
    assert counts(outcome) == {
        "leads": (2, 1, 0, 1),
        "contact_identities": (1, 0, 1, 0),
        "whatsapp_conversation": (5, 3, 0, 2),
        "whatsapp_message": (15, 11, 1, 3),
    }
    ((lead,),) = await rows(db, "select id from leads where status = 'won' and notes = 'Roof'")
    threads = await rows(db, THREADS)
    assert threads == [
        (f"lead:{business.id}:{lead}", 0, False, "Wants a roof", "Naledi Khumalo"),
        (f"phone:{business.id}:{SIPHO}", 0, True, None, None),
    ]
    told = await rows(db, SAID)
    assert told[:7] == [
        ("With a plus", "in", "customer", "received"),
        ("Bare", "in", "customer", "received"),
        ("Local", "in", "customer", "received"),
        ("As a JID", "in", "customer", "received"),
        ("By a LID", "in", "customer", "received"),
        ("Ours by the bot", "out", "bot", "read"),
        ("Never left", "out", "automation", "failed"),
    ]
    assert len(told) == 11
    assert await rows(db, "select min(started_at)::date::text from whatsapp_conversation") == [("2025-01-01",)]
    assert await rows(db, "select count(*) from conversation_windows") == [(0,)]
    whys = {one.why for one in outcome.remarks}
    assert whys >= {JOINED, EMPTY, TWICE, legacy_rules.NOBODY, legacy_rules.NO_TIME, legacy_rules.NO_DIRECTION}
    assert whys >= {legacy_rules.NO_AUTHOR, legacy_rules.BY_NUMBER, legacy_rules.BY_LEAD}


async def test_a_dry_run_says_the_same_and_changes_nothing_and_a_second_import_adds_nothing(
    db: Database, business: Business
) -> None:
    dry = await brought(db, business, dry_run=True)
    for table in ("contacts", "leads", "whatsapp_conversation", "whatsapp_message", "audit_log"):
        assert await rows(db, f"select count(*) from {table}") == [(0,)]
    assert counts(await brought(db, business)) == counts(dry)
    before = await rows(db, SAID), await rows(db, THREADS)
    again = await brought(db, business)
    assert [one.added for one in again.tables] == [0, 0, 0, 0]
    assert (await rows(db, SAID), await rows(db, THREADS)) == before


async def test_two_imports_at_once_make_each_customer_and_message_once(db: Database, business: Business) -> None:
    both = await asyncio.gather(brought(db, business), brought(db, business))
    added = [sum(one.tables[place].added for one in both) for place in range(4)]
    assert added == [1, 0, 3, 11]
    assert await rows(db, "select count(*), count(distinct seq) from whatsapp_message where lead_id is not null") == [
        (10, 10)
    ]
    assert await rows(db, "select count(*) from contacts") == [(2,)]


async def test_what_came_live_already_is_not_added_and_keeps_waiting(db: Database, business: Business) -> None:
    await add(db, business)
    await come(db, said(text("With a plus", 1) | {"id": "wamid.A"}))
    outcome = await brought(db, business)
    assert counts(outcome)["whatsapp_message"] == (15, 10, 2, 3)
    ((waiting,),) = await rows(db, "select sum(inbound - read_inbound) from whatsapp_conversation where inbound > 0")
    assert waiting == 1
    assert await rows(db, "select count(*) from whatsapp_message where provider_message_id = 'wamid.A'") == [(1,)]


async def test_of_several_old_businesses_one_is_named(db: Database, business: Business) -> None:
    other = [message(20, "+27820000005", "Of another", business_id=2)]
    old = OLD | {"whatsapp_message": [*OLD["whatsapp_message"], *other]}
    with pytest.raises(Invalid, match="1, 2"):
        await brought(db, business, old)
    outcome = await brought(db, business, old, terms=Terms(ZoneInfo("UTC"), "ZA", {"whatsapp": NUMBER}, 2))
    assert counts(outcome)["whatsapp_message"] == (1, 1, 0, 0)


async def test_the_old_tables_are_read_from_csv_files_and_from_a_schema(
    db: Database, business: Business, owner_url: str, tmp_path: Path
) -> None:
    for name, told in OLD.items():
        columns = list(dict.fromkeys(column for row in told for column in row))
        with (tmp_path / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(told)
    read, beside = older_rows.rows_of_files(tmp_path, tuple(store.READ))
    assert beside == []
    dry = await brought(db, business, read, dry_run=True)
    assert counts(dry)["whatsapp_message"] == (15, 11, 1, 3)
    with pytest.raises(WrongSetup, match="none of the files"):
        older_rows.rows_of_files(tmp_path / "nowhere", tuple(store.READ))
    with pytest.raises(WrongSetup, match="of this product"):
        await older_rows.rows_of(owner_url, "public", store.READ, store.SIGN)
    async with await psycopg.AsyncConnection.connect(owner_url, autocommit=True) as conn:
        await conn.execute("create schema old_inbox")
        try:
            await conn.execute("create table old_inbox.whatsapp_message (id int, to_number text, created_at timestamp)")
            await conn.execute("insert into old_inbox.whatsapp_message values (1, 'x', '2025-03-01 10:00')")
            found, _ = await older_rows.rows_of(owner_url, "old_inbox", store.READ, store.SIGN)
            assert found["whatsapp_message"][0]["created_at"] == "2025-03-01T10:00:00"
        finally:
            await conn.execute("drop schema old_inbox cascade")


async def test_recorded_webhooks_come_once_more_as_if_sent_now_and_only_once(
    db: Database, business: Business, tmp_path: Path
) -> None:
    await add(db, business)
    bodies = [said(text(f"Number {number}", number)) for number in range(1, 6)]
    lines = tmp_path / "recorded.jsonl"
    lines.write_bytes(b"\n".join([*bodies, b"no json", b"", bodies[0]]))
    array = tmp_path / "more.json"
    array.write_bytes(b"[" + b", ".join([bodies[0], said(text("Six", 6))]) + b"]")
    held = await importing_bodies.look(db, "whatsapp", tmp_path, HOOK.parse)
    assert (held.bodies, held.known, held.kinds, held.numbers) == (8, 0, {"message": 8}, {NUMBER: 8})
    assert held.unreadable == ["recorded.jsonl, line 6"]
    assert await rows(db, "select count(*) from deliveries") == [(0,)]
    for new in (6, 0):
        taken = await importing_bodies.replay(db, "whatsapp", tmp_path, lambda *_: None)
        await deliveries.process(db, {"whatsapp": entry_of(HOOK)}, asyncio.Event())
        assert (taken.bodies, taken.new, taken.unreadable) == (8, new, ["recorded.jsonl, line 6"])
        assert await rows(db, "select count(*) from whatsapp_message") == [(6,)]
    one = tmp_path / "one.json"
    one.write_text(json.dumps(json.loads(bodies[0]), indent=2), encoding="utf-8")
    assert [part.place for part in importing_bodies.bodies(one)] == ["one.json"]


@pytest.mark.parametrize(("size", "taken"), [(3 * 1024 * 1024, True), (MAX_BODY, True), (MAX_BODY + 1, False)])
def test_a_recorded_webhook_may_be_as_large_as_one_that_is_sent(size: int, taken: bool) -> None:
    assert importing_bodies.is_body(importing_bodies.Recorded(b"{}".ljust(size), "a line")) is taken


async def test_who_was_forgotten_does_not_come_back_with_the_next_import(
    db: Database, business: Business, tmp_path: Path
) -> None:
    await brought(db, business)
    places = Places(tmp_path / "files", tmp_path / "spool")
    lead = Caller(None, "Zanele", business, Role.LEAD)
    ((thread,),) = await rows(db, f"select id from whatsapp_conversation where customer_number = '{NALEDI}'")
    await db.run("erase", lambda conn: erasing.erase(conn, lead, thread, NALEDI, places))
    for dry_run in (True, False):
        outcome = await brought(db, business, dry_run=dry_run)
        assert counts(outcome)["leads"] == (2, 0, 0, 2)
        assert counts(outcome)["whatsapp_message"] == (15, 0, 2, 13)
        left = {(one.table, one.rows) for one in outcome.remarks if one.why == FORGOTTEN}
        assert left >= {("leads", 1), ("whatsapp_message", 10)}
    assert await rows(db, "select customer_number from whatsapp_conversation") == [(SIPHO,)]
    assert await rows(db, "select count(*) from leads") == [(0,)]
    assert await rows(db, "select count(*) from contacts where phone = '+27820000001'") == [(0,)]
