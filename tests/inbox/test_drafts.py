"""A draft of the bot waits for a person: sent once, never unseen. People switch the bot, thread by thread."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tallybook.core.errors import Conflict, NotFound, TallybookError
from tallybook.inbox.answer_types import Bot, Choice, Draft, Mode
from tallybook.inbox.service import answering, drafts, merging, sending
from tests import world
from tests.channels.whatsapp.bodies import OTHER, body, change, said
from tests.channels.whatsapp.test_received import come
from tests.core.worked import rows
from tests.inbox.test_answering import OPENING, OUTBOX, only_thread, shop, turn, written
from tests.world import Someone

__all__ = ["shop"]
QUESTION = "What are your opening hours?"
STATES = "select seq, decision, draft_state, draft_by from reply_decisions order by conversation_id, seq"
RECORD = "select action, before, after from audit_log where action like 'bot%%' or action like 'draft%%' order by id"


@pytest.fixture
async def agent(db: Database, shop: Business) -> Someone:
    return await db.run("add", lambda conn: world.ana(conn, shop, role=Role.AGENT))


async def drafted(db: Database, shop: Business, number: int = 1) -> int:
    """A question that has its draft; the thread's number."""
    await come(db, said(written(QUESTION, number)))
    await answering.decide_due(db, turn(shop, Mode.DRAFT, after=10 * number))
    return await only_thread(db)


async def draft_of(db: Database, agent: Someone, thread: int) -> Draft | None:
    return await db.run("look", lambda conn: drafts.of_thread(conn, agent.caller, thread))


async def send(db: Database, agent: Someone, thread: int, seq: int, text: str = OPENING) -> Any:
    return await db.run("send", lambda conn: drafts.send(conn, agent.caller, thread, seq, text))


async def test_a_draft_is_sent_once_however_often_it_is_pressed(db: Database, shop: Business, agent: Someone) -> None:
    thread = await drafted(db, shop)
    waits = await draft_of(db, agent, thread)
    assert waits is not None
    assert (waits.seq, waits.body, waits.stale) == (1, OPENING, False)
    sent = await asyncio.gather(*(send(db, agent, thread, 1) for _ in range(5)))
    assert len(set(sent)) == 1
    assert [row[2:] for row in await rows(db, OUTBOX)] == [(OPENING, 1)]
    ours = "select source, sent_by from whatsapp_message where direction = 'out'"
    assert await rows(db, ours) == [("human", agent.account_id)]
    assert await rows(db, STATES) == [(1, "drafted", "sent", "Ana Mokoena")]
    assert await draft_of(db, agent, thread) is None


async def test_a_draft_is_not_sent_unseen_once_the_customer_wrote_again(
    db: Database, shop: Business, agent: Someone
) -> None:
    thread = await drafted(db, shop)
    await come(db, said(written("And on Friday?", 2)))
    waits = await draft_of(db, agent, thread)
    assert waits is not None
    assert waits.stale
    with pytest.raises(Conflict, match="written again"):
        await send(db, agent, thread, 1)
    with pytest.raises(Conflict, match="another one"):
        await send(db, agent, thread, 1, "Something else")
    assert await rows(db, OUTBOX) == []


async def test_a_person_s_answer_takes_the_draft_s_place(db: Database, shop: Business, agent: Someone) -> None:
    thread = await drafted(db, shop)
    await db.run("answer", lambda conn: sending.send_text(conn, agent.caller, thread, "Until six.", "k"))
    assert await draft_of(db, agent, thread) is None
    with pytest.raises(Conflict, match="answered the customer"):
        await send(db, agent, thread, 1)
    assert [row[2] for row in await rows(db, OUTBOX)] == ["Until six."]


async def test_whoever_sends_and_whoever_throws_away_at_once_agree_on_one_end(
    db: Database, shop: Business, agent: Someone
) -> None:
    thread = await drafted(db, shop)
    throw = [db.run("throw", lambda conn: drafts.discard(conn, agent.caller, thread, 1, OPENING)) for _ in range(3)]
    ends = await asyncio.gather(*throw, *(send(db, agent, thread, 1) for _ in range(3)), return_exceptions=True)
    ((_, _, state, _),) = await rows(db, STATES)
    assert len(await rows(db, OUTBOX)) == (state == "sent")
    assert sum(isinstance(one, TallybookError) for one in ends) == 3
    thrown = [row[0] for row in await rows(db, RECORD)]
    assert thrown == (["draft.discarded"] if state == "discarded" else [])


async def test_a_draft_goes_with_its_thread_and_comes_back(
    db: Database, shop: Business, agent: Someone, root: Someone
) -> None:
    await come(db, said(written("Hello")))
    await answering.decide_due(db, turn(shop, Mode.DRAFT))
    await come(db, body(change("messages", written(QUESTION, 2) | {"from": OTHER})))
    await answering.decide_due(db, turn(shop, Mode.DRAFT))
    joined = await db.run("join", lambda conn: merging.join(conn, shop, 1, 2, root.caller))
    waits = await draft_of(db, agent, 1)
    assert waits is not None
    assert waits.seq == 2
    await db.run("part", lambda conn: merging.undo(conn, root.caller, joined))
    assert await draft_of(db, agent, 1) is None
    back = await draft_of(db, agent, 2)
    assert back is not None
    assert back.seq == 1
    with pytest.raises(NotFound):
        await send(db, agent, 2, 2)
    assert await send(db, agent, 2, 1)


async def test_the_bot_is_switched_off_and_called_back_each_written_down_once(
    db: Database, shop: Business, agent: Someone
) -> None:
    await come(db, said(written("Hello")))
    await answering.decide_due(db, turn(shop))
    thread = await only_thread(db)

    async def switch(*, active: bool) -> None:
        await db.run("switch", lambda conn: drafts.switch(conn, agent.caller, thread, active=active))

    await asyncio.gather(*(switch(active=False) for _ in range(3)))
    await come(db, said(written(QUESTION, 2)))
    assert await answering.decide_due(db, turn(shop)) == {Choice.SUPPRESSED: 1}
    await switch(active=True)
    await come(db, said(written(QUESTION, 3)))
    assert await answering.decide_due(db, turn(shop)) == {Choice.ANSWERED: 1}
    assert [row[0] for row in await rows(db, RECORD)] == ["bot.switched", "bot.switched"]


async def test_a_person_s_answer_pauses_the_bot_until_it_is_called_back(
    db: Database, shop: Business, agent: Someone
) -> None:
    await come(db, said(written("Hello")))
    await answering.decide_due(db, turn(shop))
    thread = await only_thread(db)
    await db.run("answer", lambda conn: sending.send_text(conn, agent.caller, thread, "Hi!", "k"))
    speaks = await db.run("look", lambda conn: drafts.speaks(conn, agent.caller, thread, Bot(Mode.AUTO)))
    assert speaks.active
    assert speaks.paused_until is not None
    await db.run("switch", lambda conn: drafts.switch(conn, agent.caller, thread, active=True))
    speaks = await db.run("look", lambda conn: drafts.speaks(conn, agent.caller, thread, Bot(Mode.AUTO)))
    assert speaks.paused_until is None
    await come(db, said(written(QUESTION, 2)))
    assert await answering.decide_due(db, turn(shop)) == {Choice.ANSWERED: 1}
