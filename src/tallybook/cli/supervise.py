"""Running the product: the web and the worker as children of one process that also keeps the database.

The children stop when their parent's end of a pipe closes, so that nothing outlives a parent that was killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated

import structlog
import typer

from tallybook.app import App, first_business, open_app
from tallybook.core import embedded, environment, keys, people, revisions
from tallybook.core.db import Conn
from tallybook.settings import Settings

from .opening import on_server, owner_url

AGAIN_SECONDS = 1.0
GRACE_SECONDS = 20.0
HANDED_DOWN = ("data_dir", "config", "database_url", "direct_database_url")
# The parts of the product never need the owner's rights, so they are not given them.
KEPT_BACK = ("TALLYBOOK_OWNER_DATABASE_URL", "TALLYBOOK_OWNER_DATABASE_URL_FILE")

log = structlog.get_logger()
Say = Callable[[str], None]
Prepare = Callable[[App], Awaitable[list[str]]]
UnderParent = Annotated[bool, typer.Option("--under-parent", hidden=True)]


async def first_run(app: App) -> list[str]:
    """On an empty installation: a business and its first admin. What there is to say is returned."""
    password = await app.db.run("first run", lambda conn: _first_admin(conn, app))
    said = [f"Tallybook: {app.settings.public_url}"]
    if password:
        said.append(f"Log in as admin with the one-time password {password}")
    config = app.settings.config
    if not config.exists():
        said.append(
            f"No bridge is read yet: copy tallybook.example.toml to {config} and edit it. No restart is needed."
        )
    return said


@dataclass(frozen=True)
class Product:
    """What runs: ``prepare`` once the database is there, and ``beside`` the product's own parts, by name, others."""

    prepare: Prepare = first_run
    beside: Mapping[str, Sequence[str]] = field(default_factory=dict)


async def run_product(settings: Settings, say: Say, product: Product | None = None) -> None:
    """Everything on one machine, until it is told to stop."""
    product = product or Product()
    stop = stop_event(under_parent=False)
    if settings.database_url is not None:
        await revisions.migrate(owner_url(settings), settings.env)
        await _run(settings, say, stop, product)
        return
    async with embedded.running(settings.data_dir, exclusive=True) as server:
        role = environment.role_of(settings.env)
        await environment.create(server.owner_url, settings.env, {role: server.password_for(role)})
        await _run(await on_server(settings, server), say, stop, product)


async def _run(settings: Settings, say: Say, stop: asyncio.Event, product: Product) -> None:
    async with open_app(settings) as app:
        for line in await product.prepare(app):
            say(line)
    ours = {part: ("-m", "tallybook", part, "--env", settings.env, "--under-parent") for part in ("serve", "work")}
    environ = _environment(settings)
    await asyncio.gather(
        *(_keep_child(part, arguments, environ, stop) for part, arguments in (ours | dict(product.beside)).items())
    )


async def _first_admin(conn: Conn, app: App) -> str | None:
    await keys.check(conn)
    business = await first_business(conn, app.settings)
    return await people.ensure_first_admin(conn, business.id, app.passwords) if business else None


async def _keep_child(part: str, arguments: Sequence[str], environ: dict[str, str], stop: asyncio.Event) -> None:
    """Keeps one part running, a Python program of these arguments; starts it again if it ends by itself."""
    while not stop.is_set():
        child = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdin=asyncio.subprocess.PIPE, env=environ, start_new_session=True
        )
        ended, told = asyncio.create_task(child.wait()), asyncio.create_task(stop.wait())
        await asyncio.wait({ended, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if not ended.done():
            child.terminate()
            try:
                await asyncio.wait_for(asyncio.shield(ended), GRACE_SECONDS)
            except TimeoutError:
                child.kill()
                await ended
        elif not stop.is_set():
            log.error("A part of the product ended by itself and is started again", part=part, code=ended.result())
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), AGAIN_SECONDS)


def _environment(settings: Settings) -> dict[str, str]:
    """The children's environment: ours, with the folder's, the file's and the database's places in it."""
    given = {name: value for name, value in os.environ.items() if name not in KEPT_BACK}
    for name in HANDED_DOWN:
        value = getattr(settings, name)
        given.pop(f"TALLYBOOK_{name.upper()}_FILE", None)
        if value:
            given[f"TALLYBOOK_{name.upper()}"] = str(value)
    return given


def stop_event(*, under_parent: bool) -> asyncio.Event:
    """An event that SIGINT, SIGTERM or, for a child, the end of its parent sets."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if under_parent:

        def wait_for_parent() -> None:
            # Not by way of sys.stdin: its lock, held by a thread that waits, makes the interpreter's end a crash.
            while os.read(0, 4096):
                pass
            with suppress(RuntimeError):  # the loop is closed: the process is ending anyway
                loop.call_soon_threadsafe(stop.set)

        threading.Thread(target=wait_for_parent, daemon=True).start()
    return stop
