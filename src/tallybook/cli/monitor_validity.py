"""``monitor import-valid``: a list of valid drops, shown before it changes anything."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from tallybook.core import businesses
from tallybook.core.errors import Invalid
from tallybook.monitor.service import importing, validity
from tallybook.monitor.service.importing import File
from tallybook.monitor.service.validity import MAX_BYTES
from tallybook.monitor.validity_types import Imported, Preview, ValidList

from .monitor_explain import COMMAND_LINE, InBusiness
from .opening import Env, Json, confirmed, opened, run, say
from .progress import shown

SHOWN = 20  # lines of each part on a terminal; --json has the counts


def import_valid(
    file: Annotated[Path, typer.Argument(help="A CSV or XLSX file with columns drop_number and project.")],
    project: Annotated[str | None, typer.Option(help="The project, where the file has no such column.")] = None,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Also take out of the named projects' lists what the file lacks.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    many: Annotated[
        bool, typer.Option("--withdraw-many", help="Agree to withdraw more than a fifth of a list.")
    ] = False,
    business: InBusiness = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Read a list of valid drop numbers, show what it changes, and apply it. May be repeated."""
    data = validity.bytes_of(file)

    async def work() -> dict[str, Any]:
        async with opened(env) as application:
            db = application.db
            home = await db.run("find business", lambda conn: businesses.find(conn, business))
            given = File(file.name, data, project, withdraw)
            number = await importing.give(db, home, given, COMMAND_LINE, MAX_BYTES)
            _, read, changes = await db.run("preview import", lambda conn: importing.look(conn, home, number))
            if not as_json:
                typer.echo("\n".join(told(read, changes)), err=True)
            if dry_run:
                return result(read, changes, None)
            over = _agreed(changes, yes=yes, many=many)
            with shown("Writing") as progress:
                done = await importing.run(db, home, number, COMMAND_LINE, over=over, progress=progress)
            return result(read, changes, done)

    outcome = run(work())
    say(outcome, _sentence(outcome), as_json=as_json)


def _agreed(changes: Preview, *, yes: bool, many: bool) -> bool:
    """Asks what must be asked: at a terminal always, elsewhere only where something is withdrawn."""
    if changes.changes_nothing:
        return False
    if changes.losses or sys.stdin.isatty():
        confirmed(f"Add {len(changes.gains):,} entries to the lists and withdraw {len(changes.losses):,}?", yes=yes)
    if changes.over and not many:
        if not sys.stdin.isatty():
            raise Invalid(f"{importing.too_many(changes.over)} Use --withdraw-many.")
        typer.confirm(f"{importing.too_many(changes.over)}\nWithdraw them all the same?", abort=True)
    return bool(changes.over)


def told(read: ValidList, changes: Preview) -> list[str]:
    """What an import would change, as lines for a terminal."""
    lines = [f"Added: {len(changes.added):,}"]
    lines += _listed(changes.added, lambda one: f"{one.drop_number}, {one.project}")
    lines.append(f"Changed: {len(changes.changed):,}")
    lines += _listed(
        changes.changed, lambda one: f"{one.drop_number}, {', '.join(one.before)} → {', '.join(one.after)}"
    )
    lines.append(f"Withdrawn: {len(changes.withdrawn):,}")
    lines += _listed(changes.withdrawn, lambda one: f"{one.drop_number}, {one.project}")
    lines.append(f"In the lists already: {changes.unchanged:,}. Said twice in the file: {read.repeats:,}.")
    lines.append(f"Rows that cannot be used: {len(read.unread):,}")
    lines += _listed(
        read.unread, lambda one: f"{f'{one.sheet} ' if one.sheet else ''}row {one.row}: {one.reason} ({one.detail})"
    )
    if changes.strange:
        lines.append(f"No project of this name is read here: {', '.join(changes.strange)}. Is it spelled right?")
    return lines


def _listed(parts: list[Any], line: Callable[[Any], str]) -> list[str]:
    more = [f"  … and {len(parts) - SHOWN:,} more"] if len(parts) > SHOWN else []
    return [f"  {line(part)}" for part in parts[:SHOWN]] + more


def result(read: ValidList, changes: Preview, done: Imported | None) -> dict[str, Any]:
    """What was done, or would be, for programs."""
    counted = done or Imported(
        len({one.drop_number for one in changes.added}), changes.unchanged, len(changes.changed),
        len({one.drop_number for one in changes.withdrawn}),
    )  # fmt: skip
    return {
        "added": counted.added, "changed": counted.changed, "withdrawn": counted.withdrawn, "known": counted.known,
        "unread": [{"row": one.row, "reason": one.reason} for one in read.unread], "applied": done is not None,
    }  # fmt: skip


def _sentence(done: dict[str, Any]) -> str:
    if not done["applied"]:
        return "Nothing was changed: this was a dry run."
    if not (done["added"] or done["changed"] or done["withdrawn"]):
        return f"Nothing changed: {done['known']:,} drops were in the list already."
    return (
        f"{done['added']} drops added; {done['changed']} changed; {done['withdrawn']} withdrawn; "
        f"{done['known']} were in the list already."
    )
