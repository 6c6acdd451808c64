"""Shows a finding by the table's own rows: which of them stand against each other, and what was recorded of it.

The rows are the operator's own, shown in the operator's own terminal. Nothing is looked at that our role may not see,
and a table that is too large for the time keeps its secret.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from .catalog import Catalog, Table, Unvalidated
from .contract import Contract
from .evidence_rows import Asked, seen, unlooked
from .evidence_statements import Rule, Shared
from .giving_way import Watch
from .log_message import NO_ARBITER, Said
from .looking import Clock, looking
from .predicates import parted
from .recorded import with_recorded
from .types import Code, Evidence, Finding

Conn = psycopg.AsyncConnection[Any]
# Seconds to read what was recorded.
AT_MOST = 5.0
# The product keeps here what its constraints refused.
KEPT_IN = "constraint_violations"
KEPT = ("sqlstate", "table_name", "constraint_name", "times", "at", "answered")

RECORDED: LiteralString = """
select sqlstate, table_name, constraint_name, sum(times)::bigint, max(at) from {table} where not answered
group by sqlstate, table_name, constraint_name
"""
# What lets rows in that the rule refuses.
DOUBLES = frozenset({
    Code.MISSING_KEY, Code.LOOSER_KEY, Code.NULL_RULE, Code.PARTIAL_ARBITER, Code.EXPRESSION_MISMATCH,
    Code.INVALID_INDEX, Code.DEFERRABLE_ARBITER, Code.LOST_SINGLETON,
})  # fmt: skip


class Met(msgspec.Struct, frozen=True):
    """Refusals that the product recorded, of one constraint by one SQLSTATE."""

    state: str
    said: Said
    times: int
    last: datetime


async def shown(
    conn: Conn, findings: Sequence[Finding], catalog: Catalog, clock: Clock, watch: Watch, contract: Contract
) -> tuple[list[Finding], dict[str, list[str]]]:
    """The findings with their evidence, and the tables whose rows were not looked at, by how that is told."""
    recorded = await _recorded(conn, catalog, clock, watch)
    findings = [with_recorded(finding, recorded.get(finding.schema, ())) for finding in findings]
    tables = {(table.schema, table.name): table for table in catalog.tables}
    late = {(one.schema, one.table, one.name): one for one in catalog.unvalidated}
    asked = [
        _asked(tables.get((one.schema, one.table)), late.get((one.schema, one.table, one.name or "")), one, contract)
        for one in findings
    ]
    rows = await seen(conn, (one for one in asked if one), clock, watch)
    found = []
    for finding, one in zip(findings, asked, strict=True):
        evidence = finding.evidence
        if one is not None:
            evidence = msgspec.structs.replace(evidence, rows=rows[one].rows, groups=rows[one].groups)
        found.append(msgspec.structs.replace(finding, evidence=evidence, do=_do(finding, evidence)))
    return found, unlooked(rows)


def _asked(table: Table | None, late: Unvalidated | None, finding: Finding, contract: Contract) -> Asked | None:
    """What the rows of a finding stand against; None where there are no such rows, or our role may not read them."""
    if table is None or not table.may_read:
        return None
    here = {table.name, table.full_name}
    rule: Rule | None = finding.key if finding.code in DOUBLES else None
    if finding.code is Code.UNVALIDATED:
        rule = late
    elif finding.code is Code.PERIODS_OVERLAP:
        rule = next((one for one in contract.apart if one.name == finding.name and one.table in here), None)
    elif finding.code is Code.KEY_WITHOUT_SCOPE:
        # An index that lacks the scope is what keeps such rows out; a declared key may have some.
        spoken_of = (key for key in contract.keys if key.table in here and f" {key.says} " in finding.says)
        scope = next((column for column in contract.scope if table.column(column)), None)
        rule = next((Shared(key, scope) for key in spoken_of if scope), None)
    return Asked(table, rule) if rule is not None else None


def _do(finding: Finding, evidence: Evidence) -> str:
    """No key can be built over rows that stand against it: they are merged first. What breaks a rule is corrected."""
    if finding.code is Code.UNVALIDATED and evidence.rows:
        return f"Correct the rows that break it, then: {finding.do}"
    if not (evidence.groups or evidence.rows) or finding.key is None:
        return finding.do
    place = ((finding.schema, "schema"), (finding.table, "table"), (finding.key.chosen_by, "key"))
    which = " ".join(f"--{option} {shlex.quote(name)}" for name, option in place)
    return (
        f"tallybook doctor repair {which} merges these rows, keeps what goes, and builds the key. "
        f"By hand, once none stand against each other: {finding.do}"
    )


async def _recorded(conn: Conn, catalog: Catalog, clock: Clock, watch: Watch) -> dict[str, list[Met]]:
    """What the product recorded in each schema, and the code had no answer to."""
    found: dict[str, list[Met]] = {}
    for table in catalog.tables:
        kept = table.name == KEPT_IN and all(table.column(name) for name in KEPT)
        seconds = clock.left(AT_MOST)
        if not kept or not table.may_read or table.locked or seconds <= 0:
            continue
        statement = sql.SQL(RECORDED).format(table=sql.Identifier(table.schema, table.name))
        try:
            async with looking(conn, seconds, watch), conn.cursor(row_factory=tuple_row) as cursor:
                await cursor.execute(statement)
                found[table.schema] = [_met(*row) for row in await cursor.fetchall()]
        except psycopg.Error:
            if conn.closed:
                raise
    return found


def _met(state: str, table: str | None, constraint: str | None, times: int, last: datetime) -> Met:
    if state == NO_ARBITER and constraint is not None:
        return Met(state, Said(None, table, _target(constraint)), times, last)
    return Met(state, Said(constraint, table), times, last)


def _target(words: str) -> tuple[str, ...]:
    """The columns of ``on conflict (a, lower(b))``, which is what stands there where no constraint is."""
    return tuple(map(str.strip, parted(words.removeprefix("on conflict (").removesuffix(")"), ",")))
