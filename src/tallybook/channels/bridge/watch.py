"""Did the file change? Asked every second, so it must cost next to nothing."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from pathlib import Path

from .snapshot import Stamp, connect, look

DATA_VERSION = "pragma data_version"

Token = Stamp | tuple[int, int, int, int]


class Watch:
    """Tells whether anything was committed to a file since a moment named by a token.

    In rollback mode the token is the file's stamp: a hundred bytes and a ``stat``, no lock. ``PRAGMA data_version``
    would take a shared lock there, and a shared lock can make an impatient writer's commit fail. In WAL mode the header
    stands still until a checkpoint, so the token is ``data_version``, which there disturbs nobody; it has a meaning
    only within one connection, which is therefore kept (an idle connection holds back neither writer nor checkpoint).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file = (0, 0)
        self._opened = 0

    def token(self) -> Token:
        """Take a token; two equal ones mean that nothing was committed between them. Raises SourceUnreadable."""
        with self._guard:
            if self._connection is not None and self._same_file():
                with contextlib.suppress(sqlite3.Error):
                    return self._versioned(self._connection)
            self._drop()
            stamp = look(self.path)
            if not stamp.wal:
                return stamp
            try:
                return self._keep(stamp)
            except sqlite3.Error:
                return (stamp.device, stamp.inode, 0, time.monotonic_ns())  # equal to none: a read says what is wrong

    def close(self) -> None:
        with self._guard:
            self._drop()

    def _same_file(self) -> bool:
        try:
            status = self.path.stat()
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._file

    def _keep(self, stamp: Stamp) -> Token:
        self._connection = connect(self.path, "mode=ro")
        self._file = (stamp.device, stamp.inode)
        self._opened += 1
        return self._versioned(self._connection)

    def _versioned(self, connection: sqlite3.Connection) -> Token:
        version: int = connection.execute(DATA_VERSION).fetchone()[0]
        return (*self._file, self._opened, version)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
