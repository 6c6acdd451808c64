"""``inbox import-legacy``: moving from an older inbox, whose customers, leads and messages are brought in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

import msgspec
import typer

from tallybook.app import App
from tallybook.core import businesses, channel_accounts, older_rows, older_tables
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.import_book import Outcome
from tallybook.core.older_rows import Rows
from tallybook.core.regions import region_of
from tallybook.inbox.legacy_rules import CHANNEL_OF, Terms
from tallybook.inbox.service.importing import Import
from tallybook.inbox.store import importing as store

from .import_shown import show
from .opening import Env, Json, opened, owner_url, run, say
from .progress import shown

COMMAND_LINE = "command line"


def import_legacy(
    files: Annotated[
        Path | None, typer.Option(help="A folder with the old tables as CSV files, called as they.")
    ] = None,
    schema: Annotated[str | None, typer.Option(help="Where the old tables are in the database.")] = None,
    zone: Annotated[str, typer.Option(help="The zone of old times that name none.")] = "UTC",
    number: Annotated[
        str | None, typer.Option(help="Our number to which the old messages belong, by its id; else the only one.")
    ] = None,
    business: Annotated[str | None, typer.Option(help="Needed where there are several.")] = None,
    old_business: Annotated[int | None, typer.Option(help="The old system's number of the business.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and why; change nothing.")] = False,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Bring an older inbox's tables in. May be repeated: what is there already stays as it is."""
    if zone not in available_timezones():
        raise typer.BadParameter(f"“{zone}” is not a time zone. Give a name such as Africa/Johannesburg.")

    if files is not None and not files.is_dir():
        raise typer.BadParameter(f"There is no folder {files}.")

    async def work() -> Outcome:
        async with opened(env) as app:
            rows, beside = await _rows(app, files, schema)
            home = await app.db.run("find business", lambda conn: businesses.find(conn, business))
            accounts = await app.db.run("find numbers", lambda conn: _accounts(conn, home, number))
            terms = Terms(ZoneInfo(zone), region_of(home.time_zone), accounts, old_business)
            with shown("Importing") as progress:
                done = await Import(app.db, home, terms, rows, progress).run(COMMAND_LINE, dry_run=dry_run)
            return msgspec.structs.replace(done, beside=beside)

    outcome = run(work())
    if as_json:
        say(msgspec.to_builtins(outcome), "", as_json=True)
        return
    show(outcome)


async def _rows(app: App, files: Path | None, schema: str | None) -> tuple[Rows, list[str]]:
    """The old tables: as files, in a database of their own, or in a schema beside ours, read as the owner."""
    if files is not None:
        return older_rows.rows_of_files(files, tuple(store.READ))
    settings = app.settings
    url, place = settings.legacy_database_url, schema or "public"
    if not url:
        url, place = owner_url(settings), schema or older_tables.legacy_of(settings.env)
    return await older_rows.rows_of(url, place, store.READ, store.SIGN)


async def _accounts(conn: Conn, business: Business, given: str | None) -> dict[str, str]:
    """Our number of each channel: the one that is given, else the business's only one."""
    found = await channel_accounts.listed(conn, business.id)
    numbers = {
        channel: [one.account for one in found if one.channel == channel and not one.may_be_silent]
        for channel in CHANNEL_OF.values()
    }
    if given is not None and not any(given in some for some in numbers.values()):
        raise typer.BadParameter(f"The business has no number with the id {given}. See tallybook channel list.")
    chosen = {}
    for channel, some in numbers.items():
        if given in some:
            chosen[channel] = given
        elif len(some) == 1:
            chosen[channel] = some[0]
        elif some:
            raise typer.BadParameter(f"The business has several numbers: {', '.join(some)}. Say which with --number.")
    return chosen
