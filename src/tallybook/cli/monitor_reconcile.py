"""``monitor reconcile``: a supervisor's list against the registers, and adding what is missing."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tallybook.core import businesses
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.core.sheets import MAX_BYTES
from tallybook.monitor.service import reconcile as service
from tallybook.monitor.service.comparison import Comparison
from tallybook.monitor.service.reconcile import Added, Asked
from tallybook.monitor.service.supervisor_list import Given

from .monitor_explain import COMMAND_LINE, InBusiness
from .opening import Env, Json, opened, run, say

NOT_TAKEN = " (posted, but not on its project's list or waiting for it)"
SHOWN = 50  # lines of each part on a terminal; --json has them all


def reconcile(
    file: Annotated[Path, typer.Argument(help="A CSV or XLSX file with columns Date, DR nr and perhaps Time.")],
    project: Annotated[str | None, typer.Option(help="The project, where the file does not say it.")] = None,
    day: Annotated[str | None, typer.Option("--date", help="The day (2025-12-31), where the file has none.")] = None,
    add: Annotated[
        bool, typer.Option("--add", help="Add what is only in the file. Look at it without this first.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why it is added; kept with each drop.")] = "",
    business: InBusiness = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Compare a supervisor's list with the registers; with --add, file what is missing. May be repeated."""
    if add and not reason.strip():
        raise typer.BadParameter("Say why with --reason.")
    given = Given(project, _day(day))
    asked = Asked(file.name, _bytes(file), given)

    async def work() -> tuple[Comparison, Added | None]:
        sheets = await service.sheets_of(asked)
        async with opened(env) as application:

            async def keep(conn: Conn) -> tuple[Business, int, Comparison]:
                home = await businesses.find(conn, business)
                number = await service.keep(conn, home, asked, sheets, COMMAND_LINE)
                return home, number, (await service.compared(conn, home, number))[1]

            home, number, comparison = await application.db.run("compare list", keep)
            if not add:
                return comparison, None
            return comparison, await application.db.run(
                "add missing", lambda conn: service.add_missing(conn, home, number, COMMAND_LINE, reason)
            )

    comparison, added = run(work())
    result = {"counts": comparison.counts, **msgspec.to_builtins(comparison)}
    if added is not None:
        result["added"] = msgspec.to_builtins(added)
    say(result, lambda: "\n".join(told(comparison, added)), as_json=as_json)


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise typer.BadParameter("A day is written as 2025-12-31.") from None


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as opened_file:
            return opened_file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}.") from error


def told(comparison: Comparison, added: Added | None) -> list[str]:
    """A comparison as lines for a terminal."""
    lines = [f"In both: {len(comparison.both)}"]
    elsewhere = [line for line in comparison.both if not (line.same_day and line.same_project)]
    lines += _listed(
        [
            f"{_row(line.entry.sheet, line.entry.row)}: {line.entry.drop_number}, there in {', '.join(line.projects)} "
            f"on {', '.join(map(str, line.days))}"
            for line in elsewhere
        ]
    )
    lines.append(f"Only in the file: {len(comparison.only_file)}")
    lines += _listed(
        [
            f"{_row(line.entry.sheet, line.entry.row)}: {line.entry.drop_number}, {line.entry.project}, "
            f"{line.entry.day}{NOT_TAKEN if line.refused else ''}"
            for line in comparison.only_file
        ]
    )
    lines.append(f"Only in the database: {len(comparison.only_database)}")
    lines += _listed([f"{line.drop_number}, {line.project}, {line.day}" for line in comparison.only_database])
    lines.append(f"Said twice in the file: {len(comparison.repeats)}")
    lines += _listed([f"{_row(r.entry.sheet, r.entry.row)} as row {r.first_row}" for r in comparison.repeats])
    lines.append(f"Rows that cannot be used: {len(comparison.unread)}")
    lines += _listed([f"{_row(line.sheet, line.row)}: {line.reason} ({line.detail})" for line in comparison.unread])
    if added is not None:
        lines.append(f"Added: {len(added.new)}. Not on their project's list: {len(added.filed.invalid)}.")
        if added.filed.held:
            lines.append(f"Held until their project's list can be read: {len(added.filed.held)}.")
    return lines


def _row(sheet: str, row: int) -> str:
    return f"{sheet} row {row}" if sheet else f"row {row}"


def _listed(lines: list[str]) -> list[str]:
    more = [f"  … and {len(lines) - SHOWN} more; --json has them all"] if len(lines) > SHOWN else []
    return [f"  {line}" for line in lines[:SHOWN]] + more
