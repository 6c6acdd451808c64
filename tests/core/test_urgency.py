"""What goes first, what is too late to go, whom a failure holds back, and that the first claim sees a stop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
import pytest

from tallybook.core import expiry, outbox, rates, stops
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.channel import SendError, Settlement
from tallybook.core.db import Conn, Database
from tallybook.core.messages import Outgoing, Status
from tallybook.core.outcomes import Became
from tallybook.core.rates import Asked, Limit, Limits, Line, Wait
from tallybook.core.sending import deliver
from tests.core.posted import STOP, Provider, look, make_due, post, told
from tests.core.test_rates import Slow, a_message, execute, pass_time, put
from tests.core.test_stops import waits_for_a_lock

T = TypeVar("T")
SOON, GONE = (datetime.now(UTC) + timedelta(minutes=minutes) for minutes in (10, -1))


def until(at: datetime, key: str = "a", **more: str) -> Outgoing:
    return msgspec.structs.replace(a_message(key, **more), expires_at=at)


def pressed(key: str, **more: str) -> Outgoing:
    return msgspec.structs.replace(a_message(key, **more), pressed=True)


async def test_what_outlived_its_moment_is_dropped_and_seen_and_never_sent(db: Database, business: Business) -> None:
    heard: list[Became] = []

    async def tell(conn: Conn, business_id: int, became: Sequence[Became]) -> None:
        heard.extend(became)

    provider = Slow(Limits((Limit(10, 60),)))
    await put(db, business, until(GONE), until(SOON, "b"))
    assert await deliver(db, business.id, post(provider, tell=tell), STOP) == 1
    assert await look(db, "state, reason, attempts") == [("dropped", "too old to be of use", 0), ("sent", None, 1)]
    assert Became("pigeon", "a", Status.DROPPED) in heard
    assert provider.sent == ["b"]


async def test_what_waited_behind_a_limit_until_it_was_too_late_is_dropped(db: Database, business: Business) -> None:
    provider = Slow(Limits((Limit(1, 60),)))
    await put(db, business, *(until(SOON, str(n)) for n in range(3)))
    assert await deliver(db, business.id, post(provider), STOP) == 1
    await pass_time(db, 61)
    await execute(db, "update outbox set expires_at = now() where state = 'waiting'")
    assert await db.run("busy", outbox.busy) == [business.id]
    assert await deliver(db, business.id, post(provider), STOP) == 0
    assert await look(db) == [("sent",), ("dropped",), ("dropped",)]


async def test_what_a_person_sends_again_is_of_use_whatever_its_age(db: Database, business: Business) -> None:
    await put(db, business, until(SOON))
    await execute(db, "update outbox set state = 'parked', reason = 'no', expires_at = now() - interval '1 day'")
    await db.run("replay", lambda conn: outbox.replay(conn, business.id, [1]))
    assert await deliver(db, business.id, post(Slow(Limits())), STOP) == 1


async def test_only_what_waits_is_taken_back(db: Database, business: Business) -> None:
    await put(db, business, *(a_message(key) for key in "abc"))
    await execute(db, "update outbox set state = 'sent' where dedup_key = 'b'")
    take = expiry.take_back
    assert await db.run("take", lambda conn: take(conn, business.id, "pigeon", ["a", "b"], "it is not so")) == 1
    assert await look(db, "state, reason") == [("dropped", "it is not so"), ("sent", None), ("waiting", None)]


async def test_what_a_person_pressed_for_goes_before_what_is_said_by_itself(db: Database, business: Business) -> None:
    provider = Slow(Limits((Limit(2, 60),), cooldown=3600))
    await put(db, business, *(a_message(str(n), topic=f"DR{n}") for n in range(100)))
    await put(db, business, pressed("first", topic="DR5"), pressed("second", topic="DR5"))
    assert await deliver(db, business.id, post(provider, at_once=1), STOP) == 2
    assert provider.sent == ["first", "second"], "and needs not cool down behind its own first one"
    await pass_time(db, 61)
    await deliver(db, business.id, post(provider, at_once=1), STOP)
    assert provider.sent[2:] == ["0", "1"]


async def test_what_is_said_by_itself_cools_down_behind_what_a_person_pressed_for(
    db: Database, business: Business
) -> None:
    provider = Slow(Limits((Limit(9, 60),), cooldown=3600))
    await put(db, business, pressed("first", topic="DR5"), a_message("by itself", topic="DR5"))
    assert await deliver(db, business.id, post(provider), STOP) == 1
    assert provider.sent == ["first"]


class Refusing(Slow):
    """A provider that cannot send one message, whatever anybody does."""

    def __init__(self, limits: Limits, poison: str) -> None:
        super().__init__(limits)
        self.poison, self.tries = poison, 0

    async def send(self, outgoing: Outgoing) -> str:
        if outgoing.dedup_key == self.poison:
            self.tries += 1
            raise SendError("it could not be sent")
        return await super().send(outgoing)


async def test_one_that_always_fails_holds_no_other_group_up_and_is_parked(db: Database, business: Business) -> None:
    provider = Refusing(Limits((Limit(1000, 60),)), "poison")
    await put(db, business, pressed("poison", to="a group", topic="DR1"), a_message("b", to="another group", topic="2"))
    await put(db, business, a_message("c", to="a group", topic="DR3"))
    await deliver(db, business.id, post(provider, at_once=1), STOP)
    assert provider.sent == ["b"], "its own group waits for a moment"
    assert await execute(db, "select failures, open_at from sending_lines") == [(0, None)], "the number is not to blame"
    for _ in range(Limits().most_faults):
        await make_due(db)
        await deliver(db, business.id, post(provider, at_once=1), STOP)
    assert sorted(provider.sent) == ["b", "c"]
    assert await look(db, "state, reason") == [("parked", "it could not be sent"), ("sent", None), ("sent", None)]
    assert provider.tries == Limits().most_faults


@pytest.fixture
def lead(business: Business) -> Caller:
    return Caller(None, "Bia Dlamini", business, Role.LEAD)


def elsewhere(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """As another process would do it: outside the transaction that is open here."""
    return asyncio.create_task(work, context=Context())


async def test_a_stop_waits_for_the_first_claim_of_a_number_that_never_sent(
    db: Database, business: Business, lead: Caller
) -> None:
    line = Line(business.id, "pigeon", "velo")
    async with db.transaction() as conn:
        assert await rates.take(conn, Asked(line, 1, None), Limits()) is None
        stopping = elsewhere(db.run("stop", lambda inner: stops.stop(inner, lead, "pigeon")))
        await waits_for_a_lock(db)
        assert not stopping.done(), "what is in hand leaves before the stop is there"
    assert await stopping


@pytest.mark.parametrize("limited", [True, False])
async def test_a_first_claim_waits_for_a_stop_and_sees_it(
    db: Database, business: Business, lead: Caller, *, limited: bool
) -> None:
    provider = Slow(Limits()) if limited else Provider(Settlement.NEVER)
    await put(db, business, a_message("a"))
    async with db.transaction() as conn:
        await stops.stop(conn, lead, "pigeon")
        delivering = elsewhere(deliver(db, business.id, post(provider, at_once=1), STOP))
        await waits_for_a_lock(db)
    assert await delivering == 0
    assert provider.sent == []
    assert await look(db, "state, attempts, tried_at") == [("waiting", 0, None)]


async def test_the_first_claim_of_a_number_sees_a_stop_that_came_before_it(
    db: Database, business: Business, lead: Caller
) -> None:
    line = Line(business.id, "pigeon", "fresh")
    await db.run("stop", lambda conn: stops.stop(conn, lead, "pigeon"))
    assert await db.run("take", lambda conn: rates.take(conn, Asked(line, 1, None), Limits())) == Wait(None, None)


async def test_a_provider_s_report_is_told_once_to_who_waits_for_it(db: Database, business: Business) -> None:
    heard: list[Became] = []

    async def tell(conn: Conn, business_id: int, became: Sequence[Became]) -> None:
        heard.extend(became)

    await put(db, business, a_message("a"))
    await deliver(db, business.id, post(Provider()), STOP)
    for status in (Status.DELIVERED, Status.DELIVERED, Status.SENT, Status.READ):
        report = told(status)
        assert await db.run("settle", lambda conn, report=report: outbox.settle(conn, business.id, report, tell))
    assert heard == [Became("pigeon", "a", Status.DELIVERED), Became("pigeon", "a", Status.READ)]
    assert all(one.is_yes for one in heard)
    unknown = told(Status.READ, dedup_key="nobody's")
    assert not await db.run("settle", lambda conn: outbox.settle(conn, business.id, unknown, tell))
