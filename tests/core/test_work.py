"""Waiting work is done exactly once, whoever dies in the middle of it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from contextvars import Context
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors as pg

from tallybook.core import jobs, violations_kept, work
from tallybook.core.db import Conn, Database
from tallybook.core.jobs import JOBS, NewJob
from tallybook.core.queue import DELIVERIES, LeaseLost, Plan, Queue, Retry
from tests.core.prepared import prepare
from tests.core.worked import EFFECT, ask, effect, effects, rows, states, until

PLAN = Plan(batch=10, lease=60)
STATEMENTS = ("CLAIM", "HOLD", "RENEW", "FINISH", "RETRY", "PARK", "REPLAY", "PARKED")


@pytest.mark.parametrize("the_queue", [JOBS, DELIVERIES], ids=lambda q: q.table)
async def test_the_server_understands_every_statement(conn: Conn, the_queue: Queue) -> None:
    for name in STATEMENTS:
        await prepare(conn, name, getattr(the_queue, name))


async def test_a_key_is_asked_for_once(conn: Conn) -> None:
    assert await ask(conn, "a", "b") == 2
    assert await ask(conn, "b", "c") == 1


async def test_what_is_due_first_is_served_first_and_the_future_waits(conn: Conn) -> None:
    now = datetime.now(UTC)
    later = now + timedelta(hours=1)
    await jobs.enqueue(conn, [NewJob("tally", "late", not_before=later), NewJob("tally", "z"), NewJob("tally", "y")])
    await conn.execute("update jobs set not_before = now() - interval '1 hour' where key = 'z'")
    assert [job.key for job in await JOBS.claim(conn, uuid4(), PLAN)] == ["z", "y"]
    assert [job.key for job in await JOBS.claim(conn, uuid4(), PLAN, later)] == ["late"]


async def test_a_worker_takes_only_what_it_can_handle(conn: Conn) -> None:
    await ask(conn, "a", kind="from a newer release")
    assert not await JOBS.claim(conn, uuid4(), Plan(sorts=("tally",)))


async def test_two_workers_never_hold_the_same_item(db: Database) -> None:
    await db.run("ask", lambda conn: ask(conn, *map(str, range(40))))
    claimed = await asyncio.gather(*(db.run("claim", lambda c: JOBS.claim(c, uuid4(), PLAN)) for _ in range(8)))
    ids = [job.id for batch in claimed for job in batch]
    assert len(ids) == len(set(ids)) == 40


async def test_the_late_effect_of_a_taken_over_claim_is_undone(db: Database) -> None:
    await db.run("ask", lambda conn: ask(conn, "a"))
    slow, quick = uuid4(), uuid4()
    (job,) = await db.run("claim", lambda conn: JOBS.claim(conn, slow, Plan(lease=0)))
    assert await db.run("take over", lambda conn: JOBS.claim(conn, quick, PLAN)) != []

    async def too_late(conn: Conn) -> None:
        await effect(conn, [job])
        await JOBS.finish(conn, slow, [job.id])

    with pytest.raises(LeaseLost):
        await db.run("late", too_late)
    assert await effects(db) == []
    assert not await db.run("renew", lambda conn: JOBS.renew(conn, slow, 60))
    assert not await db.run("give back", lambda conn: JOBS.retry_later(conn, slow, [job.id], Retry(0)))
    assert not await db.run("park", lambda conn: JOBS.park(conn, slow, [job.id], "late"))
    await db.run("finish", lambda conn: JOBS.finish(conn, quick, [job.id]))
    assert await states(db) == {"a": "done"}


async def test_finishing_twice_is_as_good_as_once(conn: Conn) -> None:
    await ask(conn, "a")
    worker = uuid4()
    (job,) = await JOBS.claim(conn, worker, PLAN)
    await JOBS.finish(conn, worker, [job.id])
    await JOBS.finish(conn, worker, [job.id])


async def test_an_item_that_kills_its_workers_is_parked_and_can_be_replayed(conn: Conn) -> None:
    await ask(conn, "deadly")
    plan = Plan(lease=0, tries=8)
    for attempt in range(1, 9):
        (job,) = await JOBS.claim(conn, uuid4(), plan)
        assert job.attempts == attempt
    assert await JOBS.claim(conn, uuid4(), plan) == []
    (parked,) = await JOBS.parked(conn)
    assert (parked.sort, parked.attempts) == ("tally", 9)
    assert "8 workers began it" in parked.reason
    assert await JOBS.parked(conn, after=parked.id) == []
    assert await JOBS.replay(conn, [parked.id]) == {parked.id}
    assert [job.attempts for job in await JOBS.claim(conn, uuid4(), plan)] == [1]


async def test_a_poison_item_is_parked_alone_and_its_neighbours_are_done(db: Database) -> None:
    await db.run("ask", lambda conn: ask(conn, "a", "poison", "z"))

    async def handler(conn: Conn, jobs_: Sequence[jobs.Job]) -> None:
        await effect(conn, jobs_)
        if any(job.key == "poison" for job in jobs_):
            raise KeyError("+27820000001 said something private")

    assert await work.work_through(db, JOBS, handler, PLAN, asyncio.Event()) == 3
    assert await states(db) == {"a": "done", "poison": "parked", "z": "done"}
    assert await effects(db) == ["a", "z"]
    ((reason,),) = await rows(db, "select reason from jobs where state = 'parked'")
    assert reason.startswith("KeyError in ")
    assert "private" not in reason
    assert "handler" in reason


async def test_an_item_that_violates_a_constraint_costs_a_savepoint_and_is_recorded_once(db: Database) -> None:
    await db.run("ask", lambda conn: ask(conn, "a", "b", "z"))
    await db.run("occupy", lambda conn: conn.execute(EFFECT, {"name": "b"}))
    await work.work_through(db, JOBS, effect, PLAN, asyncio.Event())
    assert await states(db) == {"a": "done", "b": "parked", "z": "done"}
    assert await rows(db, "select constraint_name, declared from constraint_violations") == [("heartbeats_pkey", True)]


async def test_one_whose_handler_has_savepoints_of_its_own_is_counted_once_too(db: Database) -> None:
    await db.run("ask", lambda conn: ask(conn, "a", "z"))
    await rows(db, "insert into heartbeats (name) values ('a') returning name")

    async def handler(conn: Conn, jobs_: Sequence[jobs.Job]) -> None:
        for job in jobs_:
            async with conn.transaction():
                await effect(conn, [job])

    assert await work.work_through(db, JOBS, handler, PLAN, asyncio.Event()) == 2
    await violations_kept.flush(db)
    assert await rows(db, "select sum(times)::int from constraint_violations") == [(1,)]


async def test_a_passing_fault_is_tried_again_and_not_held_against_the_item(db: Database) -> None:
    await db.run("ask", lambda conn: ask(conn, "a", "b"))
    faults = iter([pg.DeadlockDetected, pg.SerializationFailure])

    async def handler(conn: Conn, jobs_: Sequence[jobs.Job]) -> None:
        if fault := next(faults, None):
            raise fault
        await effect(conn, jobs_)

    await work.work_through(db, JOBS, handler, PLAN, asyncio.Event())
    assert await effects(db) == ["a", "b"]


async def test_an_item_that_stands_in_somebodys_way_waits_uncounted_and_its_neighbours_are_done(db: Database) -> None:
    await db.run("ask", lambda conn: ask(conn, "a", "blocked"))

    async def handler(conn: Conn, jobs_: Sequence[jobs.Job]) -> None:
        if any(job.key == "blocked" for job in jobs_):
            await conn.execute("set local lock_timeout = '10ms'")
            await conn.execute("lock table businesses in access exclusive mode")
        await effect(conn, jobs_)

    async with db.transaction() as holder:
        await holder.execute("lock table businesses in access share mode")
        await asyncio.create_task(work.work_through(db, JOBS, handler, PLAN, asyncio.Event()), context=Context())
        assert await effects_elsewhere(db) == ["a"]
    waiting = await rows(db, "select key, attempts, reason from jobs where state = 'waiting' and claimed_by is null")
    assert waiting == [("blocked", 0, None)]


async def effects_elsewhere(db: Database) -> list[str]:
    async with db.pool.connection() as conn:
        found = await conn.execute("select name from public.heartbeats order by name")
        return [name for (name,) in await found.fetchall()]


async def test_a_stop_gives_the_claim_back_at_once(db: Database) -> None:
    await db.run("ask", lambda conn: ask(conn, "a", "b"))
    begun = asyncio.Event()

    async def endless(conn: Conn, _: Sequence[jobs.Job]) -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(work.work_through(db, JOBS, endless, PLAN, asyncio.Event()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    again = await db.run("claim", lambda conn: JOBS.claim(conn, uuid4(), PLAN))
    assert [(job.key, job.attempts) for job in again] == [("a", 1), ("b", 1)]


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_the_wait_grows_with_each_attempt_up_to_fifteen_minutes(attempts: int, luck: float) -> None:
    wait = work.back_off(attempts, luck)
    assert 0.5 <= wait <= 900
    assert work.back_off(attempts + 1, luck) >= wait
    assert work.back_off(attempts, 1) == 2 * work.back_off(attempts, 0)


def test_what_becomes_of_a_failed_item() -> None:
    assert work.verdict(pg.DeadlockDetected(), 99, Plan(), 1) == Retry(900, None, counted=False)
    assert work.verdict(ValueError(), 1, Plan(patience=1), 1) == "ValueError"
    assert work.verdict(ValueError(), 1, Plan(patience=8), 1) == Retry(1, "ValueError")
    assert work.verdict(work.RetryLater("not yet", 30), 7, Plan(), 1) == Retry(30, "not yet")
    assert work.verdict(work.RetryLater("not yet"), 8, Plan(), 1) == "not yet"


WORKER = """
import asyncio, os, random, sys
from tallybook.core.db import open_database
from tallybook.core import work
from tallybook.core.jobs import JOBS
from tallybook.core.queue import Plan

async def tally(conn, jobs):
    for job in jobs:
        await conn.execute("insert into login_attempts (login_hash, address_hash) values (%(key)s, '')",
                           {"key": job.key.encode()})
        await asyncio.sleep(random.random() / 100)  # work, in which it may be killed
    print(len(jobs), flush=True)

async def main():
    async with open_database(sys.argv[1], "prod", size=2) as db:
        while True:
            await work.work_through(db, JOBS, tally, Plan(batch=5, lease=1, tries=1000), asyncio.Event())
            await asyncio.sleep(0.05)  # nothing waits, or others have it

asyncio.run(main())
"""


async def test_workers_killed_in_the_middle_leave_every_effect_exactly_once(db: Database, database_url: str) -> None:
    wanted = 300
    await db.run("ask", lambda conn: ask(conn, *(f"{n:03}" for n in range(wanted))))

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", WORKER, database_url], stdout=subprocess.PIPE)

    workers = [start() for _ in range(3)]
    try:
        for turn in range(9):
            victim = workers[turn % 3]
            await asyncio.to_thread(victim.stdout.readline)  # it is at work: kill it in its next batch
            await asyncio.sleep(turn % 4 / 100)  # any moment of that batch
            victim.kill()
            victim.communicate()
            workers[turn % 3] = start()

        async def all_done() -> bool:
            return await rows(db, "select count(*) from jobs where state <> 'done'") == [(0,)]

        await until(all_done)
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    assert await rows(db, "select count(*), count(distinct login_hash) from login_attempts") == [(wanted, wanted)]
    assert (await rows(db, "select count(*) from jobs where attempts > 1"))[0][0] > 0, "nobody was killed in the middle"
