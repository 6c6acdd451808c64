"""The monitor's commands."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
import typer

from tallybook.app import App, Watching
from tallybook.core.errors import WrongSetup
from tallybook.monitor import jobs
from tallybook.monitor.service.forecast import Forecast

from .monitor_explain import check_registers, explain
from .monitor_legacy import import_legacy
from .monitor_locations import import_locations
from .monitor_reconcile import reconcile
from .monitor_replies import replies
from .monitor_report import report
from .monitor_sharepoint import sync_sharepoint
from .monitor_validity import import_valid
from .opening import Env, Json, opened, run, say
from .progress import shown

SHOWN = 20  # drops that a forecast names of each kind

app = typer.Typer(no_args_is_help=True, help="WhatsApp groups' posts become QA reviews.")
app.command()(replies)
app.command("import-valid")(import_valid)
app.command()(reconcile)
app.command("import-legacy")(import_legacy)
app.command()(explain)
app.command("check-registers")(check_registers)
app.command("import-locations")(import_locations)
app.command()(report)
app.command("sync-sharepoint")(sync_sharepoint)


def no_bridge(application: App) -> str:
    return f"No bridge is named in {application.settings.config}. Copy tallybook.example.toml there and edit it."


async def watched(application: App) -> jobs.Watch:
    watch = await Watching(application).current()
    if watch is None:
        raise WrongSetup(no_bridge(application))
    return watch


@app.command()
def scan(
    once: Annotated[bool, typer.Option("--once", help="File what is there and stop, instead of going on.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Read the whole file again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be filed, and file nothing.")] = False,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Read the bridge's file and file its posts."""
    if dry_run:
        forecast = run(_rehearsed(env, full=full))
        say(_as_json(forecast), lambda: _as_text(forecast), as_json=as_json)
        return

    async def work() -> int:
        async with opened(env) as application:
            if not once:
                if await Watching(application).current() is None:
                    typer.echo(no_bridge(application), err=True)
                await jobs.Keeper(application.db, Watching(application).current).run(asyncio.Event())
            with shown("Reading") as progress:
                return await jobs.scan(application.db, await watched(application), full=full, progress=progress)

    changed = run(work())
    say({"changed": changed}, f"{changed} messages were new or edited.", as_json=as_json)


async def _rehearsed(env: str | None, *, full: bool) -> Forecast:
    async with opened(env) as application:
        with shown("Reading") as progress:
            return await jobs.rehearse(application.db, await watched(application), full=full, progress=progress)


def _as_json(forecast: Forecast) -> dict[str, Any]:
    return {"changed": forecast.messages, "projects": msgspec.to_builtins(forecast.found)}


def _as_text(forecast: Forecast) -> str:
    """A sentence, then for each project and each thing that would be done how many drops, and the first of them."""
    lines = [f"{forecast.messages} messages are new or edited. Nothing was filed."]
    for project, found in sorted(forecast.found.items()):
        for what, drops in msgspec.structs.asdict(found).items():
            if drops:
                more = f" and {len(drops) - SHOWN} more" if len(drops) > SHOWN else ""
                lines.append(f"{project}: {len(drops)} {what}: {', '.join(drops[:SHOWN])}{more}")
    return "\n".join(lines)
