"""Jobs run side by side, keep their claims while they run, and go back at once when their worker stops."""

from __future__ import annotations

import asyncio
from typing import Self
from uuid import uuid4

import psycopg

from tallybook.core import jobs, wakeups, work
from tallybook.core.db import Conn, Database, open_database
from tallybook.core.jobs import JOBS, Held, Pace
from tallybook.core.queue import Plan
from tests.core.worked import ask, effect, effects, rows, states, until
from tests.postgres import Server

PLAN = Plan(batch=10, lease=60)
QUICK = Pace(idle=0.05, lease=5, grace=0.2)


class Running:
    """The loop of one worker, stopped when the block ends."""

    def __init__(self, db: Database, handlers: dict, pace: Pace = QUICK) -> None:
        self.stop, self.wake = asyncio.Event(), asyncio.Event()
        self.loop = jobs.run_jobs(db, handlers, self.stop, self.wake, pace)

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self.loop)
        return self

    async def __aexit__(self, *_) -> None:
        self.stop.set()
        await self.task


async def test_a_job_is_done_in_the_transaction_of_its_effect(db: Database) -> None:
    async def handler(held: Held) -> None:
        async def tally(conn: Conn) -> None:
            await effect(conn, [held.job])
            await held.finish(conn)

        await held.db.run("tally", tally)

    async with Running(db, {"tally": handler}):
        await db.run("ask", lambda conn: ask(conn, *map(str, range(20))))

        async def all_done() -> bool:
            return set((await states(db)).values()) == {"done"}

        await until(all_done)
    assert len(await effects(db)) == 20


async def test_a_failing_job_is_tried_eight_times_and_then_parked_with_its_reason(db: Database) -> None:
    await db.run("ask", lambda conn: ask(conn, "a"))
    tried: list[int] = []

    async def handler(held: Held) -> None:
        tried.append(held.job.attempts)
        raise work.RetryLater("the other side is away", 0)

    async def parked() -> bool:
        return await states(db) == {"a": "parked"}

    async with Running(db, {"tally": handler}):
        await until(parked)
    assert tried == [1, 2, 3, 4, 5, 6, 7, 8]
    assert await rows(db, "select reason from jobs") == [("the other side is away",)]


async def test_a_long_job_keeps_its_claim(db: Database) -> None:
    await db.run("ask", lambda conn: ask(conn, "long"))
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def long(held: Held) -> None:
        begun.set()
        await go_on.wait()

    async def lease_ends() -> float:
        ((seconds,),) = await rows(db, "select extract(epoch from lease_until)::float8 from jobs")
        return seconds

    async with Running(db, {"tally": long}, Pace(idle=0.05, lease=0.3, grace=5)):
        await begun.wait()
        first = await lease_ends()

        async def renewed_well_past_the_first_lease() -> bool:
            return await lease_ends() > first + 0.6

        await until(renewed_well_past_the_first_lease)
        assert await db.run("claim", lambda conn: JOBS.claim(conn, uuid4(), PLAN)) == []
        go_on.set()
    assert await states(db) == {"long": "done"}


async def test_a_job_that_was_taken_over_is_stopped(db: Database) -> None:
    await db.run("ask", lambda conn: ask(conn, "a"))
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def handler(held: Held) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with Running(db, {"tally": handler}, Pace(at_once=1, idle=0.05, lease=0.3)):
        await begun.wait()
        thief = "update jobs set claimed_by = gen_random_uuid(), lease_until = now() + interval '1 hour'"
        await db.run("steal", lambda conn: conn.execute(thief))
        await asyncio.wait_for(stopped.wait(), 20)


async def test_a_job_that_takes_too_long_is_stopped_and_counted_as_failed(db: Database) -> None:
    await db.run("ask", lambda conn: ask(conn, "a"))

    async def endless(held: Held) -> None:
        await asyncio.Event().wait()

    async def failed() -> bool:
        return await rows(db, "select attempts, reason, claimed_by from jobs") == [(1, "TimeoutError", None)]

    async with Running(db, {"tally": endless}, Pace(idle=60, longest=0.1)):
        await until(failed)


async def test_a_stopping_worker_gives_back_what_it_cannot_finish(db: Database) -> None:
    await db.run("ask", lambda conn: ask(conn, "a"))
    begun = asyncio.Event()

    async def endless(held: Held) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with Running(db, {"tally": endless}):
        await begun.wait()
    assert await rows(db, "select state, attempts, claimed_by from jobs") == [("waiting", 0, None)]


async def test_a_killed_server_stops_nothing_but_the_time_that_it_is_away(server: Server) -> None:
    async with open_database(server.url(), "prod") as db:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def handler(held: Held) -> None:
            begun.set()
            await go_on.wait()
            await held.db.run("tally", lambda conn: effect(conn, [held.job]))

        await db.run("ask", lambda conn: ask(conn, "a"))
        async with Running(db, {"tally": handler}, Pace(idle=0.05, lease=30, grace=5)):
            await begun.wait()
            await asyncio.to_thread(server.kill)
            go_on.set()
            await asyncio.to_thread(server.start)

            async def done() -> bool:
                return await states(db) == {"a": "done"}

            await until(done)
        assert await effects(db) == ["a"]


async def test_one_wake_up_per_transaction_however_many_jobs(db: Database, database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as listener:
        await listener.execute("listen tallybook_prod")
        await db.run("ask", lambda conn: ask(conn, *map(str, range(50))))
        await db.run("say the last word", lambda conn: wakeups.wake_up(conn, "last"))
        heard = []
        async for notice in listener.notifies(timeout=20):
            heard.append(notice.payload)
            if notice.payload == "last 0":
                break
    assert heard == ["jobs 0", "last 0"]


async def test_a_wake_up_reaches_who_waits_for_it(db: Database, database_url: str) -> None:
    stop, wake = asyncio.Event(), asyncio.Event()
    listening = asyncio.create_task(wakeups.listen(db, database_url, wakeups.waking({jobs.TOPIC: wake}), stop))
    await asyncio.wait_for(wake.wait(), 20)  # once by the listener itself, for what came before it listened
    wake.clear()
    await db.run("ask", lambda conn: ask(conn, "a"))
    await asyncio.wait_for(wake.wait(), 20)
    stop.set()
    await listening
