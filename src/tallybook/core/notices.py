"""Wake-ups for open pages and idle workers: one per committed batch, never one per row, and only ever a hint."""

from __future__ import annotations

from .db import Conn

NOTIFY = "select pg_notify(%(channel)s, %(payload)s)"


def channel_of(environment: str) -> str:
    """The PostgreSQL notification channel of an environment."""
    return f"tallybook_{environment}"


async def notify(conn: Conn, environment: str, topic: str, business_id: int) -> None:
    """Says, once the caller's transaction commits, that something of a topic changed. The payload is ``topic id``."""
    await conn.execute(NOTIFY, {"channel": channel_of(environment), "payload": f"{topic} {business_id}"})
