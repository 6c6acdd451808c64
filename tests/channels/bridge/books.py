"""A caller of the bridge's reader, as core is one, and small helpers of its tests."""

from __future__ import annotations

from datetime import timedelta

from tallybook.channels.bridge.reader import BridgeSource
from tallybook.core.channel import Position
from tallybook.core.messages import Incoming
from tests.channels.bridge.bridge_file import LAWLEY, MOHADIN, MORNING, BridgeFile


class Books:
    """A caller as core is one: it stores a batch with its position, keyed by chat and id, and asks for the next."""

    def __init__(self, source: BridgeSource, position: Position | None = None) -> None:
        self.source = source
        self.position = position or Position()
        self.stored: dict[tuple[str, str], Incoming] = {}

    async def poll(self, *, full: bool = False) -> list[str]:
        """Store all that is new and give its texts, in the order in which it came."""
        texts = []
        async for reading in self.source.read(self.position, full=full):
            assert reading.done <= reading.total
            for one in reading.incomings:
                self.stored[one.scope, one.external_id] = one
                texts.append(one.text)
            self.position = reading.position
        return texts

    def texts(self) -> set[str]:
        return {one.text for one in self.stored.values()}


def source_of(bridge: BridgeFile, *groups: str) -> BridgeSource:
    wanted = frozenset(groups or (LAWLEY, MOHADIN))
    return BridgeSource("main", bridge.messages_path, bridge.whatsapp_path, lambda: wanted, ["+27820000090"])


def fill(bridge: BridgeFile, count: int, chat: str = LAWLEY, first: int = 0) -> None:
    bridge.post_many(
        (f"OLD{n:06}", chat, "27820000002", f"old {n}", MORNING - timedelta(days=30) + timedelta(seconds=n))
        for n in range(first, first + count)
    )
