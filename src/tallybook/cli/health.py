"""How the product is, asked from a terminal or by a watchdog."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from tallybook.core.health import HealthReport
from tallybook.health_report import health_report

from .opening import Env, Json, opened, run

STATE_MARKS = {"ok": "[green]✓ ok[/]", "late": "[yellow]◷ late[/]", "wrong": "[red]✗ wrong[/]"}


def health(env: Env = None, as_json: Json = False) -> None:
    """Say what is connected, how fresh it is and how far behind. Exit code 1 if something is wrong."""

    async def look() -> HealthReport:
        async with opened(env) as app:
            return await health_report(app, datetime.now(UTC))

    report = run(look())
    if as_json:
        typer.echo(msgspec.json.encode(report))
    else:
        _show(report)
    if report.state == "wrong":
        raise typer.Exit(1)


def _show(report: HealthReport) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("", "what", "how it is", "since"):
        table.add_column(column)
    for check in report.checks:
        since = f"{check.since:%Y-%m-%d %H:%M:%S %Z}" if check.since else ""
        table.add_row(STATE_MARKS[check.state], check.name, check.says, since)
    console = Console()
    console.print(report.sentence, markup=False)
    console.print(table)
