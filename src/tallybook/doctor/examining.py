"""The whole examination of a database against a contract: read-only, within a time, and whatever the role may see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import errors

from . import evidence, sequences, upserts
from .catalog import Catalog
from .catalog_reading import BeingChanged, read
from .contract import Contract
from .findings import in_order, of_keys
from .giving_way import watching
from .implying import implications
from .looking import Clock
from .same_text import spelling
from .types import Code, Finding, Report, Severity

Conn = psycopg.AsyncConnection[Any]
# Seconds for one statement that reads the catalogue.
AT_MOST = 20.0
NUMBERS = (
    "Whether the sequence stands behind was not looked at (no index leads there, no right, or somebody waited behind "
    "the look) for"
)
# So many names stand in one sentence.
NAMED = 8


async def examine(conn: Conn, contract: Contract, schemas: Sequence[str], *, seconds: float = 60.0) -> Report:
    """Everything that is wrong, the worst first, with its evidence. Takes ``seconds`` at most, and changes nothing.

    Nobody waits behind it: who would change a table that is looked at goes first, by a second connection's word.

    What the time or the role's rights did not allow is named in the report. Raises OperationalError where the
    connection is lost, and nothing for what our role may not see.
    """
    clock = Clock(seconds)
    try:
        catalog = await read(conn, schemas, seconds=max(0.1, clock.left(AT_MOST)))
    except (BeingChanged, errors.QueryCanceled):
        if conn.closed:
            raise
        return _report(
            conn,
            contract,
            schemas,
            None,
            [not_looked_at("The catalogue could not be read in time, or while others changed it", [])],
            clock,
        )
    spelt = await spelling(conn, contract, catalog, clock)
    await implications(conn, contract, catalog, spelt, clock)
    found = of_keys(contract, catalog, spelt)
    found += await upserts.examine(conn, contract.upserts, catalog, schemas, seconds=clock.left(seconds))
    async with watching(conn) as watch:
        late, unread_numbers = await sequences.behind(conn, catalog, clock, watch)
        found, unread_rows = await evidence.shown(conn, found + late, catalog, clock, watch, contract)
    found += _notes(contract, catalog, unread_numbers, unread_rows)
    return _report(conn, contract, schemas, catalog, found, clock)


def _notes(contract: Contract, catalog: Catalog, numbers: list[str], rows: Mapping[str, list[str]]) -> list[Finding]:
    """What was not looked at, so that nobody takes it for healthy."""
    declared = {key.table for key in contract.keys}
    dark = [
        table.full_name for table in catalog.tables if not table.may_read and {table.name, table.full_name} & declared
    ]
    found = [
        not_looked_at(what, names)
        for what, names in (
            ("Our role may not read the rows, so that doubles were not looked for, of", dark),
            *rows.items(),
            (NUMBERS, numbers),
        )
        if names
    ]
    return found + [
        Finding(
            code=Code.NOT_READ, severity=Severity.NOTE, table="", place=place,
            says=f"{place}: this statement could not be read, so nothing is known of it.",
            do="Name its ON CONFLICT in the contract by hand.",
        )
        for place in contract.unread
    ]  # fmt: skip


def not_looked_at(what: str, names: list[str]) -> Finding:
    """What was not looked at, with the names of a few; without any name it is the whole."""
    few = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
    return Finding(
        code=Code.NOT_LOOKED_AT, severity=Severity.NOTE if names else Severity.ERROR, table="",
        says=f"{what} {few}." if names else f"{what}.",
        do="Look again at another time, or with a role that may select.",
    )  # fmt: skip


def _report(
    conn: Conn, contract: Contract, schemas: Sequence[str], catalog: Catalog | None, found: list[Finding], clock: Clock
) -> Report:
    return Report(
        findings=tuple(in_order(found)),
        tables=sum(1 for table in catalog.tables if not table.is_partition) if catalog else 0,
        keys=len(contract.keys) + len(contract.apart),
        upserts=len(contract.upserts),
        seconds=clock.spent,
        database=conn.info.dbname,
        schemas=tuple(schemas),
    )
