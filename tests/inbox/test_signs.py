"""Reactions, quotes and blue ticks: each leaves once, the newest holds, and what was refused is not shown as done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tallybook.app import whatsapp_sender
from tallybook.core import channel_accounts, people
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Conflict, Invalid, NotAllowed, NotFound
from tallybook.core.sending import Post, deliver
from tallybook.inbox.contents import Text
from tallybook.inbox.service import blocking, merging, outcomes, reacting, receipts, sending, signs, threads
from tallybook.inbox.service.sending import WindowClosed
from tallybook.settings import Settings
from tests import world
from tests.channels.whatsapp.bodies import CUSTOMER, NUMBER, body, change, said, text
from tests.channels.whatsapp.test_received import SEAL, come
from tests.cloud_api.server import FakeCloudApi
from tests.core.worked import rows
from tests.inbox.people import NALEDI, THABO, write
from tests.inbox.people import said as a_word

TOKEN = "a-token-of-the-tests"
STOP = asyncio.Event()
REACTIONS = "select about, who, emoji from message_reactions order by about, who"
RECEIPTS = """
select m.provider_message_id, r.sent_at is not null, r.reason
from message_receipts r join whatsapp_message m on m.id = r.message_id order by m.seq
"""


def now(ago: timedelta = timedelta(0)) -> str:
    return str(int((datetime.now(UTC) - ago).timestamp()))


@pytest.fixture
def api() -> Iterator[FakeCloudApi]:
    with FakeCloudApi({NUMBER: TOKEN}) as api:
        api.hear(NUMBER, CUSTOMER)
        yield api


@pytest.fixture
async def post(db: Database, api: FakeCloudApi) -> AsyncIterator[Post]:
    sender = whatsapp_sender(Settings.load({"TALLYBOOK_WHATSAPP_API_URL": api.address}), db, SEAL)
    sender.answer_timeout = 1.0
    yield Post({sender.name: sender}, tell=outcomes.told)
    await sender.aclose()


@pytest.fixture
async def agent(db: Database, business: Business) -> Caller:
    return (await db.run("add", lambda conn: world.ana(conn, business, role=Role.AGENT))).caller


@pytest.fixture
async def thread(db: Database, business: Business) -> int:
    """A customer's thread, in which they wrote twice just now."""
    new = NewAccount("whatsapp", NUMBER, token=TOKEN)
    caller = people.command_line(business.id)
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, caller, new))
    await come(db, said(text("Is it open?", 1, timestamp=now()), text("Today?", 2, timestamp=now())))
    ((conversation,),) = await rows(db, "select id from whatsapp_conversation")
    return int(conversation)


async def number_of(db: Database, wamid: str) -> int:
    ((number,),) = await rows(db, f"select id from whatsapp_message where provider_message_id = '{wamid}'")
    return int(number)


async def react(db: Database, who: Caller, thread: int, emoji: str, key: str = "k", message: int | None = None) -> None:
    about = message or await number_of(db, "wamid.0001")
    await db.run("react", lambda conn: reacting.react(conn, who, thread, about, emoji, key))


async def read(db: Database, who: Caller, thread: int) -> None:
    async def work(conn: Conn) -> None:
        await threads.mark_read(conn, who, thread)
        await receipts.show(conn, who, thread)

    await db.run("read", work)


async def test_a_reaction_is_shown_at_once_and_leaves_once(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    await asyncio.gather(*(react(db, agent, thread, "👍") for _ in range(4)))
    assert await rows(db, REACTIONS) == [("wamid.0001", "", "👍")]
    await deliver(db, business.id, post, STOP)
    await react(db, agent, thread, "👍")
    await deliver(db, business.id, post, STOP)
    (taken,) = api.taken
    assert taken.body["reaction"] == {"message_id": "wamid.0001", "emoji": "👍"}
    await come(db, body(change("statuses", {"id": taken.id, "status": "delivered", "timestamp": now(),
                               "recipient_id": CUSTOMER, "biz_opaque_callback_data": taken.key})))  # fmt: skip
    assert await rows(db, "select * from waiting_reports") == []
    assert await rows(db, "select count(*) from whatsapp_message where direction = 'out'") == [(0,)]


async def test_the_last_of_several_holds_and_what_never_left_does_not_leave(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    await react(db, agent, thread, "👍", "1")
    await react(db, agent, thread, "❤️", "2")
    await deliver(db, business.id, post, STOP)
    await react(db, agent, thread, "", "3")
    assert await rows(db, REACTIONS) == [("wamid.0001", "", "")]
    await deliver(db, business.id, post, STOP)
    assert [one.body["reaction"]["emoji"] for one in api.taken] == ["❤️", ""]


async def test_one_whose_outcome_is_unknown_does_not_win_over_the_one_that_was_put_since(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    heard = replace(post, stands=signs.stands, listening_since=float("-inf"))
    await react(db, agent, thread, "👍", "1")
    await rows(db, "update outbox set state = 'unknown', reason = 'no answer' returning id")
    await react(db, agent, thread, "❤️", "2")
    await deliver(db, business.id, heard, STOP)
    assert [one.body["reaction"]["emoji"] for one in api.taken] == ["❤️"]
    assert await rows(db, "select state, resent from outbox order by id") == [("parked", True), ("sent", False)]
    assert await rows(db, REACTIONS) == [("wamid.0001", "", "❤️")]


async def test_what_was_refused_is_not_shown_and_what_was_there_before_is(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    await react(db, agent, thread, "👍", "1")
    await deliver(db, business.id, post, STOP)
    await react(db, agent, thread, "❤️", "2")
    api.order("says", code=131026)
    await deliver(db, business.id, post, STOP)
    assert await rows(db, REACTIONS) == [("wamid.0001", "", "👍")]


async def test_what_cannot_be_reacted_to_says_why(db: Database, business: Business, agent: Caller, thread: int) -> None:
    for wrong in ("ok", "👍 yes", "x" * 40, "1"):
        with pytest.raises(Invalid, match="emoji"):
            await react(db, agent, thread, wrong)
    with pytest.raises(NotFound):
        await react(db, agent, thread, "👍", message=987654)
    ours = await db.run("answer", lambda conn: sending.send_text(conn, agent, thread, "Yes", "a"))
    with pytest.raises(Conflict, match="does not know"):
        await react(db, agent, thread, "👍", message=ours)
    viewer = (await db.run("add", lambda conn: world.bia(conn, business, role=Role.VIEWER))).caller
    caio = (await db.run("add", world.caio)).caller
    with pytest.raises(NotAllowed):
        await react(db, viewer, thread, "👍")
    with pytest.raises(NotFound):
        await react(db, caio, thread, "👍")
    async with db.transaction() as conn:
        await conn.execute("update whatsapp_message set said_at = said_at - interval '31 days' where direction = 'in'")
    with pytest.raises(Conflict, match="30 days"):
        await react(db, agent, thread, "👍")
    async with db.transaction() as conn:
        await conn.execute("update whatsapp_message set said_at = now()")
        await conn.execute("update conversation_windows set last_inbound_at = now() - interval '25 hours'")
    with pytest.raises(WindowClosed):
        await react(db, agent, thread, "👍")


async def test_an_answer_quotes_what_it_answers(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    about = await number_of(db, "wamid.0001")

    async def work(conn: Conn) -> int:
        quoted = await reacting.quoted(conn, agent, thread, about)
        return await sending.send(conn, agent, thread, Text(text="Until six.", quote=quoted.external_id or ""), "k")

    await db.run("answer", work)
    await deliver(db, business.id, post, STOP)
    assert (api.taken[0].text, api.taken[0].quotes) == ("Until six.", "wamid.0001")
    last = (await db.run("look", lambda conn: threads.bubbles(conn, agent, thread, None, 9)))[-1]
    assert last.quotes == "Is it open?"


async def test_reading_shows_the_customer_blue_ticks_for_the_newest_once(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    await asyncio.gather(*(read(db, agent, thread) for _ in range(4)))
    await deliver(db, business.id, post, STOP)
    await read(db, agent, thread)
    await deliver(db, business.id, post, STOP)
    assert api.reads == [(NUMBER, "wamid.0002", False)]
    assert await rows(db, RECEIPTS) == [("wamid.0002", True, None)]
    facts = await db.run("ask", lambda conn: receipts.reading(conn, agent, thread))
    assert facts.we_read_at is not None
    assert facts.receipt_at is not None
    assert facts.customer_read_at is None


async def test_what_was_not_shown_yet_is_overtaken_by_the_newest(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    await read(db, agent, thread)
    await come(db, said(text("Hello?", 3, timestamp=now())))
    await read(db, agent, thread)
    await deliver(db, business.id, post, STOP)
    assert api.reads == [(NUMBER, "wamid.0003", False)]
    assert await rows(db, RECEIPTS) == [
        ("wamid.0002", False, receipts.OVERTAKEN), ("wamid.0003", True, None),
    ]  # fmt: skip


async def test_a_receipt_without_an_answer_is_sent_again_and_a_refused_one_is_none(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    await read(db, agent, thread)
    api.order("drop", after=True)
    await deliver(db, business.id, post, STOP)
    assert await rows(db, "select state from outbox") == [("waiting",)]
    async with db.transaction() as conn:
        await conn.execute("update outbox set not_before = now()")
        await conn.execute("update sending_lines set open_at = now()")
    api.order("says", code=131009)
    await deliver(db, business.id, post, STOP)
    facts = await db.run("ask", lambda conn: receipts.reading(conn, agent, thread))
    assert (facts.receipt_at, facts.receipt_failed) == (None, "WhatsApp did not take it")


async def test_who_may_not_answer_shows_nothing(db: Database, business: Business, thread: int) -> None:
    viewer = (await db.run("add", lambda conn: world.bia(conn, business, role=Role.VIEWER))).caller
    await read(db, viewer, thread)
    assert await rows(db, "select * from outbox") == []
    with pytest.raises(NotAllowed):
        await db.run("type", lambda conn: receipts.typing(conn, viewer, thread))


async def test_typing_is_shown_by_the_newest_message_of_a_day(db: Database, agent: Caller, thread: int) -> None:
    found = await db.run("type", lambda conn: receipts.typing(conn, agent, thread))
    assert found == receipts.Typing(NUMBER, "wamid.0002")
    async with db.transaction() as conn:
        await conn.execute("update whatsapp_message set said_at = said_at - interval '25 hours'")
    assert await db.run("type", lambda conn: receipts.typing(conn, agent, thread)) is None


async def test_the_time_that_an_advertisement_gives_and_what_was_shown_follow_a_joining_and_go_back(
    db: Database, business: Business, root: world.Someone
) -> None:
    await write(db, business, a_word(NALEDI, 1), a_word(THABO, 2))
    kept, gone = [row[0] for row in await rows(db, "select contact_id from whatsapp_conversation order by contact_id")]
    async with db.transaction() as conn:
        await conn.execute("""
            update conversation_windows w set referred_at = last_inbound_at from whatsapp_conversation c
            where c.id = w.conversation_id and c.contact_id = %s""", [gone])  # fmt: skip
        await conn.execute("""
            insert into message_receipts (business_id, message_id, asked_at, sent_at)
            select m.business_id, m.id, now(), now() from whatsapp_message m
            join whatsapp_conversation c on c.id = m.conversation_id where c.contact_id = %s""", [gone])  # fmt: skip
    facts = """
        select c.contact_id, w.referred_at is not null, (
            select count(*) from message_receipts r join whatsapp_message m on m.id = r.message_id
            where m.conversation_id = c.id)
        from whatsapp_conversation c join conversation_windows w on w.conversation_id = c.id order by 1"""
    before = await rows(db, facts)
    assert before == [(kept, False, 0), (gone, True, 1)]
    merge = await db.run("join", lambda conn: merging.join(conn, business, kept, gone, None))
    assert await rows(db, facts) == [(kept, True, 1)]
    await db.run("undo", lambda conn: merging.undo(conn, root.caller, merge))
    assert await rows(db, facts) == before


async def test_who_is_blocked_gets_no_blue_tick_and_no_reaction_not_even_what_waited(
    db: Database, business: Business, agent: Caller, thread: int, post: Post, api: FakeCloudApi
) -> None:
    await read(db, agent, thread)
    await react(db, agent, thread, "👍")
    await db.run("block", lambda conn: blocking.block(conn, agent, thread, ""))
    held = Post(post.senders, tell=outcomes.told, stands=blocking.stands)
    await deliver(db, business.id, held, STOP)
    assert api.taken == []
    assert await rows(db, "select state, reason from outbox") == [("dropped", blocking.WAS_BLOCKED)] * 2
    with pytest.raises(Conflict):
        await react(db, agent, thread, "😂", "k2")
    await rows(db, "delete from message_receipts returning message_id")
    await read(db, agent, thread)
    assert await rows(db, "select * from message_receipts") == []
