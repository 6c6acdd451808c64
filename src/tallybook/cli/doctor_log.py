"""What PostgreSQL's own logs hold of refused rows, of whatever program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from tallybook.doctor import contract_file
from tallybook.doctor.contract import Contract
from tallybook.doctor.log_verdicts import Judged, Verdict, judge
from tallybook.doctor.report import printable
from tallybook.doctor.server_log import Logs, Recorded, read_logs

from .by_name import imported
from .doctor_database import ContractFile, told
from .doctor_output import AsJson

OWN = "What the product's own keys say of a log"
COLOURS = {Verdict.BLOCKS: "red", Verdict.EXPECTED: "green", Verdict.UNTOLD: "cyan"}
Found = Sequence[tuple[Recorded, Judged | None]]


def log(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="csvlog or jsonlog, also rotated and .gz.")],
    contract: ContractFile = None,
    own: Annotated[bool, typer.Option("--own", help="Hold it against the product's own keys.")] = False,
    as_json: AsJson = False,
) -> None:
    """Count the rows that a server refused, by constraint: expected doubles, and rules in the way.

    No value of a row is shown. The exit code is 1 where something was refused that the contract allows.
    """
    if contract is not None and own:
        raise typer.BadParameter("Either --contract or --own.")
    with told():
        against = _contract(contract, own=own)
        logs = read_logs(files, known_names(against or Contract()))
    found = [(one, judge(one, against) if against else None) for one in logs.recorded]
    found.sort(key=lambda each: each[1] is None or each[1].verdict is not Verdict.BLOCKS)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(_plain(logs, found)), indent=2))
    else:
        _show(logs, found, judged=against is not None)
    if any(judged is not None and judged.verdict is Verdict.BLOCKS for _, judged in found):
        raise typer.Exit(1)


def known_names(contract: Contract) -> frozenset[str]:
    """The names of constraints that a contract knows."""
    return frozenset(
        name for name in [*(key.name for key in contract.keys), *(one.name for one in contract.apart)] if name
    )


def _contract(file: Path | None, *, own: bool) -> Contract | None:
    if own:
        declared: Contract = imported("doctor_own", OWN).own_contract()
        return declared
    return contract_file.read(file) if file is not None else None


def _plain(logs: Logs, found: Found) -> dict[str, Any]:
    return {
        "files": logs.files,
        "broken": logs.broken,
        "recorded": [
            {
                "state": one.state, "constraint": one.said.constraint, "table": one.said.table,
                "columns": one.said.columns, "database": one.database, "times": one.times, "first": one.first,
                "last": one.last, "programs": one.programs, "verdict": judged.verdict if judged else None,
                "why": judged.why if judged else None,
            }
            for one, judged in found
        ],
    }  # fmt: skip


def _show(logs: Logs, found: Found, *, judged: bool) -> None:
    console = Console(highlight=False)
    for one, verdict in found:
        head = Text(f"{one.times:,} × {_what(one)}", style="bold")
        if verdict is not None:
            head.append(f"  {verdict.verdict.value}", COLOURS[verdict.verdict])
        console.print(head)
        console.print(Padding(Text(_more(one, verdict), "dim"), (0, 0, 0, 2)))
    if not found:
        console.print(Text("No row was refused for a constraint, and no ON CONFLICT lacked an index."))
    if logs.broken:
        console.print(Text(f"Records that could not be read: {logs.broken:,}."))
    if found and not judged:
        console.print(Text("With --contract FILE (or --own) it says which of them were expected."))


def _what(one: Recorded) -> str:
    columns = f"({', '.join(one.said.columns)})" if one.said.columns else ""
    said = one.said.constraint or f"ON CONFLICT {columns}"
    where = f" on {one.said.table or 'a table that is not named'}"
    return printable(f"{said}{where}{f' {columns}' if one.said.constraint and columns else ''}  {one.state}")


def _more(one: Recorded, judged: Judged | None) -> str:
    programs = ", ".join(f"{name} {times:,}" for name, times in list(one.programs.items())[:5])
    when = (
        f"{one.first:%Y-%m-%d %H:%M} to {one.last:%Y-%m-%d %H:%M %Z}, in {one.database or 'no database'}, by {programs}"
    )
    return printable(f"{judged.why}; {when}" if judged else when)
