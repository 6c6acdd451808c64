"""A change that the database may refuse, since somebody else's period lies over it."""

from __future__ import annotations

from typing import Any

from psycopg import Rollback
from psycopg.errors import ExclusionViolation

from tallybook.core import violations
from tallybook.core.db import Conn
from tallybook.core.key import Apart


async def unless_apart(
    conn: Conn, statement: str, values: dict[str, Any], *rules: Apart, rows: int | None = None
) -> tuple[Any, ...] | None:
    """The first row that the statement returns.

    None, and nothing is done, where one of the exclusions says no, or it would be done to another number of ``rows``.
    """
    try:
        async with conn.transaction():
            cursor = await conn.execute(statement, values)
            if rows is not None and cursor.rowcount != rows:
                raise Rollback
            return await cursor.fetchone()
    except ExclusionViolation as error:
        if not violations.answers(error, *rules):
            raise
    return None
