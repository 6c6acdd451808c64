"""Jobs: work asked for under a key, once per key, and run by whichever worker is free.

A job may take long, so its lease is renewed every third of its length while its handler runs, and a worker that finds
its claim taken over stops the handler. A handler that outlives ``Pace.longest`` is stopped and counted as failed:
nothing is held for ever. The key of a job that is done keeps refusing a second request until retention removes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import msgspec
import structlog

from . import keys
from .db import Conn, Database, is_transient
from .queue import LeaseLost, Plan, Waiting, queue_of
from .wakeups import wake_up
from .work import give_back, report_failure, settle_failure, verdict_now

TOPIC = "jobs"
log = structlog.get_logger(__name__)


class Job(Waiting, frozen=True):
    """A claimed job. ``args`` is whatever JSON object the one who asked for it gave."""

    business_id: int | None
    kind: str
    key: str
    args: dict[str, Any]
    created_at: datetime


class NewJob(msgspec.Struct, frozen=True):
    """A request for work. Without a key it is its own; ``not_before`` None means at once."""

    kind: str
    key: str = msgspec.field(default_factory=lambda: str(uuid4()))
    args: dict[str, Any] = {}
    business_id: int | None = None
    not_before: datetime | None = None


JOBS = queue_of("jobs", Job, "kind")

ENQUEUE = f"""
insert into jobs (business_id, kind, key, args, not_before)
values (%(business_id)s::int, %(kind)s, %(key)s, %(args)s::jsonb, coalesce(%(not_before)s::timestamptz, now()))
on conflict {keys.JOB.target} do nothing
returning id
"""


async def enqueue(conn: Conn, jobs: Sequence[NewJob]) -> int:
    """Asks for jobs in the caller's transaction and wakes the workers once. Returns how many were not known yet."""
    created = 0
    for job in sorted(jobs, key=lambda job: (job.kind, job.key)):
        values = msgspec.structs.asdict(job) | {"args": msgspec.json.encode(job.args).decode()}
        created += (await conn.execute(ENQUEUE, values)).rowcount
    if created:
        await wake_up(conn, TOPIC)
    return created


@dataclass(frozen=True)
class Held:
    """A job in the hands of its handler.

    A handler whose effect is in the database calls ``finish`` in the transaction of that effect. One whose effect is
    elsewhere may simply return, and is then run again if its worker dies before the done-mark: it must bear that.
    """

    db: Database
    job: Job
    worker: UUID
    pace: Pace

    async def finish(self, conn: Conn) -> None:
        """Marks the job done. Raises LeaseLost, which must undo the transaction, if another worker took it over."""
        await JOBS.finish(conn, self.worker, [self.job.id])

    async def renew(self) -> bool:
        """Lengthens the lease; False once the job is another worker's."""
        return await self.db.run("renew a job", lambda conn: JOBS.renew(conn, self.worker, self.pace.lease))


class Interrupted(Exception):
    """Raised by a handler that was told to stop before its end: the job is given back at once, to be begun again."""


Handler: TypeAlias = Callable[[Held], Awaitable[None]]


@dataclass(frozen=True)
class Pace:
    """How jobs are run: how many at once, and the rest in seconds.

    ``idle`` is the longest wait where a wake-up got lost, ``grace`` how long a stop waits for what is running. A job
    that fails is parked at attempt ``tries``.
    """

    at_once: int = 4
    lease: float = 60.0
    longest: float = 3600.0
    idle: float = 5.0
    grace: float = 10.0
    tries: int = 8


async def run_jobs(
    db: Database, handlers: Mapping[str, Handler], stop: asyncio.Event, wake: asyncio.Event, pace: Pace = Pace()
) -> None:
    """Runs jobs of the kinds that ``handlers`` knows until ``stop`` is set; ``wake`` says that there may be new ones.

    A stop lets what runs come to its end for ``pace.grace`` seconds; what is then still running is cancelled and given
    back at once. While the database is away it keeps asking.
    """
    running: set[asyncio.Task[None]] = set()
    signals = {asyncio.create_task(stop.wait())}
    try:
        while not stop.is_set():
            wake.clear()
            for held in await _claim(db, tuple(handlers), pace, pace.at_once - len(running)):
                running.add(asyncio.create_task(_run(held, handlers[held.job.kind])))
            await _next_event(signals | running, wake, pace.idle)
            running = {task for task in running if not task.done()}
        if running:
            await asyncio.wait(running, timeout=pace.grace)
    finally:
        for task in running | signals:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _next_event(tasks: Iterable[asyncio.Task[Any]], wake: asyncio.Event, idle: float) -> None:
    woken = asyncio.create_task(wake.wait())
    try:
        await asyncio.wait({*tasks, woken}, timeout=idle, return_when=asyncio.FIRST_COMPLETED)
    finally:
        woken.cancel()


async def _claim(db: Database, kinds: tuple[str, ...], pace: Pace, free: int) -> list[Held]:
    """Up to ``free`` jobs, each under a token of its own, so that each can be given back alone."""
    held: list[Held] = []
    plan = Plan(batch=1, lease=pace.lease, tries=pace.tries, sorts=kinds)
    try:
        while len(held) < free:
            worker = uuid4()
            jobs = await db.run("claim a job", partial(_claim_one, worker, plan))
            if not jobs:
                break
            held.extend(Held(db, job, worker, pace) for job in jobs)
    except Exception as error:
        if not is_transient(error):
            raise
        if not db.is_away:
            log.warning("Jobs cannot be claimed", error=type(error).__name__)
    return held


async def _claim_one(worker: UUID, plan: Plan, conn: Conn) -> list[Job]:
    return await JOBS.claim(conn, worker, plan)


async def _run(held: Held, handler: Handler) -> None:
    """One job to its end, whatever that is. Raises only when cancelled, the claim then being given back."""
    work = asyncio.create_task(_to_the_end(held, handler))
    keeper = asyncio.create_task(_keep(held))
    try:
        await asyncio.wait({work, keeper}, timeout=held.pace.longest, return_when=asyncio.FIRST_COMPLETED)
        if not work.done() and not keeper.done():
            await _cancelled(work)
            await _failed(held, TimeoutError(f"took longer than {held.pace.longest:.0f} s"))
    finally:
        keeper.cancel()
        if not work.done():
            await asyncio.shield(_let_go(held, work))


async def _let_go(held: Held, work: asyncio.Task[None]) -> None:
    await _cancelled(work)
    await give_back(held.db, JOBS, held.worker)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _keep(held: Held) -> None:
    """Renews the lease for as long as it is ours; returns when it no longer is."""
    while True:
        await asyncio.sleep(held.pace.lease / 3)
        try:
            if not await held.renew():
                log.warning("a job was taken over by another worker", kind=held.job.kind, job=held.job.id)
                return
        except Exception as error:  # noqa: BLE001 - the lease may hold yet; the done-mark decides, not this
            log.warning("a lease could not be renewed", job=held.job.id, error=type(error).__name__)


async def _to_the_end(held: Held, handler: Handler) -> None:
    try:
        await handler(held)
        await held.db.run("finish a job", held.finish)
    except LeaseLost:
        log.warning("a job was taken over by another worker", kind=held.job.kind, job=held.job.id)
    except Interrupted:
        await give_back(held.db, JOBS, held.worker)
    except Exception as error:  # noqa: BLE001 - a job's failure is the job's, not the loop's
        await _failed(held, error)


async def _failed(held: Held, error: Exception) -> None:
    plan = Plan(tries=held.pace.tries, patience=held.pace.tries)
    outcome = verdict_now(error, held.job, plan)
    with suppress(Exception):  # with the database away, the lease ends by itself
        await held.db.run("give up a job", lambda conn: settle_failure(conn, JOBS, held.worker, held.job, outcome))
    await report_failure(held.db, "jobs", held.job, error)
