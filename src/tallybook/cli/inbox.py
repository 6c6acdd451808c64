"""The inbox's commands."""

from __future__ import annotations

import typer

from .inbox_answers import app as answers
from .inbox_contacts import erase_contact, export_contact
from .inbox_import import import_legacy
from .inbox_news import news
from .inbox_replay import replay

app = typer.Typer(
    no_args_is_help=True, help="The inbox: its bot’s answers, customers’ data, and what comes from elsewhere."
)
app.add_typer(answers, name="answers")
app.command("export-contact")(export_contact)
app.command("erase-contact")(erase_contact)
app.command("replay")(replay)
app.command("news")(news)
app.command("import-legacy")(import_legacy)
