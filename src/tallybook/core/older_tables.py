"""Tables of the system before this one that stand where ours belong: found, and moved out of the way.

Moving keeps every row, index, sequence and constraint, and what refers to a table goes on finding it.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from .db import PROD, schema_of
from .errors import WrongSetup

LEGACY = "legacy"
NAMES = (
    "qa_photo_reviews", "marketing_activations", "valid_drop_numbers", "invalid_drop_submissions",
    "approved_marketing_drops", "sharepoint_sync_state", "installations", "whatsapp_sessions",
)  # fmt: skip
# A table of ours has a business; theirs had none.
FOUND = """
select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = %(schema)s and c.relkind in ('r', 'p') and c.relname = any(%(names)s::text[])
    and not exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'business_id')
order by 1
"""
TAKEN = """
select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = %(schema)s and c.relname = any(%(names)s::text[]) order by 1
"""
MAKE = "create schema if not exists {legacy}"
MOVE = "alter table {schema}.{table} set schema {legacy}"


def legacy_of(environment: str) -> str:
    """The schema to which an environment's older tables are moved."""
    return LEGACY if environment == PROD else f"{LEGACY}_{schema_of(environment)}"


async def found(conn: psycopg.AsyncConnection[Any], environment: str) -> list[str]:
    """The older tables that stand in an environment's schema."""
    names = {"schema": schema_of(environment), "names": list(NAMES)}
    return [row[0] for row in await (await conn.execute(FOUND, names)).fetchall()]


async def refuse(conn: psycopg.AsyncConnection[Any], environment: str) -> None:
    """Raises WrongSetup where older tables stand in the way of ours."""
    tables = await found(conn, environment)
    if tables:
        raise WrongSetup(
            f"Tables of an older system stand where ours belong: {', '.join(tables)}. "
            "Move them out of the way first, which keeps every row: tallybook monitor import-legacy --move"
        )


async def move(owner_url: str, environment: str) -> list[str]:
    """Moves the older tables into their own schema, all or none; returns their names. Twice does nothing.

    Raises WrongSetup where a table of the name stands there already, or the role does not own one of them.
    """
    schema, legacy = schema_of(environment), legacy_of(environment)
    async with await psycopg.AsyncConnection.connect(
        owner_url, autocommit=True, application_name="tallybook env"
    ) as conn:
        tables = await found(conn, environment)
        if not tables:
            return []
        taken = await (await conn.execute(TAKEN, {"schema": legacy, "names": tables})).fetchall()
        if taken:
            raise WrongSetup(f"The schema {legacy} holds {taken[0][0]} already. Rename one of the two first.")
        try:
            async with conn.transaction():
                await conn.execute(sql.SQL(MAKE).format(legacy=sql.Identifier(legacy)))
                for table in tables:
                    names = {"schema": schema, "table": table, "legacy": legacy}
                    await conn.execute(
                        sql.SQL(MOVE).format(**{name: sql.Identifier(value) for name, value in names.items()})
                    )
        except psycopg.errors.InsufficientPrivilege as error:
            raise WrongSetup(
                f"These tables belong to another role ({error.diag.message_primary}). "
                "Give this one their ownership, or run the command as their owner."
            ) from None
        return tables
