"""The command line. Commands are thin: read the arguments, make one call, say what came of it."""

from __future__ import annotations

import sys
from typing import ClassVar

import typer
from rich.console import Console

from tallybook.core.errors import TallybookError, WrongSettings

from .by_name import ByName, Named


class Tallybook(ByName):
    """All commands. Each is imported when it is called; a new one is a line here."""

    named: ClassVar = {
        "run": Named("product:run", "Run everything on this machine: database, migrations, web, worker."),
        "serve": Named("serve:serve", "Run the web server alone."),
        "work": Named("work:work", "Run the background worker alone: bridge, jobs, schedules."),
        "health": Named("health:health", "Say what is connected, how fresh it is and how far behind."),
        "database-url": Named("product:database_url", "Print the database's address as its owner, for psql."),
        "demo": Named("demo:demo", "Run everything on a made-up day: posts keep coming in."),
        "migrate": Named("environments:do_migrate", "Bring the database up to this release."),
        "backup": Named("environments:backup", "Write all environments into one file."),
        "restore": Named("environments:restore", "Read a backup into an empty database."),
        "doctor": Named("doctor:app", "Say whether the database holds the business's own keys, and mend it."),
        "bench": Named("bench:bench", "Measure speed, each figure beside a baseline of the same run."),
        "monitor": Named("monitor:app", "WhatsApp groups' posts become QA reviews."),
        "env": Named("environments:app", "Environments: a schema and a role of its own each."),
        "parked": Named("parked:app", "What was put aside with a reason: see it, mend its cause, replay it."),
        "alerts": Named("alerts:app", "Alarms: who is told when something is wrong."),
        "channel": Named("channel:app", "The numbers whose messages come by webhooks, and whose they are."),
        "inbox": Named("inbox:app", "The inbox: its bot’s answers, customers’ data, and what comes from elsewhere."),
        "triage": Named("triage:app", "The rota: who is on triage duty, when and why."),
        "spool": Named("spool:app", "What came in while the database was away, kept on disk."),
        "user": Named("accounts:user", "People who may log in."),
        "token": Named("accounts:token", "Tokens for programs."),
        "business": Named("accounts:business", "The businesses of this installation."),
    }


HELP = "Turns chat into records that can be trusted: every message counted exactly once."

app = typer.Typer(cls=Tallybook, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=HELP)


@app.callback()
def whole() -> None:
    """Makes a group of what has no command of its own."""


def main() -> None:
    """Runs a command: exit code 0 when it did what it says, 1 when it failed, 2 when it was asked wrongly."""
    try:
        app()
    except TallybookError as error:
        Console(stderr=True, highlight=False, markup=False).print(error.message, soft_wrap=True)
        # A wrong setting is how it was called, as a wrong option is.
        sys.exit(2 if isinstance(error, WrongSettings) else 1)
