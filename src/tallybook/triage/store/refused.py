"""A change that the database may refuse, since somebody else's period lies over it."""

from __future__ import annotations

from typing import Any

from psycopg.errors import ExclusionViolation

from tallybook.core import violations
from tallybook.core.db import Conn
from tallybook.core.key import Apart


async def unless_apart(conn: Conn, statement: str, values: dict[str, Any], *rules: Apart) -> tuple[Any, ...] | None:
    """The first row that the statement returns; None, and nothing is done, where one of the exclusions says no."""
    try:
        async with conn.transaction():
            return await (await conn.execute(statement, values)).fetchone()
    except ExclusionViolation as error:
        if violations.read(error).constraint not in {rule.constraint for rule in rules}:
            raise
        return None
