"""Reading a SQLite file that another process is writing: never in the writer's way, never a half-written page.

In rollback-journal mode any lock of ours, however short, may make the writer's commit fail, and a bridge whose commit
fails drops the message. So the file is opened ``immutable=1``, which takes no lock at all, and the read is thrown away
unless the file provably stood still meanwhile (see ``once``). A WAL file is read the ordinary way: there readers and
the writer do not meet.

All of this blocks, for milliseconds: call it in a thread.
"""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from tallybook.core.errors import SourceUnreadable

from .sentences import HALF_WRITTEN, LOCKED, NOT_OURS_TO_MEND, looks_wrong, sentence

T = TypeVar("T")
Query = Callable[[sqlite3.Connection], T]

TRIES = 20
BUSY_SECONDS = 2.0
LEFT_BEHIND_SECONDS = 10.0
_HEADER_BYTES = 100
_WAL = 2

BEGIN_READ = "begin"
END_READ = "rollback"
READ_ONLY = "pragma query_only = on"


class Disturbed(Exception):
    """The file changed while it was being read, so what was read may be wrong. Not a fault: it is read again."""


class Stamp(NamedTuple):
    """What a file looked like at one moment. Equal stamps in rollback mode: no commit came between them.

    ``header`` is the file's first 100 bytes: they hold the change counter, which every commit raises.
    """

    device: int
    inode: int
    size: int
    modified_ns: int
    header: bytes

    @property
    def wal(self) -> bool:
        return self.header[18] == _WAL or self.header[19] == _WAL


class _Headers:
    """One file descriptor per path, kept for as long as the process lives or until another file takes the path.

    Closing any descriptor of a file drops every POSIX lock that the process holds on it, SQLite's included. So a
    header is never read by open-and-close: that would silently unlock an ordinary read in another thread.
    """

    def __init__(self) -> None:
        self._open: dict[str, tuple[int, tuple[int, int]]] = {}
        self._guard = threading.Lock()

    def read(self, path: str, file: tuple[int, int]) -> bytes:
        with self._guard:
            kept = self._open.get(path)
            if kept is None or kept[1] != file:
                kept = self._open[path] = self._opened(path)
            return os.pread(kept[0], _HEADER_BYTES, 0)

    def _opened(self, path: str) -> tuple[int, tuple[int, int]]:
        if former := self._open.pop(path, None):
            os.close(former[0])
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(descriptor)
        return descriptor, (status.st_dev, status.st_ino)


_headers = _Headers()


def look(path: Path) -> Stamp:
    """Take the file's stamp, without any lock. Raises SourceUnreadable where it is no SQLite file or not there."""
    real = os.path.realpath(path)
    try:
        status = Path(real).stat()
        if not stat.S_ISREG(status.st_mode):
            raise SourceUnreadable(f"{path} is a directory or a device, not the bridge's file.")
        header = _headers.read(real, (status.st_dev, status.st_ino))
    except OSError as error:
        raise SourceUnreadable(sentence(path, error)) from error
    if wrong := looks_wrong(path, header, status.st_size):
        raise SourceUnreadable(wrong)
    return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, header)


def connect(path: Path, options: str, timeout: float = 0.0) -> sqlite3.Connection:
    """Open ``path``, whatever characters are in it, with SQLite URI ``options``; nothing is read yet."""
    uri = f"{Path(os.path.realpath(path)).as_uri()}?{options}"
    connection = sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False)
    connection.execute(READ_ONLY)
    return connection


def once(path: Path, query: Query[T]) -> T:
    """Run ``query`` on one consistent state of the file. Raises Disturbed where the writer came in between.

    The order of the four checks is what makes it safe, in rollback mode. Before: first the header, then the journal;
    after: first the journal, then the header. A writer's journal is live from before its first page until after its
    last. So one that was at work at the start has ended by the time no journal is seen, and its new change counter
    differs from the one read before; one that began later still shows its journal or has already raised the counter.

    Each call has a connection of its own: an immutable connection never learns that a page in its cache is stale.
    """
    before = look(path)
    if before.wal:
        return ordinary(path, query)
    if _journal_is_live(path):
        raise Disturbed
    try:
        with contextlib.closing(connect(path, "mode=ro&immutable=1")) as connection:
            result = query(connection)
    except Exception as error:
        if _journal_is_live(path) or look(path) != before:
            raise Disturbed from error
        if isinstance(error, sqlite3.Error):
            raise SourceUnreadable(sentence(path, error)) from error
        raise
    if _journal_is_live(path) or look(path) != before:
        raise Disturbed
    return result


def guarded(path: Path, query: Query[T], tries: int = TRIES, disturbed: Callable[[], None] = lambda: None) -> T:
    """Run ``query`` on one consistent state, trying again while the writer is busy, by a short lock if need be.

    ``query`` fetches everything it wants and returns; it may be called several times. ``disturbed`` hears of each try
    that the writer spoilt, before the next. Raises SourceUnreadable.
    """
    for attempt in range(tries):
        try:
            return once(path, query)
        except Disturbed:
            disturbed()
            pause(attempt)
    return ordinary(path, query)


def pause(attempt: int) -> None:
    """Wait for the writer to finish: 1 ms at first, 10 ms at most, never in step with it."""
    time.sleep(min(0.001 * (attempt + 1), 0.010) * random.uniform(0.5, 1.0))  # noqa: S311 - a jitter, not a secret


def ordinary(path: Path, query: Query[T]) -> T:
    """Run ``query`` in one read transaction, locks and all. In rollback mode it is the last resort: keep it short."""
    try:
        return _in_transaction(path, "mode=ro", query, BUSY_SECONDS)
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if name == "SQLITE_READONLY_ROLLBACK":
            return _after_crash(path, query)
        if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")) and not _has_wal(path):
            return _at_rest(path, query)
        raise SourceUnreadable(sentence(path, error)) from error


def _after_crash(path: Path, query: Query[T]) -> T:
    """Read a file whose writer died while committing, and left a journal that must be played back first.

    Only a connection that may write can do that. SQLite makes sure, under its locks, that the journal's writer is gone;
    it does what the bridge itself would do on its next start. ``timeout=0``: a bridge that is just starting goes first.
    Some shared folders (between a host and its containers) do not carry locks, and a live bridge would look like a dead
    one: so the journal must have lain untouched for a while, too.
    """
    if _journal_age(path) < LEFT_BEHIND_SECONDS:
        raise SourceUnreadable(HALF_WRITTEN.format(path=path))
    try:
        return _in_transaction(path, "mode=rw", query, 0.0)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
            raise SourceUnreadable(NOT_OURS_TO_MEND.format(path=path)) from error
        raise SourceUnreadable(sentence(path, error)) from error


def _at_rest(path: Path, query: Query[T]) -> T:
    """Read a WAL file that lies, without a WAL, in a directory where we may not create one."""
    before = look(path)
    try:
        with contextlib.closing(connect(path, "mode=ro&immutable=1")) as connection:
            result = query(connection)
    except sqlite3.Error as error:
        raise SourceUnreadable(sentence(path, error)) from error
    if _has_wal(path) or look(path) != before:
        raise SourceUnreadable(LOCKED.format(path=path))
    return result


def _in_transaction(path: Path, options: str, query: Query[T], timeout: float) -> T:
    with contextlib.closing(connect(path, options, timeout)) as connection:
        connection.execute(BEGIN_READ)
        try:
            return query(connection)
        finally:
            with contextlib.suppress(sqlite3.Error):  # an error may have ended the transaction already
                connection.execute(END_READ)


def _journal_is_live(path: Path) -> bool:
    """Tell whether a rollback journal is in use: it has its magic number as long as pages may be half written.

    One that is still being filled begins with zeroes, as does one that ``persist`` mode leaves behind.
    """
    try:
        with Path(f"{os.path.realpath(path)}-journal").open("rb", buffering=0) as journal:
            return journal.read(1) not in {b"", b"\0"}
    except FileNotFoundError:
        return False
    except OSError:
        return True  # there is one that we may not read: the ordinary way decides


def _journal_age(path: Path) -> float:
    """Seconds since the journal was last written; 0 where it has just gone."""
    try:
        return time.time() - Path(f"{os.path.realpath(path)}-journal").stat().st_mtime
    except OSError:
        return 0.0


def _has_wal(path: Path) -> bool:
    try:
        return Path(f"{os.path.realpath(path)}-wal").stat().st_size > 0
    except OSError:
        return False
