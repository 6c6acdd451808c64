"""A customer who writes to two numbers of one business: one thread, answered by the number last written to."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tallybook.core import channel_accounts, people
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Database
from tallybook.core.sending import Post, deliver
from tallybook.inbox.service import sending
from tallybook.inbox.service.sending import WindowClosed
from tests.channels.whatsapp.bodies import CUSTOMER, NUMBER, OURS, body, change, text
from tests.channels.whatsapp.test_received import SEAL, come
from tests.cloud_api.server import FakeCloudApi
from tests.core.worked import rows
from tests.inbox.test_sending import STOP, TOKEN, agent, now, number, ours, post

__all__ = ["agent", "number", "post"]

FRONT, WORKSHOP, TOKEN_OF_WORKSHOP = NUMBER, "106540352242999", "a-token-of-the-workshop"
BY = "select account, recipient from outbox order by id"
AGE = "update conversation_windows set last_inbound_at = last_inbound_at - interval '25 hours' where account = %s"


@pytest.fixture
def api() -> Iterator[FakeCloudApi]:
    with FakeCloudApi({FRONT: TOKEN, WORKSHOP: TOKEN_OF_WORKSHOP}) as api:
        yield api


@pytest.fixture
async def thread(db: Database, business: Business, number: str) -> int:
    """The thread of a customer who wrote to the front desk an hour ago, and to the workshop just now."""
    new = NewAccount("whatsapp", WORKSHOP, token=TOKEN_OF_WORKSHOP)
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, people.command_line(business.id), new))
    await come(db, wrote(FRONT, 1, 3600), wrote(WORKSHOP, 2, 60))
    ((conversation,),) = await rows(db, "select id from whatsapp_conversation")
    return int(conversation)


def wrote(to: str, place: int, ago: int, customer: str = CUSTOMER, **more: Any) -> bytes:
    """They wrote to a number of ours, so many seconds ago."""
    said = text(f"No. {place}", place, timestamp=str(now(-ago))) | {"from": customer} | more
    return body(change("messages", said, number=to))


async def answer(db: Database, who: Caller, thread: int, key: str) -> int:
    return await db.run("answer", lambda conn: sending.send_text(conn, who, thread, key, key))


async def test_the_answer_leaves_by_the_number_last_written_to_with_that_number_s_token(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    api.hear(WORKSHOP, CUSTOMER)  # at the front desk nobody was heard of: what leaves by it is refused
    await answer(db, agent, thread, "one")
    await deliver(db, business.id, post, STOP)
    assert [(one.number, one.to) for one in api.taken] == [(WORKSHOP, CUSTOMER)]
    assert api.refused == []
    assert api.heads[-1]["authorization"] == f"Bearer {TOKEN_OF_WORKSHOP}"
    assert [row[1] for row in await ours(db)] == ["sent"]
    # They write to the front desk again: it is the front desk's from now on, and what was sent stays where it went.
    await come(db, wrote(FRONT, 3, 0))
    api.hear(FRONT, CUSTOMER)
    await answer(db, agent, thread, "two")
    await deliver(db, business.id, post, STOP)
    assert [one.number for one in api.taken] == [WORKSHOP, FRONT]
    assert api.heads[-1]["authorization"] == f"Bearer {TOKEN}"


async def test_what_comes_late_to_the_other_number_pulls_nothing_back(db: Database, agent: Caller, thread: int) -> None:
    week = timedelta(days=7).total_seconds()
    typed = text("Typed on the front desk's phone", 40, timestamp=str(now())) | {"from": OURS, "to": CUSTOMER}
    past = {"id": CUSTOMER, "messages": [text("Long ago", 50) | {"timestamp": str(now(-7200))}]}
    late = (
        wrote(FRONT, 1, 3600) + b" ",  # the same once more
        wrote(FRONT, 10, 3500),  # said before they wrote to the workshop
        wrote(FRONT, 11, int(week)),
        body(change("message_echoes", typed, field="smb_message_echoes", number=FRONT)),
        body(change("history", {"threads": [past]}, field="history", number=FRONT)),
        wrote(FRONT, 12, 0, type="reaction", reaction={"message_id": "wamid.0001", "emoji": "👍"}),
    )
    for place, one in enumerate(late):
        await come(db, one)
        await answer(db, agent, thread, f"k{place}")
    assert set(await rows(db, BY)) == {(WORKSHOP, f"+{CUSTOMER}")}


async def test_the_window_of_one_number_is_none_of_the_other(db: Database, agent: Caller, thread: int) -> None:
    async def age(number: str) -> None:
        async with db.transaction() as conn:
            await conn.execute(AGE.encode(), [number])

    assert len(await rows(db, "select account from conversation_windows")) == 2
    await age(FRONT)
    await answer(db, agent, thread, "one")
    await age(WORKSHOP)
    await come(db, wrote(FRONT, 10, 100))  # said before they wrote to the workshop: it opens the front desk's alone
    with pytest.raises(WindowClosed):
        await answer(db, agent, thread, "two")
    assert not (await db.run("ask", lambda conn: sending.window_of(conn, agent, thread))).open
    await come(db, wrote(WORKSHOP, 11, 0))
    await answer(db, agent, thread, "three")
    assert {row[0] for row in await rows(db, BY)} == {WORKSHOP}


async def test_in_whatever_order_and_however_many_at_once_the_last_said_decides(
    db: Database, business: Business, agent: Caller, thread: int
) -> None:
    orders = list(itertools.permutations((30, 20, 10)))
    said = [
        [wrote(WORKSHOP if ago == 10 else FRONT, place * 100 + ago, ago, f"278200000{place:02}") for ago in order]
        for place, order in enumerate(orders, 10)
    ]
    for some in said[:3]:
        await come(db, *some)
    await asyncio.gather(*(come(db, one) for some in said[3:] for one in some))
    others = f"select account, last_seq from whatsapp_conversation where id <> {thread}"
    assert await rows(db, others) == [(WORKSHOP, 3)] * len(orders)
