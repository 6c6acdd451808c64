"""The durable log used while the database is away: what is appended here survives a crash and is replayed later.

At least once: a record may be handed out again after a crash, so its handler must be idempotent. The order of replay
carries no meaning. Nothing is ever discarded: a full spool refuses, and the sender is asked to try again.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
from prometheus_client import Gauge

from .errors import Unavailable, WrongSetup
from .spool_folder import QUARANTINE, SpoolFolder, bytes_used, folders, read_segment, sync
from .spool_records import HEADER_BYTES, Record, encode

SEGMENT_BYTES = 16 * 1024 * 1024
# One write and one fsync take at most this many waiting records, so that memory and the wait stay bounded.
COMMIT_RECORDS = 1024
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

Handle = Callable[[list[bytes]], Awaitable[None]]
Result = TypeVar("Result")
used = Gauge("tallybook_spool_bytes", "What lies in the spool, of all processes, in bytes.")
limit = Gauge("tallybook_spool_limit_bytes", "How much may lie in the spool, in bytes.")


class SpoolFull(Unavailable):
    """The spool has reached its limit, or the disk has. Nothing was kept of the record."""


class SpoolUnwritable(Unavailable):
    """The disk refuses. Nothing may be relied on of the record."""


class Replayed(msgspec.Struct, frozen=True):
    """What a replay did: records handled, damaged pieces newly put aside, segments left for another try."""

    records: int = 0
    quarantined: int = 0
    left: int = 0

    def __add__(self, other: Replayed) -> Replayed:
        return Replayed(self.records + other.records, self.quarantined + other.quarantined, self.left + other.left)


class SpoolStatus(msgspec.Struct, frozen=True):
    """What lies in a spool, of every process. ``bytes`` counts the quarantine too; ``quarantined`` counts its files."""

    records: int
    bytes: int
    oldest_at: datetime | None
    quarantined: int
    folders: int


class _Writer:
    """Appends to this process's segments. Every method runs in the spool's one writing thread."""

    def __init__(self, root: Path, folder: SpoolFolder, limit_bytes: int) -> None:
        self._root = root
        self._folder = folder
        self._limit = limit_bytes
        self._sequence = 0
        self._number = 0
        self._file: int | None = None
        self._size = 0

    def commit(self, records: Sequence[bytes]) -> list[Unavailable | None]:
        """Write the records with one fsync. Gives for each None once it is durable, or why it is not."""
        outcomes: list[Unavailable | None] = []
        taken: list[bytes] = []
        try:
            room = self._limit - bytes_used(self._root)
            for record in records:
                room -= HEADER_BYTES + len(record)
                outcomes.append(SpoolFull("The spool has reached its limit.") if room < 0 else None)
                if room < 0:
                    room += HEADER_BYTES + len(record)
                    continue
                self._sequence += 1
                taken.append(encode(self._folder.salt, self._sequence, record))
            if taken:
                self._write(b"".join(taken))
        except OSError as error:
            self._undo()
            return [_refusal(error) for _ in records]
        return outcomes

    def rotate(self) -> list[int]:
        """End the open segment, so that all may be replayed; give the numbers of the ended ones."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        return self._folder.segments()

    def _write(self, data: bytes) -> None:
        if self._file is None or self._size >= SEGMENT_BYTES:
            self.rotate()
            self._number += 1
            self._size = 0
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._file = os.open(self._folder.segment(self._number), flags, 0o600)
            sync(self._folder.path)
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]
        os.fsync(self._file)
        self._size += len(data)

    def _undo(self) -> None:
        # After a failed fsync nobody knows what the disk holds, and a second fsync may say yes to lost pages: the
        # segment is cut back to what is durable and never written again.
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
                os.fsync(self._file)
        self.rotate()


class Spool:
    """One process's end of the spool: it appends to a locked folder of its own and replays what dead ones left."""

    def __init__(self, root: Path, folder: SpoolFolder, limit_bytes: int) -> None:
        self._root = root
        self._folder = folder
        self._writer = _Writer(root, folder, limit_bytes)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._waiting: list[tuple[bytes, asyncio.Future[Unavailable | None]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._replaying = asyncio.Lock()
        self._closed = False

    @staticmethod
    @contextlib.asynccontextmanager
    async def open(folder: Path, limit_bytes: int) -> AsyncIterator[Spool]:
        """Open the spool below ``folder``, bounded to ``limit_bytes`` for all processes together.

        Processes that write at the same moment may each pass the limit by one commit. Raises WrongSetup where the
        folder cannot be used.
        """
        try:
            own = await asyncio.to_thread(SpoolFolder.create, folder)
        except OSError as error:
            raise WrongSetup(f"The spool folder {folder} cannot be used: {error.strerror}.") from error
        spool = Spool(folder, own, limit_bytes)
        used.set_function(partial(_used, folder))
        limit.set(limit_bytes)
        try:
            yield spool
        finally:
            await spool._close()

    async def append(self, record: bytes) -> None:
        """Keep a record; return when it is durable. Raises SpoolFull or SpoolUnwritable, both Unavailable."""
        if self._closed:
            raise SpoolUnwritable("The spool is closed.")
        durable: asyncio.Future[Unavailable | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((record, durable))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_waiting())
        if (refusal := await durable) is not None:
            raise refusal

    async def replay(self, handle: Handle, batch: int = 256) -> Replayed:
        """Hand every record of ours and of dead processes to ``handle``, in lists of at most ``batch``.

        A list is acknowledged when ``handle`` has returned; what it raises ends the replay and is raised here, and the
        list comes again next time. Folders of living processes are left alone.
        """
        async with self._replaying:
            own = await self._in_thread(self._writer.rotate)
            replayed = await _replay(self._folder, own, handle, batch)
            for path in await asyncio.to_thread(lambda: list(folders(self._root))):
                if path != self._folder.path:
                    replayed += await _replay_orphan(path, handle, batch)
            return replayed

    async def _commit_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:COMMIT_RECORDS], self._waiting[COMMIT_RECORDS:]
            outcomes: list[Unavailable | None] = [SpoolUnwritable("The spool was stopped.") for _ in batch]
            try:
                outcomes = await self._in_thread(self._writer.commit, [record for record, _ in batch])
            finally:
                for (_, durable), outcome in zip(batch, outcomes, strict=True):
                    if not durable.done():
                        durable.set_result(outcome)

    async def _in_thread(self, work: Callable[..., Result], *arguments: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def _close(self) -> None:
        self._closed = True
        if self._committing is not None:
            await asyncio.gather(self._committing, return_exceptions=True)
        await self._in_thread(self._writer.rotate)
        self._thread.shutdown()
        await asyncio.to_thread(self._folder.leave)


def _used(folder: Path) -> float:
    try:
        return float(bytes_used(folder))
    except OSError:
        return float("nan")  # nobody can tell now


async def status(folder: Path) -> SpoolStatus:
    """Say what lies in the spool below ``folder``. Takes no lock, so any process may ask at any time."""
    return await asyncio.to_thread(_status, folder)


async def naming(folder: Path, words: Sequence[bytes]) -> list[bytes]:
    """The whole records below ``folder``, of every process, in which one of the words stands now. Takes no lock."""
    return await asyncio.to_thread(_naming, folder, words)


def _naming(root: Path, words: Sequence[bytes]) -> list[bytes]:
    found: list[bytes] = []
    for path in folders(root):
        for segment in path.glob("*.log"):
            with contextlib.suppress(OSError):  # replayed and deleted while we look
                payloads = [record.payload for record in read_segment(segment)[0]]
                found += [one for one in payloads if any(word in one for word in words)]
    return found


async def _replay_orphan(path: Path, handle: Handle, batch: int) -> Replayed:
    try:
        orphan = await asyncio.to_thread(SpoolFolder.take, path)
    except OSError:
        return Replayed(left=1)
    if orphan is None:
        return Replayed()
    try:
        return await _replay(orphan, await asyncio.to_thread(orphan.segments), handle, batch)
    finally:
        await asyncio.to_thread(orphan.leave)


async def _replay(folder: SpoolFolder, segments: list[int], handle: Handle, batch: int) -> Replayed:
    replayed = Replayed()
    for number in segments:
        try:
            records, damaged = await asyncio.to_thread(folder.read, number)
        except OSError:
            # One unreadable file must not keep its neighbours from being replayed. It stays, and is counted.
            replayed += Replayed(left=1)
            continue
        for some in _batches(records, batch):
            await handle([record.payload for record in some])
            await asyncio.to_thread(folder.acknowledge, number, some[-1].sequence)
        replayed += Replayed(records=len(records))
        try:
            kept = await asyncio.to_thread(folder.quarantine, number, damaged) if damaged else 0
            await asyncio.to_thread(folder.delete, number)
            replayed += Replayed(quarantined=kept)
        except OSError:
            replayed += Replayed(left=1)
    return replayed


def _batches(records: list[Record], size: int) -> list[list[Record]]:
    return [records[start : start + size] for start in range(0, len(records), size)]


def _refusal(error: OSError) -> Unavailable:
    if error.errno in _NO_ROOM:
        return SpoolFull("The disk of the spool is full.")
    return SpoolUnwritable(f"The spool cannot be written: {error.strerror}.")


def _status(root: Path) -> SpoolStatus:
    moments: list[int] = []
    paths = list(folders(root))
    for path in paths:
        for segment in path.glob("*.log"):
            # A segment may be replayed and deleted while we look, or belong to somebody else.
            with contextlib.suppress(OSError):
                moments += [record.at for record in read_segment(segment)[0]]
    oldest = datetime.fromtimestamp(min(moments) / 1_000_000, UTC) if moments else None
    quarantined = sum(1 for _ in (root / QUARANTINE).glob("*.bad"))
    return SpoolStatus(len(moments), bytes_used(root), oldest, quarantined, len(paths))
