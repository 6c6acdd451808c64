"""What customers and our people say to each other, for the tests of the inbox's pages. The numbers are nobody's."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from tallybook.core import channel_accounts, content, ingest, people, wakeups
from tallybook.core.businesses import Business
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.content import Content, Person
from tallybook.core.db import Conn, Database
from tallybook.core.messages import Identity, Incoming
from tallybook.core.sealing import Seal
from tallybook.inbox.service.filing import TOPIC, Inbox

NUMBER = "106540352242922"
NALEDI = "+27820000001"
NAMES = {NALEDI: "Naledi Khumalo"}
LONG = "Wolfeschlegelsteinhausenbergerdorff " * 5
CHANGE = """
update whatsapp_message m set source = %(source)s::text, status = %(status)s::text, failed_reason = %(reason)s::text
where m.provider_message_id = %(external_id)s::text
"""

_numbers = count(1)


def words(text: str, phone: str = NALEDI, **more: Any) -> Incoming:
    """One message: ``ago`` before now, by us if ``by_us``, of a ``type``, ``about`` another."""
    name, external_id = more.get("name", NAMES.get(phone, "")), more.get("external_id") or f"wamid.{next(_numbers)}"
    said = Content(type=more.get("type", "text"), person=Person(name=name, phone=phone), about=more.get("about", ""))
    return Incoming(
        channel="whatsapp", account=NUMBER, scope=NUMBER, external_id=external_id,
        chat=phone, sender=Identity(phone, phone), said_at=datetime.now(UTC) - more.get("ago", timedelta()), text=text,
        content_hash=hashlib.sha256(text.encode()).digest(), kind="echo" if more.get("by_us") else "message",
        from_us=more.get("by_us", False), content=content.written(said),
    )  # fmt: skip


async def say(db: Database, business: Business, *said: Incoming) -> None:
    """Messages come in, one after the other, and open pages are told."""

    async def work(conn: Conn) -> None:
        for incoming in said:
            await ingest.absorb(conn, business, [incoming], Inbox())
        await wakeups.wake_up(conn, TOPIC, business.id)

    await db.run("say", work)


async def ours(db: Database, business: Business, text: str, source: str, status: str, **more: Any) -> None:
    """A message of ours: who wrote it, and how far it came."""
    incoming = words(text, by_us=True, **more)
    await say(db, business, incoming)
    values = {"source": source, "status": status, "reason": more.get("reason"), "external_id": incoming.external_id}

    async def work(conn: Conn) -> None:
        await conn.execute(CHANGE, values)

    await db.run("change", work)


async def first(db: Database, phone: str = NALEDI) -> int:
    """The number of a phone's thread."""
    async with db.transaction() as conn:
        statement = "select id from whatsapp_conversation where customer_number = %(phone)s::text"
        row = await (await conn.execute(statement, {"phone": phone})).fetchone()
    assert row is not None
    return int(row[0])


async def whole_talk(db: Database, business: Business) -> None:
    """Naledi's thread, in which every kind of message is."""
    minutes = timedelta(minutes=1)

    async def we(text: str, source: str, status: str, ago: int, **more: Any) -> None:
        await ours(db, business, text, source, status, ago=ago * minutes, **more)

    async def she(text: str, ago: int, **more: Any) -> None:
        await say(db, business, words(text, ago=ago * minutes, **more))

    await she("My phone fell into the pool", 3000)
    await we("We can look at it on Sunday.", "human", "unknown", 2990)
    await she("Good morning, are you open on Sunday?", 1500, external_id="q1")
    await we("Good morning! On Sundays we are open from 9:00 to 13:00.", "bot", "read", 1499, about="q1")
    await she("Then I come at ten", 40)
    await we("Your appointment: Sunday, 10:00. See you then!", "automation", "delivered", 39)
    await we("Ask for Bia at the desk.", "human", "sent", 29)
    await she("This is the gate", 20, type="image")
    await we("And the invoice of last time.", "human", "failed", 10, reason="Re-engagement message (131047)")
    await she("My other number is 082 000 0009", 25)
    await she("אפשר לשלם 350 ₪ באשראי?", 2)


async def connect(db: Database, business: Business) -> None:
    """The number to which everybody writes can answer."""
    new = NewAccount("whatsapp", NUMBER, token="a-token-of-the-tests")
    caller = people.command_line(business.id)
    await db.run("add", lambda conn: channel_accounts.add(conn, Seal([b"k" * 32]), caller, new))
