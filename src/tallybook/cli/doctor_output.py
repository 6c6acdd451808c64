"""What becomes of a report: a table or JSON on standard output, files for other programs, an exit code."""

from __future__ import annotations

from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from tallybook.doctor.report import fails, show
from tallybook.doctor.report_junit import junit as as_junit
from tallybook.doctor.report_sarif import sarif as as_sarif
from tallybook.doctor.types import Code, Report, Severity


class FailOn(StrEnum):
    """From which severity on the exit code is 1."""

    ERROR = "error"
    WARNING = "warning"


AsJson = Annotated[bool, typer.Option("--json", help="Say it as JSON.")]
Sarif = Annotated[Path | None, typer.Option("--sarif", metavar="FILE", help="Write it for code scanning, too.")]
Junit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write it as JUnit's XML, too.")]
FailOnOption = Annotated[FailOn, typer.Option("--fail-on", help="From which severity on the exit code is 1.")]


def give(
    report: Report, contract: Path | None, fail_on: FailOn, *, as_json: bool, sarif: Path | None, junit: Path | None
) -> None:
    """Says and writes the report, and ends with exit code 1 where something in it is bad enough.

    With 2 where nothing is, but a table of which the contract has a key was not looked at.
    """
    at_least = Severity(fail_on.value)
    if sarif is not None:
        version = metadata.version("tallybook")
        _write(sarif, as_sarif(report, version=version, contract=contract, folder=Path.cwd()))
    if junit is not None:
        _write(junit, as_junit(report, fail_on=at_least))
    if as_json:
        # A value of a type that JSON has not (a range, an address) is said as text.
        typer.echo(msgspec.json.format(msgspec.json.encode(report, enc_hook=str), indent=2))
    else:
        show(report, Console(highlight=False))
    unlooked = [one for one in report.findings if one.code is Code.NOT_LOOKED_AT and one.severity is not Severity.NOTE]
    if any(fails(finding, at_least) for finding in report.findings if finding not in unlooked):
        raise typer.Exit(1)
    if unlooked:
        raise typer.Exit(2)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        typer.echo(f"{path} cannot be written: {error.strerror}.", err=True)
        raise typer.Exit(2) from None
