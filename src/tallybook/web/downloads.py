"""Tables as downloads: written to a file while the database is read, sent when they are whole, and gone then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from litestar.response import Stream

from tallybook.app import App
from tallybook.core.db import Conn
from tallybook.core.errors import TooMany
from tallybook.core.table_files import KINDS, Table, chunks, written

AT_ONCE = 2  # each holds a connection of the pool while it reads
AGAIN_SECONDS = 10

_places = asyncio.Semaphore(AT_ONCE)


def kind_of(path: str) -> str:
    """``csv`` or ``xlsx``: how the address ends. Pure."""
    return path.rpartition(".")[2]


async def download(app: App, kind: str, name: str, table: Callable[[Conn], Table]) -> Stream:
    """The table under a name without its ending. Raises TooMany while others are being made, TooLarge."""
    if _places.locked():
        raise TooMany("Two exports are being made already. Try again in a moment.", AGAIN_SECONDS)
    stack = AsyncExitStack()
    try:
        async with _places, app.db.transaction() as conn:
            path = await stack.enter_async_context(written(kind, table(conn)))
    except BaseException:
        await stack.aclose()
        raise
    return Stream(
        _sent(path, stack),
        media_type=KINDS[kind],
        headers={
            "content-disposition": f'attachment; filename="{name}.{kind}"',
            "content-length": str(path.stat().st_size),
            "cache-control": "no-store",
        },
    )


async def _sent(path: Path, stack: AsyncExitStack) -> AsyncIterator[bytes]:
    async with stack:
        async for piece in chunks(path):
            yield piece
