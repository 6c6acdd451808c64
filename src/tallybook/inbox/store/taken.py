"""A change that gives something a name, which another may have or may be getting at this moment."""

from __future__ import annotations

from typing import Any

from psycopg.errors import UniqueViolation

from tallybook.core import violations
from tallybook.core.db import Conn
from tallybook.core.key import Key


async def unless_taken(conn: Conn, statement: str, values: dict[str, Any], key: Key) -> bool:
    """Whether it was done; False, and nothing is, where another row is the same by ``key``."""
    try:
        async with conn.transaction():
            return (await conn.execute(statement, values)).rowcount == 1
    except UniqueViolation as error:
        if not violations.answers(error, key):
            raise
        return False
