"""The stop between the new key and the drop of the old one: what the code must name by now."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import psycopg

from tallybook.doctor.contract import Upsert
from tallybook.doctor.upserts import relying

from .types import Doing, Plan, Step, Unique
from .words import part


def target(unique: Unique) -> str:
    """The conflict target by which statements find the key."""
    columns = ", ".join(part(column) for column in unique.columns)
    return f"on conflict ({columns})" + (f" where {unique.where}" if unique.where else "")


def into(schema: str, table: str, upserts: Sequence[Upsert]) -> tuple[Upsert, ...]:
    """Those of the statements that write into the table."""
    named = re.compile(rf'\binto\s+("?{re.escape(schema)}"?\.)?"?{re.escape(table)}"?(?![\w"])', re.IGNORECASE)
    return tuple(one for one in upserts if named.search(one.statement))


def switch_step(plan: Plan, unique: Unique) -> Step:
    """Stops until the code is switched, naming each statement that it is about."""
    places = "; ".join(one.place for one in plan.upserts)
    where = f"These statements upsert into it: {places}." if places else "No statement of the contract does yet."
    says = (
        f"Each statement that upserts into {plan.schema}.{plan.table} must say {target(unique)} before what was too "
        f"strict goes. {where} Let the new code run, then continue."
    )
    return Step("switch", says, Doing.STOP)


async def not_switched(conn: psycopg.AsyncConnection[Any], plan: Plan, upserts: Sequence[Upsert]) -> list[Upsert]:
    """The statements to which nothing would be left but what is about to be dropped, by the server's own plans."""
    return await relying(conn, into(plan.schema, plan.table, upserts), plan.dropped, [plan.schema])
