"""Running the product: the web and the worker as children of one process that also keeps the database.

The children stop when their parent's end of a pipe closes, so that nothing outlives a parent that was killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated

import structlog
import typer

from tallybook.app import App, first_business, open_app
from tallybook.core import embedded, key_check, people, revisions
from tallybook.core.db import Conn
from tallybook.core.errors import WrongSetup
from tallybook.settings import Settings
from tallybook.web.listening import listening

from .opening import make_environment, on_server, owner_url

AGAIN_SECONDS = 1.0
GRACE_SECONDS = 20.0
# How a part ends that was set up wrongly: a later start would end the same way. By sysexits.h, EX_CONFIG.
WRONG_SETUP = 78
HANDED_DOWN = ("data_dir", "config", "database_url", "direct_database_url", "server_log")
# The parts of the product never need the owner's rights, so they are not given them.
KEPT_BACK = ("TALLYBOOK_OWNER_DATABASE_URL", "TALLYBOOK_OWNER_DATABASE_URL_FILE")

log = structlog.get_logger()
Say = Callable[[str], None]
Prepare = Callable[[App], Awaitable[list[str]]]
UnderParent = Annotated[bool, typer.Option("--under-parent", hidden=True)]
Listener = Annotated[int | None, typer.Option("--listener", hidden=True)]


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
    """What runs: ``prepare`` once the database is there, and ``beside`` the product's own parts, by name, others.

    ``environ`` is what all of them find in their environment besides.
    """

    prepare: Prepare = first_run
    beside: Mapping[str, Sequence[str]] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)


async def run_product(settings: Settings, say: Say, product: Product | None = None) -> None:
    """Everything on one machine, until it is told to stop. Raises WrongSetup where it cannot start."""
    product = product or Product()
    stop = stop_event(under_parent=False)
    # Before anything else: a second product that shared the port would be given passwords meant for the first.
    async with AsyncExitStack() as stack:
        try:
            ours = await stack.enter_async_context(listening(settings.host, settings.port))
        except WrongSetup:
            # Started twice by mistake: another port would not help.
            if settings.database_url is None:
                embedded.refuse_second(settings.data_dir)
            raise
        if settings.database_url is not None:
            await revisions.migrate(owner_url(settings), settings.env)
            await _run(settings, say, _Parts(settings, product, ours, stop))
            return
        async with embedded.running(settings.data_dir, exclusive=True) as server:
            await make_environment(server, settings.env)
            attached = on_server(settings, server)
            await _run(attached, say, _Parts(attached, product, ours, stop))


async def _run(settings: Settings, say: Say, parts: _Parts) -> None:
    async with open_app(settings) as app:
        lines = await parts.product.prepare(app)
    try:
        await parts.keep(say, lines)
    except* WrongSetup as refused:
        raise refused.exceptions[0] from None


@dataclass(frozen=True)
class _Parts:
    """The processes of the product, and the socket on which its web server listens."""

    settings: Settings
    product: Product
    ours: socket.socket
    stop: asyncio.Event

    async def keep(self, say: Say, lines: Sequence[str]) -> None:
        """Keeps every part running until the stop. Raises a group of WrongSetup where a first start is refused."""
        number = self.ours.fileno()
        under = ("--env", self.settings.env, "--under-parent")
        parts: dict[str, Sequence[str]] = {
            "serve": ("-m", "tallybook", "serve", *under, "--listener", str(number)),
            "work": ("-m", "tallybook", "work", *under),
            **self.product.beside,
        }
        environ = _environment(self.settings)
        for name in self.product.environ:
            environ.pop(f"{name}_FILE", None)
        environ |= self.product.environ
        async with asyncio.TaskGroup() as group:
            for part, arguments in parts.items():
                child = _Child(part, arguments, environ, (number,) if part == "serve" else ())
                group.create_task(child.keep(self.stop))
            announcing = group.create_task(self.announce(say, lines))
            await self.stop.wait()
            announcing.cancel()
            # Nobody new comes in, and whoever takes the port next may have it.
            self.ours.close()

    async def announce(self, say: Say, lines: Sequence[str]) -> None:
        """Says the address once the web server has answered; a password is said in any case, since it is made once."""
        heard = False
        try:
            heard = await self._answered()
        finally:
            for line in lines if heard else lines[1:]:
                say(line)

    async def _answered(self) -> bool:
        """Waits in the socket's own queue, so that this takes one question."""
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection(*self.ours.getsockname()[:2])
                with closing(writer):
                    writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
                    if await reader.read(1):
                        return True
            await asyncio.sleep(AGAIN_SECONDS)


async def _first_admin(conn: Conn, app: App) -> str | None:
    await key_check.check(conn)
    business = await first_business(conn, app.settings)
    return await people.ensure_first_admin(conn, business.id, app.passwords) if business else None


@dataclass(frozen=True)
class _Child:
    """One part, a Python program of these arguments, which inherits the descriptors ``handed``."""

    part: str
    arguments: Sequence[str]
    environ: Mapping[str, str]
    handed: Sequence[int] = ()

    async def keep(self, stop: asyncio.Event) -> None:
        """Keeps it running; starts it again if it ends. Raises WrongSetup where its first start is refused."""
        first = True
        while not stop.is_set():
            code = await self._run_once(stop)
            if stop.is_set():
                return
            if first and code == WRONG_SETUP:
                raise WrongSetup(f"Tallybook did not start: {self.part} was refused for the reason above.")
            first = False
            log.error("A part of the product ended by itself and is started again", part=self.part, code=code)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), AGAIN_SECONDS)

    async def _run_once(self, stop: asyncio.Event) -> int:
        child = await asyncio.create_subprocess_exec(
            sys.executable, *self.arguments, stdin=asyncio.subprocess.PIPE, env=self.environ,
            pass_fds=self.handed, start_new_session=True,
        )  # fmt: skip
        ended, told = asyncio.create_task(child.wait()), asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({ended, told}, return_when=asyncio.FIRST_COMPLETED)
        finally:  # by a neighbour's refusal too
            told.cancel()
            if not ended.done():
                await _end(child, ended)
        return ended.result()


async def _end(child: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
    child.terminate()
    try:
        await asyncio.wait_for(asyncio.shield(ended), GRACE_SECONDS)
    except TimeoutError:
        child.kill()
        await ended


@contextmanager
def refusals_told(*, under_parent: bool) -> Iterator[None]:
    """Under a parent, a part that is set up wrongly ends by a code that tells the parent so."""
    try:
        yield
    except WrongSetup as error:
        if not under_parent:
            raise
        typer.echo(error.message, err=True)
        raise typer.Exit(WRONG_SETUP) from None


def _environment(settings: Settings) -> dict[str, str]:
    """The children's environment: ours, with the folder's, the file's and the database's places in it."""
    given = {name: value for name, value in os.environ.items() if name not in KEPT_BACK}
    for name in HANDED_DOWN:
        value = getattr(settings, name)
        given.pop(f"TALLYBOOK_{name.upper()}_FILE", None)
        if value:
            parts = value if isinstance(value, tuple) else (value,)
            given[f"TALLYBOOK_{name.upper()}"] = ",".join(map(str, parts))
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
