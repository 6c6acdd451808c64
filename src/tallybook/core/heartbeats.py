"""Signs of life: each process says now and then that it lives, and what it is connected to."""

from __future__ import annotations

from typing import Any

import msgspec

from . import keys
from .db import Conn

BEAT = f"""
insert into heartbeats (name, at, details) values (%(name)s, now(), %(details)s::jsonb)
on conflict {keys.HEARTBEAT.target} do update set at = excluded.at, details = excluded.details
"""


async def beat(conn: Conn, name: str, details: dict[str, Any] | None = None) -> None:
    """``name`` is the part's, such as ``worker``, the same after a restart; core/health.py reads it."""
    await conn.execute(BEAT, {"name": name, "details": msgspec.json.encode(details or {}).decode()})
