"""What was decided stays decided, whatever becomes of the thread in which it was said."""

from __future__ import annotations

from typing import Any

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.inbox.answer_types import Choice
from tallybook.inbox.service import answering, merging
from tests.channels.whatsapp import bodies
from tests.channels.whatsapp.bodies import OTHER, body, change, said
from tests.channels.whatsapp.test_received import come
from tests.core.worked import rows
from tests.inbox.test_answering import ADD, OUTBOX, shop, turn, written
from tests.world import Someone

__all__ = ["shop"]
QUESTION = "Do you sell batteries?"
PLACES = "select conversation_id, seq, decision from reply_decisions order by conversation_id, seq"
COUNTERS = "select id, inbound, decided_inbound from whatsapp_conversation order by id"
EXACT = """
select c.id, count(m.id) filter (where m.counted and m.status <> 'deleted'),
    count(m.id) filter (where m.counted and m.status <> 'deleted' and m.decided)
from whatsapp_conversation c left join whatsapp_message m on m.conversation_id = c.id group by c.id order by c.id
"""


async def exact(db: Database) -> list[tuple[Any, ...]]:
    """The counters of the threads, which are those of their messages."""
    counters = await rows(db, COUNTERS)
    assert counters == await rows(db, EXACT)
    return counters


async def from_other(db: Database, words: str, number: int) -> None:
    await come(db, body(change("messages", written(words, number) | {"from": OTHER})))


async def learn(db: Database) -> None:
    async with db.transaction() as conn:
        await conn.execute(ADD, (QUESTION, "Yes, we do.", "en"))


async def test_what_was_handed_over_is_not_answered_once_two_threads_are_one_or_parted_again(
    db: Database, shop: Business, root: Someone
) -> None:
    await come(db, said(written(QUESTION)))
    await answering.decide_due(db, turn(shop))
    await from_other(db, "Hello", 7)
    await answering.decide_due(db, turn(shop))
    await learn(db)
    joined = await db.run("join", lambda conn: merging.join(conn, shop, 2, 1, root.caller))
    assert await exact(db) == [(2, 2, 2)]
    assert await rows(db, PLACES) == [(2, 1, "handed_over"), (2, 2, "handed_over")]
    assert await answering.decide_due(db, turn(shop)) == {}
    await db.run("part", lambda conn: merging.undo(conn, root.caller, joined))
    assert await exact(db) == [(1, 1, 1), (2, 1, 1)]
    assert await rows(db, PLACES) == [(1, 1, "handed_over"), (2, 1, "handed_over")]
    assert await answering.decide_due(db, turn(shop)) == {}
    assert await rows(db, OUTBOX) == []


async def test_what_waits_in_either_thread_is_decided_on_once_and_stays_so_when_they_are_parted(
    db: Database, shop: Business, root: Someone
) -> None:
    await learn(db)
    await come(db, said(written("Hello")))
    await answering.decide_due(db, turn(shop))
    await from_other(db, QUESTION, 7)
    joined = await db.run("join", lambda conn: merging.join(conn, shop, 1, 2, root.caller))
    assert await exact(db) == [(1, 2, 1)]
    assert await answering.decide_due(db, turn(shop)) == {Choice.ANSWERED: 1}
    assert await exact(db) == [(1, 2, 2)]
    await db.run("part", lambda conn: merging.undo(conn, root.caller, joined))
    assert await exact(db) == [(1, 1, 1), (2, 1, 1)]
    assert await rows(db, PLACES) == [(1, 1, "handed_over"), (2, 1, "answered")]
    assert await answering.decide_due(db, turn(shop)) == {}


async def test_what_is_taken_back_leaves_the_counts_exact_and_nothing_to_decide(db: Database, shop: Business) -> None:
    await come(db, said(written("Hello")))
    await answering.decide_due(db, turn(shop))
    await come(db, said(written("What are your opening hours?", 2)))
    revoke = bodies.message("revoke", 17, revoke={"original_message_id": bodies.text()["id"]})
    await come(db, said(revoke))
    assert [row[1:] for row in await exact(db)] == [(1, 0)]
    assert await answering.decide_due(db, turn(shop)) == {Choice.ANSWERED: 1}
    assert [row[1:] for row in await exact(db)] == [(1, 1)]
    await come(db, said(written("Never mind", 3)))
    await come(db, said(bodies.message("revoke", 18, revoke={"original_message_id": bodies.text("", 3)["id"]})))
    assert [row[1:] for row in await exact(db)] == [(1, 1)]
    assert await answering.decide_due(db, turn(shop)) == {}
