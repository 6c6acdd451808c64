"""What the tests of waiting work ask for, do and look at. The effect of a job is a row of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from tallybook.core import jobs
from tallybook.core.db import Conn, Database
from tallybook.core.jobs import NewJob

EFFECT = "insert into heartbeats (name) values (%(name)s)"


async def ask(conn: Conn, *keys: str, kind: str = "tally") -> int:
    return await jobs.enqueue(conn, [NewJob(kind, key) for key in keys])


async def rows(db: Database, statement: str) -> list[tuple]:
    async with db.transaction() as conn:
        return await (await conn.execute(statement.encode())).fetchall()


async def states(db: Database) -> dict[str, str]:
    return dict(await rows(db, "select key, state from jobs"))


async def effects(db: Database) -> list[str]:
    return [name for (name,) in await rows(db, "select name from heartbeats order by name")]


async def effect(conn: Conn, jobs_: Sequence[jobs.Job]) -> None:
    for job in jobs_:
        await conn.execute(EFFECT, {"name": job.key})


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + 60  # of a busy machine
    while not await true():
        assert time.monotonic() < deadline, "it did not come about within a minute"
        await asyncio.sleep(0.01)  # whatever it is asked of signals nothing
