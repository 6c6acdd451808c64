"""Recorded webhook bodies: a file of one JSON on each line, of one JSON or an array, or a folder of such files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec

from tallybook.core import receive
from tallybook.core.channel import MAX_BODY
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Invalid
from tallybook.core.messages import Incoming
from tallybook.core.receive import Received
from tallybook.inbox.store import importing as store

TOGETHER, TOGETHER_BYTES = 256, 8_000_000
Progress = Callable[[int, int], None]


class Recorded(msgspec.Struct, frozen=True):
    """A body as it was recorded, and where: a file and its line, or its place in the array."""

    body: bytes
    place: str


class Held(msgspec.Struct, frozen=True):
    """What recorded bodies hold: updates by their kind, by the number they came for, and what cannot be read.

    ``known`` are bodies that were received already.
    """

    bodies: int
    known: int
    kinds: dict[str, int]
    numbers: dict[str, int]
    first: datetime | None
    last: datetime | None
    unreadable: list[str]


class Taken(msgspec.Struct, frozen=True):
    """What became of them: ``new`` were received now, ``known`` before; ``unreadable`` says where there is no body."""

    bodies: int
    new: int
    known: int
    unreadable: list[str]


def files_of(path: Path) -> list[Path]:
    """The files to read, in the order of their names. Raises Invalid where there is none."""
    found = sorted(one for one in path.iterdir() if one.suffix in {".json", ".jsonl"}) if path.is_dir() else [path]
    if not found or not all(one.is_file() for one in found):
        raise Invalid(f"{path} is no file, and no folder with files whose names end in .json or .jsonl.")
    return found


def bodies(path: Path) -> Iterator[Recorded]:
    """Each body as it stands there, byte for byte; a line or part that is no JSON object comes as it is."""
    for file in files_of(path):
        if file.suffix == ".json" and (parts := _parts(file)) is not None:
            yield from parts
            continue
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield Recorded(line.strip(), f"{file.name}, line {number}")


def _parts(file: Path) -> list[Recorded] | None:
    """The bodies of a file that is one JSON as a whole; None where it is none."""
    content = file.read_bytes()
    try:
        if content.lstrip()[:1] == b"[":
            parts = msgspec.json.decode(content, type=list[msgspec.Raw])
            return [Recorded(bytes(part), f"{file.name}, part {number}") for number, part in enumerate(parts, 1)]
        msgspec.json.decode(content, type=dict)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return [Recorded(content.strip(), file.name)]


def is_body(one: Recorded) -> bool:
    """Whether this can have been a webhook: a JSON object of a size that is taken."""
    if len(one.body) > MAX_BODY:
        return False
    try:
        msgspec.json.decode(one.body, type=dict)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


async def replay(db: Database, channel: str, path: Path, progress: Progress) -> Taken:
    """Receives each body as if it came now, some together in a transaction; what was received before is known."""
    every = new = 0
    unreadable: list[str] = []
    total = sum(file.stat().st_size for file in files_of(path))
    read = 0
    for batch in _batches(bodies(path)):
        good = [one for one in batch if is_body(one)]
        unreadable += [one.place for one in batch if not is_body(one)]
        every += len(good)
        received = [Received(channel, one.body, datetime.now(UTC)) for one in good]

        new += await db.run("replay bodies", partial(_received, received)) if received else 0
        read += sum(len(one.body) for one in batch)
        progress(min(read, total), total)
    return Taken(every, new, every - new, unreadable)


async def _received(received: list[Received], conn: Conn) -> int:
    return await receive.store(conn, received)


def _batches(some: Iterator[Recorded]) -> Iterator[list[Recorded]]:
    batch: list[Recorded] = []
    size = 0
    for one in some:
        batch.append(one)
        size += len(one.body)
        if len(batch) >= TOGETHER or size >= TOGETHER_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


async def look(db: Database, channel: str, path: Path, parse: Callable[[bytes], list[Incoming]]) -> Held:
    """What the bodies hold; nothing is received."""
    kinds, numbers = Counter[str](), Counter[str]()
    unreadable: list[str] = []
    every = known = 0
    moments: list[datetime] = []
    for batch in _batches(bodies(path)):
        keys = []
        for one in batch:
            try:
                found = parse(one.body) if is_body(one) else None
            except msgspec.ValidationError:
                found = None
            if found is None:
                unreadable.append(one.place)
                continue
            every += 1
            keys.append(Received(channel, one.body, datetime.now(UTC)).key[1])
            kinds.update(incoming.kind for incoming in found)
            numbers.update(incoming.account for incoming in found)
            said = [incoming.said_at for incoming in found]
            moments = [min([*moments, *said]), max([*moments, *said])] if said else moments
        known += await db.run("look for bodies", partial(_known, channel, keys))
    first, last = (moments[0], moments[-1]) if moments else (None, None)
    return Held(every, known, dict(kinds.most_common()), dict(numbers.most_common()), first, last, unreadable)


async def _known(channel: str, hashes: list[bytes], conn: Conn) -> int:
    return await store.known(conn, channel, hashes)
