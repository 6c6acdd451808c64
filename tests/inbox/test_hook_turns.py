"""What is told at the end is told in one turn, so that nobody meets another who has what he waits for, and as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tallybook.core.businesses import Business
from tallybook.core.callers import Caller
from tallybook.core.db import Conn, Database
from tallybook.inbox.service import closing, merging
from tests.inbox import world
from tests.inbox.people import LERATO, NALEDI, THABO, said, write
from tests.inbox.test_hooks import boss, hook, rows
from tests.inbox.test_recycled_phones import moves

TURNS = 32
THREADS = "select id from whatsapp_conversation order by contact_id"
TOLD = """
select body #>> '{details,what}', conversation_id, (body #>> '{conversation,id}')::bigint from hook_events order by id
"""
Act = Callable[[Conn, Caller, list[int]], Awaitable[list[int]]]


async def test_two_who_close_and_reopen_many_threads_at_once_do_not_wait_for_each_other(
    db: Database, business: Business
) -> None:
    await hook(db, business)

    async def begin(conn: Conn) -> list[int]:
        who = [await world.customer(conn, business, f"+278200000{number:02}") for number in range(1, TURNS + 3)]
        return [one.id for one in who]

    ids = await db.run("begin", begin)
    # The first and the last two have the same turns, the other way round.
    pairs = [[ids[1], ids[-2]], [ids[0], ids[-1]]]
    for _ in range(4):
        for act in (closing.close, closing.reopen):
            async with asyncio.TaskGroup() as group:
                for pair in pairs:
                    group.create_task(_once(db, business, act, pair))
    assert await rows(db, "select count(*) from hook_events") == [(2 * 4 * 4,)]


async def _once(db: Database, business: Business, act: Act, pair: list[int]) -> None:
    async with db.transaction() as conn:
        assert await act(conn, boss(business), pair) == sorted(pair)


async def test_what_was_gathered_before_a_joining_of_its_batch_is_told_of_the_thread_that_stays_and_goes_back(
    db: Database, business: Business
) -> None:
    """Thabo has another phone, and so has Naledi, who is Thabo then."""
    await hook(db, business, ["contact.changed"])
    await write(db, business, said(NALEDI, 0))
    await write(db, business, said(THABO, 1))
    (hers,), (his,) = await rows(db, THREADS)
    await write(db, business, moves(THABO, LERATO, 2), moves(NALEDI, LERATO, 3))
    assert await rows(db, TOLD) == [("known_otherwise", hers, hers), ("joined", hers, hers)]
    ((joining,),) = await rows(db, "select id from contact_merges")
    await db.run("part", lambda conn: merging.undo(conn, boss(business), joining))
    assert (await rows(db, TOLD))[:2] == [("known_otherwise", his, hers), ("joined", hers, hers)]
