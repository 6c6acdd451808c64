"""The product itself: all of it on one machine, or its parts one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from tallybook import app as application
from tallybook import worker
from tallybook.core.health import HealthReport
from tallybook.web import server

from . import supervise
from .opening import Env, Json, open_checked, opened, owner_url, settings_of, with_database
from .opening import run as run_to_end

UnderParent = Annotated[bool, typer.Option("--under-parent", hidden=True)]
STATE_MARKS = {"ok": "[green]✓ ok[/]", "late": "[yellow]◷ late[/]", "wrong": "[red]✗ wrong[/]"}


def run(env: Env = None) -> None:
    """Run everything on this machine: database, migrations, web, worker. Ctrl-C stops it."""
    run_to_end(supervise.run_product(settings_of(env), typer.echo))


def serve(env: Env = None, under_parent: UnderParent = False) -> None:
    """Run the web server alone."""

    async def work() -> None:
        async with open_checked(env) as app:
            await server.serve(app, supervise.stop_event(under_parent=under_parent))

    run_to_end(work())


def work(env: Env = None, under_parent: UnderParent = False) -> None:
    """Run the background worker alone: bridge, jobs, schedules."""

    async def keep_working() -> None:
        async with open_checked(env) as app:
            await worker.work(app, supervise.stop_event(under_parent=under_parent))

    run_to_end(keep_working())


def health(env: Env = None, as_json: Json = False) -> None:
    """Say what is connected, how fresh it is and how far behind. Exit code 1 if something is wrong."""

    async def look() -> HealthReport:
        async with opened(env) as app:
            return await application.health_report(app, datetime.now(UTC))

    report = run_to_end(look())
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


def database_url(env: Env = None) -> None:
    """Print the database's address as its owner, for psql. It holds a password."""

    async def address() -> str:
        async with with_database(settings_of(env)) as settings:
            return owner_url(settings)

    typer.echo(run_to_end(address()))


COMMANDS = (run, serve, work, health, database_url)
