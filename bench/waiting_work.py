"""Jobs through the queue, each claimed, run and marked done, beside a bare insert of as many rows, one by one."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from sample import Sample, empty

from tallybook.app import open_app
from tallybook.core import jobs
from tallybook.core.db import Conn, Database
from tallybook.core.jobs import Held, NewJob

KIND = "bench"
INSERT = "insert into jobs (kind, key, args) values (%(kind)s, %(key)s, '{}')"


class Rates(NamedTuple):
    """Jobs done in a second, and rows inserted in a second."""

    jobs: float
    inserts: float


async def measure(sample: Sample, count: int) -> Rates:
    empty(sample)
    async with open_app(sample.settings) as app:
        inserted = await _inserted(app.db, count)
        empty(sample)
        wanted = [NewJob(KIND, f"{number:06}") for number in range(count)]
        await app.db.run("ask", lambda conn: jobs.enqueue(conn, wanted))
        return Rates(count / await _done(app.db, count), count / inserted)


async def _inserted(db: Database, count: int) -> float:
    began = time.perf_counter()
    for number in range(count):

        async def insert(conn: Conn, key: str = f"{number:06}") -> None:
            await conn.execute(INSERT, {"kind": KIND, "key": key})

        await db.run("insert", insert)
    return time.perf_counter() - began


async def _done(db: Database, count: int) -> float:
    stop, done = asyncio.Event(), 0

    async def handler(held: Held) -> None:
        nonlocal done
        await db.run("finish", held.finish)
        done += 1
        if done == count:
            stop.set()

    began = time.perf_counter()
    await jobs.run_jobs(db, {KIND: handler}, stop, asyncio.Event())
    return time.perf_counter() - began
