"""The monitor's commands."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from tallybook.app import App, Watching
from tallybook.core.errors import WrongSetup
from tallybook.monitor import jobs

from .monitor_explain import check_registers, explain
from .monitor_legacy import import_legacy
from .monitor_locations import import_locations
from .monitor_reconcile import reconcile
from .monitor_replies import replies
from .monitor_report import report
from .monitor_sharepoint import sync_sharepoint
from .monitor_validity import import_valid
from .opening import Env, Json, opened, run, say
from .progress import bar

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


async def watched(application: App) -> jobs.Watch:
    watch = await Watching(application).current()
    if watch is None:
        raise WrongSetup(
            f"No bridge is named in {application.settings.config}. Copy tallybook.example.toml there and edit it."
        )
    return watch


@app.command()
def scan(
    once: Annotated[bool, typer.Option("--once", help="File what is there and stop, instead of going on.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Read the whole file again.")] = False,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Read the bridge's file and file its posts."""

    async def work() -> int:
        async with opened(env) as application:
            if not once:
                await jobs.Keeper(application.db, Watching(application).current).run(asyncio.Event())
            with bar() as progress:
                task = progress.add_task("Reading", total=None)
                return await jobs.scan(
                    application.db,
                    await watched(application),
                    full=full,
                    progress=lambda done, total: progress.update(task, completed=done, total=total),
                )

    changed = run(work())
    say({"changed": changed}, f"{changed} messages were new or edited.", as_json=as_json)
