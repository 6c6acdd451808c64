"""What was put aside with a reason: listed, shown, replayed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from tallybook.app import App, Watching
from tallybook.core import log, parked
from tallybook.core.deliveries import Filing
from tallybook.core.errors import Invalid
from tallybook.core.ingest import Absorbed
from tallybook.core.parked import Item, Ref, Replay, Replayer, Shown
from tallybook.monitor import jobs as monitor_jobs
from tallybook.monitor.service.filing import log_lines

from .opening import Env, Json, opened, run, say

app = typer.Typer(no_args_is_help=True, help="What was put aside with a reason: see it, mend its cause, replay it.")

MANY = 1_000_000


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=MANY, help="How many at most.")] = 100,
    after: Annotated[str | None, typer.Option(help="Begin behind this reference.")] = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """List what is parked, and messages of ours that may or may not have been sent."""

    async def work(application: App) -> list[Item]:
        return await application.db.run("list parked", lambda conn: parked.listed(conn, limit, after))

    if after is not None:
        reference_of(after)
    items = _with_app(env, work)
    if as_json or not items:
        say(msgspec.to_builtins(items), "Nothing is parked.", as_json=as_json)
        return
    table = Table("reference", "what", "state", "since", "tries", "reason", box=None, pad_edge=False)
    for item in items:
        since = f"{item.at:%Y-%m-%d %H:%M:%S %Z}"
        table.add_row(item.ref, item.sort, item.state, since, str(item.attempts), item.reason)
    Console().print(table)


@app.command()
def show(
    reference: Annotated[str, typer.Argument(help="Such as message:12.")], env: Env = None, as_json: Json = False
) -> None:
    """Show one item with all that is in it. This prints what people wrote and who they are."""
    meant = reference_of(reference)

    async def work(application: App) -> Shown:
        return await application.db.run("show parked", lambda conn: parked.show(conn, meant))

    shown = _with_app(env, work)
    lines = (f"{name}: {value}" for name, value in shown.content.items() if value is not None)
    say(msgspec.to_builtins(shown), "\n".join(lines), as_json=as_json)


@app.command()
def replay(
    references: Annotated[list[str] | None, typer.Argument(help="Such as message:12 delivery:3.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything that is parked.")] = False,
    send_again: Annotated[
        bool, typer.Option("--send-again", help="Send again even what may have been sent already.")
    ] = False,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Process parked items again. Exit code 1 if one of them fails again; it then stays parked."""
    if bool(references) == everything:
        raise typer.BadParameter("Name what to replay, or say --all.")
    refs = [reference_of(text) for text in references or ()]

    async def work(application: App) -> list[Replay]:
        replayer = Replayer(application.db, await _filings(application), even_unknown=send_again)
        if not everything:
            return await replayer.replay(refs)
        items = await application.db.run("list parked", lambda conn: parked.listed(conn, MANY))
        return await replayer.replay([Ref.of(item.ref) for item in items if item.state == "parked" or send_again])

    results = _with_app(env, work)
    lines = [f"{'✓' if result.replayed else '✗'} {result.ref}: {result.says}" for result in results]
    say(msgspec.to_builtins(results), "\n".join(lines) or "Nothing is parked.", as_json=as_json)
    if not all(result.replayed for result in results):
        raise typer.Exit(1)


def reference_of(text: str) -> Ref:
    """The reference that was typed; what is none is bad usage."""
    try:
        return Ref.of(text)
    except Invalid as error:
        raise typer.BadParameter(error.message) from None


def _with_app(env: str | None, work: Callable[[App], Coroutine[Any, Any, Any]]) -> Any:
    async def opened_for_it() -> Any:
        async with opened(env) as application:
            return await work(application)

    return run(opened_for_it())


async def _filings(application: App) -> dict[str, Filing]:
    """Who files the messages of each channel in this installation."""
    filings = {name: entry.filing for name, entry in application.channels.items()}
    watch = await Watching(application).current()
    if watch is None:
        return filings
    environment = application.settings.env
    tag = log.tag(environment)

    def told(absorbed: Absorbed[Any]) -> None:
        log.lines(line for filed in absorbed.facts for line in log_lines(filed, tag))

    return filings | {watch.bridge.name: Filing(watch.desk, monitor_jobs.TOPIC, told)}
