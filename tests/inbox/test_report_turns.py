"""Reports of many threads are told to other programs in one turn, so that no two who file them wait for each other."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tallybook.core import channel_accounts, people
from tallybook.core.businesses import Business
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Conn, Database
from tallybook.core.messages import Stored
from tallybook.inbox.service import sending
from tallybook.inbox.service.filing import Inbox
from tests.channels.whatsapp.bodies import body, change, contact, status, text
from tests.channels.whatsapp.test_received import HOOK, SEAL, come
from tests.inbox.test_hooks import boss, hook, rows

TURNS = 32
NUMBERS = ("106540352242922", "106540352242923")
DEADLOCKED = "40P01"
TOLD = "select count(*), count(distinct message_id) from hook_events where kind = 'message.status'"
LAST = """
select distinct (select body #>> '{message,status}' from hook_events e
    where e.message_id = m.id and e.kind = 'message.status' order by e.id desc limit 1)
from whatsapp_message m where m.direction = 'out'
"""
_ids = itertools.count(1)


async def test_two_who_file_reports_of_the_same_turns_in_opposite_orders_do_not_wait_for_each_other(
    db: Database, business: Business
) -> None:
    await hook(db, business)
    first, second = [await _answered(db, business, number) for number in NUMBERS]
    deadlocks = 0
    for became in ("sent", "delivered", "read"):
        batches = [_reported(became, NUMBERS[0], first), _reported(became, NUMBERS[1], second[::-1])]
        ends = await asyncio.gather(*(_filed(db, business, one) for one in batches), return_exceptions=True)
        deadlocks += sum(getattr(one, "sqlstate", None) == DEADLOCKED for one in ends)
    assert deadlocks == 0
    assert await rows(db, TOLD) == [(3 * len(first + second), len(first + second))]
    assert await rows(db, LAST) == [("read",)]


async def _answered(db: Database, business: Business, number: str) -> list[str]:
    """A customer for each turn, and two more, who wrote to a number and were answered; the keys of the answers."""
    caller = people.command_line(business.id)
    new = NewAccount("whatsapp", number, token="a-token-of-the-tests")
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, caller, new))
    now, place = int(datetime.now(UTC).timestamp()), NUMBERS.index(number)
    phones = [f"1{201 + place}55501{one:02}" for one in range(TURNS + 2)]
    said = [text("Hello?", timestamp=str(now)) | {"id": f"wamid.{phone}", "from": phone} for phone in phones]
    contacts = [contact(phone, None) for phone in phones]
    await come(db, body(change("messages", *said, contacts=contacts, number=number)))
    threads = await rows(db, f"select id from whatsapp_conversation where account = '{number}' order by id")

    async def answer(conn: Conn) -> None:
        for (thread,) in threads:
            await sending.send_text(conn, boss(business), thread, "Yes.", f"k{thread}")

    await db.run("answer", answer)
    return [str(key) for (key,) in await rows(db, "select dedup_key from outbox order by id")][-len(threads) :]


def _reported(became: str, number: str, keys: Sequence[str]) -> list[Stored]:
    """A webhook that tells of each of these how far it came."""
    now = int(datetime.now(UTC).timestamp())
    told: list[dict[str, Any]] = [
        status(became, at=now) | {"id": f"wamid.ours.{key}", "biz_opaque_callback_data": key} for key in keys
    ]
    read = HOOK.parse(body(change("statuses", *told, number=number)))
    return [Stored(next(_ids), fresh=True, incoming=one) for one in read]


async def _filed(db: Database, business: Business, stored: list[Stored]) -> None:
    """Files them once: who is broken off by the server is not tried again."""
    inbox = Inbox()
    async with db.transaction() as conn:
        await inbox.file(conn, business, inbox.read(stored))
