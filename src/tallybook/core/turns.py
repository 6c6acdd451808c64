"""Serves many businesses side by side, each for a short turn, so that none waits until another has nothing left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

AT_ONCE = 8  # businesses; each of them has lanes of its own, and a provider that hangs holds its business's place
log = structlog.get_logger(__name__)


@dataclass
class Turns:
    """Who is being served. ``wake`` is set when a turn that did something is over: there may be more."""

    wake: asyncio.Event
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    under_way: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    faults: list[Exception] = field(default_factory=list)

    async def look(self, begin_all: Callable[[], Awaitable[None]]) -> None:
        """Begins whatever is due. Raises the fault of a turn that has ended, before anything more is begun."""
        if self.faults:
            fault = self.faults[0]
            self.faults.clear()
            raise fault
        await begin_all()

    def begin(self, business_id: int, serve: Callable[[], Awaitable[int]]) -> None:
        """Has a business served as soon as there is a place, first come first served; one that is already, is not."""
        if business_id not in self.under_way:
            self.under_way[business_id] = asyncio.create_task(self._serve(business_id, serve))

    async def _serve(self, business_id: int, serve: Callable[[], Awaitable[int]]) -> None:
        done = 0
        try:
            async with self.places:
                done = await serve()
        except Exception as fault:  # noqa: BLE001 - told by the next look
            self.faults.append(fault)
        finally:
            del self.under_way[business_id]
        if done or self.faults:
            self.wake.set()

    def cancel(self) -> None:
        """Breaks off every turn."""
        for task in self.under_way.values():
            task.cancel()

    async def end(self) -> None:
        """Waits until every turn under way is over, and tells of the faults that no look has told."""
        await asyncio.gather(*self.under_way.values(), return_exceptions=True)
        for fault in self.faults:
            log.warning("a turn failed", error=type(fault).__name__)
