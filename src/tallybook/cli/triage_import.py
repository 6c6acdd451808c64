"""``triage import-json`` and ``triage import-old``: moving from an older rota, looked at first, taken back whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tallybook.app import App
from tallybook.core import businesses, older_rows
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, WrongSetup
from tallybook.triage import legacy_files
from tallybook.triage.legacy_files import FILES
from tallybook.triage.service import importing
from tallybook.triage.service.doing import Actor
from tallybook.triage.service.importing import Found, OldRota
from tallybook.triage.service.people import check_team
from tallybook.triage.store.importing import READ, SIGN, Last
from tallybook.triage.types import Team

from .import_shown import show
from .opening import Env, Json, confirmed, opened, run, say
from .progress import shown

COMMAND_LINE = "command line"
SHOWN = 10  # duties that are told otherwise

Name = Annotated[str, typer.Option("--team", help="The team that it becomes; made where there is none of the name.")]
Imported = Annotated[str, typer.Option("--team", help="The team into which it was imported.")]
Zone = Annotated[str, typer.Option(help="The zone of its clocks, for a team that is made.")]
HandOver = Annotated[str, typer.Option(help="When its sprints change, by those clocks.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and why; change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Business = Annotated[str | None, typer.Option(help="Needed where there are several.")]


def import_json(
    folder: Annotated[Path, typer.Argument(help="The folder with the older rota's JSON files.")],
    staging: Annotated[bool, typer.Option("--staging", help="Take the files of staging: users.staging.json …")] = False,
    team: Name = "Triage",
    zone: Zone = "America/Los_Angeles",
    hand_over: HandOver = "08:00",
    dry_run: DryRun = False,
    yes: Yes = False,
    business: Business = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Bring an older rota in from its files: users, disciplines, sprints, currentState, overrides."""
    files, beside = _files(folder, ".staging" if staging else "")
    try:
        tables = legacy_files.tables(files)
    except Invalid as error:
        raise typer.BadParameter(error.message) from None
    old = OldRota(tables, "files", _team(team, zone, hand_over))
    _bring_in(old, beside, (business, env), dry_run=dry_run, yes=yes, as_json=as_json)


def import_old(
    database_url: Annotated[
        str | None, typer.Argument(help="Where the old tables are; else TALLYBOOK_LEGACY_DATABASE_URL.")
    ] = None,
    schema: Annotated[str, typer.Option(help="In which schema they are.")] = "public",
    team: Name = "Triage",
    zone: Zone = "America/Los_Angeles",
    hand_over: HandOver = "08:00",
    dry_run: DryRun = False,
    yes: Yes = False,
    business: Business = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Bring an older rota in from its tables, whatever constraints they have. Nothing is changed there."""

    async def read() -> tuple[older_rows.Rows, list[str]]:
        async with opened(env) as app:
            url = database_url or app.settings.legacy_database_url
            if not url:
                raise typer.BadParameter("Say where the old tables are, or set TALLYBOOK_LEGACY_DATABASE_URL.")
            return await older_rows.rows_of(url, schema, READ, SIGN)

    wanted = _team(team, zone, hand_over)
    tables, beside = run(read())
    _bring_in(OldRota(tables, "tables", wanted), beside, (business, env), dry_run=dry_run, yes=yes, as_json=as_json)


def undo_import(team: Imported = "Triage", yes: Yes = False, business: Business = None, env: Env = None) -> None:
    """Take back what was imported into a team, as long as nothing was built on it. The rows stay kept."""
    confirmed(f"Take back all that was imported into {team}?", yes=yes)

    async def work() -> Last:
        async with opened(env) as app:
            actor = await _actor(app, business)
            now = datetime.now(UTC)
            return await app.db.run("undo import", lambda conn: importing.undo(conn, actor, team, now))

    done = run(work())
    typer.echo(f"What was imported at {done.made_at:%Y-%m-%d %H:%M} UTC by {done.made_by} is taken back.")


def _team(name: str, zone: str, hand_over: str) -> Team:
    """Raises BadParameter."""
    try:
        team = Team(0, name.strip(), zone, time.fromisoformat(hand_over).replace(tzinfo=None))
        check_team(team)
    except ValueError:
        raise typer.BadParameter("The hand-over is written as 08:00.") from None
    except Invalid as error:
        raise typer.BadParameter(error.message) from None
    return team


def _files(folder: Path, ending: str) -> tuple[dict[str, Any], list[str]]:
    """What the files hold, by their names, and the names of files beside them. Raises BadParameter."""
    if not folder.is_dir():
        raise typer.BadParameter(f"There is no folder {folder}.")
    wanted = {f"{name}{ending}.json": name for name in FILES}
    there = sorted(path.name for path in folder.glob("*.json"))
    if not wanted.keys() & set(there):
        raise WrongSetup(f"The folder {folder} holds none of the files {', '.join(wanted)}.")
    found: dict[str, Any] = {}
    for file in (name for name in wanted if name in there):
        try:
            found[wanted[file]] = json.loads((folder / file).read_text("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise typer.BadParameter(f"{file} is not JSON in UTF-8.") from error
    return found, [name for name in there if name not in wanted]


async def _actor(app: App, business: str | None) -> Actor:
    home = await app.db.run("find business", lambda conn: businesses.find(conn, business))
    return Actor(home.id, COMMAND_LINE, leads=True)


def _bring_in(
    old: OldRota,
    beside: Sequence[str],
    where: tuple[str | None, str | None],
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Looks first; asks; then does it, and says what came of it."""
    business, env = where

    async def work() -> Found:
        async with opened(env) as app:
            actor, now = await _actor(app, business), datetime.now(UTC)
            found = await app.db.run("look at import", lambda conn: importing.look(conn, actor, old, now))
            if dry_run or found.was_there:
                return found
            if not as_json:
                _say(found, beside)
            confirmed(f"Bring this into {found.team}?", yes=yes)
            with shown("Importing") as progress:

                async def write(conn: Conn) -> Found:
                    return await importing.bring_in(conn, actor, old, now, progress)

                return await app.db.run("import rota", write)

    found = run(work())
    if as_json:
        say(msgspec.to_builtins(found), "", as_json=True)
    elif found.was_there:
        typer.echo(f"This was brought into {found.team} before. Nothing was changed.")
    elif found.outcome.dry_run:
        _say(found, beside)
    else:
        typer.echo(f"{found.team} has its rota. Take it back, as long as nobody builds on it: "
                   f'tallybook triage undo-import --team "{found.team}"')  # fmt: skip


def _say(found: Found, beside: Sequence[str]) -> None:
    """What becomes of each row, and whether the past is told alike."""
    show(msgspec.structs.replace(found.outcome, beside=list(beside)))
    typer.echo(f"{found.compared:,} duties of sprints were compared: {_alike(found)}.")
    for one in found.unlike[:SHOWN]:
        typer.echo(f"    {one.sprint}, {one.discipline}: {one.was or 'nobody'} becomes {one.becomes or 'nobody'}")
    for code in found.repeated:
        typer.echo(f"{code}: somebody stood there twice and took turns twice as often; that ends with the next sprint.")


def _alike(found: Found) -> str:
    count = len(found.unlike)
    return f"{count:,} are told otherwise than before" if count else "all are told as before"
