"""``inbox export-contact`` and ``inbox erase-contact``: what is known of one customer, handed over or forgotten."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Annotated, Any

import msgspec
import psycopg
import typer

from tallybook import customer_files, forgotten_copies
from tallybook.core import businesses, people
from tallybook.core.callers import Caller
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Invalid, TallybookError
from tallybook.inbox.service import erasing, exporting, threads
from tallybook.inbox.service.erasing import Preview
from tallybook.settings import Settings

from .opening import Env, Json, confirmed, opened, owner_url, run, say

InBusiness = Annotated[str | None, typer.Option("--business", help="Needed where there are several.")]
Who = Annotated[str, typer.Argument(help="The customer's phone in any format, or the number or key of their thread.")]


async def _caller(db: Database, business: str | None) -> Caller:
    async def look(conn: Conn) -> Caller:
        return msgspec.structs.replace(people.command_line(0), business=await businesses.find(conn, business))

    return await db.run("find business", look)


def export_contact(
    who: Who,
    to: Annotated[Path, typer.Option("--to", help="The ZIP file to write; it must not be there yet.")],
    business: InBusiness = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Write everything that is known of one customer into a ZIP of JSON and CSV, with their files."""

    async def work() -> int:
        async with opened(env) as app:
            caller, places = await _caller(app.db, business), customer_files.erased(app.settings)
            async with exporting.exported(app.db, caller, who, places) as path:
                return await asyncio.to_thread(_copy, path, to)

    size = run(work())
    say({"file": str(to), "bytes": size}, f"{to}: {size:,} bytes", as_json=as_json)


def _copy(path: Path, to: Path) -> int:
    try:
        with path.open("rb") as source, to.open("xb") as target:
            shutil.copyfileobj(source, target)
    except OSError as error:
        raise Invalid(f"{to} cannot be written: {error.strerror}.") from error
    return to.stat().st_size


def erase_contact(
    who: Who,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    business: InBusiness = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Forget one customer for good: their messages, files and names, wherever this environment holds them."""

    async def look() -> Preview:
        async with opened(env) as app:
            caller = await _caller(app.db, business)
            return await app.db.run("look at contact", lambda conn: _preview(conn, caller, who))

    async def work(preview: Preview) -> tuple[int, bool, dict[str, bool]]:
        async with opened(env) as app:
            caller = await _caller(app.db, business)
            thread, places = preview.thread.id, customer_files.erased(app.settings)
            number = await app.db.run(
                "forget contact", lambda conn: erasing.erase(conn, caller, thread, preview.typed, places)
            )
            ended = await erasing.finish(app.db, places, caller.business_id, number)
            there = {name: await _forgotten_there(app.settings, name) for name in preview.copies}
            return number, ended, there

    preview = run(look())
    counts = ", ".join(f"{count:,} {name}" for name, count in preview.counts.items()) or "nothing but their name"
    stays = (
        f" {preview.aside:,} deliveries that name them were put aside; of those only what others said stays."
        if preview.aside
        else ""
    )
    confirmed(f"{preview.typed} is forgotten for good: {counts}.{stays} Go on?", yes=yes)
    number, ended, there = run(work(preview))
    told: dict[str, Any] = {"erasure": number, **preview.counts, "copies": there}
    rest = "" if ended else " What waits to be filed and names them is emptied by the worker afterwards."
    words = f"Forgotten. The record has it as erasure {number}. Backups made before still hold it.{rest}"
    words += "".join(
        f"\n{name}: forgotten there too."
        if done
        else f"\n{name} has a readable copy that still holds it. The database's owner runs: tallybook env forget {name}"
        for name, done in there.items()
    )
    say(told, words, as_json=as_json)


async def _forgotten_there(settings: Settings, name: str) -> bool:
    """Whether a copy has forgotten them too; not where this is no owner's address, or somebody copies there."""
    try:
        return (await forgotten_copies.apply(owner_url(settings), settings, name)).ended
    except (TallybookError, psycopg.Error):
        return False


async def _preview(conn: Conn, caller: Caller, who: str) -> Preview:
    thread = await threads.thread(conn, caller, who)
    return await erasing.preview(conn, caller, thread.id)
