"""The command line. Commands are thin: read the arguments, make one call, say what came of it."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from tallybook.core.errors import TallybookError

from . import accounts, bench, demo, environments, monitor, parked, product, spool

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(monitor.app, name="monitor")
app.add_typer(environments.app, name="env")
app.add_typer(parked.app, name="parked")
app.add_typer(spool.app, name="spool")
app.add_typer(accounts.user, name="user")
app.add_typer(accounts.token, name="token")
app.add_typer(accounts.business, name="business")
for command in (*product.COMMANDS, demo.demo, *environments.COMMANDS, bench.bench):
    app.command()(command)


def main() -> None:
    """Runs a command: exit code 0 when it did what it says, 1 when it failed, 2 when it was asked wrongly."""
    try:
        app()
    except TallybookError as error:
        Console(stderr=True, highlight=False, markup=False).print(error.message, soft_wrap=True)
        sys.exit(1)
