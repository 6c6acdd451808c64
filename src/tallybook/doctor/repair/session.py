"""The session in which a repair is done: what it is set to, what it waits for, and that nobody else repairs then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import psycopg
from psycopg import errors
from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb

from tallybook.core.errors import Conflict

from .types import Plan
from .words import name

Conn = psycopg.AsyncConnection[Any]

# So that rows read as text are written the same by whoever runs the plan, and batches see what others committed.
SETTINGS = {
    "default_transaction_isolation": "read committed", "datestyle": "ISO, MDY", "intervalstyle": "postgres",
    "timezone": "UTC", "extra_float_digits": "1", "bytea_output": "hex", "row_security": "off",
    "application_name": "tallybook doctor", "work_mem": "256MB", "maintenance_work_mem": "512MB",
}  # fmt: skip
SESSION = "select set_config(key, value, false) from jsonb_each_text(%(settings)s::jsonb)"
LIMITS = (
    "select set_config('lock_timeout', %(lock)s::text, false), set_config('statement_timeout', %(all)s::text, false)"
)
AT_LEISURE = {"lock": "0", "all": "0"}
# The server ends what it does for a repair that was killed, so that the next one need not wait for it.
WATCHED = "select set_config('client_connection_check_interval', '500ms', false)"
ALONE = "select pg_try_advisory_lock(hashtextextended('tallybook doctor ' || %(table)s::text, 0))"
NO_LONGER_ALONE = "select pg_advisory_unlock(hashtextextended('tallybook doctor ' || %(table)s::text, 0))"
ALONE_SECONDS = 30.0


class Limits(msgspec.Struct, frozen=True):
    """``lock`` is in milliseconds; keep it under the server's deadlock_timeout (1 s), so that it is we who give way.

    ``rows`` is how many rows the first batch may have; the next ones follow from the time that it took.
    """

    lock: int = 500
    rows: int = 500

    @property
    def waiting(self) -> int:
        """Milliseconds that a brief statement may wait for a lock."""
        return self.lock // 2

    @property
    def whole(self) -> int:
        """Milliseconds that it may take; somewhat under the limit, so that the end of its transaction is within too."""
        return self.lock * 4 // 5


@asynccontextmanager
async def alone(conn: Conn, plan: Plan) -> AsyncIterator[None]:
    """The session as a repair needs it; no other repairs the same table meanwhile. Raises Conflict where one does."""
    table = {"table": name(plan.schema, plan.table)}
    await opened(conn, plan)
    with suppress(errors.InvalidParameterValue):  # not every system can be asked
        await conn.execute(WATCHED)
    end = time.monotonic() + ALONE_SECONDS
    while not await value(conn, ALONE, table):
        if time.monotonic() > end:
            raise Conflict(f"Somebody else repairs {plan.schema}.{plan.table}; wait until they are done.")
        await asyncio.sleep(0.2)  # to wait within a statement would hold back the index that the other one builds
    try:
        yield
    finally:
        await value(conn, NO_LONGER_ALONE, table)


async def value(conn: Conn, query: str, values: Mapping[str, Any] | None = None) -> Any:
    """The first value of the first row of a query; those of a plan have no placeholders."""
    statement = query.encode()
    row = await (await conn.cursor(row_factory=tuple_row).execute(statement, values)).fetchone()
    return row[0] if row else None


async def opened(conn: Conn, plan: Plan) -> None:
    """Sets what the plan's statements rely on."""
    await conn.execute(SESSION, {"settings": Jsonb(SETTINGS | {"search_path": f"{name(plan.schema)}, public"})})
    await conn.execute(LIMITS, AT_LEISURE)


@asynccontextmanager
async def briefly(conn: Conn, limits: Limits) -> AsyncIterator[None]:
    """What is done within takes locks that may stand in a writer's way; all else may take as long as it does."""
    await conn.execute(LIMITS, {"lock": str(limits.waiting), "all": str(limits.whole)})
    try:
        yield
    finally:
        await conn.execute(LIMITS, AT_LEISURE)


async def execute(conn: Conn, text: str) -> None:
    """Runs a statement of a plan."""
    statement = text.encode()
    await conn.execute(statement)
