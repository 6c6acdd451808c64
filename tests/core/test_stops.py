"""Somebody who may can stop a channel: nothing leaves, what waits is held, and is then released or dropped."""

from __future__ import annotations

import asyncio

import pytest

from tallybook.core import audit, outbox, rates, stops
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.channel import Refused, Settlement
from tallybook.core.db import Conn, Database
from tallybook.core.errors import NotAllowed
from tallybook.core.rates import Asked, Limits, Line, Wait
from tallybook.core.sending import deliver
from tests import world
from tests.core.posted import STOP, Provider, look, post, put


def a_caller(business: Business, role: Role) -> Caller:
    return Caller(None, "Bia Dlamini", business, role)


@pytest.fixture
def lead(business: Business) -> Caller:
    return a_caller(business, Role.LEAD)


async def test_a_stopped_channel_sends_nothing_and_goes_on_with_what_waited(
    db: Database, business: Business, lead: Caller
) -> None:
    provider = Provider()
    await put(db, business, "a")
    assert await db.run("stop", lambda conn: stops.stop(conn, lead, "pigeon"))
    assert not await db.run("stop", lambda conn: stops.stop(conn, lead, "pigeon")), "it was stopped already"
    await put(db, business, "b")
    assert await deliver(db, business.id, post(provider), STOP) == 0
    assert await look(db) == [("waiting",), ("waiting",)]
    assert await db.run("go", lambda conn: stops.go(conn, lead, "pigeon"))
    assert await deliver(db, business.id, post(provider), STOP) == 2
    assert provider.sent == ["a", "b"]


async def test_a_stop_is_of_one_channel_of_one_business(db: Database, business: Business, lead: Caller) -> None:
    other = await db.run("other", world.kinneret_tours)
    await db.run("stop", lambda conn: stops.stop(conn, a_caller(other, Role.ADMIN), "pigeon"))
    await db.run("stop", lambda conn: stops.stop(conn, lead, "raven"))
    provider = Provider()
    await put(db, business, "a")
    await put(db, other, "b")
    assert await deliver(db, business.id, post(provider), STOP) == 1
    assert await deliver(db, other.id, post(provider), STOP) == 0


async def test_what_is_dropped_is_kept_and_never_sent(db: Database, business: Business, lead: Caller) -> None:
    provider = Provider(Settlement.NEVER, Refused("no"))
    await put(db, business, "a", "b")
    await deliver(db, business.id, post(provider, at_once=1), STOP)
    await put(db, business, "c", "d")
    await db.run("stop", lambda conn: stops.stop(conn, lead, "pigeon"))
    assert await db.run("drop", lambda conn: stops.drop(conn, lead, "pigeon", [1, 2, 3])) == 2, "one is sent already"
    assert await db.run("drop", lambda conn: stops.drop(conn, lead, "pigeon")) == 1, "what is left of those that wait"
    assert await look(db) == [("dropped",), ("sent",), ("dropped",), ("dropped",)]
    await db.run("go", lambda conn: stops.go(conn, lead, "pigeon"))
    assert await deliver(db, business.id, post(provider), STOP) == 0
    assert not await db.run("again", lambda conn: outbox.put(conn, business.id, _the_same("c"))), "its key stays taken"


def _the_same(key: str) -> outbox.Outgoing:
    return outbox.Outgoing("pigeon", "velo", "27820000001", key, {})


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.AGENT, Role.VIEWER])
async def test_who_is_neither_lead_nor_admin_turns_nothing(conn: Conn, business: Business, role: Role) -> None:
    for turn in (stops.stop, stops.go, stops.drop):
        with pytest.raises(NotAllowed):
            await turn(conn, a_caller(business, role), "pigeon")


async def test_every_turn_is_in_the_record(conn: Conn, business: Business, lead: Caller) -> None:
    await outbox.put(conn, business.id, _the_same("a"))
    await stops.stop(conn, lead, "pigeon")
    stopped = await stops.stopped(conn, business.id, "pigeon")
    assert stopped is not None
    assert stopped.who == "Bia Dlamini"
    await stops.drop(conn, lead, "pigeon")
    await stops.go(conn, lead, "pigeon")
    told = [(entry.who, entry.action, entry.after) for entry in await audit.recent(conn, business.id)]
    assert told == [
        ("Bia Dlamini", "sending.released", {"messages": 0}),
        ("Bia Dlamini", "sending.dropped", {"messages": 1}),
        ("Bia Dlamini", "sending.stopped", {"messages": 1}),
    ]


async def test_a_drop_and_a_send_of_one_message_at_once_do_only_one_of_them(
    db: Database, business: Business, lead: Caller
) -> None:
    provider = Provider()
    await put(db, business, *map(str, range(20)))
    dropped, sent = await asyncio.gather(
        db.run("drop", lambda conn: stops.drop(conn, lead, "pigeon")), deliver(db, business.id, post(provider), STOP)
    )
    assert dropped + sent == 20
    assert len(provider.sent) == sent
    assert {state for (state,) in await look(db)} <= {"dropped", "sent"}


async def test_once_the_stop_is_there_nothing_more_is_claimed(db: Database, business: Business, lead: Caller) -> None:
    """A claim that was on its way when the stop came waits for the number's line, and then sees the stop."""
    line = Line(business.id, "pigeon", "velo")
    await put(db, business, "a")
    async with db.transaction() as conn:
        assert await rates.take(conn, Asked(line, 0, None), Limits()) is None
    stopping = asyncio.Event()

    async def claim() -> Wait | None:
        await stopping.wait()
        return await db.run("take", lambda conn: rates.take(conn, Asked(line, 1, None), Limits()))

    claiming = asyncio.create_task(claim())
    async with db.transaction() as conn:
        await stops.stop(conn, lead, "pigeon")
        stopping.set()
        await waits_for_a_lock(db)
    assert await claiming == Wait(None, None)


async def waits_for_a_lock(db: Database) -> None:
    """Returns once somebody waits for a row that another transaction holds."""
    async with asyncio.timeout(10), db.pool.connection() as conn:
        while True:
            row = await (await conn.execute("select count(*) from pg_locks where not granted")).fetchone()
            if row and row[0]:
                return
            await asyncio.sleep(0.01)  # a lock that is waited for is seen by looking alone
