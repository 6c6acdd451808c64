"""Works through a queue: a batch is one transaction, and an item that fails is put aside without its neighbours.

A passing fault (a deadlock, a database that restarts) is nobody's fault: the item goes back to waiting uncounted and
keeps its reason. An item that fails by itself is parked with its reason, visible and replayable.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID, uuid4

import psycopg
import structlog

from . import connection, violations, violations_kept
from .db import Conn, Database, is_transient
from .errors import TallybookError
from .queue import LeaseLost, Plan, Queue, Retry, Waiting

RowT = TypeVar("RowT", bound=Waiting)
# What it returns are the items to put aside, each with its reason: what else it did for them stays.
Handler = Callable[[Conn, Sequence[RowT]], Awaitable[Mapping[int, str] | None]]

LONGEST_WAIT = 900.0
AT_ONCE = Retry(0, counted=False)

log = structlog.get_logger(__name__)


class RetryLater(Exception):
    """Raised by a handler: not now. The text is the reason; ``delay`` in seconds, else the back-off decides."""

    def __init__(self, reason: str, delay: float | None = None) -> None:
        super().__init__(reason)
        self.delay = delay


class _Spoiled(Exception):
    """Some item of the batch failed; which one is found by trying each alone."""


def back_off(attempts: int, luck: float) -> float:
    """Seconds to wait before the next try: 1, 2, 4 … up to 15 minutes, of which ``luck`` (0 to 1) decides half."""
    return min(LONGEST_WAIT, 2.0 ** min(attempts - 1, 20)) * (0.5 + luck / 2)


def reason_of(error: BaseException) -> str:
    """Why an item failed, in words that hold nothing of the item: our own sentence, or the error's kind and place."""
    if isinstance(error, TallybookError | RetryLater):
        return str(error)
    if isinstance(error, psycopg.Error):
        where = " on ".join(filter(None, (error.diag.constraint_name, error.diag.table_name)))
        return f"the database refused it: {type(error).__name__} {where}".strip()
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code if trace else None
    return type(error).__name__ + (f" in {code.co_qualname}" if code else "")


def verdict(error: BaseException, attempts: int, plan: Plan, luck: float) -> Retry | str:
    """What becomes of an item whose handler failed: another try, or the reason to park it for. Pure."""
    if is_transient(error):
        return Retry(back_off(attempts, luck), counted=False)
    limit = plan.tries if isinstance(error, RetryLater) else plan.patience
    if attempts >= limit:
        return reason_of(error)
    delay = error.delay if isinstance(error, RetryLater) else None
    return Retry(back_off(attempts, luck) if delay is None else delay, reason_of(error))


async def work_through(
    db: Database, queue: Queue[RowT], handler: Handler[RowT], plan: Plan, stop: asyncio.Event
) -> int:
    """Claims and handles batch after batch until nothing is due or ``stop`` is set. Returns how many were claimed.

    ``handler`` gets a batch and the transaction in which the batch is also marked done; it must do nothing outside it,
    and it may be called again with each item alone. Raises a passing fault that lasts; the claims are given back.
    """
    total = 0
    while not stop.is_set() and (claimed := await work_batch(db, queue, handler, plan)):
        total += claimed
    return total


async def work_batch(db: Database, queue: Queue[RowT], handler: Handler[RowT], plan: Plan) -> int:
    """One batch of ``work_through``; the number of items claimed."""
    worker = uuid4()
    try:
        rows = await db.run(f"claim {queue.table}", lambda conn: queue.claim(conn, worker, plan))
        batch = _Batch(db, queue, handler, plan, worker)
        trouble = await batch.together(rows) if len(rows) > 1 else None
        if len(rows) == 1 or trouble is not None:
            failed = await batch.one_by_one(rows)
            if isinstance(trouble, violations.WATCHED) and not failed:
                await violations_kept.record(db, trouble, f"{queue.table} together")
    except BaseException:
        await asyncio.shield(give_back(db, queue, worker))
        raise
    return len(rows)


async def give_back(db: Database, queue: Queue[RowT], worker: UUID) -> None:
    """Ends this worker's claims now, so that nobody waits for the lease. While the database is away, the lease ends."""

    async def work(conn: Conn) -> None:
        await queue.retry_later(conn, worker, sorted(await queue.hold(conn, worker)), AT_ONCE)

    with suppress(psycopg.Error, OSError):
        async with db.transaction() as conn:
            await work(conn)


@dataclass(frozen=True)
class _Batch(Generic[RowT]):
    """The two ways to handle what was claimed: all in one, or each alone behind a savepoint."""

    db: Database
    queue: Queue[RowT]
    handler: Handler[RowT]
    plan: Plan
    worker: UUID

    async def together(self, rows: Sequence[RowT]) -> Exception | None:
        """One transaction for the effect of all and their done-marks; why it was rolled back, None where it was not."""

        async def work(conn: Conn) -> None:
            try:
                await self._handle(conn, rows)
            except Exception as error:
                if is_transient(error):
                    raise
                connection.leave(error)  # told of when each was tried alone
                raise _Spoiled from error

        try:
            await self.db.run(f"work {self.queue.table}", work)
        except Exception as error:  # noqa: BLE001 - whatever it was, each item alone will show whose it is
            log.info("batch failed, items are tried alone", queue=self.queue.table, error=type(error).__name__)
            return error.__cause__ if isinstance(error, _Spoiled) and isinstance(error.__cause__, Exception) else error
        return None

    async def one_by_one(self, rows: Sequence[RowT]) -> int:
        """One transaction again, in which a failing item costs its savepoint and nothing else; how many failed."""
        failures: list[tuple[RowT, Exception]] = []

        async def work(conn: Conn) -> None:
            failures.clear()
            held = await self.queue.hold(conn, self.worker)
            ours = [row for row in rows if row.id in held]
            outcomes = [(row, await self._alone(conn, row)) for row in ours]
            failures.extend((row, error) for row, error in outcomes if error is not None)
            for row, error in failures:
                await settle_failure(conn, self.queue, self.worker, row, verdict_now(error, row, self.plan))

        await self.db.run(f"work {self.queue.table} one by one", work)
        for row, error in failures:
            await report_failure(self.db, self.queue.table, row, error)
        return len(failures)

    async def _alone(self, conn: Conn, row: RowT) -> Exception | None:
        try:
            async with conn.transaction():
                await self._handle(conn, [row])
        except LeaseLost:
            raise
        except Exception as error:
            if conn.closed:
                raise
            connection.leave(error)  # told with the item's number, when the transaction is over
            return error
        return None

    async def _handle(self, conn: Conn, rows: Sequence[RowT]) -> None:
        """The effect of the rows, and what becomes of each: done, or put aside for the reason that was given."""
        aside = await self.handler(conn, rows) or {}
        await self.queue.finish(conn, self.worker, [row.id for row in rows if row.id not in aside])
        for number, reason in aside.items():
            if not await self.queue.park(conn, self.worker, [number], reason):
                raise LeaseLost(f"a claim on {self.queue.table} was taken over by another worker")


def luck() -> float:
    """Between 0 and 1, another at each call, so that retries do not meet again."""
    return random.random()  # noqa: S311 - spreads retries, guards nothing


def verdict_now(error: Exception, row: Waiting, plan: Plan) -> Retry | str:
    """``verdict`` with the luck of the moment."""
    return verdict(error, row.attempts, plan, luck())


async def settle_failure(conn: Conn, queue: Queue[RowT], worker: UUID, row: Waiting, outcome: Retry | str) -> None:
    """Writes down what becomes of a failed item; nothing if it is no longer ours."""
    if isinstance(outcome, str):
        await queue.park(conn, worker, [row.id], outcome)
    else:
        await queue.retry_later(conn, worker, [row.id], outcome)


async def report_failure(db: Database, table: str, row: Waiting, error: Exception) -> None:
    """Logs a failed item by its number; an unexpected violation is recorded too, now that the transaction is over."""
    log.warning("item failed", queue=table, item=row.id, attempts=row.attempts, reason=reason_of(error))
    if isinstance(error, violations.WATCHED):
        await violations_kept.record(db, error, f"{table} {row.id}")
