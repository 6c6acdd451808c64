"""A source whose messages a test gives it."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator

from tallybook.core.channel import Position, Reading
from tallybook.core.ingest import Batch
from tallybook.core.messages import Incoming


@dataclasses.dataclass
class Once:
    """A source that holds what it is given."""

    held: list[Incoming]
    name: str = "bridge"
    account: str = "velo"

    async def read(self, _: Position, *, full: bool = False) -> AsyncIterator[Reading]:
        yield Reading(Batch(self.held), Position(identity="file", seen=1), 1, 1)

    async def quiet(self) -> bool:
        return False
