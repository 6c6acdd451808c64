"""A number sends as fast as its provider takes of it, and a customer as often: all of it arrives, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from tallybook.app import whatsapp_sender
from tallybook.channels.whatsapp.sender import LIMITS as WHATSAPP
from tallybook.core import channel_accounts, outbox, people
from tallybook.core.businesses import Business
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Database
from tallybook.core.messages import Outgoing
from tallybook.core.sending import Post, deliver
from tallybook.settings import Settings
from tests.channels.whatsapp.bodies import CUSTOMER, NUMBER
from tests.channels.whatsapp.test_received import SEAL
from tests.cloud_api.rules import PAIR_BURST
from tests.cloud_api.server import FakeCloudApi
from tests.core.test_rates import pass_time
from tests.core.worked import rows, until

TOKEN = "a-token-of-the-tests"
STOP = asyncio.Event()
STATES = "select state, count(*)::int from outbox group by 1 order by 1"
# How many messages at most left by a number in any second.
FASTEST = """
select max(count)::int from (select account, count(*) over (
    partition by account order by at range between '999 milliseconds' preceding and current row)
from sending_moments) s where account = '{}'
"""
SECOND = "106540352242923"


@pytest.fixture
def api() -> Iterator[FakeCloudApi]:
    with FakeCloudApi({NUMBER: TOKEN, SECOND: TOKEN}) as api:
        yield api


@pytest.fixture
async def post(db: Database, api: FakeCloudApi) -> AsyncIterator[Post]:
    sender = whatsapp_sender(Settings.load({"TALLYBOOK_WHATSAPP_API_URL": api.address}), db, SEAL)
    yield Post({sender.name: sender})
    await sender.aclose()


async def add(db: Database, business: Business, account: str, per_second: int | None = None) -> None:
    new = NewAccount("whatsapp", account, token=TOKEN, per_second=per_second)
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, people.command_line(business.id), new))


def customers(account: str) -> list[str]:
    return [f"+999{account[-1]}{number:06}" for number in range(12)]


async def put(db: Database, business: Business, to: list[str], account: str = NUMBER) -> None:
    async def work(conn: object) -> None:
        for number, recipient in enumerate(to):
            body = {"type": "text", "text": str(number)}
            key = f"{account}:{recipient}:{number}"
            await outbox.put(conn, business.id, Outgoing("whatsapp", account, recipient, key, body, "t", pressed=True))

    await db.run("put", work)


async def test_a_number_of_its_own_pace_never_sends_faster_and_the_others_are_as_fast_as_usual(
    db: Database, business: Business, api: FakeCloudApi, post: Post
) -> None:
    """One that a phone shares has 20 a second at Meta, for what comes and what leaves."""
    await add(db, business, NUMBER, per_second=5)
    await add(db, business, SECOND)
    for account in (NUMBER, SECOND):
        for one in customers(account):
            api.hear(account, one.lstrip("+"))
        await put(db, business, customers(account), account)

    async def all_left() -> bool:
        await asyncio.gather(*(deliver(db, business.id, post, STOP) for _ in range(2)))
        return await rows(db, STATES) == [("sent", 24)]

    await deliver(db, business.id, post, STOP)
    assert sum(one.number == SECOND for one in api.taken) == 12
    await until(all_left)
    assert (await rows(db, FASTEST.format(NUMBER)))[0][0] <= 5
    assert (len(api.taken), api.refused) == (24, [])


async def test_a_pace_holds_until_another_one_is_given(db: Database, business: Business) -> None:
    await add(db, business, NUMBER, per_second=20)
    await add(db, business, NUMBER)
    assert [one.per_second for one in await db.run("list", channel_accounts.listed)] == [20]
    await add(db, business, NUMBER, per_second=1000)
    assert [one.per_second for one in await db.run("list", channel_accounts.listed)] == [1000]


async def test_who_writes_more_to_one_customer_than_may_be_at_once_has_all_of_it_arrive_in_order(
    db: Database, business: Business, api: FakeCloudApi, post: Post
) -> None:
    """45 at once are borrowed from the time to come; then there is one in six seconds, or error 131056."""
    await add(db, business, NUMBER)
    to, other = f"+{CUSTOMER}", "+27820000099"
    count = PAIR_BURST + 5
    api.hear(NUMBER, CUSTOMER)
    api.hear(NUMBER, other.lstrip("+"))
    await put(db, business, [to] * count)
    await deliver(db, business.id, post, STOP)
    assert (len(api.taken), api.refused) == (PAIR_BURST, [131056])
    await put(db, business, [other])
    assert await deliver(db, business.id, post, STOP) == 1, "nobody else waits for it"
    spent = timedelta()
    while len(api.taken) < count + 1 and spent < timedelta(hours=1):
        await pass_time(db, 30)
        api.shift += 30
        spent += timedelta(seconds=30)
        await deliver(db, business.id, post, STOP)
    assert [one.text for one in api.taken if one.to != other.lstrip("+")] == [str(number) for number in range(count)]
    assert await rows(db, STATES) == [("sent", count + 1)]
    assert set(api.refused) == {131056}
    ((most,),) = await rows(db, "select max(faults)::int from outbox")
    assert most <= WHATSAPP.most_faults // 2, "far from where a person is asked"
