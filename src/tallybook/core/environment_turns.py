"""One copy or reset of an environment at a time, over all processes and machines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg

from .errors import Conflict

ONE_AT_A_TIME = "select pg_try_advisory_lock(hashtext('tallybook environment data'), hashtext(%(environment)s))"
THROUGH = "select pg_advisory_unlock(hashtext('tallybook environment data'), hashtext(%(environment)s))"


@asynccontextmanager
async def alone(owner_url: str, environment: str) -> AsyncIterator[None]:
    """While the block lasts, nobody else copies to the environment or resets it. Raises Conflict if somebody does."""
    async with await psycopg.AsyncConnection.connect(owner_url, autocommit=True) as conn:
        row = await (await conn.execute(ONE_AT_A_TIME, {"environment": environment})).fetchone()
        if row != (True,):
            raise Conflict(f"Somebody else is copying to {environment}, or resetting it. Try again when it is through.")
        try:
            yield
        finally:
            # A server takes its time to notice that a connection is closed, and keeps the lock as long.
            with suppress(psycopg.OperationalError):
                await conn.execute(THROUGH, {"environment": environment})
