"""A stored body becomes its effects once; one that cannot be read, or is nobody's, is put aside alone and visibly."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta
from uuid import uuid4

from psycopg import errors

from tallybook.core import deliveries, parked, receive
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.deliveries import ChannelEntry
from tallybook.core.messages import Stored
from tallybook.core.parked import Ref, Replayer
from tallybook.core.queue import DELIVERIES, IN_ORDER, Retry
from tallybook.core.receive import Received
from tests import world
from tests.core.worked import rows, until
from tests.fakes import NOON, Clerk, FakeChannel, an_entry, body_of, said

STATES = "select state, reason from deliveries order by id"
READ = "select business_id, subject_id from audit_log order by subject_id"


async def store(db: Database, *bodies: bytes, channel: str = "fake") -> None:
    some = [Received(channel, body, NOON) for body in bodies]
    for one in some:  # one by one, so that their numbers are in this order
        await db.run("store", lambda conn, one=one: receive.store(conn, [one]))


async def process(db: Database, clerk: Clerk) -> int:
    return await deliveries.process(db, {"fake": an_entry(clerk)}, asyncio.Event())


async def test_a_delivery_is_filed_and_done_in_one_and_told_of_afterwards(db: Database, business: Business) -> None:
    clerk = Clerk()
    await store(db, body_of(said("1", "one"), said("2", "two")), body_of(said("3", "three")))
    assert await process(db, clerk) == 2
    assert await rows(db, STATES) == [("done", None), ("done", None)]
    assert sorted(clerk.told) == ["one", "three", "two"]
    assert await rows(db, READ) == [(business.id, "one"), (business.id, "three"), (business.id, "two")]
    assert await process(db, clerk) == 0


async def test_another_body_with_the_same_message_has_no_second_effect(db: Database, business: Business) -> None:
    clerk = Clerk()
    await store(db, body_of(said("1", "one")), body_of(said("1", "one"), said("2", "two")))
    await process(db, clerk)
    assert sorted(clerk.told) == ["one", "two"]
    assert len(await rows(db, READ)) == 2


async def test_what_cannot_be_read_is_parked_alone_and_its_neighbours_are_done(
    db: Database, business: Business
) -> None:
    clerk = Clerk()
    await store(db, body_of(said("1", "one")), b"27820000001 is no JSON", body_of(said("2", "two")))
    await process(db, clerk)
    (first, poison, last) = await rows(db, STATES)
    assert (first[0], last[0]) == ("done", "done")
    assert poison[0] == "parked"
    assert poison[1].startswith("it cannot be read: JSONDecodeError")
    assert "27820000001" not in poison[1]
    assert sorted(clerk.told) == ["one", "two"]


async def test_what_came_for_nobodys_account_is_kept_and_filed_once_somebody_has_it(
    db: Database, business: Business
) -> None:
    clerk = Clerk()
    await store(db, body_of(said("1", "ours"), said("2", "theirs", account="kinneret")))
    await process(db, clerk)
    assert await rows(db, STATES) == [("parked", deliveries.NOBODYS)]
    assert await rows(db, READ) == [(business.id, "ours")], "what else is in the body is filed all the same"
    other = await db.run("add business", world.kinneret_tours)
    (item,) = await db.run("list", parked.listed)
    await Replayer(db, {}).replay([Ref.of(item.ref)])
    await process(db, clerk)
    assert await rows(db, READ) == [(business.id, "ours"), (other.id, "theirs")]
    assert await rows(db, "select state from deliveries") == [("done",)]


async def test_a_poison_message_parks_neither_its_delivery_nor_its_neighbours(db: Database, business: Business) -> None:
    clerk = Clerk(poison={"poison"})
    await store(db, body_of(said("1", "one"), said("2", "poison"), said("3", "three")))
    await process(db, clerk)
    assert await rows(db, STATES) == [("done", None)]
    assert await rows(db, "select external_id from messages where parked_reason is not null") == [("2",)]
    assert sorted(clerk.told) == ["one", "three"]


async def test_a_delivery_of_a_channel_that_nobody_here_knows_is_left_for_one_who_does(
    db: Database, business: Business
) -> None:
    await store(db, body_of(said("1")), channel="other")
    assert await process(db, Clerk()) == 0
    assert await rows(db, STATES) == [("waiting", None)]


async def test_four_workers_at_once_have_one_effect_each(db: Database, business: Business) -> None:
    clerk = Clerk()
    await store(db, *(body_of(said(str(n), f"text {n}"), said("shared", "shared", at=n)) for n in range(80)))
    await asyncio.gather(*(process(db, clerk) for _ in range(4)))
    assert await rows(db, "select state, count(*) from deliveries group by state") == [("done", 80)]
    texts = [text for _, text in await rows(db, READ)]
    assert sorted(text for text in texts if text != "shared") == sorted(f"text {n}" for n in range(80))


async def test_the_loop_files_what_it_is_woken_for_and_stops_when_told(db: Database, business: Business) -> None:
    clerk, stop, wake = Clerk(), asyncio.Event(), asyncio.Event()
    loop = asyncio.create_task(deliveries.process_loop(db, {"fake": an_entry(clerk)}, stop, wake, idle=60))
    await store(db, body_of(said("1", "one")))
    wake.set()

    async def filed() -> bool:
        return clerk.told == ["one"]

    await until(filed)
    stop.set()
    await loop


async def test_a_channel_that_asks_for_it_is_filed_in_the_order_in_which_it_came_by_however_many_workers(
    db: Database, business: Business
) -> None:
    """As after an outage: what was spooled is stored in no order, and by several processes."""
    names = [f"{number:02}" for number in range(24)]
    came = [Received("fake", body_of(said(name, name)), NOON + timedelta(seconds=int(name))) for name in names]
    for part in (came[1::3], came[2::3], came[::3]):
        await db.run("store", lambda conn, part=part: receive.store(conn, part))
    await asyncio.gather(*(deliveries.process(db, in_order(Clerk()), asyncio.Event()) for _ in range(4)))
    assert [row[0] for row in await rows(db, "select subject_id from audit_log order by id")] == names


def in_order(clerk: Clerk) -> dict[str, ChannelEntry]:
    return {"fake": dataclasses.replace(an_entry(clerk), in_order=True)}


async def test_what_was_put_off_for_a_reason_holds_nobody_up(db: Database, business: Business) -> None:
    clerk = Clerk()
    await store(db, body_of(said("1", "one")), body_of(said("2", "two")))
    await rows(
        db, "update deliveries set not_before = now() + interval '1 hour', reason = 'x' where id = 1 returning id"
    )
    await deliveries.process(db, in_order(clerk), asyncio.Event())
    assert clerk.told == ["two"]


async def test_one_that_meets_a_lock_delays_its_own_line_alone(db: Database, business: Business) -> None:
    """As an order of one workspace whose team somebody holds."""
    clerk = Clerk()
    for number, (line, name) in enumerate([("T1", "stuck"), ("T1", "behind"), ("T2", "other"), ("T2", "next")]):
        came = Received("fake", body_of(said(name, name)), NOON + timedelta(seconds=number), line)
        await db.run("store", lambda conn, came=came: receive.store(conn, [came]))
    one = dataclasses.replace(deliveries.ONE, sorts=("fake",))
    stuck = uuid4()
    (begun,) = await db.run("claim", lambda conn: IN_ORDER.claim(conn, stuck, one))
    assert begun.id == 1
    await deliveries.process(db, in_order(clerk), asyncio.Event())
    assert clerk.told == ["other", "next"], "each line in its order, and none but the stuck one waits"
    await db.run("put off", lambda conn: IN_ORDER.retry_later(conn, stuck, [1], Retry(3600.0, counted=False)))
    await deliveries.process(db, in_order(clerk), asyncio.Event())
    assert clerk.told == ["other", "next"], "nor does what is behind it overtake it while it is put off"
    await store(db, body_of(said("older", "older")))
    await deliveries.process(db, in_order(clerk), asyncio.Event())
    assert clerk.told == ["other", "next", "older"], "what is of no line is held by none"
    await rows(db, "update deliveries set not_before = now() where id = 1 returning id")
    await deliveries.process(db, in_order(clerk), asyncio.Event())
    assert clerk.told == ["other", "next", "older", "stuck", "behind"]


async def test_what_comes_while_one_meets_a_lock_waits_for_it_in_its_own_line_alone(
    db: Database, business: Business
) -> None:
    clerk, stop, wake = Stuck(), asyncio.Event(), asyncio.Event()
    entries = in_order(clerk) | {"other": an_entry(clerk, FakeChannel("other"))}
    loop = asyncio.create_task(deliveries.process_loop(db, entries, stop, wake, idle=60))

    async def comes(name: str, line: str, channel: str = "fake") -> None:
        came = Received(channel, body_of(said(name, name)), NOON, line)
        await db.run("store", lambda conn: receive.store(conn, [came]))
        wake.set()

    await comes("stuck", "T1")
    await clerk.begun.wait()
    await comes("behind", "T1")
    await comes("other line", "T2")

    async def told(*names: str) -> bool:
        return sorted(clerk.told) == sorted(names)

    await until(lambda: told("other line"))
    await comes("other channel", "", "other")
    await until(lambda: told("other line", "other channel"))
    clerk.go_on.set()
    await until(lambda: told("other line", "other channel", "stuck", "behind"))
    assert clerk.told[2:] == ["stuck", "behind"]
    stop.set()
    await loop


@dataclasses.dataclass
class Stuck(Clerk):
    """Waits with one that is called so, as it would for a lock."""

    begun: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    go_on: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)

    async def file(self, conn: Conn, business: Business, stored: list[Stored]) -> list[str]:
        if any(one.incoming.text == "stuck" for one in stored):
            self.begun.set()
            await self.go_on.wait()
        return await super().file(conn, business, stored)


async def test_what_is_of_no_line_comes_before_whatever_came_later(db: Database, business: Business) -> None:
    """As what a release kept that knew no lines, while the new one begins."""
    clerk = Clerk()
    for number, (line, name) in enumerate([("T1", "first"), ("", "loose"), ("T1", "later")]):
        came = Received("fake", body_of(said(name, name)), NOON + timedelta(seconds=number), line)
        await db.run("store", lambda conn, came=came: receive.store(conn, [came]))
    await asyncio.gather(*(deliveries.process(db, in_order(clerk), asyncio.Event()) for _ in range(2)))
    await deliveries.process(db, in_order(clerk), asyncio.Event())
    assert clerk.told.index("loose") < clerk.told.index("later")
    assert sorted(clerk.told) == ["first", "later", "loose"]


async def test_what_comes_after_one_whose_worker_is_dead_waits_for_it(db: Database, business: Business) -> None:
    clerk = Clerk()
    await store(db, body_of(said("1", "one")), body_of(said("2", "two")))
    dead = dataclasses.replace(deliveries.ONE, sorts=("fake",))
    (begun,) = await db.run("claim", lambda conn: IN_ORDER.claim(conn, uuid4(), dead))
    assert begun.id == 1
    await deliveries.process(db, in_order(clerk), asyncio.Event())
    assert clerk.told == []
    await rows(db, "update deliveries set lease_until = clock_timestamp() where id = 1 returning id")
    await deliveries.process(db, in_order(clerk), asyncio.Event())
    assert clerk.told == ["one", "two"]


async def claimed(db: Database) -> list[int]:
    """The numbers of what a worker takes that dies then."""
    plan = dataclasses.replace(deliveries.PLAN, sorts=("fake",))
    taken = await db.run("claim", lambda conn: DELIVERIES.claim(conn, uuid4(), plan))
    await rows(db, "update deliveries set lease_until = clock_timestamp() returning id")
    return [one.id for one in taken]


async def test_many_small_bodies_are_taken_together_and_few_large_ones(db: Database, business: Business) -> None:
    small, large = [b"{}%d" % number for number in range(300)], b"x" * 700_000
    await db.run("store", lambda conn: receive.store(conn, [Received("fake", one, NOON) for one in small]))
    assert len(await claimed(db)) == 256
    await rows(db, "delete from deliveries returning id")
    await store(db, b"{}", large + b"1", large + b"2", large + b"3")
    numbers = [one for (one,) in await rows(db, "select id from deliveries order by id")]
    assert await claimed(db) == numbers[:3], "what comes last may be over the limit, so that each one is taken"


async def test_what_may_have_killed_two_workers_is_taken_alone_and_nothing_is_given_up_with_it(
    db: Database, business: Business
) -> None:
    clerk = Clerk()
    await store(db, *(body_of(said(name, name)) for name in ("one", "two", "deadly", "three")))
    assert [len(await claimed(db)) for _ in range(2)] == [4, 4]
    assert await claimed(db) == [1]
    await store(db, body_of(said("four", "four")))
    await rows(db, "delete from deliveries where id < 3 returning id")
    assert [await claimed(db) for _ in range(6)] == [[3]] * 6
    await process(db, clerk)
    assert [state for (state, _) in await rows(db, STATES)] == ["parked", "done", "done"]
    assert sorted(clerk.told) == ["four", "three"]


@dataclasses.dataclass
class Locked(Clerk):
    """Finds a row locked at its first message."""

    tries: int = 0

    async def file(self, conn: Conn, business: Business, stored: list[Stored]) -> list[str]:
        self.tries += 1
        if self.tries == 1:
            raise errors.LockNotAvailable
        return await super().file(conn, business, stored)


async def test_what_a_lock_held_up_keeps_its_place(db: Database, business: Business) -> None:
    clerk = Locked()
    await store(db, body_of(said("1", "one")), body_of(said("2", "two")))
    await deliveries.process(db, in_order(clerk), asyncio.Event())
    assert clerk.told == []
    await rows(db, "update deliveries set not_before = now() where id = 1 returning id")
    await deliveries.process(db, in_order(clerk), asyncio.Event())
    assert clerk.told == ["one", "two"]


async def test_the_channels_take_turns(db: Database, business: Business) -> None:
    clerk = Clerk()
    for number in range(3):
        await store(db, body_of(said(str(number), f"fake {number}")))
    await store(db, body_of(said("1", "other")), channel="other")
    await deliveries.process(db, in_order(clerk) | {"other": an_entry(clerk, FakeChannel("other"))}, asyncio.Event())
    assert "other" in clerk.told[:2]
    assert [one for one in clerk.told if one != "other"] == ["fake 0", "fake 1", "fake 2"]
