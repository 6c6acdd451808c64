"""How the doctor looks: in a transaction that may only read, waits for no lock, and ends within a time."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from .giving_way import Look, Watch

LIMITS = """
select pg_backend_pid(), pg_postmaster_start_time()::text, set_config('transaction_read_only', 'on', true),
    set_config('lock_timeout', %(lock)s::text, true), set_config('statement_timeout', %(statement)s::text, true)
"""
# Milliseconds. Whoever changes a table holds it longer than this, or is done.
LOCK_WAIT = 300


class Clock:
    """How much is left of the time that an examination may take."""

    def __init__(self, seconds: float) -> None:
        self.began = time.monotonic()
        self._end = self.began + seconds

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began

    def left(self, at_most: float) -> float:
        """Seconds that a next piece of work may take: ``at_most``, or what is left; 0 or less where nothing is."""
        return min(at_most, self._end - time.monotonic())


@asynccontextmanager
async def looking(
    conn: psycopg.AsyncConnection[Any], seconds: float, watch: Watch | None = None
) -> AsyncIterator[None]:
    """A transaction that changes nothing, rolled back at its end with its settings; a savepoint within another one.

    Its statements end after ``seconds`` with QueryCanceled, or with LockNotAvailable where somebody changes the table;
    with a watch they end with QueryCanceled too as soon as somebody waits behind them.
    """
    seconds = seconds if watch is None else watch.at_most(seconds)
    async with conn.transaction(force_rollback=True), conn.cursor(row_factory=tuple_row) as cursor:
        # 0 would mean no limit at all. Nothing is prepared: behind a pooler the next transaction may be elsewhere.
        limits = {"statement": str(max(1, int(seconds * 1000))), "lock": str(LOCK_WAIT)}
        await cursor.execute(LIMITS, limits, prepare=False)
        row = await cursor.fetchone()
        async with nullcontext() if watch is None or row is None else watch.over(Look(*row[:2])):
            yield
