"""Reads environments as the owner, as of one moment, and can write nothing while it does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import sql

from .db import PROD, Conn, schema_of

LOOK_INTO = "set search_path to {schema}, extensions"


@asynccontextmanager
async def one_moment(owner_url: str) -> AsyncIterator[Conn]:
    """A connection that sees everything as it stood at its first statement: production's schema, until told another.

    It takes no lock that an environment's own work would meet; only a migration waits for its end.
    """
    async with await psycopg.AsyncConnection.connect(owner_url, application_name="tallybook env") as conn:
        await conn.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await conn.set_read_only(True)
        await look_into(conn, PROD)
        yield conn


async def look_into(conn: Conn, environment: str) -> None:
    """From now on names without a schema are the environment's. The moment stays the same."""
    await conn.execute(sql.SQL(LOOK_INTO).format(schema=sql.Identifier(schema_of(environment))))
