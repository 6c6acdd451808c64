"""Of any number of workers one asks the language model about a burst; who dies over it is followed by another."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from tallybook.channels.llm.chat import Asked, Reply
from tallybook.channels.llm.client import Endpoint
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.inbox.answer_types import Bot, Choice, Mode, ModelTerms
from tallybook.inbox.service import answering, model_answers
from tallybook.inbox.service.model_answers import Brain
from tallybook.inbox.store import model_leases
from tallybook.inbox.store.model_leases import Lease
from tests.channels.whatsapp.bodies import said
from tests.channels.whatsapp.test_received import come
from tests.core.worked import rows
from tests.fake_llm.server import FakeModel
from tests.inbox.test_answering import DECISIONS, only_thread, shop, turn, written

__all__ = ["shop"]
KEY = "a-key-of-the-tests"
TERMS = ModelTerms("small", seconds=20.0)
ODD = "Can I bring my cat along when I come in?"
USED = "select requests, tokens from inbox_model_days"
LEASES = "select claims, lease_until > clock_timestamp() from inbox_model_leases order by seq"
END = "update inbox_model_leases set lease_until = now() returning seq"
WORKER = """
import asyncio, sys
from datetime import UTC, datetime, timedelta
from tallybook.channels.llm.client import Endpoint
from tallybook.core import businesses
from tallybook.core.db import open_database
from tallybook.inbox.answer_types import Bot, Mode, ModelTerms
from tallybook.inbox.service import answering
from tallybook.inbox.service.answering import Turn
from tallybook.inbox.service.model_answers import Brain

async def main():
    terms = ModelTerms("small", seconds=20.0)
    async with open_database(sys.argv[1], "prod") as db:
        (business,) = await db.run("list", businesses.every)
        brain = Brain(Endpoint(sys.argv[2], sys.argv[3]), terms)
        at = datetime.now(UTC) + timedelta(seconds=10)
        await answering.decide_due(db, Turn(business, Bot(Mode.AUTO, model=terms), at, brain))

asyncio.run(main())
"""


@pytest.fixture
def model() -> Iterator[FakeModel]:
    with FakeModel(KEY) as running:
        yield running


@pytest.fixture
async def brains(model: FakeModel) -> AsyncIterator[list[Brain]]:
    """Those of eight workers, of which each knows nothing of the others."""
    endpoints = [Endpoint(model.address, KEY) for _ in range(8)]
    yield [Brain(one, TERMS) for one in endpoints]
    for one in endpoints:
        await one.aclose()


async def decide(db: Database, shop: Business, brain: Brain, after: float = 10) -> dict[Choice, int]:
    of = replace(turn(shop, after=after), bot=Bot(Mode.AUTO, model=brain.terms), brain=brain)
    return await answering.decide_due(db, of)


async def test_eight_workers_at_one_burst_ask_once_and_use_up_the_day_once(
    db: Database, shop: Business, model: FakeModel, brains: list[Brain]
) -> None:
    await come(db, said(written(ODD)))
    order = model.says("Yes.")
    order.slow = True
    working = [asyncio.create_task(decide(db, shop, one)) for one in brains]
    assert await asyncio.to_thread(order.held.wait, 20)
    # The seven others look, find it taken, and go on while the model still thinks.
    ended, asking = await asyncio.wait(working, timeout=20, return_when=asyncio.FIRST_COMPLETED)
    while len(asking) > 1:
        more, asking = await asyncio.wait(asking, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        assert more
        ended |= more
    assert [task.result() for task in ended] == [{}] * 7
    assert await rows(db, DECISIONS) == []
    order.let_go.set()
    assert [await task for task in asking] == [{Choice.ANSWERED: 1}]
    assert len(model.asked) == 1
    assert await rows(db, USED) == [(1, 120)]
    assert [row[1:4] for row in await rows(db, DECISIONS)] == [("answered", model_answers.GAVE, "Yes.")]
    assert await rows(db, LEASES) == [(1, False)]


async def test_workers_that_come_one_after_the_other_ask_no_second_time(
    db: Database, shop: Business, model: FakeModel, brains: list[Brain]
) -> None:
    """Whoever saw the burst undecided and claims it once it is decided, sees that."""
    for number in range(1, 4):
        await come(db, said(written(ODD, number)))
        made = await asyncio.gather(*(decide(db, shop, one, 10 * number) for one in brains))
        assert sum(one.get(Choice.ANSWERED, 0) for one in made) == 1
        assert len(model.asked) == number


async def test_a_burst_whose_worker_is_killed_is_asked_about_by_another_once_the_lease_has_ended(
    db: Database, shop: Business, model: FakeModel, brains: list[Brain], database_url: str
) -> None:
    await come(db, said(written(ODD)))
    order = model.says("Nobody hears this.")
    order.slow = True
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, database_url, model.address, KEY)
    assert await asyncio.to_thread(order.held.wait, 30)
    killed.kill()
    await killed.wait()
    assert await decide(db, shop, brains[0]) == {}
    assert (len(model.asked), await rows(db, LEASES)) == (1, [(1, True)])
    await rows(db, END)
    model.says("Yes.")
    made = await asyncio.gather(*(decide(db, shop, one) for one in brains))
    assert [one for one in made if one] == [{Choice.ANSWERED: 1}]
    assert (len(model.asked), await rows(db, LEASES)) == (2, [(2, False)])
    assert [row[3] for row in await rows(db, DECISIONS)] == ["Yes."]


async def test_who_wrote_on_is_asked_about_anew_at_once(
    db: Database, shop: Business, model: FakeModel, brains: list[Brain]
) -> None:
    await come(db, said(written(ODD)))
    order = model.says("Your cat is.")
    order.slow = True
    asking = asyncio.create_task(decide(db, shop, brains[0]))
    assert await asyncio.to_thread(order.held.wait, 20)
    await come(db, said(written("And my dog?", 2)))
    model.says("Both are.")
    assert await decide(db, shop, brains[1], 20) == {Choice.ANSWERED: 1}
    order.let_go.set()
    assert await asking == {}
    assert [row[3] for row in await rows(db, DECISIONS)] == ["Both are."]


async def test_a_fault_gives_the_burst_back(db: Database, shop: Business) -> None:
    class Broken:
        async def ask(self, asked: Asked) -> Reply:
            raise RuntimeError(asked.model)

    await come(db, said(written(ODD)))
    assert await decide(db, shop, Brain(Broken(), TERMS)) == {Choice.HANDED_OVER: 1}
    assert await rows(db, LEASES) == [(1, False)]


async def test_who_is_late_takes_nothing_from_who_took_over(db: Database, shop: Business) -> None:
    await come(db, said(written(ODD)))
    thread = await only_thread(db)
    late, after = Lease(thread, 1, 60.0), Lease(thread, 1, 60.0)

    async def claim(lease: Lease) -> int | None:
        return await db.run("claim", lambda conn: model_leases.claim(conn, shop.id, lease))

    assert (await claim(late), await claim(after)) == (1, None)
    await rows(db, END)
    assert await claim(after) == 2
    await db.run("release", lambda conn: model_leases.release(conn, shop.id, late))
    assert await rows(db, LEASES) == [(2, True)]
    gone = replace(late, conversation_id=10_000)
    assert await claim(gone) is None
