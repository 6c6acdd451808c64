"""Running the product: the web and the worker as children of one process that also keeps the database.

The children stop when their parent's end of a pipe closes, so that nothing outlives a parent that was killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

import structlog

from tallybook.app import App, first_business, open_app
from tallybook.core import embedded, environment, keys, migrate, people
from tallybook.core.db import Conn
from tallybook.settings import Settings

from .common import on_server, owner_url

AGAIN_SECONDS = 1.0
GRACE_SECONDS = 20.0
HANDED_DOWN = ("database_url", "direct_database_url", "owner_database_url")

log = structlog.get_logger()
Say = Callable[[str], None]


async def run_product(settings: Settings, say: Say) -> None:
    """Everything on one machine, until it is told to stop."""
    stop = stop_event(under_parent=False)
    if settings.database_url is not None:
        await migrate.migrate(owner_url(settings), settings.env)
        await _run(settings, say, stop)
        return
    async with embedded.running(settings.data_dir, exclusive=True) as server:
        role = environment.role_of(settings.env)
        await environment.create(server.owner_url, settings.env, {role: server.password_for(role)})
        await _run(await on_server(settings, server), say, stop)


async def _run(settings: Settings, say: Say, stop: asyncio.Event) -> None:
    async with open_app(settings) as app:
        password = await app.db.run("first run", lambda conn: _first_run(conn, app))
    say(f"Tallybook: {settings.public_url or f'http://{settings.host}:{settings.port}'}")
    if password:
        say(f"Log in as admin with the one-time password {password}")
    if not settings.config.exists():
        say(
            f"No bridge is read yet: copy tallybook.example.toml to {settings.config} and edit it. No restart is needed."
        )
    await asyncio.gather(*(_keep_child(settings, part, stop) for part in ("serve", "work")))


async def _first_run(conn: Conn, app: App) -> str | None:
    await keys.check(conn)
    business = await first_business(conn, app.settings)
    return await people.ensure_first_admin(conn, business.id, app.passwords) if business else None


async def _keep_child(settings: Settings, part: str, stop: asyncio.Event) -> None:
    """Keeps one part running; starts it again if it ends by itself."""
    command = (sys.executable, "-m", "tallybook", part, "--env", settings.env, "--under-parent")
    while not stop.is_set():
        child = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, env=_environment(settings), start_new_session=True
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
    """The children's environment: ours, with the database's addresses in it."""
    given = dict(os.environ)
    for name in HANDED_DOWN:
        value = getattr(settings, name)
        given.pop(f"TALLYBOOK_{name.upper()}_FILE", None)
        if value:
            given[f"TALLYBOOK_{name.upper()}"] = value
    return given


def stop_event(*, under_parent: bool) -> asyncio.Event:
    """An event that SIGINT, SIGTERM or, for a child, the end of its parent sets."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if under_parent:

        def wait_for_parent() -> None:
            while sys.stdin.buffer.read(4096):
                pass
            with suppress(RuntimeError):  # the loop is closed: the process is ending anyway
                loop.call_soon_threadsafe(stop.set)

        threading.Thread(target=wait_for_parent, daemon=True).start()
    return stop
