"""Files kept under the hash of what they hold: written whole or not at all, each content once, never to be run.

A file that is being written is a draft, which nobody sees. What dies with it is left behind and taken away by a sweep.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from .file_types import HEAD
from .updates import SHA256_BYTES, hash_in_hex

DRAFTS = "drafts"
LONGEST_NAME = 2 * SHA256_BYTES


class TooLong(Exception):
    """More bytes came than are taken."""


@dataclass(frozen=True)
class Found:
    """What a whole file holds: its hash, how many bytes it has, and the first of them."""

    sha256: bytes
    size: int
    head: bytes


def path_of(folder: Path, sha256: bytes) -> Path:
    """Where a file of this content stands below the folder of kept files."""
    name = sha256.hex()
    return folder / name[:2] / name[2:4] / name


def write(path: Path, content: bytes) -> None:
    """Whole or not at all, and never run: a file for its owner to read. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


@dataclass
class Draft:
    """A file of at most ``most`` bytes on its way. Its methods block; call them from a thread."""

    folder: Path
    most: int
    size: int = 0
    head: bytes = b""
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256, repr=False)
    _file: IO[bytes] | None = None
    _name: str = ""

    def begin(self) -> None:
        """Raises OSError where it cannot be written."""
        place = self.folder / DRAFTS
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, self._name = tempfile.mkstemp(dir=place)
        self._file = os.fdopen(handle, "wb")

    def write(self, part: bytes) -> None:
        """Takes the next bytes. Raises TooLong and OSError."""
        if self._file is None:
            self.begin()
        self.size += len(part)
        if self.size > self.most:
            raise TooLong
        if len(self.head) < HEAD:
            self.head = (self.head + part)[:HEAD]
        self._hash.update(part)
        if self._file is not None:
            self._file.write(part)

    def end(self) -> Found:
        """All has come, and is on the disk. Raises OSError."""
        if self._file is None:
            self.begin()
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        return Found(self._hash.digest(), self.size, self.head)

    def keep(self) -> Path:
        """The file stands under its hash; run twice, it does the same again. Raises OSError.

        One that stood there counts as new from now on: a sweep leaves it alone for a day.
        """
        path = path_of(self.folder, self._hash.digest())
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.exists():
            os.utime(path)
        else:
            Path(self._name).replace(path)
        return path

    @property
    def path(self) -> Path:
        """Where the draft is, before it is kept."""
        return Path(self._name)

    def drop(self) -> None:
        """Takes the draft away, if it was not kept."""
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()
            if self._name:
                Path(self._name).unlink(missing_ok=True)


def touched(folder: Path, sha256: bytes, size: int) -> bytes | None:
    """The first bytes of a kept file, which counts as new from now on; None where it is not there in this size."""
    path = path_of(folder, sha256)
    try:
        if path.stat().st_size != size:
            return None
        os.utime(path)
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError:
        return None


def older(folder: Path, seconds: float) -> Iterator[bytes]:
    """The hashes of kept files to which nothing was done for so long; drafts that were left are taken away."""
    before = time.time() - seconds
    for path in sorted(folder.glob("*/*")) if folder.is_dir() else ():
        if path.parent.name == DRAFTS:
            if _is_older(path, before):
                path.unlink(missing_ok=True)
            continue
        for file in sorted(path.iterdir()) if path.is_dir() else ():
            digest = hash_in_hex(file.name) if len(file.name) == LONGEST_NAME else None
            if digest is not None and _is_older(file, before):
                yield digest


def remove(folder: Path, sha256: bytes, seconds: float) -> bool:
    """Removes a kept file, unless something was done to it meanwhile. The caller holds its hash."""
    path = path_of(folder, sha256)
    if not _is_older(path, time.time() - seconds):
        return False
    path.unlink(missing_ok=True)
    return True


def _is_older(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except OSError:
        return False
