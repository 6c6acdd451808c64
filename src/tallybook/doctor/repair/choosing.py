"""Which plan is made: what the examination found on one table, narrowed by what the person named."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote
from typing import Any

import msgspec
import psycopg

from tallybook.core.errors import Invalid
from tallybook.doctor.catalog import Catalog, Index
from tallybook.doctor.catalog_reading import read
from tallybook.doctor.contract import Contract, NaturalKey
from tallybook.doctor.examining import examine
from tallybook.doctor.types import Code, Finding, Severity

from .planning import Asked, plan_key, plan_redundant
from .reading import read_family
from .single import plan_apart, plan_invalid, plan_sequence, plan_unvalidated
from .types import Plan, Rule

Conn = psycopg.AsyncConnection[Any]
OF_KEYS = frozenset({
    Code.MISSING_KEY, Code.TOO_STRICT, Code.LOOSER_KEY, Code.REDUNDANT_KEY, Code.DEFERRABLE_ARBITER, Code.INVALID_INDEX,
    Code.PARTIAL_ARBITER, Code.EXPRESSION_MISMATCH, Code.NULL_RULE, Code.LOST_SINGLETON,
})  # fmt: skip
# These stand in the key's place, or refuse more than it.
IN_THE_WAY = frozenset(
    {Code.TOO_STRICT, Code.REDUNDANT_KEY, Code.DEFERRABLE_ARBITER, Code.INVALID_INDEX, Code.NULL_RULE}
)
# The key itself is not held as it was declared.
FAILING = OF_KEYS - {Code.TOO_STRICT, Code.REDUNDANT_KEY}
SINGLE = frozenset({
    Code.INVALID_INDEX, Code.UNVALIDATED, Code.SEQUENCE_BEHIND, Code.PERIODS_OVERLAP, Code.REDUNDANT_KEY,
})  # fmt: skip


class Choice(msgspec.Struct, frozen=True):
    """What the person named.

    ``key`` is a key's, constraint's or sequence's name, or columns with commas, followed by ``where …`` if needed.
    """

    schema: str | None = None
    table: str | None = None
    key: str | None = None
    rule: Rule | None = None


class Subject(msgspec.Struct, frozen=True):
    """One thing to repair: a key with all that was found about it, or a single finding."""

    schema: str
    table: str
    key: NaturalKey | None
    findings: tuple[Finding, ...]

    @property
    def of(self) -> str:
        """The key by its name or its columns, or the name of what was found."""
        return self.key.chosen_by if self.key else str(self.findings[0].name)

    @property
    def tables(self) -> set[str]:
        """What its table may be called."""
        return {self.table, f"{self.schema}.{self.table}"}

    @property
    def called(self) -> str:
        """How it is chosen, in a list of several."""
        return f"--schema {quote(self.schema)} --table {quote(self.table)} --key {quote(self.of)}"


async def choose(conn: Conn, contract: Contract, schemas: Sequence[str], choice: Choice, run: str) -> Plan:
    """The plan of the one thing that was chosen. Raises Invalid where there is none or more than one, naming them."""
    report = await examine(conn, contract, schemas)
    catalog = await read(conn, schemas)
    found = [one for one in subjects(report.findings) if _chosen(one, choice)]
    # What is named in full is meant, though its columns alone would mean others too.
    found = [one for one in found if choice.key and _plain(one.of) == _plain(choice.key)] or found
    if not found:
        raise Invalid("Nothing that can be repaired was found. See tallybook doctor for what was looked at.")
    if len(found) > 1:
        raise Invalid("Several things can be repaired; choose one:\n" + "\n".join(f"  {one.called}" for one in found))
    subject = found[0]
    family = await read_family(conn, subject.schema, subject.table)
    if subject.key is None and subject.findings[0].code is Code.REDUNDANT_KEY:
        return plan_redundant(run, family, str(subject.findings[0].name), contract.upserts)
    if subject.key is None:
        return _single(run, subject, catalog, contract)
    declared = tuple(key for key in contract.keys if key.table in subject.tables)
    faulty = tuple(one.name for one in subject.findings if one.name and one.code in IN_THE_WAY and _goes(one, choice))
    held = not any(one.code in FAILING for one in subject.findings)
    return plan_key(run, family, Asked(subject.key, choice.rule, declared, contract.upserts, faulty, held))


def subjects(findings: Sequence[Finding]) -> list[Subject]:
    """What can be repaired, each key of a table once."""
    of_keys: dict[tuple[str, str, str], Subject] = {}
    single = []
    for one in findings:
        key = one.key
        if one.code in OF_KEYS and key is not None:
            place = (one.schema, one.table, key.says)
            before = of_keys.get(place, Subject(one.schema, one.table, key, ()))
            of_keys[place] = msgspec.structs.replace(before, findings=(*before.findings, one))
        elif one.code in SINGLE:
            single.append(Subject(one.schema, one.table, None, (one,)))
    return [*of_keys.values(), *single]


def _index(finding: Finding, catalog: Catalog) -> Index | None:
    wanted = (finding.schema, finding.table, finding.name)
    return next((one for one in catalog.indexes if (one.schema, one.table, one.name) == wanted), None)


def _chosen(subject: Subject, choice: Choice) -> bool:
    if choice.schema and subject.schema != choice.schema:
        return False
    if choice.table and choice.table not in subject.tables:
        return False
    if choice.key is None:
        return True
    names = {one.name for one in subject.findings}
    if subject.key is not None:
        names |= {subject.key.chosen_by, ",".join(subject.key.columns) or "one-row"}
    return _plain(choice.key) in {_plain(name) for name in names if name}


def _goes(finding: Finding, choice: Choice) -> bool:
    """What is perhaps meant stays, unless it was named."""
    certain = finding.severity is Severity.ERROR or finding.code is Code.REDUNDANT_KEY
    return certain or (choice.key is not None and _plain(choice.key) == _plain(str(finding.name)))


def _plain(name: str) -> str:
    """A name without blanks."""
    return "".join(name.split())


def _single(run: str, subject: Subject, catalog: Catalog, contract: Contract) -> Plan:
    finding = subject.findings[0]
    here = (finding.schema, finding.table)
    if finding.code is Code.INVALID_INDEX and (index := _index(finding, catalog)):
        return plan_invalid(run, index)
    for late in catalog.unvalidated:
        if finding.code is Code.UNVALIDATED and (late.schema, late.table) == here and late.name == finding.name:
            table = next(one for one in catalog.tables if (one.schema, one.name) == here)
            return plan_unvalidated(run, table, late)
    for state in catalog.sequences:
        called = (state.schema, state.table) == here and state.sequence == finding.name
        # Where it is exhausted, what is to be widened is for a person to say.
        if finding.code is Code.SEQUENCE_BEHIND and called and finding.do.startswith("select setval("):
            return plan_sequence(run, state)
    for rule in contract.apart:
        if finding.code is Code.PERIODS_OVERLAP and rule.name == finding.name:
            return plan_apart(run, finding.schema, rule)
    raise Invalid(f"{finding.says} It is not repaired here: {finding.do}")
