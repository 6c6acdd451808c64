"""Customers who write to the business, as the tests of who is who have them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from tallybook.core import content as contents
from tallybook.core.businesses import Business
from tallybook.core.content import Content, Person
from tallybook.core.db import Database
from tallybook.core.messages import Identity, Incoming, Stored
from tallybook.inbox.service.filing import Inbox

NALEDI = Person(name="Naledi", phone="+27820000001")
THABO = Person(name="Thabo", phone="+27820000002")
LERATO = Person(name="Lerato", phone="+27820000003")
BY_ID = Person(user_id="ZA.13491208655302741918")
NOON = datetime(2025, 12, 2, 12, tzinfo=UTC)
NUMBER = "106540352242922"

_ids = itertools.count(1)

# Whole rows of everything that a joining touches, by table.
TABLES = {
    "contacts": "select to_jsonb(x) from contacts x order by id",
    "identities": "select to_jsonb(x) from contact_identities x order by kind, value",
    "leads": "select to_jsonb(x) from leads x order by id",
    "threads": "select to_jsonb(x) from whatsapp_conversation x order by id",
    "messages": "select to_jsonb(x) from whatsapp_message x order by id",
    "windows": "select to_jsonb(x) from conversation_windows x order by conversation_id, channel, account",
    "sessions": "select to_jsonb(x) from conversation_sessions x order by id",
    "reads": "select to_jsonb(x) from conversation_reads x order by conversation_id, account_id",
    "labels": "select to_jsonb(x) from conversation_labels x order by conversation_id, label_id",
    "notes": "select to_jsonb(x) from conversation_notes x order by id",
    "assignments": "select to_jsonb(x) from conversation_assignments x order by id",
    "left_phones": "select to_jsonb(x) from left_phones x order by phone, left_at",
}


def said(person: Person, minute: int, **more: Any) -> Stored:
    """A message of a customer, so many minutes after noon; ``ours`` is one of ours to them."""
    number = next(_ids)
    ours = more.pop("ours", False)
    who = person.phone or person.user_id
    incoming = Incoming(
        channel="whatsapp", account=more.pop("account", NUMBER), scope=NUMBER, external_id=f"wamid.{number}", chat=who,
        sender=Identity(raw=who, phone=person.phone), said_at=NOON + timedelta(minutes=minute), text=f"No. {minute}",
        content_hash=sha256(str(number).encode()).digest(), from_us=ours,
        content=contents.written(Content(type="text", person=person, **more)), kind="echo" if ours else "message",
    )  # fmt: skip
    return Stored(number, fresh=True, incoming=incoming)


def taken_back(stored: Stored) -> Stored:
    """The customer takes a message back."""
    person = contents.read(stored.incoming.content)
    assert person is not None
    content = contents.written(Content(type="revoke", person=person.person, about=stored.incoming.external_id))
    number = next(_ids)
    changes = {"kind": "revoke", "content": content, "external_id": f"wamid.{number}", "text": ""}
    return Stored(number, fresh=True, incoming=msgspec.structs.replace(stored.incoming, **changes))


async def write(db: Database, business: Business, *some: Stored) -> None:
    """They come in one batch, and are filed."""
    inbox = Inbox()
    batch = inbox.read(list(some))
    await db.run("file", lambda conn: inbox.file(conn, business, batch))


async def everything(db: Database) -> dict[str, list[dict[str, Any]]]:
    """Every row that a joining may touch."""
    found = {}
    async with db.transaction() as conn:
        for name, statement in TABLES.items():
            found[name] = [row[0] for row in await (await conn.execute(statement.encode())).fetchall()]
    return found
