"""The people and things that the tests speak of: plain functions, each taking what should be different."""

from __future__ import annotations

from typing import Any

from tallybook.core import businesses
from tallybook.core.businesses import Business
from tallybook.core.db import Conn


async def velo_fibre(conn: Conn, **overrides: Any) -> Business:
    """The fibre installer of Johannesburg."""
    return await businesses.add(conn, **({"name": "Velo Fibre", "time_zone": "Africa/Johannesburg"} | overrides))


async def kinneret_tours(conn: Conn, **overrides: Any) -> Business:
    """Another business, which must never see the first one's things."""
    values = {"name": "Kinneret Tours", "time_zone": "Asia/Jerusalem", "locale": "he"}
    return await businesses.add(conn, **(values | overrides))
