"""One process's folder of spool segments: its lock, its segments, what was acknowledged, what was quarantined.

spool/                        0700
  <uuid>/                     0700, one per process, held by flock on `lock` while the process lives
    lock  00000001.log  00000001.ack
  quarantine/                 damaged records, kept until a person has looked at them
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from .spool_records import Damaged, Record, scan

QUARANTINE = "quarantine"
_NEW_FOLDER_TRIES = 20


class SpoolFolder:
    """A folder whose lock this process holds, until ``leave``."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.salt = path.name.encode()
        self._lock = lock

    @classmethod
    def create(cls, root: Path) -> SpoolFolder:
        """Make a folder of our own and lock it. Raises OSError where the disk or its rights do not allow it."""
        if not root.exists():
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync(root.parent)
        root.chmod(0o700)
        for _ in range(_NEW_FOLDER_TRIES):
            path = root / str(uuid.uuid4())
            path.mkdir(mode=0o700)
            # Before the lock is ours, another process may take the folder for an orphan and remove it: then a new one.
            if (folder := cls.take(path)) is not None:
                sync(root)
                return folder
        raise OSError(errno.EAGAIN, "no folder could be locked", str(root))

    @classmethod
    def take(cls, path: Path) -> SpoolFolder | None:
        """Lock a folder if nobody holds it. None where its process lives, or where it was just removed."""
        lock_path = path / "lock"
        try:
            lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it before us may have removed the file while we opened it: then the lock locks nothing.
            if os.path.samestat(os.fstat(lock), lock_path.stat()):
                return cls(path, lock)
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(lock)
        return None

    def leave(self) -> None:
        """Give the lock back, and remove the folder where nothing is left in it."""
        with contextlib.suppress(OSError):
            if not self.segments():
                for left_over in self.path.glob("*.ack*"):
                    left_over.unlink()
                (self.path / "lock").unlink()
                self.path.rmdir()
                sync(self.path.parent)
        os.close(self._lock)

    def segments(self) -> list[int]:
        return sorted(int(path.stem) for path in self.path.glob("*.log"))

    def segment(self, number: int) -> Path:
        return self.path / f"{number:08d}.log"

    def read(self, number: int) -> tuple[list[Record], list[Damaged]]:
        """Give what is left to replay of a segment, and its damaged pieces. Raises OSError."""
        return read_segment(self.segment(number))

    def acknowledge(self, number: int, sequence: int) -> None:
        """Note durably that every record up to ``sequence`` was handled.

        The note saves work and is not needed for safety, since handling is idempotent. So a disk too full to take it
        is no reason to stop: only going on, to the deletion of the segment, frees the disk.
        """
        path = self._acknowledged(number)
        with contextlib.suppress(OSError):
            write_durably(path, str(sequence).encode())

    def quarantine(self, number: int, damaged: list[Damaged]) -> int:
        """Keep damaged pieces beside the spool, durably; give how many were new. Raises OSError."""
        room = self.path.parent / QUARANTINE
        room.mkdir(mode=0o700, exist_ok=True)
        new = 0
        for piece in damaged:
            path = room / f"{self.path.name}-{number:08d}-{piece.offset}.bad"
            if not path.exists():
                write_durably(path, piece.data)
                new += 1
        sync(room.parent)
        return new

    def delete(self, number: int) -> None:
        """Remove a segment whose records were all handled. Its note goes last, so that a crash between is harmless."""
        self.segment(number).unlink()
        sync(self.path)
        self._acknowledged(number).unlink(missing_ok=True)

    def _acknowledged(self, number: int) -> Path:
        return self.segment(number).with_suffix(".ack")


def folders(root: Path) -> Iterator[Path]:
    """Every process's folder below ``root``, the living and the dead."""
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        with contextlib.suppress(ValueError):
            uuid.UUID(path.name)
            yield path


def read_segment(path: Path) -> tuple[list[Record], list[Damaged]]:
    """Read a segment without locking it: the records not yet acknowledged, and the damaged pieces. Raises OSError."""
    try:
        handled = int(path.with_suffix(".ack").read_bytes())
    except (FileNotFoundError, ValueError):
        handled = 0
    records: list[Record] = []
    damaged: list[Damaged] = []
    for piece in scan(path.parent.name.encode(), path.read_bytes()):
        if isinstance(piece, Damaged):
            damaged.append(piece)
        elif piece.sequence > handled:
            records.append(piece)
    return records, damaged


def bytes_used(root: Path) -> int:
    """Give the size of everything below ``root``, quarantine included, in bytes."""
    used = 0
    for path in root.glob("*/*"):
        with contextlib.suppress(FileNotFoundError):
            used += path.stat().st_size
    return used


def write_durably(path: Path, data: bytes) -> None:
    """Write a small file so that after a crash it is there as a whole or not at all. Raises OSError."""
    draft = path.with_name(path.name + ".tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
