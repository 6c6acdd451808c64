"""The inbox's commands."""

from __future__ import annotations

import typer

from .inbox_answers import app as answers
from .inbox_contacts import erase_contact, export_contact

app = typer.Typer(no_args_is_help=True, help="The inbox: what its bot answers, and customers’ data.")
app.add_typer(answers, name="answers")
app.command("export-contact")(export_contact)
app.command("erase-contact")(erase_contact)
