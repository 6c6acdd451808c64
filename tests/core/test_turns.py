"""Many businesses share one outbox: the flood of one holds no other up, and what is said in bulk goes last."""

from __future__ import annotations

import asyncio

import msgspec

from tallybook.core import outbox, turns
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.messages import Outgoing
from tallybook.core.sending import deliver
from tests import world
from tests.core.posted import STOP, Provider, a_message, post

FLOOD = """
insert into outbox (business_id, channel, account, recipient, dedup_key, body)
select %(business_id)s::int, 'pigeon', 'velo', 'customer ' || n, 'flood ' || n, '{}' from generate_series(1, 500) n
"""


class Leisurely(Provider):
    """A provider that takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.answered, self.flooded = asyncio.Event(), asyncio.Event()

    async def send(self, outgoing: Outgoing) -> str:
        await asyncio.sleep(0.05)  # as a provider far away
        sent = await super().send(outgoing)
        (self.answered if outgoing.pressed else self.flooded).set()
        return sent


async def test_an_answer_of_one_business_leaves_within_seconds_while_another_floods(
    db: Database, business: Business
) -> None:
    other = await db.run("other", world.kinneret_tours)
    async with db.transaction() as conn:
        await conn.execute(FLOOD, {"business_id": business.id})
    stop, wake, provider = asyncio.Event(), asyncio.Event(), Leisurely()
    loop = asyncio.create_task(outbox.run_outbox(db, post(provider), stop, wake, idle=60))
    async with asyncio.timeout(20):
        await provider.flooded.wait()
        answer = msgspec.structs.replace(a_message("answer"), pressed=True)
        await db.run("put", lambda conn: outbox.put(conn, other.id, answer))
        wake.set()
        await provider.answered.wait()
    assert len(provider.sent) < 200
    stop.set()
    await loop


async def test_a_business_whose_turn_is_over_goes_behind_those_that_wait(db: Database, business: Business) -> None:
    assert await deliver(db, business.id, post(Provider()), STOP, 0) == 0
    served: list[int] = []
    wake = asyncio.Event()
    round_of = turns.Turns(wake, asyncio.Semaphore(1))

    async def serve(number: int) -> int:
        served.append(number)
        await asyncio.sleep(0)  # the others come to their turn
        return 1

    for number in (1, 2, 1):
        round_of.begin(number, lambda number=number: serve(number))
    await round_of.end()
    assert served == [1, 2], "one that is served already is not served twice at once"
    assert wake.is_set(), "there may be more"


async def test_what_is_said_in_bulk_goes_behind_what_the_bot_and_people_say(db: Database, business: Business) -> None:
    provider = Provider()
    for key, more in (("offer", {"in_bulk": True}), ("bot", {}), ("person", {"pressed": True})):
        message = msgspec.structs.replace(a_message(key, to=f"{key}'s"), **more)
        await db.run("put", lambda conn, message=message: outbox.put(conn, business.id, message))
    await deliver(db, business.id, post(provider, at_once=1), STOP)
    assert provider.sent == ["person", "bot", "offer"]
