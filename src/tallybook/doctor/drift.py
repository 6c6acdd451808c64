"""What two schemas differ in that makes rows unique, and which rows one of them takes and the other refuses. Pure.

Names, the order of columns, and how often the same rule stands there are no drift.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from .catalog import Catalog, Check, Column, Index, Table
from .drift_advice import full, gone, key_of, made, moved, without_schema
from .predicates import held_to_one
from .resolving import quoted
from .types import Code, Finding, Severity


class Rule(msgspec.Struct, frozen=True):
    """What an index refuses, without its name: equal in two schemas where it refuses the same rows.

    ``nulls_same`` is False too where no column can lack a value, since it makes no difference there.
    """

    columns: frozenset[tuple[str, str]]
    where: str | None
    nulls_same: bool

    @property
    def equal(self) -> bool:
        """Whether it is about equal values alone, as a unique key is."""
        return all(operator == "=" for _, operator in self.columns)

    @property
    def names(self) -> str:
        """The columns as they are read in a sentence."""
        told = ((re.sub(r"^\((.*)\)$", r"\1", name), operator) for name, operator in self.columns)
        return ", ".join(sorted(name if operator == "=" else f"{name} {operator}" for name, operator in told))

    def covers(self, other: Rule) -> bool:
        """Whether whatever the other refuses is refused by this one as well."""
        return (
            self.equal
            and other.equal
            and self.columns <= other.columns
            and self.where in {None, other.where}
            and (self.nulls_same or not other.nulls_same)
        )


class Side(msgspec.Struct, frozen=True):
    """One of the two schemas: what it is called in sentences, and its tables by name."""

    name: str
    tables: dict[str, Table]
    indexes: dict[str, list[Index]]
    checks: dict[str, list[Check]]


def drift(here: Catalog, there: Catalog, *, names: tuple[str, str]) -> tuple[Finding, ...]:
    """A finding for each difference, with what the two sides are called; with a key, where one side takes its doubles.

    Tables are the same by their name where each side is one schema, else by schema and name.
    """
    alone = all(len({table.schema for table in side.tables}) <= 1 for side in (here, there))
    sides = (_side(here, names[0], alone=alone), _side(there, names[1], alone=alone))
    found: list[Finding] = []
    for table in sorted(sides[0].tables.keys() | sides[1].tables.keys()):
        if any(side.tables[table].locked for side in sides if table in side.tables):
            found.append(_not_looked_at(table))
        elif all(table in side.tables for side in sides):
            found += _table(table, sides)
        elif not any(side.tables[table].is_partition for side in sides if table in side.tables):
            # Parts come and go with the days: each environment has those of its own time.
            found.append(_missing(table, sides))
    return tuple(found)


def _side(catalog: Catalog, name: str, *, alone: bool) -> Side:
    def called(schema: str, table: str) -> str:
        return table if alone else f"{schema}.{table}"

    tables = {called(table.schema, table.name): table for table in catalog.tables}
    indexes: dict[str, list[Index]] = {table: [] for table in tables}
    checks: dict[str, list[Check]] = {table: [] for table in tables}
    for index in catalog.indexes:
        # One that was not built to where it refuses rows does nothing yet.
        if index.ready:
            indexes.setdefault(called(index.schema, index.table), []).append(index)
    for check in catalog.checks:
        checks.setdefault(called(check.schema, check.table), []).append(check)
    return Side(name, tables, indexes, checks)


def _table(table: str, sides: tuple[Side, Side]) -> Iterator[Finding]:
    rules = [_rules(sides[0], sides[1], table), _rules(sides[1], sides[0], table)]
    part = any(side.tables[table].is_partition for side in sides)
    for one, other in ((0, 1), (1, 0)):
        # What a part has of the whole is told of the whole.
        own = {rule: index for rule, index in rules[one].items() if not index.attached}
        for rule, index in own.items():
            if rule not in rules[other]:
                yield from _rule(table, rule, index, (sides[one], sides[other]), rules[other])
        yield from _unusable(table, (sides[one], sides[other]), own, rules[other])
        yield from _values(table, (sides[one], sides[other]), own, rules[other])
        if not part:
            yield from _filled(table, sides[one], sides[other])
            yield from _singleton(table, sides[one], sides[other])


def _rules(side: Side, other: Side, table: str) -> dict[Rule, Index]:
    """Each rule of a table with the best index that holds it: one on which ON CONFLICT can rely, if any."""
    rules: dict[Rule, Index] = {}
    for index in side.indexes[table]:
        rule = _rule_of(index, side.tables[table], other.tables[table])
        if rule not in rules or (_usable(index) and not _usable(rules[rule])):
            rules[rule] = index
    return rules


def _rule_of(index: Index, table: Table, other: Table) -> Rule:
    operators = index.operators or ("=",) * len(index.columns)
    columns = [without_schema(column, index.schema) for column in index.columns]
    # A value that one side alone can lack is told as such.
    may_lack = any(_may_lack(column, table) and _may_lack(column, other) for column in index.columns)
    return Rule(
        frozenset(zip(columns, operators, strict=True)),
        without_schema(index.where, index.schema) if index.where else None,
        index.nulls_same and may_lack,
    )


def _may_lack(column: str, table: Table) -> bool:
    found = table.column(column)
    return found is None or found.nullable


def _usable(index: Index) -> bool:
    return index.immediate and index.valid


def _rule(
    table: str, rule: Rule, index: Index, sides: tuple[Side, Side], others: Mapping[Rule, Index]
) -> Iterator[Finding]:
    """A rule that one side has and the other has not."""
    one, other = sides
    covering = [there for there in others if there.covers(rule)]
    if any(there.columns == rule.columns for there in covering):
        return  # it refuses the same and more, and serves ON CONFLICT as well; told from the other side
    what = _such(rule)
    if covering:
        says = (
            f"ON CONFLICT ({rule.names}) on {table} works in {one.name} and fails in {other.name}, which holds another "
            f"rule: ({covering[0].names})."
        )
    elif rule.equal:
        says = f"{one.name} refuses two rows of {table} with the same ({rule.names}){what}; {other.name} takes both."
    else:
        says = f"{one.name} keeps rows of {table} apart by ({rule.names}){what}; {other.name} takes both."
    severity = Severity.WARNING if covering else Severity.ERROR
    found = _finding(table, says, _make_or_drop(index, one, other, other.tables[table]), severity, index.name)
    yield msgspec.structs.replace(found, key=key_of(table, index)) if rule.equal and not covering else found


def _such(rule: Rule) -> str:
    where = f" where {rule.where}" if rule.where else ""
    return where + (", rows without a value included" if rule.nulls_same else "")


def _make_or_drop(index: Index, one: Side, other: Side, there: Table) -> str:
    return f"Decide which of the two is meant. In {other.name}: {made(index, there)}; or in {one.name}: {gone(index)};"


def _unusable(
    table: str, sides: tuple[Side, Side], rules: Mapping[Rule, Index], others: Mapping[Rule, Index]
) -> Iterator[Finding]:
    """Rules that both have, and on which ON CONFLICT can rely in the first alone."""
    one, other = sides
    for rule, index in rules.items():
        there = others.get(rule)
        if there is None or not _usable(index) or _usable(there):
            continue
        why = "is deferrable (55000)" if not there.immediate else "is invalid (42P10)"
        late = "; the rows are held against each other at the end of a transaction" if not there.immediate else ""
        yield _finding(
            table,
            f"ON CONFLICT ({rule.names}) on {table} works in {one.name} and fails in {other.name}, where "
            f"{there.name} {why}{late}.",
            f"Make {there.name} anew in {other.name} as it is in {one.name}: {made(index, other.tables[table])};",
            Severity.WARNING,
            there.name,
        )


def _values(
    table: str, sides: tuple[Side, Side], rules: Mapping[Rule, Index], others: Mapping[Rule, Index]
) -> Iterator[Finding]:
    """Columns of a key that must have a value in the first alone: without one, rows pass the key in the other."""
    one, other = sides
    loose = [rule for rule in rules if rule in others and not others[rule].nulls_same]
    in_keys = {name for rule in loose for name, _ in rule.columns}
    for name in sorted(in_keys):
        here, there = one.tables[table].column(name), other.tables[table].column(name)
        if here is not None and there is not None and not here.nullable and there.nullable:
            yield _finding(
                table,
                f"{other.name} takes any number of rows of {table} without {name}, which is part of a key; "
                f"{one.name} refuses each of them.",
                f"In {other.name}: alter table {full(other.tables[table])} alter column {quoted(name)} set not null;",
                Severity.ERROR,
                None,
            )


def _filled(table: str, one: Side, other: Side) -> Iterator[Finding]:
    """Columns that number themselves in the first alone, or there in another way."""
    for column in one.tables[table].columns:
        there = other.tables[table].column(column.name)
        if column.sequence is None or there is None or _numbers(column) == _numbers(there):
            continue
        if there.sequence is None and there.default is None:
            says = f"{one.name} numbers the rows of {table} by {column.name} itself; {other.name} wants a number given."
            severity = Severity.ERROR if not there.nullable else Severity.WARNING
        elif one.name > other.name and there.sequence is not None:
            continue  # told from the other side
        else:
            says = (
                f"{table}.{column.name} is {_numbers(column)} in {one.name} and {_numbers(there)} in {other.name}: "
                "they need other rights and are copied in other ways."
            )
            severity = Severity.NOTE
        do = f"Decide which is meant, and change {table}.{column.name} in {other.name} or in {one.name}."
        yield _finding(table, says, do, severity, column.sequence.rpartition(".")[2])


def _numbers(column: Column) -> str:
    if column.sequence is None:
        return "filled in another way" if column.default else "not filled"
    return "serial" if column.default else "identity"


def _singleton(table: str, one: Side, other: Side) -> Iterator[Finding]:
    """A key whose only value is pinned by a check holds the table to one row."""
    pinned = [_pinned(side, table) for side in (one, other)]
    for column, check in pinned[0].items():
        if column not in pinned[1]:
            there = other.tables[table]
            yield _finding(
                table,
                f"{one.name} holds {table} to one row; {other.name} takes a second one.",
                f"In {other.name}: alter table {full(there)} add "
                f"{moved(check.definition, check.schema, there.schema)};",
                Severity.ERROR,
                check.name,
            )


def _pinned(side: Side, table: str) -> dict[str, Check]:
    keys = {index.columns[0] for index in side.indexes[table] if len(index.columns) == 1 and index.where is None}
    return {column: check for check in side.checks[table] for column in held_to_one(check.definition) if column in keys}


def _missing(table: str, sides: Sequence[Side]) -> Finding:
    has = next(side for side in sides if table in side.tables)
    lacks = next(side for side in sides if table not in side.tables)
    says = f"The table {table} is in {has.name} and not in {lacks.name}: whatever writes it there fails."
    return _finding(table, says, f"Run the migrations on {lacks.name}.", Severity.WARNING, None)


def _not_looked_at(table: str) -> Finding:
    return Finding(
        code=Code.NOT_LOOKED_AT,
        severity=Severity.NOTE,
        table=table,
        says=f"Somebody is changing {table} at this moment, so it was not compared.",
        do="Compare again when that is through.",
    )


def _finding(table: str, says: str, do: str, severity: Severity, name: str | None) -> Finding:
    return Finding(code=Code.DRIFT, severity=severity, table=table, says=says, do=do, name=name)
