"""``monitor report``: the report of a day, as it is sent at night."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from tallybook import report_link
from tallybook.core.errors import WrongSetup
from tallybook.report_link import Letter

from .opening import Env, Json, opened, run, say


def report(
    date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day, such as 2026-01-31; today if left out.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Where to write its chart, as PNG.")] = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Print the report of a day: each project against its usual, and how the last 30 days stand."""

    async def work() -> Letter:
        async with opened(env) as application:
            return await report_link.letter(application, date.date() if date else None)

    made = run(work())
    if picture is not None:
        try:
            picture.write_bytes(made.picture)
        except OSError as error:
            raise WrongSetup(f"{picture} cannot be written: {error.strerror}.") from error
    say({"day": made.day, "subject": made.subject, "text": made.text}, made.text.rstrip(), as_json=as_json)
