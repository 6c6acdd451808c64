"""A customer is shown that the bot writes, while a model thinks about what to answer.

It goes with showing that they were read, and so only where the business wishes that. It ends with the thinking: what
has not been shown by then would come after the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self, TypeAlias

from tallybook.core.db import Conn

from . import receipts
from .receipts import Typing

# Has it shown. Raises nothing.
Shows: TypeAlias = Callable[[Typing], Awaitable[None]]


@dataclass
class Sign:
    """What is shown for one burst, once; nothing without ``shown``."""

    shows: Shows | None = None
    shown: Typing | None = None
    _task: asyncio.Task[None] | None = field(default=None, init=False)

    def begin(self) -> None:
        """Has it shown, and waits for nothing."""
        if self._task is None and self.shows is not None and self.shown is not None:
            self._task = asyncio.create_task(self._show(self.shows, self.shown))

    async def _show(self, shows: Shows, shown: Typing) -> None:
        await shows(shown)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


async def sign(conn: Conn, business_id: int, conversation_id: int, shows: Shows | None) -> Sign:
    """The sign for a thread, looked up where it may be shown."""
    shown = await receipts.typing_in(conn, business_id, conversation_id) if shows is not None else None
    return Sign(shows, shown)
