"""The demo's WhatsApp bridge: a process of its own, ``python -m tallybook.demo.bridge FOLDER SECONDS``.

It fills what is missing of the last two weeks and then writes a message every so many seconds, until its standard
input closes: so it ends with its parent, even with one that was killed.
"""

from __future__ import annotations

import random
import select
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from .bridge_file import BridgeFile, Said
from .day import (
    CHATTER,
    GROUPS,
    KNOWN_LID,
    KNOWN_LID_PHONE,
    LATE_LID,
    LATE_LID_PHONE,
    LAWLEY,
    LIVE,
    MARKETING,
    MOHADIN,
    PAIRS,
    POSTS,
    ZONE,
    Group,
    history,
    unknown_drop,
)  # fmt: skip

PREFIX = "3EB0FFFF"
# What happens, over and over, so that whoever watches has seen everything within some twenty messages.
TURNS = (
    "drop", "drop", "photo", "by_lid", "drop", "chatter", "both", "drop", "learn", "again", "several", "drop",
    "mistyped", "photo", "drop", "unknown", "chatter", "drop",
)  # fmt: skip
# How often each group is heard.
WEIGHTS = (8, 5, 3, 1, 3)


class Bridge:
    """Writes one turn after another; a new process goes on where the last one ended."""

    def __init__(self, file: BridgeFile) -> None:
        self._file = file
        self._dice = random.Random(file.messages_path.stat().st_size)
        self._count = self._turns = file.count(PREFIX)
        self._mistyped: Said | None = None
        self._last = MOHADIN.live_drop(0)
        self._acts: dict[str, Callable[[Group], Iterator[Said]]] = {
            "drop": self._drop,
            "photo": self._photo,
            "chatter": self._chatter,
            "by_lid": self._by_lid,
            "learn": self._learn,
            "both": self._both,
            "several": self._several,
            "again": self._again,
            "mistyped": self._mistyped_one,
            "unknown": self._unknown,
        }

    def turn(self) -> None:
        """One thing happens: most often somebody posts a drop."""
        what = TURNS[self._turns % len(TURNS)]
        self._turns += 1
        if self._mistyped is not None:
            self._file.edit(self._mistyped)
            self._mistyped = None
        group = self._dice.choices(GROUPS, WEIGHTS)[0]
        for said in self._acts[what](group):
            self._file.post(said)
            self._count += 1

    def _drop(self, group: Group) -> Iterator[Said]:
        yield self._said(group, self._dice.choice(POSTS).format(group.live_drop(self._count)))

    def _photo(self, group: Group) -> Iterator[Said]:
        yield self._said(group, "")

    def _chatter(self, group: Group) -> Iterator[Said]:
        yield self._said(group, self._dice.choice(CHATTER))

    def _by_lid(self, _: Group) -> Iterator[Said]:
        self._last = MOHADIN.live_drop(self._count)
        yield self._said(MOHADIN, f"DR{self._last}", LATE_LID)

    def _learn(self, group: Group) -> Iterator[Said]:
        self._file.learn(LATE_LID, LATE_LID_PHONE)
        yield from self._drop(group)

    def _both(self, _: Group) -> Iterator[Said]:
        drop = LAWLEY.live_drop(self._count)
        yield self._said(MARKETING, f"DR{drop} signed up")
        yield self._said(LAWLEY, f"DR{drop} installed")

    def _several(self, group: Group) -> Iterator[Said]:
        numbers = group.live_drop(self._count), group.live_drop(self._count + LIVE // 2)
        yield self._said(group, self._dice.choice(PAIRS).format(*numbers))

    def _again(self, _: Group) -> Iterator[Said]:
        yield self._said(MOHADIN, f"DR{self._last} redone, please look again")

    def _mistyped_one(self, group: Group) -> Iterator[Said]:
        """A number too short to be a drop, which its author mends before the next turn."""
        drop = f"DR{group.live_drop(self._count)}"
        said = self._said(group, drop[:-3])
        self._mistyped = msgspec.structs.replace(said, text=drop)
        yield said

    def _unknown(self, _: Group) -> Iterator[Said]:
        yield self._said(LAWLEY, f"{unknown_drop(self._count)} uploaded")

    def _said(self, group: Group, text: str, sender: str | None = None) -> Said:
        at = datetime.now(UTC).astimezone(ZONE)
        who = sender or self._dice.choice(group.senders)
        return Said(f"{PREFIX}{self._count:08}", group.chat, who, text, at, photo=not text)


def fill(file: BridgeFile, now: datetime) -> None:
    """Write what is missing of the two weeks before ``now``."""
    file.learn(KNOWN_LID, KNOWN_LID_PHONE)
    file.post_many(history(now))


def main(folder: str, seconds: str) -> None:
    # As an error, so that what is being written is written to its end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with BridgeFile(Path(folder)) as file:
        fill(file, datetime.now(UTC))
        bridge = Bridge(file)
        while not select.select([sys.stdin], [], [], float(seconds))[0]:
            bridge.turn()


if __name__ == "__main__":
    main(*sys.argv[1:])
