"""The marketing page: the drops posted on a business day, whether a list knows them, and where they are."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.monitor.store import marketing_list as store
from tallybook.monitor.store.marketing_list import Activation, Spot, Tally, Wanted

__all__ = ["Activation", "Spot", "Tally", "Wanted", "exported", "listed", "projects", "tally"]


async def listed(
    conn: Conn, business: Business, wanted: Wanted, after: Spot | None = None, limit: int = 50
) -> list[Activation]:
    """A page of drops, the newest post of the day first. ``after`` is where the page before ended."""
    return await store.listed(conn, business, wanted, after, limit)


def exported(conn: Conn, business: Business, wanted: Wanted, limit: int) -> AsyncGenerator[list[Activation], None]:
    """All of them in the list's order, in batches."""
    return store.rows(conn, business, wanted, limit)


async def tally(conn: Conn, business: Business, wanted: Wanted) -> Tally:
    """How many there are, by whether a list knows them; the filter by that is left out."""
    return await store.tally(conn, business, wanted)


async def projects(conn: Conn, business: Business) -> list[str]:
    return await store.projects(conn, business.id)
