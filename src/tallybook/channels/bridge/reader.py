"""The bridge as a source: hands over the configured groups' messages, all of them, each as often as it changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import NamedTuple

from tallybook.core.channel import Position, Reading
from tallybook.core.errors import SourceUnreadable
from tallybook.core.ingest import Batch
from tallybook.core.messages import Incoming

from .findings import Findings, Survey
from .lids import LidMap
from .ranges import OVERLAP, Anchor, Range, Ranges
from .rows import Context, Reader
from .watch import Token, Watch

BATCH = 5_000
# Other chats' rows move the position too, but a transaction for each of them would be waste.
_ADVANCE = 1_000
_RESTARTS = 5
QUIET_SECONDS = 10.0


class _Part(NamedTuple):
    """A range that was read, and what is new in it: batches in file order, each with its last row's number."""

    range: Range
    batches: list[tuple[int, Batch]]


class _Walk(NamedTuple):
    """One pass over the file: whose file, from which row, for which groups, standing where before."""

    identity: str
    low: int
    groups: frozenset[str]
    before: Position

    def position(self, seen: int, anchor: Anchor) -> Position:
        """Where the reader stands once everything up to row ``seen`` is stored. Never behind where it stood before."""
        kept = max(anchor, Anchor(self.before.anchor, self.before.anchor_key))
        seen = max(seen, self.before.seen)
        return Position(self.identity, seen, kept.row, kept.key, tuple(sorted(self.groups)))

    def past(self, found: Range) -> _Walk:
        """Go on from the end of a range, so that an interrupted pass is resumed near where it was."""
        return self._replace(before=self.position(found.high, found.anchor))


class BridgeSource:
    """Reads a WhatsApp bridge's ``messages.db``, and LIDs from its ``whatsapp.db``, while the bridge writes them.

    What finds every message: the tail beyond the last row seen, and an overlap of 5,000 rows before it, are read
    whenever something was committed. That covers late history (it is appended, however old), ``INSERT OR REPLACE``
    (it appends too), edits in place, and row numbers used again after a delete. The whole file is read where the file
    is another one, was restored or vacuumed, where a group was added, or on ``full=True`` (run that nightly: an edit
    in place of a row older than the overlap shows only there).

    Each of these may hand over a message again; the unique key in the database is the arbiter. Rows that the caller
    stored are remembered while they lie in the overlap, only to spare that work.

    ``own_numbers`` are the international numbers (or LIDs) whose messages are ours. One ``read`` at a time.
    """

    name = "bridge"

    def __init__(
        self,
        account: str,
        messages_path: Path,
        whatsapp_path: Path | None,
        groups: Callable[[], frozenset[str]],
        own_numbers: Collection[str] = (),
    ) -> None:
        self.account = account
        self.messages_path = messages_path
        self._groups = groups
        self._own_numbers = tuple(own_numbers)
        self._ranges = Ranges(messages_path)
        self._watch = Watch(messages_path)
        self._lids = LidMap(whatsapp_path)
        self._survey = Survey(messages_path, self._lids)
        self._reader = Reader(account, self._own_numbers, {})
        self._reader_lids: Mapping[str, str] = self._lids.pairs
        self._lids_read = False
        self._known: dict[tuple[object, object], tuple[int, int]] = {}
        self._stands = Position()
        self._settled: tuple[Token, frozenset[str], Position] | None = None
        self._settled_at = 0.0

    async def read(self, position: Position, *, full: bool = False) -> AsyncIterator[Reading]:
        """Yield what is new since ``position``, in batches of about 5,000; ``full`` yields everything again.

        Store a batch and its position in one transaction, then ask for the next: asking confirms it. ``total`` and
        ``done`` count row numbers. Yields nothing, within a millisecond, while nothing was committed to the file.
        Raises SourceUnreadable; the next call starts afresh.
        """
        token, groups = await asyncio.to_thread(self._poll), self._groups()
        if not full and self._settled == (token, groups, position):
            self._settled_at = time.monotonic()
            return
        walk = await asyncio.to_thread(self._begin, position, groups, full)
        if walk.before == Position() or self._is_behind(position):
            self._known.clear()
        self._stands = position
        owed = position != walk.before or position.groups != tuple(sorted(groups))
        for _ in range(_RESTARTS):
            async with aclosing(self._parts(walk.low, groups)) as parts:
                async for part in parts:
                    if part.range.identity != walk.identity:
                        # Replaced or vacuumed between two ranges: row numbers mean something else now.
                        self._known.clear()
                        walk, owed = _Walk(part.range.identity, 0, groups, Position()), True
                        break
                    for reading in self._readings(walk, part, owed):
                        yield reading
                        self._stands, owed = reading.position, False
                    self._remember(part)
                    walk = walk.past(part.range)
                else:
                    self._settled = (token, groups, self._stands)
                    self._settled_at = time.monotonic()
                    return
        raise SourceUnreadable(f"{self.messages_path} is replaced again and again while it is being read.")

    async def quiet(self) -> bool:
        """Whether nothing was committed to the file since a read came to its end.

        Never for longer than ten seconds: then the caller's position is asked for again, which may have gone back.
        """
        if self._settled is None or time.monotonic() - self._settled_at > QUIET_SECONDS:
            return False
        token = await asyncio.to_thread(self._poll)
        return self._settled is not None and self._settled[:2] == (token, self._groups())

    @property
    def lids(self) -> Mapping[str, str]:
        """The LIDs known so far: their digits to phone digits."""
        return self._lids.pairs

    async def new_lids(self, since: Mapping[str, str]) -> dict[str, str]:
        """Read the LID map again if it changed, and give what ``since`` does not have, as Identity spells it.

        That is ``{"98765432109876@lid": "+27820000001"}``, for resolving senders that were stored unresolved. ``since``
        is what ``lids`` was when the caller last did so; {} gives every pair known.
        """
        # A poll reads messages and then asks for this: one look at the map is enough for both.
        pairs = self._lids.pairs if self._lids_read else await asyncio.to_thread(self._lids.refresh)
        self._lids_read = False
        news = pairs.items() - since.items() if pairs is not since else ()
        return {f"{lid}@lid": f"+{phone}" for lid, phone in news}

    async def report(self) -> Findings:
        """Say what the file holds and what it cannot tell. Raises SourceUnreadable."""
        return await asyncio.to_thread(self._survey.findings, self._groups())

    async def aclose(self) -> None:
        """Close the connections. The source may be used again afterwards; it opens them anew."""
        self._settled = None
        for close in (self._watch.close, self._lids.close):
            await asyncio.to_thread(close)

    def _poll(self) -> Token:
        lids = self._lids.refresh()
        self._lids_read = True
        if lids is not self._reader_lids:
            self._reader, self._reader_lids = Reader(self.account, self._own_numbers, lids), lids
        return self._watch.token()

    def _is_behind(self, position: Position) -> bool:
        """Tell whether the caller lost what we saw it store, as by restoring its database from a backup.

        A position further on is another reader's of the same account: what was stored is stored.
        """
        return position.seen < self._stands.seen or position.identity != self._stands.identity

    def _begin(self, position: Position, groups: frozenset[str], full: bool) -> _Walk:
        state = self._ranges.state(Anchor(position.anchor, position.anchor_key))
        whole = (
            full
            or position.identity != state.identity
            or position.seen > state.last
            or not state.anchored
            or not groups <= set(position.groups)
        )
        before = Position() if whole else position
        return _Walk(state.identity, before.anchor, groups, before)

    async def _parts(self, low: int, groups: frozenset[str]) -> AsyncGenerator[_Part, None]:
        """Read range after range to the end of the file, each while the caller stores the one before."""
        ahead = asyncio.create_task(asyncio.to_thread(self._part, low, groups))
        try:
            while True:
                part = await ahead
                more = part.range.high < part.range.last
                if more:
                    ahead = asyncio.create_task(asyncio.to_thread(self._part, part.range.high, groups))
                yield part
                if not more:
                    return
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)

    def _part(self, low: int, groups: frozenset[str]) -> _Part:
        found = self._ranges.after(low, groups)
        new = self._reader.incomings(found.rows, found.at, Context(self._known, found.modified))
        return _Part(found, [_batch(new[start : start + BATCH]) for start in range(0, len(new), BATCH)])

    def _readings(self, walk: _Walk, part: _Part, owed: bool) -> Iterator[Reading]:
        """Hand over a range's batches. Only the last may stand at the range's end and have its anchor."""
        found, batches = part
        total = max(found.last - walk.low, 0)
        for seen, batch in batches[:-1]:
            yield Reading(batch, walk.position(seen, Anchor()), total, max(seen - walk.low, 0))
        rest = batches[-1][1] if batches else Batch(())
        position = walk.position(found.high, found.anchor)
        if rest or owed or position.seen - self._stands.seen >= _ADVANCE:
            yield Reading(rest, position, total, max(found.high - walk.low, 0))

    def _remember(self, part: _Part) -> None:
        """Keep what the caller has stored, as far as the overlap will show it again."""
        found, at = part.range, part.range.at
        oldest = found.last - 2 * OVERLAP
        for row in found.rows:
            if row[0] > oldest:
                self._known[row[at.id], row[at.chat]] = (row[0], hash(row))
        for message in [message for message, (row, _) in self._known.items() if row <= oldest]:
            del self._known[message]


def _batch(new: list[tuple[int, Incoming]]) -> tuple[int, Batch]:
    batch = Batch([incoming for _, incoming in new])
    # Here, in the reading thread: the one that stores has just enough to do.
    _ = batch.columns
    return new[-1][0], batch
