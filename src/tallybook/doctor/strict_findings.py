"""What refuses more than was declared: by fewer columns, in more rows, or where a value is missing. Pure."""

from __future__ import annotations

from collections.abc import Container

from .catalog import Index, Kind, Table
from .contract import Apart, NaturalKey
from .holding import Rule, no_stricter, refuses_nothing
from .key_findings import NOT_SURE
from .periods import Periods, taken_apart
from .predicates import contradict, plain
from .remedies import retiring
from .resolving import without_quotes
from .subjects import Subject
from .types import Code, Evidence, Finding, Severity


def strict_findings(subject: Subject, told: Container[str] = frozenset()) -> list[Finding]:
    """A finding for each index that refuses rows which the declared keys allow; not for those in ``told``.

    Only an index whose columns all belong to declared keys is held against them. A number that the table gives its rows
    by itself says nothing of what is the same thing: as the primary key it is nothing to tell of, else a note.
    """
    found = []
    for index, rule in (*subject.indexes, *subject.parts):
        if index.name in told or not index.ready or not subject.keys or _justified(subject, index, rule):
            continue
        against = _against(subject, index, rule)
        if against is not None:
            found.append(_finding(subject, index, rule, *against))
    return found


def _justified(subject: Subject, index: Index, rule: Rule) -> bool:
    if not index.equal:
        return any(same_rule(index, apart) for apart in subject.apart)
    if index.kind is Kind.PRIMARY and own_number(rule.names, subject.table):
        return True
    return refuses_nothing(rule) or any(no_stricter(rule, its_rule) for _, its_rule in subject.keys)


def _against(subject: Subject, index: Index, rule: Rule) -> tuple[NaturalKey, Rule] | None:
    """The declared key that the index goes against: of its own columns, of some of them, or of rows without a rule."""
    keys = [(key, its) for key, its in subject.keys if not contradict(rule.needs, its.needs)]
    if rule.names <= frozenset().union(*(its.names for _, its in keys)):
        keys.sort(key=lambda one: len(rule.names - one[1].names))
        return keys[0] if keys else None
    # By more columns than a rule that is about some rows alone, it refuses others as well.
    beyond = [one for one in keys if one[0].columns and one[1].names < rule.names and not one[1].where <= rule.where]
    return beyond[-1] if beyond and index.kind is not Kind.PRIMARY else None


def same_rule(index: Index, apart: Apart) -> bool:
    """Whether an exclusion is the declared one, whatever its name and the order in which it compares."""
    live, declared = taken_apart(index.definition), taken_apart(apart.rule)
    if live is None or declared is None:
        return plain(index.definition) == plain(apart.rule)
    return _compared(live) == _compared(declared)


def _compared(periods: Periods) -> tuple[frozenset[tuple[str, str]], str | None]:
    return (
        frozenset((plain(without_quotes(expression)), operator) for expression, operator in periods.elements),
        plain(without_quotes(periods.where)) if periods.where else None,
    )


def own_number(columns: Container[str], table: Table) -> bool:
    """Whether the table gives one of the columns a new value each time: who leaves it to the table is never refused."""
    return any(column.own_value for column in table.columns if column.name in columns)


def _finding(subject: Subject, index: Index, rule: Rule, key: NaturalKey, declared: Rule) -> Finding:
    beyond = declared.names < rule.names
    unsure = not subject.sure and rule.names == declared.names
    by_nulls = rule.columns == declared.columns and rule.nulls_same and declared.where <= rule.where
    severity = Severity.WARNING if beyond or unsure else Severity.ERROR
    return Finding(
        code=Code.NULL_RULE if by_nulls else Code.TOO_STRICT,
        severity=Severity.NOTE if own_number(rule.names, subject.table) else severity,
        schema=index.schema,
        table=index.table,
        name=index.name,
        says=_says(subject, index, rule, key, declared) + (NOT_SURE if unsure else "") + ".",
        do=_do(subject, index, rule, key),
        key=key,
        evidence=Evidence(error=refusal(index)),
    )


def refusal(index: Index) -> str:
    """What users see when the index refuses their row."""
    if index.unique and index.equal:
        return f'duplicate key value violates unique constraint "{index.name}"'
    return f'conflicting key value violates exclusion constraint "{index.name}"'


def _says(subject: Subject, index: Index, rule: Rule, key: NaturalKey, declared: Rule) -> str:
    own = ", ".join(index.columns)
    which = f" where {index.where}" if index.where else ""
    start = f"{index.name} on {_where(subject, index)} refuses a second row with the same {own}{which}"
    rule_says = f"by the rule ({key.says})"
    if not rule.names:
        many = f"{rule_says} there may be many" if key.columns else f"the rule is about rows where {key.where} alone"
        return f"{index.name} lets only one row into {_where(subject, index)}{which}, though {many}"
    if not index.equal:
        near = f"{index.name} on {_where(subject, index)} refuses rows that only come near each other in {own}"
        return f"{near}, though {rule_says} equal ones alone are the same"
    return f"{start}{_though(rule, key, declared, own, rule_says)}"


def _where(subject: Subject, index: Index) -> str:
    """The table, and the partition that has the index for itself."""
    part = "" if index.table == subject.table.name else f"{index.table}, a part of "
    return part + subject.called


def _though(rule: Rule, key: NaturalKey, declared: Rule, own: str, rule_says: str) -> str:
    """What the declared key allows instead."""
    more = sorted(declared.names - rule.names)
    if more:
        return f", though {rule_says} the same {own} may come again with another {' or '.join(more)}"
    if not declared.where <= rule.where:
        return f", though the rule is about rows where {key.where} alone"
    if rule.columns != declared.columns:
        return f", though {rule_says} they are compared as ({', '.join(key.columns)})"
    return f" also where a value is missing, though {rule_says} two rows without a value are two things"


def _do(subject: Subject, index: Index, rule: Rule, key: NaturalKey) -> str:
    """The declared key comes first where only this index holds it."""
    others = [other for one, other in subject.indexes if one is not index]
    alone = rule.columns == {*key.columns} and rule.columns not in [other.columns for other in others]
    first = f"{subject.making(key)} " if alone else ""
    return first + retiring(index, subject.named)
