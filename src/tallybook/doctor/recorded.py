"""How often something was recorded of a finding, in the product's own record or a server's log. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

import msgspec

from .contract import NaturalKey
from .log_message import NO_ARBITER, Said
from .types import Code, Finding

# Findings of statements that end in 42P10, by whatever cause: of what they name, it is not the index that refuses.
NO_ARBITERS = frozenset({
    Code.CONFLICT_WITHOUT_ARBITER, Code.PARTIAL_ARBITER, Code.EXPRESSION_MISMATCH, Code.PARAMETER_IN_PREDICATE,
    Code.MISSING_KEY,
})  # fmt: skip


class Refusals(Protocol):
    """Refusals of one kind: the SQLSTATE, what was said of them, how many there were, and when the last was."""

    @property
    def state(self) -> str: ...
    @property
    def said(self) -> Said: ...
    @property
    def times(self) -> int: ...
    @property
    def last(self) -> datetime: ...


def with_recorded(finding: Finding, recorded: Iterable[Refusals]) -> Finding:
    """The finding, with how often and when last its users met it beside what is known of that already."""
    fitting = [one for one in recorded if _is_of(one.state, one.said, finding)]
    if not fitting:
        return finding
    known = finding.evidence
    evidence = msgspec.structs.replace(
        known,
        times=known.times + sum(one.times for one in fitting),
        last=max([one.last for one in fitting] + ([known.last] if known.last else [])),
    )
    return msgspec.structs.replace(finding, evidence=evidence)


def _is_of(state: str, said: Said, finding: Finding) -> bool:
    """Whether a refusal is what users see of a finding: by its state, its table, and its constraint or target."""
    table = f"{finding.schema}.{finding.table}" if finding.schema else finding.table
    if state == NO_ARBITER:
        fits = finding.key is None or same_columns(finding.key, said)
        return finding.code in NO_ARBITERS | {Code.INVALID_INDEX} and fits and same_table(said.table, table)
    named = finding.name is not None and said.constraint == finding.name
    return named and finding.code not in NO_ARBITERS and (said.table is None or same_table(said.table, table))


def same_columns(key: NaturalKey, said: Said) -> bool:
    """Whether a record names the columns of a declared key, in whatever order, and its table."""
    columns = bare_columns(said.columns)
    return bool(columns) and same_table(said.table, key.table) and bare_columns(key.columns) == columns


def bare_columns(columns: Iterable[str]) -> set[str]:
    """Columns and expressions without the parentheses around them."""
    return {column.strip("()") for column in columns}


def same_table(one: str | None, other: str) -> bool:
    """Whether a record's table is that one; a schema counts where both name theirs."""
    if one is None:
        return False
    (schema, _, name), (other_schema, _, other_name) = one.rpartition("."), other.rpartition(".")
    return name == other_name and (not schema or not other_schema or schema == other_schema)
