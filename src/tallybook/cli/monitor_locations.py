"""``monitor import-locations``: where drops are, for the links to a map."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tallybook.core import businesses
from tallybook.core.db import Conn
from tallybook.core.errors import WrongSetup
from tallybook.monitor.service import locations
from tallybook.monitor.service.locations import Imported

from .opening import Env, Json, opened, run, say

TOLD = 10  # rows that are named


def import_locations(
    file: Path,
    business: Annotated[str | None, typer.Option(help="Needed where there are several.")] = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Read where drops are (CSV or XLSX with drop, lat and long). May be repeated."""
    try:
        given = locations.read(file.read_bytes())
    except OSError as error:
        raise WrongSetup(f"{file} cannot be read: {error.strerror}.") from error

    async def work() -> Imported:
        async with opened(env) as application:

            async def keep(conn: Conn) -> Imported:
                return await locations.keep(conn, await businesses.find(conn, business), given)

            return await application.db.run("import locations", keep)

    done = run(work())
    text = f"{done.new} places added, {done.moved} moved, {done.same} were known."
    if done.unread:
        rows = ", ".join(map(str, done.unread[:TOLD])) + (" …" if len(done.unread) > TOLD else "")
        text += f" {len(done.unread)} rows were not used: {rows}."
    say(msgspec.to_builtins(done), text, as_json=as_json)
