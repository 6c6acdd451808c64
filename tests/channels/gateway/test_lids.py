"""Somebody who is a LID at first, then somebody whose phone is known, then a phone alone: one person, one thread."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from tallybook.core import identity
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller
from tallybook.core.db import Database
from tallybook.core.sending import Post, deliver
from tallybook.inbox.service import outcomes, sending
from tests.channels.gateway.test_echoes import STOP, Slow, agent, come
from tests.channels.gateway.test_gateway import NOON, body, update
from tests.core.worked import rows

__all__ = ["agent"]

THREADS = """
select t.canonical_key, t.customer_number, t.last_seq, t.inbound, string_agg(m.body, ' ' order by m.said_at)
from whatsapp_conversation t join whatsapp_message m on m.conversation_id = t.id group by t.business_id, t.id order by 1
"""
WHOSE = "select contact_id, string_agg(kind, ' ' order by kind) from contact_identities group by 1"


def told(place: int) -> list[dict[str, Any]]:
    """What a gateway tells of one customer: by LID, whose LID it is, by phone, and a message with both."""
    lid, phone = f"999123456789{place:02}@lid", f"278200000{place:02}"
    known: dict[str, Any] = {"kind": "identity", "lid": lid, "phone": phone, "at": NOON + 2}
    by_lid, by_phone = {"chat": lid, "from": lid}, {"chat": phone, "from": phone}
    named = (by_lid, None, by_phone, by_lid | {"phone": phone})
    return [
        update(place * 10 + number, text=f"{number}", at=NOON + number) | who if who else known
        for number, who in enumerate(named)
    ]


async def test_in_whatever_order_it_is_told_there_is_one_thread_by_the_phone(
    db: Database, business: Business, agent: Caller
) -> None:
    orders = list(itertools.permutations(range(4)))
    # Each order is another customer's.
    for step in range(4):
        await come(db, body(*(told(place)[order[step]] for place, order in enumerate(orders, 1))))
    assert await rows(db, THREADS) == [
        (f"phone:{business.id}:+278200000{place:02}", f"+278200000{place:02}", 3, 3, "0 2 3")
        for place in range(1, len(orders) + 1)
    ]
    assert {kinds for _, kinds in await rows(db, WHOSE)} == {"lid phone"}


async def test_without_a_message_of_both_the_news_of_it_makes_one_of_two_threads(
    db: Database, business: Business, agent: Caller
) -> None:
    by_lid, news, by_phone, _ = told(1)
    for one in (by_lid, by_phone):
        await come(db, body(one))
    assert len(await rows(db, THREADS)) == 2, "nobody can know it yet"
    await asyncio.gather(*(come(db, body(news | {"id": f"n{number}"})) for number in range(4)))
    assert await rows(db, THREADS) == [(f"phone:{business.id}:+27820000001", "+27820000001", 2, 2, "0 2")]


async def test_who_is_a_lid_alone_is_answered_there_and_by_the_phone_once_it_is_known(
    db: Database, business: Business, agent: Caller
) -> None:
    by_lid, news, *_ = told(1)
    await come(db, body(by_lid))
    ((number,),) = await rows(db, "select customer_number from whatsapp_conversation")
    assert identity.resolve(number, {}).phone is None, "a LID is never shown as a phone"
    await answered(db, business, agent, "first")
    await come(db, body(news))
    await answered(db, business, agent, "second")
    assert [row[0] for row in await rows(db, "select recipient from outbox order by id")] == [
        by_lid["from"], "+27820000001",
    ]  # fmt: skip


async def answered(db: Database, business: Business, agent: Caller, key: str) -> None:
    await db.run("answer", lambda conn: sending.send_text(conn, agent, 1, "Until six.", key))
    post = Post({"gateway": Slow(db, f"3EB0{key}", f"3EB0{key}")}, at_once=1, tell=outcomes.told)
    await deliver(db, business.id, post, STOP)
