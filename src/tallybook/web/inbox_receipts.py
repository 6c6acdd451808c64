"""Whether customers are shown that they were read, as the projects file says; and that somebody writes to them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from litestar import Response, post
from litestar.params import FromPath

from tallybook import typing_link
from tallybook.app import App
from tallybook.core import businesses
from tallybook.core.callers import Caller
from tallybook.core.db import Conn
from tallybook.core.errors import WrongSetup
from tallybook.inbox.service import receipts, threads
from tallybook.inbox.service.receipts import Typing
from tallybook.inbox.service.threads import Thread
from tallybook.projects_file import ProjectsFile, read_projects_file

from .inbox_view import PATH
from .needs import Asked, TheApp

TYPING_LASTS = 20.0  # seconds; WhatsApp takes it away after 25
MOST_THREADS = 1_000  # whose last sign is remembered


@dataclass
class Wish:
    """What the projects file says, read again when it changes."""

    stamp: tuple[str, int, int] | None = None
    file: ProjectsFile | None = None
    shown: dict[tuple[int, int], float] = field(default_factory=dict)
    under_way: set[asyncio.Task[None]] = field(default_factory=set)


_wish = Wish()


def _file(app: App) -> ProjectsFile | None:
    path = app.settings.config
    try:
        stat = path.stat()
    except OSError:
        return None
    stamp = (str(path), stat.st_mtime_ns, stat.st_size)
    if stamp != _wish.stamp:
        try:
            _wish.file = read_projects_file(path)
        except WrongSetup:  # told by the watch
            _wish.file = None
        _wish.stamp = stamp
    return _wish.file


async def wished(conn: Conn, app: App, caller: Caller) -> bool:
    """Whether the caller's business shows its customers that they were read."""
    told = _file(app)
    if told is None or not told.shows_reading:
        return False
    if told.bot.business is not None:
        return told.bot.business == caller.business.name
    return (await businesses.every(conn))[0].id == caller.business_id


async def show(conn: Conn, app: App, caller: Caller, conversation_id: int) -> None:
    """After a thread was marked as read, in the same transaction."""
    if await wished(conn, app, caller):
        await receipts.show(conn, caller, conversation_id)


async def mark_read(app: App, conn: Conn, caller: Caller, conversation_id: int) -> Thread:
    """Marks a thread as read, and has its customer shown that where it is wished."""
    thread = await threads.mark_read(conn, caller, conversation_id)
    await show(conn, app, caller, thread.id)
    return thread


@post(PATH + "/{conversation_id:int}/typing", include_in_schema=False, status_code=204)
async def typing(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Response[None]:
    """Shows the customer that somebody writes to them. Answers at once, whatever becomes of it."""
    await show_typing(app, request.user, conversation_id)
    return Response(None, status_code=204)


async def show_typing(app: App, caller: Caller, conversation_id: int) -> None:
    """Has the customer of a thread shown it, once in 20 seconds, where it is wished. Raises NotAllowed and NotFound."""
    place, now = (caller.business_id, conversation_id), time.monotonic()
    if now - _wish.shown.get(place, -TYPING_LASTS) < TYPING_LASTS:
        return

    async def find(conn: Conn) -> Typing | None:
        thread = await threads.by_number(conn, caller, conversation_id)
        found = await receipts.typing(conn, caller, thread.id)
        return found if await wished(conn, app, caller) else None

    found = await app.db.run("find what to show typing by", find)
    if len(_wish.shown) > MOST_THREADS:
        _wish.shown.clear()
    _wish.shown[place] = now
    if found is not None:
        task = asyncio.create_task(typing_link.show(app, found))
        _wish.under_way.add(task)
        task.add_done_callback(_wish.under_way.discard)


HANDLERS = [typing]
