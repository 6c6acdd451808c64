"""What came of an import from an older system, for people."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table as Drawn

from tallybook.core.import_book import Outcome


def show(outcome: Outcome) -> None:
    """Tells what became of each table's rows, and why."""
    console = Console()
    drawn = Drawn("table", "rows", "would be added" if outcome.dry_run else "added", "there already", "left out",
                  box=None, pad_edge=False)  # fmt: skip
    for one in outcome.tables:
        drawn.add_row(one.name, *(f"{count:,}" for count in (one.read, one.added, one.known, one.left_out)))
    console.print(drawn)
    for remark in outcome.remarks:
        examples = ", ".join(remark.examples) + (" …" if remark.rows > len(remark.examples) else "")
        typer.echo(f"{remark.table}: {remark.rows:,} {remark.becomes}: {remark.why}.\n    {examples}")
    if outcome.beside:
        typer.echo(f"Nothing is taken from: {', '.join(outcome.beside)}.")
    if outcome.dry_run:
        typer.echo("Nothing was changed.")
