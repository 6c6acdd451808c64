"""The bot never talks over anybody: its answer is taken back if somebody spoke between its being put and being sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tallybook.channels.whatsapp.sender import WhatsAppSender
from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.channel import OutcomeUnknown
from tallybook.core.db import Conn, Database
from tallybook.core.messages import Outgoing
from tallybook.core.rates import Limits
from tallybook.core.sending import Post, deliver
from tallybook.inbox.answer_types import Choice
from tallybook.inbox.service import answering, merging, outcomes, sending, withdrawing
from tallybook.inbox.store.withdrawals import Standing
from tests import world
from tests.channels.whatsapp.bodies import CUSTOMER, NUMBER, OTHER, body, change, said
from tests.channels.whatsapp.test_received import come
from tests.cloud_api.server import FakeCloudApi
from tests.core.worked import rows
from tests.inbox.test_answering import OPENING, only_thread, shop, turn, written
from tests.inbox.test_decided import exact
from tests.world import Someone

__all__ = ["shop"]
TOKEN = "a-token-of-the-tests"
QUESTION = "What are your opening hours?"
STATES = "select dedup_key, state, reason from outbox order by id"
SAID = "select source, status, failed_reason from whatsapp_message where direction = 'out' order by id"
MADE = "select seq, decision, reason, withdrawn from reply_decisions order by conversation_id, seq"


@pytest.fixture
def api() -> Iterator[FakeCloudApi]:
    with FakeCloudApi({NUMBER: TOKEN}) as running:
        running.hear(NUMBER, CUSTOMER)
        running.hear(NUMBER, OTHER)
        yield running


@pytest.fixture
async def agent(db: Database, shop: Business) -> Someone:
    return await db.run("add", lambda conn: world.ana(conn, shop, role=Role.AGENT))


async def token_of(_account: str) -> str:
    return TOKEN


async def send(db: Database, shop: Business, api: FakeCloudApi) -> None:
    """Everything that is due is sent, one customer's messages without a pause between them."""
    sender = WhatsAppSender(api.address, token_of)
    sender.limits = Limits()
    try:
        post = Post({sender.name: sender}, tell=outcomes.told, stands=withdrawing.stands)
        await deliver(db, shop.id, post, asyncio.Event())
    finally:
        await sender.aclose()


async def answer(db: Database, agent: Someone, thread: int, key: str = "k") -> None:
    await db.run("answer", lambda conn: sending.send_text(conn, agent.caller, thread, "Until six.", key))


async def test_what_still_answers_leaves(db: Database, shop: Business, api: FakeCloudApi) -> None:
    await come(db, said(written(QUESTION)))
    await answering.decide_due(db, turn(shop))
    await send(db, shop, api)
    assert api.texts == [OPENING]


async def test_a_message_between_put_and_lease_takes_the_answer_back_and_both_are_answered_together(
    db: Database, shop: Business, api: FakeCloudApi
) -> None:
    await come(db, said(written("Hello")))
    await answering.decide_due(db, turn(shop))
    await come(db, said(written(QUESTION, 2)))
    await answering.decide_due(db, turn(shop))
    await come(db, said(written("Opening hours please", 3)))
    await send(db, shop, api)
    assert api.texts == []
    assert [row[1:] for row in await rows(db, STATES)] == [("dropped", withdrawing.WROTE_AGAIN)]
    assert await rows(db, SAID) == [("bot", "failed", withdrawing.WROTE_AGAIN)]
    assert (await rows(db, MADE))[1][1:] == ("withdrawn", withdrawing.WROTE_AGAIN, 1)
    await exact(db)
    assert await answering.decide_due(db, turn(shop)) == {Choice.ANSWERED: 1}
    await send(db, shop, api)
    assert api.texts == [OPENING]
    assert [row[1] for row in await rows(db, MADE)] == ["handed_over", "withdrawn", "answered"]
    assert [row[1:] for row in await exact(db)] == [(3, 3)]


async def test_a_person_between_put_and_lease_has_the_word(
    db: Database, shop: Business, api: FakeCloudApi, agent: Someone
) -> None:
    await come(db, said(written(QUESTION)))
    await answering.decide_due(db, turn(shop))
    await answer(db, agent, await only_thread(db))
    await send(db, shop, api)
    assert api.texts == ["Until six."]
    assert await answering.decide_due(db, turn(shop)) == {Choice.SUPPRESSED: 1}
    assert await rows(db, MADE) == [(1, "suppressed", "somebody answered first", 1)]
    assert [row[1:] for row in await exact(db)] == [(1, 1)]


async def test_a_bot_that_is_sent_away_and_called_back_answers_under_another_key(
    db: Database, shop: Business, api: FakeCloudApi
) -> None:
    async def switch(active: str) -> None:
        async with db.transaction() as conn:
            await conn.execute(f"update whatsapp_conversation set bot_active = {active}".encode())

    await come(db, said(written(QUESTION)))
    await answering.decide_due(db, turn(shop))
    await switch("false")
    await send(db, shop, api)
    assert api.texts == []
    await switch("true")
    assert await answering.decide_due(db, turn(shop)) == {Choice.ANSWERED: 1}
    await send(db, shop, api)
    assert api.texts == [OPENING]
    thread = await only_thread(db)
    assert [row[:2] for row in await rows(db, STATES)] == [
        (f"bot:{thread}:1", "dropped"), (f"bot:{thread}:1:1", "sent")
    ]  # fmt: skip


async def test_what_may_have_been_sent_is_not_sent_again_and_nobody_says_that_it_was_not(
    db: Database, shop: Business, agent: Someone
) -> None:
    class Silent(WhatsAppSender):
        async def send(self, outgoing: Outgoing) -> str:
            raise OutcomeUnknown(outgoing.topic or "")

    await come(db, said(written(QUESTION)))
    await answering.decide_due(db, turn(shop))
    silent = Silent("http://127.0.0.1:1", token_of, limits=Limits())
    heard = float("-inf")  # long enough for every report
    post = Post({"whatsapp": silent}, tell=outcomes.told, stands=withdrawing.stands, listening_since=heard)
    await deliver(db, shop.id, post, asyncio.Event())
    await answer(db, agent, await only_thread(db))
    async with db.transaction() as conn:
        await conn.execute("update outbox set not_before = now() - interval '1 second' where state = 'unknown'")
        await conn.execute("update outbox set not_before = now() + interval '1 hour' where state = 'waiting'")
    await deliver(db, shop.id, post, asyncio.Event())
    ((_, state, reason), _) = await rows(db, STATES)
    assert state == "parked"
    assert reason.endswith(withdrawing.PERSON_ANSWERED)
    assert (await rows(db, MADE))[0][1] == "answered"


async def test_an_answer_of_a_thread_that_was_joined_into_another_is_taken_back_there(
    db: Database, shop: Business, api: FakeCloudApi, root: Someone, agent: Someone
) -> None:
    await come(db, said(written("Hello")))
    await answering.decide_due(db, turn(shop))
    await come(db, body(change("messages", written(QUESTION, 2) | {"from": OTHER})))
    await answering.decide_due(db, turn(shop))
    joined = await db.run("join", lambda conn: merging.join(conn, shop, 1, 2, root.caller))
    await answer(db, agent, await only_thread(db))
    await send(db, shop, api)
    assert api.texts == ["Until six."]
    assert (await exact(db))[0][1:] == (2, 1)
    await answering.decide_due(db, turn(shop))
    assert [row[1] for row in await rows(db, MADE)] == ["handed_over", "suppressed"]
    await db.run("part", lambda conn: merging.undo(conn, root.caller, joined))
    assert [row[1:] for row in await exact(db)] == [(1, 1), (1, 1)]


async def test_a_person_who_writes_at_the_moment_of_the_lease_comes_before_it_or_after_it(
    db: Database, shop: Business, api: FakeCloudApi, agent: Someone
) -> None:
    """Whichever was first: an answer that left was in hand before anybody else had spoken."""
    first = ("Hello", "How are you", "Good morning")
    for number in range(1, 7):
        await come(db, said(written(QUESTION, 10 * number)))
        await answering.decide_due(db, turn(shop, after=3600 * 2 * number))
        thread, before = await only_thread(db), len(api.taken)
        work = [send(db, shop, api), come(db, said(written(first[number % 3], 10 * number + 1)))]
        if number % 2:
            work.append(answer(db, agent, thread, f"k{number}"))
        await asyncio.gather(*work)
        await exact(db)
        ((state, reason),) = await rows(
            db, f"select state, reason from outbox where dedup_key like 'bot:%:{await _place(db, 10 * number)}'"
        )
        assert (state == "dropped") == (reason is not None)
        assert (OPENING in [one.text for one in api.taken[before:]]) == (state == "sent")
        # Nothing is left undecided, whatever happened; everybody who wrote has a decision that stands.
        await send(db, shop, api)
        await answering.decide_due(db, turn(shop, after=3600 * 2 * number))
        async with db.transaction() as conn:
            await _let_go(conn)
        assert [row[1] == row[2] for row in await exact(db)] == [True]
        assert not await rows(db, "select from reply_decisions d where decision = 'withdrawn' and not exists ("
                                  "select from reply_decisions n where n.seq > d.seq)")  # fmt: skip


async def _place(db: Database, number: int) -> int:
    """The place of a question in its thread."""
    external = written("", number)["id"]
    ((seq,),) = await rows(db, f"select seq from whatsapp_message where provider_message_id = '{external}'")
    return int(seq)


async def _let_go(conn: Conn) -> None:
    """An hour passes for what people said, so that the bot may speak again."""
    hours = datetime.now(UTC) - timedelta(hours=2)
    await conn.execute("update whatsapp_message set said_at = %s where source <> 'customer'", [hours])


def test_a_person_s_words_count_for_more_than_the_customer_s() -> None:
    standing = Standing(1, 1, bot_active=True, customer_wrote=True, person_wrote=True)
    assert withdrawing.why_not(standing) == withdrawing.PERSON_ANSWERED
