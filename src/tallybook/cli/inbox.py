"""The inbox's commands."""

from __future__ import annotations

import typer

from .inbox_answers import app as answers

app = typer.Typer(no_args_is_help=True, help="The inbox: what its bot answers.")
app.add_typer(answers, name="answers")
