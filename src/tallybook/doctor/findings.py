"""Holds a contract against a catalogue. Pure: everything that must be asked of the server was asked before."""

from __future__ import annotations

from .catalog import Catalog, Table
from .contract import Apart, Contract, NaturalKey
from .key_findings import key_findings
from .resolving import Names
from .same_text import Spelling
from .strict_findings import strict_findings
from .subjects import missing, subjects
from .table_findings import table_findings, unvalidated
from .types import Code, Finding, Severity


def of_keys(contract: Contract, catalog: Catalog, spelling: Spelling | None = None) -> list[Finding]:
    """Everything that is wrong with the keys of these schemas, the worst first.

    Without a spelling, texts are compared as they are written.
    """
    spelling = spelling or Spelling()
    names = Names(catalog)
    found = [*_not_there(contract, names), *_unclear(contract, names, spelling)]
    for subject in subjects(contract, catalog, spelling, names):
        keys = key_findings(subject)
        strict = strict_findings(subject, _indexes(keys))
        told = _indexes([*keys, *strict])
        found += [*keys, *strict, *table_findings(subject, contract, told)]
    return in_order([*found, *unvalidated(catalog, names)])


def _indexes(findings: list[Finding]) -> set[str]:
    """The indexes of which something was said; what is not there may bear the name of another."""
    absent = {Code.MISSING_KEY, Code.LOST_SINGLETON}
    return {one.name for one in findings if one.name and one.code not in absent}


def in_order(findings: list[Finding]) -> list[Finding]:
    """The worst first, then by table and name."""
    return sorted(findings, key=lambda one: (one.severity.rank, one.schema, one.table, one.code, one.name or ""))


def _not_there(contract: Contract, names: Names) -> list[Finding]:
    """Tables and columns that the contract names and the database has not, and those that could not be looked at."""
    found: dict[tuple[str, str, str], Finding] = {}
    declared: list[NaturalKey | Apart] = [*contract.keys, *contract.apart]
    for one in declared:
        tables = names.of(one.table)
        if not tables:
            found.setdefault(("", one.table, ""), _no_table(one.table))
        for table in tables:
            place = (table.schema, table.name)
            if table.locked:
                says = f"{names.shown(table)} is being changed by somebody at this moment, so it was not looked at."
                found[(*place, "")] = Finding(
                    code=Code.NOT_LOOKED_AT, severity=Severity.WARNING, schema=table.schema, table=table.name,
                    says=says, do="Look again when the change is done.",
                )  # fmt: skip
            if isinstance(one, NaturalKey):
                found |= {(*place, column): _no_column(one, table, column, names) for column in missing(one, table)}
    return list(found.values())


def _no_table(name: str) -> Finding:
    schema, _, table = name.rpartition(".")
    return Finding(
        code=Code.MISSING_TABLE, severity=Severity.ERROR, schema=schema, table=table,
        says=f"There is no table {name} in the schemas that were looked at.",
        do="Run the migration that is behind, name the table's schema, or mend the name in the contract.",
    )  # fmt: skip


def _no_column(key: NaturalKey, table: Table, column: str, names: Names) -> Finding:
    why = f", of which the contract says: {key.same}." if key.same else ", which the contract names."
    return Finding(
        code=Code.MISSING_COLUMN, severity=Severity.ERROR, schema=table.schema, table=table.name, name=column, key=key,
        says=f"{names.shown(table)} has no column {column}{why}",
        do="Run the migration that is behind, or mend the name in the contract.",
    )  # fmt: skip


def _unclear(contract: Contract, names: Names, spelling: Spelling) -> list[Finding]:
    """Declared predicates and expressions that the server did not understand."""
    return [
        Finding(
            code=Code.NOT_READ, severity=Severity.ERROR, schema=table.schema, table=table.name, name=key.name, key=key,
            says=f"The contract says of {names.shown(table)}: {text!r}, which the server does not understand "
            f"({spelling.unclear[table.full_name, text]}), so this key was not looked at.",
            do="Mend the text in the contract.",
        )
        for key in contract.keys
        for table in names.of(key.table)
        for text in spelling.not_understood(table, key)
    ]  # fmt: skip
