"""Shows a difference between two schemas by the rows that one of them has and the other would refuse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import psycopg

from .catalog import Catalog, Table
from .contract import NaturalKey
from .drift_advice import key_of
from .evidence_rows import Asked, seen, unlooked
from .examining import not_looked_at
from .giving_way import watching
from .looking import Clock
from .types import Evidence, Finding

DARK = "Our role may not read the rows, so that those which the other side would refuse were not looked for, of"


class Side(NamedTuple):
    """One of two schemas that were compared, and a connection that may read its rows, or as many as its role may."""

    conn: psycopg.AsyncConnection[Any]
    catalog: Catalog


async def with_rows(findings: Sequence[Finding], sides: tuple[Side, Side], clock: Clock) -> list[Finding]:
    """The differences, with some of the rows that one side takes and the other refuses; and what was not looked at.

    Nobody waits behind the look, which ends with the clock, and nothing is written.
    """
    found, notes = list(findings), []
    for taking, refusing in (sides, sides[::-1]):
        found, unread = await _taken(found, taking, refusing.catalog, clock)
        notes += [not_looked_at(what, names) for what, names in unread.items()]
    return found + notes


async def _taken(
    findings: Sequence[Finding], taking: Side, refusing: Catalog, clock: Clock
) -> tuple[list[Finding], dict[str, list[str]]]:
    """Those findings whose rows the one side takes with such rows, the others as they are.

    Beside them the tables whose rows were not looked at, by how that is told.
    """
    tables = [_table(finding, taking.catalog, refusing) for finding in findings]
    asked = [
        Asked(table, finding.key) if table and table.may_read and finding.key else None
        for finding, table in zip(findings, tables, strict=True)
    ]
    async with watching(taking.conn) as watch:
        rows = await seen(taking.conn, (one for one in asked if one), clock, watch)
    found = [
        finding
        if one is None
        else msgspec.structs.replace(finding, evidence=Evidence(rows=rows[one].rows, groups=rows[one].groups))
        for finding, one in zip(findings, asked, strict=True)
    ]
    dark = sorted({table.full_name for table in tables if table and not table.may_read})
    return found, unlooked(rows) | ({DARK: dark} if dark else {})


def _table(finding: Finding, taking: Catalog, refusing: Catalog) -> Table | None:
    """Where rows are that the other side refuses; None where the difference is another one, or of the other direction.

    The other side refuses them by an index of its own that holds the finding's key.
    """
    key = finding.key
    if key is None or not any(
        index.name == finding.name and _is(index.schema, index.table, key) and key_of(key.table, index) == key
        for index in refusing.indexes
    ):
        return None
    return next((table for table in taking.tables if _is(table.schema, table.name, key)), None)


def _is(schema: str, table: str, key: NaturalKey) -> bool:
    return key.table in {table, f"{schema}.{table}"}
