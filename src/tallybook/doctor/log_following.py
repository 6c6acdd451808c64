"""A server's log while it is being written: what stands in it since a place, whatever became of the file meanwhile.

A file is known by its first record, so that it is the same one when it was renamed, copied, emptied or compressed. Only
whole records are taken; a place is counted in bytes, of a compressed file in those of its contents.
"""

from __future__ import annotations

import gzip
import hashlib
import time
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, cast

import msgspec

from tallybook.core.errors import WrongSetup

from .log_message import Entry
from .server_log import FIRST_LINES, NEITHER, Form, form_of, steps

MOST = 4 * 1024 * 1024  # bytes that are read at once
MORE = 8  # times as many, where not even one record fits
LONGEST_FIRST = 1024 * 1024
# Seconds. A record whose end has not come after so long is torn, and what follows it is read.
SETTLED = 60.0
NAMED = frozenset({".json", ".csv"})  # what such files of a folder are called, also with more behind it
# What reading raises of a file that is damaged, gone or closed to us.
UNREADABLE = (OSError, EOFError, zlib.error)


class Part(msgspec.Struct, frozen=True):
    """The refusals in the records from a place up to ``end``, and how many of these could not be read."""

    entries: tuple[Entry, ...]
    broken: int
    end: int


def files_of(places: Sequence[Path]) -> list[Path]:
    """The files of logs, each once: in a folder what is called so, beside a file what it was rotated to.

    Raises WrongSetup for a place at which there is none, or that may not be looked at.
    """
    found: dict[Path, None] = {}
    for place in places:
        try:
            here = [one for one in _candidates(place) if one.is_file()]
        except OSError as error:
            raise WrongSetup(f"{place} cannot be read: {error.strerror}.") from None
        if not here:
            raise WrongSetup(f"There is no csvlog and no jsonlog at {place}.")
        found.update(dict.fromkeys(sorted(here)))
    return list(found)


def _candidates(place: Path) -> Iterator[Path]:
    if place.is_dir():
        return (one for one in place.iterdir() if not NAMED.isdisjoint(one.suffixes))
    return (one for one in place.parent.iterdir() if one.name.startswith(place.name))


def mark_of(file: Path) -> str | None:
    """What a file is known by; None where no whole record is in it yet. Raises WrongSetup where it is no such log."""
    with _opened(file) as opened:
        first = _first(file, opened)
    return hashlib.sha256(first[1]).hexdigest() if first else None


def read_on(file: Path, start: int, most: int = MOST) -> Part:
    """What stands in the file from ``start`` on, at most about ``most`` bytes of it: ask again until nothing comes.

    Raises WrongSetup where it is no such log, and what is in UNREADABLE.
    """
    told: list[Entry | None] = []
    end = start
    with _opened(file) as opened:
        first = _first(file, opened)
        if first is None:
            return Part((), 0, start)
        opened.seek(start)
        lines = _Lines(opened, most)
        for step in steps(first[0], iter(lines)):
            if not step.whole and (lines.is_full or not _is_settled(file)):
                break
            end += lines.bytes_of(step.lines)
            told += step.told
    if end == start and lines.is_full:
        return read_on(file, start, most * MORE)
    entries = tuple(one for one in told if one is not None)
    return Part(entries, len(told) - len(entries), end)


class _Lines:
    """The whole lines of a file, up to so many bytes; remembers how long each was until that is asked."""

    def __init__(self, opened: IO[bytes], most: int) -> None:
        self.opened, self.most = opened, most
        self.sizes: deque[int] = deque()
        self.is_full = False

    def __iter__(self) -> Iterator[str]:
        size = 0
        for line in self.opened:
            if not line.endswith(b"\n"):
                return
            size += len(line)
            self.sizes.append(len(line))
            yield line.decode("utf-8", errors="replace")
            if size >= self.most:
                self.is_full = True
                return

    def bytes_of(self, lines: int) -> int:
        """The length of the next lines, in the order in which they were read."""
        return sum(self.sizes.popleft() for _ in range(lines))


def _first(file: Path, opened: IO[bytes]) -> tuple[Form, bytes] | None:
    """The first line that begins a record, and by it the file's form; what stands before it is a torn record's end."""
    blank = True
    for number, line in enumerate(islice(iter(lambda: opened.readline(LONGEST_FIRST), b""), FIRST_LINES), 1):
        if not line.endswith(b"\n") and len(line) < LONGEST_FIRST:
            return None
        if (form := form_of(line.decode("utf-8", errors="replace"))) is not None:
            return form, line
        blank = blank and not line.strip()
        if number == FIRST_LINES:
            break
    if blank:
        return None
    raise WrongSetup(NEITHER.format(file=file))


def _is_settled(file: Path) -> bool:
    return time.time() - file.stat().st_mtime > SETTLED


def _opened(file: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(file, "rb")) if file.suffix == ".gz" else file.open("rb")
