"""What is wrong with a table's indexes and constraints in themselves: invalid, twice there, without a scope. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterator

from .catalog import Catalog, Index, Kind
from .contract import Apart, Contract
from .holding import Rule, no_stricter
from .remedies import dropping, retiring
from .resolving import Names, quoted
from .strict_findings import own_number, same_rule
from .subjects import Subject
from .types import Code, Finding, Severity


def table_findings(subject: Subject, contract: Contract, told: Container[str]) -> list[Finding]:
    """What is wrong with one table beside its keys; not the indexes in ``told``, of which something was said."""
    others = [(index, rule) for index, rule in subject.indexes if index.name not in told]
    return [
        *_invalid(subject, others),
        *_redundant(subject, others),
        *_overlapping(subject),
        *_without_scope(subject, contract, others),
        *_lacking(subject, contract, others),
    ]


def _one(subject: Subject, code: Code, severity: Severity, name: str | None, says: str, do: str) -> Finding:
    return Finding(
        code=code, severity=severity, schema=subject.table.schema, table=subject.table.name, name=name,
        says=says, do=do,
    )  # fmt: skip


def _invalid(subject: Subject, others: list[tuple[Index, Rule]]) -> Iterator[Finding]:
    for index, _ in others:
        if index.valid and index.ready:
            continue
        if index.building:
            says = f"{index.name} on {subject.called} is being built at this moment."
            yield _one(subject, Code.INVALID_INDEX, Severity.NOTE, index.name, says, "Look again when it is done.")
            continue
        what = "refuses new rows, though no ON CONFLICT can rely on it" if index.ready else "refuses nothing"
        says = (
            f"{index.name} on {subject.called} was never finished: it {what}, "
            f"and CREATE INDEX IF NOT EXISTS takes it for a finished one."
        )
        yield _one(subject, Code.INVALID_INDEX, Severity.WARNING, index.name, says, dropping(index))


def _redundant(subject: Subject, others: list[tuple[Index, Rule]]) -> Iterator[Finding]:
    """One of several that refuse the same rows is enough; over more columns than a declared key it adds nothing."""
    sound = [(index, rule) for index, rule in others if index.valid and index.ready and index.equal and index.unique]
    sound.sort(key=lambda one: _worth(subject, one[0]))
    kept: list[tuple[Index, Rule]] = []
    for index, rule in sound:
        first = next((one for one in kept if _alike(one[1], rule) and one[0].where in {None, index.where}), None)
        wider = first or next((one for one in kept if _wider(subject, rule, *one)), None)
        if wider is None or index.pointing or _relied_on(subject, index) or index.kind is Kind.PRIMARY:
            kept.append((index, rule))
            continue
        identical = first is not None and _same_make(first[0], index)
        why = "refuses the same rows as" if first else "refuses nothing that is not refused by"
        yield _one(
            subject, Code.REDUNDANT_KEY, Severity.WARNING if identical else Severity.NOTE, index.name,
            f"{index.name} on {subject.called} {why} {wider[0].name}: each write pays for both.", dropping(index),
        )  # fmt: skip


def _relied_on(subject: Subject, index: Index) -> bool:
    """Whether subscribers, statements or an index of the whole need this very one, however alike another is."""
    return index.replica_identity or index.name in subject.named or index.attached


def _same_make(one: Index, other: Index) -> bool:
    return (one.columns, one.includes, one.where) == (other.columns, other.includes, other.where)


def _worth(subject: Subject, index: Index) -> tuple[bool, bool, bool, bool, bool, bool, int, str]:
    """Which of several alike stays: what others rely on, what is declared, what is a constraint, what came first."""
    declared = {key.name for key, _ in subject.keys}
    return (
        index.kind is not Kind.PRIMARY, not index.immediate, not _relied_on(subject, index), not index.pointing,
        index.where is not None, index.name not in declared, len(index.columns) * 2 + (index.kind is Kind.BARE),
        index.name,
    )  # fmt: skip


def _alike(one: Rule, other: Rule) -> bool:
    return one.columns == other.columns and one.where == other.where and one.nulls_same == other.nulls_same


def _wider(subject: Subject, rule: Rule, other: Index, its_rule: Rule) -> bool:
    """Whether another index that holds a declared key refuses all of this, and this one is not declared itself."""
    declared = any(_alike(its_rule, key) for _, key in subject.keys)
    mine = any(_alike(rule, key) for _, key in subject.keys)
    return declared and not mine and other.immediate and rule.columns > its_rule.columns and no_stricter(rule, its_rule)


def _overlapping(subject: Subject) -> Iterator[Finding]:
    live = [index for index, _ in subject.indexes if index.excludes]
    for apart in subject.apart:
        if any(same_rule(index, apart) and index.valid for index in live):
            continue
        named = next((index for index in live if index.name == apart.name), None)
        yield _periods(subject, apart, named)


def _periods(subject: Subject, apart: Apart, named: Index | None) -> Finding:
    what = f"{apart.name} on {subject.called} is another rule than declared" if named else (
        f"Nothing in {subject.called} keeps periods apart ({apart.name} is missing)"
    )  # fmt: skip
    full = quoted(subject.table.schema, subject.table.name)
    away = f"drop constraint {quoted(apart.name)}, " if named else ""
    return _one(
        subject, Code.PERIODS_OVERLAP, Severity.ERROR, apart.name,
        f"{what}: {apart.same or 'two periods'} can lie over each other.",
        f"alter table {full} {away}add constraint {quoted(apart.name)} {apart.rule};",
    )  # fmt: skip


def _without_scope(subject: Subject, contract: Contract, others: list[tuple[Index, Rule]]) -> Iterator[Finding]:
    """Keys that two tenants would share. A number that the table gives by itself is nobody's word, and may stand."""
    scope = {column.name for column in subject.table.columns} & set(contract.scope)
    if not scope or subject.table.name in contract.shared or subject.table.full_name in contract.shared:
        return
    column = ", ".join(sorted(scope))
    for key, rule in subject.keys:
        if not rule.names & scope:
            says = f"The declared key {key.says} does not contain {column}: what one tenant has, no other can have."
            do = f"Add {column} to the key's columns, or name the table among the shared ones."
            yield _one(subject, Code.KEY_WITHOUT_SCOPE, Severity.ERROR, key.name, says, do)
    declared = [rule for _, rule in subject.keys]
    for index, rule in others:
        if rule.names & scope or _nobodys_word(subject, rule) or any(_alike(rule, one) for one in declared):
            continue
        says = (
            f"{index.name} on {subject.called} ({', '.join(index.columns)}) does not contain {column}: "
            f"what one tenant has, no other can have."
        )
        do = f"Make it again with {column} in front, then: {retiring(index, subject.named)}"
        # What a table's rows are called by is seldom what a business calls them.
        name_alone = index.kind is Kind.PRIMARY and len(index.columns) == 1
        severity = Severity.NOTE if name_alone else Severity.ERROR
        yield _one(subject, Code.KEY_WITHOUT_SCOPE, severity, index.name, says, do)


def _nobodys_word(subject: Subject, rule: Rule) -> bool:
    """Whether no two tenants can come to the same value: the table gives it, or a program drew it at random."""
    columns = [subject.table.column(name) for name in rule.columns]
    drawn = len(columns) == 1 and columns[0] is not None and columns[0].type == "uuid"
    return drawn or own_number(rule.names, subject.table)


def _lacking(subject: Subject, contract: Contract, others: list[tuple[Index, Rule]]) -> Iterator[Finding]:
    """Keys that the server cannot hold over all parts of a table, or will not once it is spread."""
    table = subject.table
    here = frozenset(column or "an expression" for column in table.partitioned_by)
    spread = table.distributed_by or (
        contract.distributed_by
        if contract.distributed_by and table.column(contract.distributed_by) and table.name not in contract.shared
        else None
    )
    for key, rule in subject.keys:
        for columns, how in ((here, "partitioned"), (frozenset({spread} if spread else ()), "spread over machines")):
            if columns <= rule.columns:
                continue
            lacks = ", ".join(sorted(columns - rule.columns))
            says = (
                f"{subject.called} is {how} by {', '.join(sorted(columns))}, and the key {key.says} lacks {lacks}: "
                f"the server can hold it within one part only, never over all of them."
            )
            own = f"eep the key in a table of its own that is not {how}."
            # No unique index of a table that is partitioned by an expression can be made at all.
            do = f"K{own}" if "an expression" in columns else f"Add {lacks} to the key, or k{own}"
            yield _one(subject, Code.KEY_LACKS_PARTITION, Severity.ERROR, key.name, says, do)
    declared = [rule for _, rule in subject.keys]
    for index, rule in others:
        if spread and spread not in rule.columns and not any(_alike(rule, one) for one in declared):
            says = f"{index.name} on {subject.called} lacks {spread}, by which the table is to be spread over machines."
            do = f"Make it again with {spread} in front, then: {retiring(index, subject.named)}"
            yield _one(subject, Code.KEY_LACKS_PARTITION, Severity.WARNING, index.name, says, do)


def unvalidated(catalog: Catalog, names: Names) -> list[Finding]:
    """Checks and foreign keys that old rows were never held against."""
    found = []
    for one in catalog.unvalidated:
        table = next(iter(names.of(f"{one.schema}.{one.table}")), None)
        full, name = quoted(one.schema, one.table), quoted(one.name)
        found.append(
            Finding(
                code=Code.UNVALIDATED, severity=Severity.WARNING, schema=one.schema, table=one.table, name=one.name,
                says=f"{one.name} on {names.shown(table) if table else one.table} holds for new rows alone: "
                f"the rows that were there before were never looked at.",
                do=f"alter table {full} validate constraint {name};",
            )
        )  # fmt: skip
    return found
