"""A report for people, at a terminal: the worst first, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .types import Code, Evidence, Finding, Report, Severity

MARKS = {Severity.ERROR: ("✗", "red"), Severity.WARNING: ("!", "yellow"), Severity.NOTE: ("·", "cyan")}
# Of evidence so much is shown that one sees what stands against what.
MOST_ROWS = 6
MOST_COLUMNS = 6
LONGEST_VALUE = 40
# A value may hold what moves a terminal's cursor, or turns the order of what stands beside it.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings by severity; within one, in the order in which they came."""
    return tuple(sorted(findings, key=lambda finding: finding.severity.rank))


def fails(finding: Finding, fail_on: Severity) -> bool:
    """Whether it is at least as bad as what a caller lets pass no more."""
    return finding.severity.rank <= fail_on.rank


def show(report: Report, console: Console) -> None:
    """Prints what was found and what was looked at."""
    for finding in worst_first(report.findings):
        console.print(_block(finding), soft_wrap=False)
        console.print()
    console.print(Text(closing(report)))


def closing(report: Report) -> str:
    """The last sentence: how it is, and what was looked at."""
    schemas = ", ".join(report.schemas)
    looked = (
        f"{_count(report.tables, 'table')} of {report.database} ({schemas}), {_count(report.keys, 'key')} and "
        f"{_count(report.upserts, 'statement')} in {report.seconds:.1f} s"
    )
    if not report.findings:
        return f"All is well: looked at {looked}."
    each = [
        _count(sum(finding.severity is severity for finding in report.findings), severity.value)
        for severity in Severity
        if any(finding.severity is severity for finding in report.findings)
    ]
    return f"{', '.join(each)}: looked at {looked}."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def full_name(finding: Finding) -> str:
    """The table with its schema, where the finding is of one; what is of no table is the database's."""
    table = finding.table or "the database"
    return f"{finding.schema}.{table}" if finding.schema and finding.table and "." not in table else table


def _block(finding: Finding) -> RenderableType:
    mark, colour = MARKS[finding.severity]
    head = Text.assemble(
        (f"{mark} {finding.code.value}", f"bold {colour}"), "  ", (printable(full_name(finding)), "bold")
    )
    if finding.name:
        head.append(f"  {printable(finding.name)}", "dim")
    if finding.place:
        head.append(f"  {printable(finding.place)}", "dim")
    parts: list[RenderableType] = [Text(printable(finding.says)), *_evidence(finding)]
    parts.append(Text.assemble(("Do: ", "bold"), printable(finding.do)))
    return Group(head, Padding(Group(*parts), (0, 0, 0, 2)))


def _evidence(finding: Finding) -> list[RenderableType]:
    evidence = finding.evidence
    shown: list[RenderableType] = []
    if evidence.rows:
        shown += [Text(stand_against(finding), "dim"), Padding(_rows(finding), (0, 0, 0, 2))]
    if evidence.error:
        shown.append(Text(f"Users see: {printable(evidence.error)}", "dim"))
    if evidence.times:
        shown.append(Text(how_often(evidence), "dim"))
    return shown


def stand_against(finding: Finding) -> str:
    """How many groups of rows there are, or rows where each breaks the rule by itself."""
    evidence = finding.evidence
    if finding.code is Code.UNVALIDATED:
        many = "Rows that break it (not all were counted in the time given)"
        return f"{many if evidence.groups is None else _count(evidence.groups, 'row') + ' that break it, such as'}:"
    if evidence.groups is None:
        return "Rows that stand against each other (not all were counted in the time given):"
    return f"{_count(evidence.groups, 'group')} of rows that stand against each other, such as:"


def how_often(evidence: Evidence) -> str:
    """How often users met it."""
    last = f", last on {evidence.last:%Y-%m-%d at %H:%M %Z}".rstrip() if evidence.last else ""
    return f"Recorded {_count(evidence.times, 'time')}{last}."


def _rows(finding: Finding) -> Table:
    rows = finding.evidence.rows[:MOST_ROWS]
    columns = _columns(rows, finding.key.columns if finding.key else ())
    table = Table(box=None, pad_edge=False, style="dim", header_style="dim")
    for column in columns:
        table.add_column(Text(printable(column)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_value(row.get(column))) for column in columns))
    if len(finding.evidence.rows) > MOST_ROWS:
        table.add_row(Text(f"… and {len(finding.evidence.rows) - MOST_ROWS} more"))
    return table


def _columns(rows: tuple[dict[str, Any], ...], key: tuple[str, ...]) -> list[str]:
    """The key's columns and those in which the rows differ; the others say nothing."""
    every = list(dict.fromkeys(name for row in rows for name in row))
    told = [name for name in every if name in key]
    differ = [name for name in every if name not in key and len({repr(row.get(name)) for row in rows}) > 1]
    return ((told + differ) or every)[:MOST_COLUMNS]


def _value(value: Any) -> str:
    if value is None:
        return "–"
    said = printable(str(value))
    return said if len(said) <= LONGEST_VALUE else f"{said[: LONGEST_VALUE - 1]}…"


def printable(text: str) -> str:
    """A text from a database as it may stand on a terminal."""
    return UNPRINTABLE.sub("·", text)
