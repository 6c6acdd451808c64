"""A broadcast that is paused holds what has not left, one that is stopped takes it back, whoever is sending by then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest

from tallybook import worker
from tallybook.channels.whatsapp.sender import WhatsAppSender
from tallybook.core import outbox
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller
from tallybook.core.channel import Unreachable
from tallybook.core.db import Conn, Database
from tallybook.core.messages import Outgoing
from tallybook.core.rates import Limits
from tallybook.core.sending import Post, deliver
from tallybook.core.wakeups import either
from tallybook.core.withdrawing import UNKNOWN_AND_HELD, Claimed, NotNow
from tallybook.inbox import broadcast_jobs, broadcast_rules
from tallybook.inbox.service import broadcasts, outcomes
from tests.cloud_api.server import FakeCloudApi
from tests.cloud_api.templates import a_template
from tests.core.worked import rows, until
from tests.inbox.people import NUMBER
from tests.inbox.test_broadcasts import STOP, Line, a_list, became, begin, boss, phone, state

__all__ = ["boss"]
TOKEN = "a-token-of-the-tests"
NOT_WAITING = "select dedup_key from outbox where state <> 'waiting'"
HELD = "select count(*)::int from outbox where not_before = 'infinity'"
STATES = "select recipient, state, reason from outbox order by id"
PUT_MORE = """
insert into outbox (business_id, channel, account, recipient, dedup_key, body, topic, priority)
select business_id, channel, account, recipient, 'automation:1', body - 'template', topic, -1 from outbox where id = 1
"""


def post_of(line: Line | WhatsAppSender, at_once: int = 4) -> Post:
    heard = float("-inf")  # long enough for every report
    return Post({"whatsapp": line}, tell=outcomes.told, stands=worker._stands, at_once=at_once, listening_since=heard)


async def turn(db: Database, boss: Caller, what: str) -> str:
    return (await db.run("turn", lambda conn: broadcasts.turn(conn, boss, 1, what))).state


async def put(db: Database, boss: Caller, count: int) -> None:
    """A broadcast whose messages wait in the outbox."""
    await begin(db, boss, kind="list", listed=a_list(count))
    await broadcast_jobs.look(db, STOP)


@asynccontextmanager
async def at_work(db: Database, post: Post) -> AsyncIterator[None]:
    """Puts and sends, as the background process does, for as long as the block lasts."""
    stop, wake = asyncio.Event(), asyncio.Event()

    async def put_more() -> None:
        while not stop.is_set():
            await broadcast_jobs.look(db, stop)
            await either(stop, asyncio.Event(), 0.05)

    tasks = [
        asyncio.create_task(outbox.run_outbox(db, post, stop, wake, idle=0.05)),
        asyncio.create_task(put_more()),
    ]
    try:
        yield
    finally:
        stop.set()
        wake.set()
        await asyncio.gather(*tasks)


async def test_nothing_leaves_after_a_pause_was_answered_but_what_was_in_hand_and_all_of_it_after_a_resume(
    db: Database, business: Business, boss: Caller
) -> None:
    await begin(db, boss, kind="list", listed=a_list(32))
    with FakeCloudApi({NUMBER: TOKEN}) as api:
        api.templates.of, api.templates.numbers = {"1": [a_template("offer", "{{1}} {{2}}")]}, {"1": [NUMBER]}

        async def token_of(_account: str) -> str:
            return TOKEN

        async def quiet() -> bool:
            sending = "select from outbox where state = 'sending' or state = 'waiting' and not_before <= now()"
            return not await rows(db, sending)

        async def at_least(count: int) -> bool:
            return len(api.taken) >= count

        sender = WhatsAppSender(api.address, token_of, limits=Limits())
        async with at_work(db, post_of(sender)):
            for count in (3, 12, 20):
                await until(partial(at_least, count))
                assert await turn(db, boss, "pause") == "paused"
                in_hand = {key for (key,) in await rows(db, NOT_WAITING)}
                await until(quiet)
                assert {one.key for one in api.taken} == in_hand
                assert len(in_hand) < 32
                assert await turn(db, boss, "resume") == "queued"
            await until(partial(at_least, 32))
        await sender.aclose()
    await broadcast_jobs.look(db, STOP)
    assert sorted(f"+{one.to}" for one in api.taken) == [phone(one) for one in range(32)]
    assert (await became(db, boss), await state(db, boss)) == ({"sent": 32}, "completed")


async def test_what_was_held_leaves_in_its_order_and_is_of_use_as_long_as_ever(
    db: Database, business: Business, boss: Caller
) -> None:
    await put(db, boss, 8)
    await turn(db, boss, "pause")
    line = Line()
    assert await deliver(db, business.id, post_of(line), STOP) == 0
    assert await rows(db, HELD) == [(8,)]
    assert await rows(db, "select count(*)::int from outbox where expires_at is null and attempts = 0") == [(8,)]
    assert await deliver(db, business.id, post_of(line), STOP) == 0
    await turn(db, boss, "resume")
    ((least,),) = await rows(db, "select min(expires_at) > now() + interval '5 hours' from outbox")
    assert least
    await deliver(db, business.id, post_of(line, at_once=1), STOP)
    assert [one.to for one in line.sent] == [phone(one) for one in range(8)]


async def test_what_a_pause_holds_is_in_nobody_s_way(db: Database, business: Business, boss: Caller) -> None:
    await put(db, boss, 1)
    await turn(db, boss, "pause")
    line = Line()
    await deliver(db, business.id, post_of(line), STOP)
    async with db.transaction() as conn:
        await conn.execute(PUT_MORE)
    await deliver(db, business.id, post_of(line), STOP)
    assert [one.dedup_key for one in line.sent] == ["automation:1"]


@dataclass
class Away(Line):
    """A provider that takes a while to be away."""

    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    is_away: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, outgoing: Outgoing) -> str:
        self.is_asked.set()
        await self.is_away.wait()
        raise Unreachable("the provider is away")


async def test_what_no_claim_can_reach_is_held_as_well_and_never_grows_too_old(
    db: Database, business: Business, boss: Caller
) -> None:
    """Of the three one is in hand when the pause comes, and fails after it."""
    await put(db, boss, 3)
    away = Away()
    sending = asyncio.create_task(deliver(db, business.id, post_of(away, at_once=1), STOP))
    await asyncio.wait_for(away.is_asked.wait(), 20)
    await turn(db, boss, "pause")
    assert await rows(db, HELD) == [(2,)]
    away.is_away.set()
    await sending
    await rows(db, "update sending_lines set open_at = now() + interval '1 day' returning account")
    await rows(db, "update outbox set expires_at = expires_at - interval '7 hours' returning id")
    await deliver(db, business.id, post_of(Line()), STOP)
    assert [row[1] for row in await rows(db, STATES)] == ["waiting"] * 3
    await turn(db, boss, "resume")
    assert await rows(db, "select count(*)::int from outbox where expires_at > now()") == [(3,)]
    await rows(db, "update sending_lines set open_at = now() returning account")
    await rows(db, "update outbox set not_before = least(not_before, now()) returning id")
    line = Line()
    await deliver(db, business.id, post_of(line, at_once=1), STOP)
    assert sorted(one.to for one in line.sent) == [phone(one) for one in range(3)]


async def test_what_comes_back_to_the_outbox_after_a_stop_is_dropped_with_the_reason(
    db: Database, business: Business, boss: Caller
) -> None:
    await put(db, boss, 2)
    # As it was in hand when the broadcast was stopped, and its provider was away.
    await rows(db, "update broadcasts set state = 'cancelled' returning id")
    line = Line()
    await deliver(db, business.id, post_of(line), STOP)
    assert line.sent == []
    assert {row[1:] for row in await rows(db, STATES)} == {("dropped", broadcast_rules.STOPPED)}
    assert await became(db, boss) == {"cancelled": 2}


@pytest.mark.parametrize("what", ["resume", "stop"])
async def test_what_may_have_been_sent_waits_too_and_is_said_again_only_after_a_resume(
    db: Database, business: Business, boss: Caller, what: str
) -> None:
    await put(db, boss, 1)
    silent = Line(keeps_silent=[phone(0)])
    await deliver(db, business.id, post_of(silent), STOP)
    await rows(db, "update outbox set not_before = now() where state = 'unknown' returning id")
    await turn(db, boss, "pause")
    line = Line()
    await deliver(db, business.id, post_of(line), STOP)
    assert (line.sent, await rows(db, STATES)) == ([], [(phone(0), "unknown", UNKNOWN_AND_HELD)])
    await turn(db, boss, what)
    await deliver(db, business.id, post_of(line), STOP)
    ((_, state_, reason),) = await rows(db, STATES)
    if what == "resume":
        assert (len(line.sent), state_) == (1, "sent")
        return
    assert (line.sent, state_) == ([], "parked")
    assert reason.endswith(broadcast_rules.STOPPED)


async def test_who_turns_it_waits_for_the_claims_under_way_and_no_claim_waits_for_them(
    db: Database, business: Business, boss: Caller
) -> None:
    await put(db, boss, 1)
    claimed = Claimed(1, 1, False, 0, None, Outgoing("whatsapp", NUMBER, phone(0), "broadcast:1:1", {}))
    is_claimed, is_turned, is_asked = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def pause() -> str:
        await is_claimed.wait()
        return await turn(db, boss, "pause")

    async def claim() -> str | NotNow | None:
        await is_turned.wait()
        try:
            return await db.run("stands", lambda conn: broadcasts.stands(conn, business.id, claimed))
        finally:
            is_asked.set()

    pausing, claiming = asyncio.create_task(pause()), asyncio.create_task(claim())
    async with db.transaction() as conn:
        assert await broadcasts.stands(conn, business.id, claimed) is None
        is_claimed.set()
        await until(partial(_is_waited_for, conn))
        assert not pausing.done()
    assert await pausing == "paused"
    async with db.transaction() as conn:
        await broadcasts.turn(conn, boss, 1, "resume")
        is_turned.set()
        await asyncio.wait_for(is_asked.wait(), 20)
    assert await claiming == NotNow(1.0)


async def _is_waited_for(conn: Conn) -> bool:
    waiting = "select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))"
    return await (await conn.execute(waiting)).fetchone() is not None
