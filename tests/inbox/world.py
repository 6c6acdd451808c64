"""The inbox's world, written as rows: customers with their one thread, and what is said in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tallybook.core.businesses import Business
from tallybook.core.db import Conn

NOON = datetime(2026, 2, 10, 10, 0, tzinfo=UTC)
NOA, AVI, LIOR = "+27820000011", "+27820000012", "+27820000013"

CONTACT = """
insert into contacts (business_id, name, profile_name, username, phone, thread_key)
values (%(business)s, %(name)s, %(profile)s, %(username)s, %(phone)s, %(key)s) returning id
"""
IDENTITY = "insert into contact_identities (business_id, kind, value, contact_id) values (%s, %s, %s, %s)"
LEAD = "insert into leads (business_id, contact_id, name) values (%s, %s, %s) returning id"
LEAD_KEY = "update contacts set thread_key = %s where business_id = %s and id = %s"
THREAD = """
insert into whatsapp_conversation (business_id, contact_id, canonical_key, customer_number, customer_name, lead_id,
    last_message_at, is_open, assigned_to)
values (%(business)s, %(contact)s, %(key)s, %(number)s, %(profile)s, %(lead)s, %(at)s, %(open)s, %(assigned)s)
returning id
"""
COUNT = """
update whatsapp_conversation set last_seq = last_seq + 1, inbound = inbound + %(counted)s::int,
    last_message_at = greatest(last_message_at, %(said_at)s), last_body = left(%(body)s, 50), last_type = %(type)s,
    last_source = %(source)s
where business_id = %(business)s and id = %(conversation)s returning last_seq
"""
MESSAGE = """
insert into whatsapp_message (business_id, conversation_id, to_number, direction, body, message_type, status, source,
    provider_message_id, quoted_message_stanza_id, seq, said_at, created_at, late, counted, media_url)
values (%(business)s, %(conversation)s, 'x', %(direction)s, %(body)s, %(type)s, %(status)s, %(source)s, %(external)s,
    %(quotes)s, %(seq)s, %(said_at)s, coalesce(%(created_at)s, clock_timestamp()), %(late)s, %(counted)s, %(media_url)s)
returning id
"""


@dataclass(frozen=True)
class Someone:
    """A customer and their thread."""

    business: Business
    contact_id: int
    id: int
    key: str
    lead_id: int | None


async def customer(conn: Conn, business: Business, phone: str | None = NOA, **more: Any) -> Someone:
    """A customer with a phone, unless told otherwise, and an open thread without messages, last spoken in at noon.

    ``lid``, ``name``, ``profile``, ``username``, ``lead``; ``at``, ``open``, ``assigned``.
    """
    lid = more.pop("lid", None)
    key = f"phone:{business.id}:{phone}" if phone else f"lid:{business.id}:{lid}"
    values: dict[str, Any] = dict.fromkeys(("name", "profile", "username", "lead", "assigned"))
    values |= {"business": business.id, "phone": phone, "number": phone or lid, "key": key, "at": NOON, "open": True}
    values |= more
    values["contact"] = await _number(conn, CONTACT, values)
    for kind, value in (("phone", phone), ("lid", lid)):
        if value:
            await conn.execute(IDENTITY, (business.id, kind, value, values["contact"]))
    if values["lead"] is not None:
        values["lead"] = await _number(conn, LEAD, (business.id, values["contact"], values["lead"]))
        values["key"] = f"lead:{business.id}:{values['lead']}"
        await conn.execute(LEAD_KEY, (values["key"], business.id, values["contact"]))
    return Someone(business, values["contact"], await _number(conn, THREAD, values), values["key"], values["lead"])


async def says(conn: Conn, who: Someone, body: str = "Shalom", **more: Any) -> int:
    """Something said in a thread, by its customer and just now unless told otherwise; the message's number.

    ``source``, ``type``, ``said_at``, ``created_at``, ``external``, ``quotes``, ``late``, ``status``, ``media_url``;
    ``past`` is what was imported, and waits for nobody.
    """
    source, past = more.pop("source", "customer"), more.pop("past", False)
    values: dict[str, Any] = dict.fromkeys(("external", "quotes", "created_at", "media_url"))
    values |= {
        "business": who.business.id, "conversation": who.id, "body": body, "source": source, "type": "text",
        "direction": "in" if source == "customer" else "out", "status": "received" if source == "customer" else "sent",
        "said_at": datetime.now(UTC), "late": False, "counted": source == "customer" and not past,
    }  # fmt: skip
    values |= more
    values["seq"] = await _number(conn, COUNT, values | {"counted": int(values["counted"])})
    return await _number(conn, MESSAGE, values)


async def said(conn: Conn, who: Someone, *bodies: str, since: datetime = NOON, **more: Any) -> list[int]:
    """Several things, a minute after each other."""
    return [
        await says(conn, who, body, said_at=since + timedelta(minutes=minutes), **more)
        for minutes, body in enumerate(bodies)
    ]


async def _number(conn: Conn, statement: Any, values: Any) -> int:
    row = await (await conn.execute(statement, values)).fetchone()
    assert row is not None
    return int(row[0])
