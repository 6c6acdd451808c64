"""Moving from the old system. It stands under ``monitor``, since it is the monitor's tables that are brought in."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

import msgspec
import typer

from tallybook.app import App, Watching
from tallybook.core import businesses, older_tables
from tallybook.core.db import PROD
from tallybook.core.errors import WrongSetup
from tallybook.core.import_book import Outcome
from tallybook.monitor.service.legacy import Import
from tallybook.monitor.service.legacy_rows import Terms
from tallybook.monitor.store import legacy as store
from tallybook.monitor.store import projects as project_store
from tallybook.monitor.types import Kind

from .import_shown import show
from .opening import Env, Json, confirmed, opened, owner_url, run, say, settings_of
from .progress import shown

COMMAND_LINE = "command line"


def import_legacy(
    schema: Annotated[str | None, typer.Option(help="Where the old tables are; the default is legacy.")] = None,
    zone: Annotated[str, typer.Option(help="The zone of old times that name none.")] = "UTC",
    project: Annotated[str | None, typer.Option(help="The project of old rows that name none.")] = None,
    project_map: Annotated[
        list[str] | None, typer.Option(help="Old name=name here, for a project called otherwise; may be repeated.")
    ] = None,
    business: Annotated[str | None, typer.Option(help="Needed where there are several.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and why; change nothing.")] = False,
    move: Annotated[bool, typer.Option("--move", help="Only move old tables that stand where ours belong.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Bring the old system's tables in. May be repeated: what is there already stays as it is."""
    if move:
        _move(env, yes=yes, as_json=as_json)
        return
    if zone not in available_timezones():
        raise typer.BadParameter(f"“{zone}” is not a time zone. Give a name such as Africa/Johannesburg.")

    async def work() -> Outcome:
        async with opened(env) as app:
            source, place = _source(app, schema)
            rows, beside = await store.rows_of(source, place)
            home = await app.db.run("find business", lambda conn: businesses.find(conn, business))
            terms = await _terms(app, home, ZoneInfo(zone), project)
            terms = msgspec.structs.replace(terms, renamed=_renamed(project_map or [], terms))
            with shown("Importing") as progress:
                every = Import(home, terms, rows, progress)
                done = await app.db.run("import legacy", lambda conn: every.run(conn, COMMAND_LINE, dry_run=dry_run))
            return msgspec.structs.replace(done, beside=beside)

    outcome = run(work())
    if as_json:
        say(msgspec.to_builtins(outcome), "", as_json=True)
        return
    show(outcome)


def _source(app: App, schema: str | None) -> tuple[str, str]:
    """The old tables' database and schema: one of their own, or a schema beside ours, read as the owner."""
    if app.settings.legacy_database_url:
        return app.settings.legacy_database_url, schema or "public"
    return owner_url(app.settings), schema or older_tables.legacy_of(app.settings.env)


async def _terms(app: App, business: businesses.Business, stated: ZoneInfo, project: str | None) -> Terms:
    watch = await Watching(app).current()
    try:
        lids = await watch.bridge.new_lids({}) if watch else {}
    finally:
        if watch:
            await watch.bridge.aclose()
    every = await app.db.run("read projects", lambda conn: project_store.every(conn, business.id))
    marketings = [one.name for one in every if one.kind is Kind.MARKETING]
    spaces = {one.name: one.space for one in every}
    terms = Terms(business.zone, stated, spaces, project, lids=dict(lids), marketings=frozenset(marketings))
    return msgspec.structs.replace(terms, marketing=marketings[0]) if marketings else terms


def _renamed(given: list[str], terms: Terms) -> dict[str, str]:
    """What ``--project-map`` says. Raises BadParameter for what is no pair, or for a project that is not known here."""
    pairs = [one.rpartition("=") for one in given]
    for (old, _, new), one in zip(pairs, given, strict=True):
        if not old.strip():
            raise typer.BadParameter(f"“{one}” is not a pair. Write the old name, an equals sign, and the name here.")
        if terms.project_of(new) is None:
            names = ", ".join(sorted(terms.spaces)) or "none"
            raise typer.BadParameter(f"There is no project called “{new}”. There is: {names}.")
    return {old: new for old, _, new in pairs}


def _move(env: str | None, *, yes: bool, as_json: bool) -> None:
    settings = settings_of(env)
    if settings.database_url is None:
        raise WrongSetup("The database that comes with the product holds no older tables.")
    place = older_tables.legacy_of(settings.env)
    confirmed(f"Older tables move to the schema {place}, where the old system does not find them. Go on?", yes=yes)
    moved = run(older_tables.move(owner_url(settings), settings.env))
    then = "tallybook migrate" + ("" if settings.env == PROD else f" --env {settings.env}")
    said = f"Moved to {place}: {', '.join(moved)}. Now run: {then}" if moved else "There is nothing to move."
    say({"schema": place, "moved": moved}, said, as_json=as_json)
