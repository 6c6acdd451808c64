"""Shows a difference between two schemas by the rows that one of them has and the other would refuse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg

from .catalog import Catalog, Table
from .contract import NaturalKey
from .drift_advice import key_of
from .evidence_rows import Asked, Seen, seen, unlooked
from .giving_way import watching
from .looking import Clock
from .types import Evidence, Finding

Conn = psycopg.AsyncConnection[Any]


async def with_rows(
    conn: Conn, findings: Sequence[Finding], taking: Catalog, refusing: Catalog, clock: Clock
) -> tuple[list[Finding], dict[str, list[str]]]:
    """Those findings whose rows the one side takes and the other refuses, with such rows, by a connection to the first.

    The others come as they are. Beside them the tables whose rows were not looked at, by how that is told.
    """
    asked = [_asked(finding, taking, refusing) for finding in findings]
    async with watching(conn) as watch:
        rows = await seen(conn, (one for one in asked if one), clock, watch)
    found = [
        finding if one is None else msgspec.structs.replace(finding, evidence=_evidence(rows[one]))
        for finding, one in zip(findings, asked, strict=True)
    ]
    return found, unlooked(rows)


def _evidence(rows: Seen) -> Evidence:
    return Evidence(rows=rows.rows, groups=rows.groups)


def _asked(finding: Finding, taking: Catalog, refusing: Catalog) -> Asked | None:
    """The key whose rows are looked for; None where the difference is another one, or of the other direction."""
    key = finding.key
    if key is None or not any(
        index.name == finding.name and _is(index.schema, index.table, key) and key_of(key.table, index) == key
        for index in refusing.indexes
    ):
        return None
    tables = (table for table in taking.tables if _is(table.schema, table.name, key) and table.may_read)
    table: Table | None = next(tables, None)
    return Asked(table, key) if table is not None else None


def _is(schema: str, table: str, key: NaturalKey) -> bool:
    return key.table in {table, f"{schema}.{table}"}
