"""Files that customers send: noted in the transaction that files the message, fetched once after it, outside of it.

What comes is checked: it is what the provider said (by its hash), not too large, and handed out under the type that its
content has. What cannot be had for now is tried again, each time later; what cannot be had says so, and why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog
from prometheus_client import Counter

from tallybook.core import jobs, kept_files
from tallybook.core.db import Conn, Database
from tallybook.core.file_types import checked_type
from tallybook.core.jobs import Held, NewJob
from tallybook.core.kept_files import Draft, Found, TooLong
from tallybook.core.pictures import size_of
from tallybook.core.wakeups import wake_up
from tallybook.inbox.store import media as store
from tallybook.inbox.store.media import Here, Wanted
from tallybook.inbox.types import Said

TOPIC = "inbox"
FETCH, SWEEP = "inbox.file", "inbox.files sweep"
WAKE = "inbox files"  # fetched by runners of their own: a long file holds nothing else up
# Seconds before each further try; after the last it is given up, and a person may ask again.
WAITS = (10, 30, 120, 600, 3600, 4 * 3600, 12 * 3600)
# Whose hash is of what it has itself. A gateway hands on what the customer's own program says.
TELLS_TRUE = frozenset({"whatsapp"})
BEHIND = timedelta(seconds=2)  # until it is looked again whether a file has come that another message brings too
LEFT_ALONE = 86_400.0  # seconds in which a file is not swept, whoever refers to it
SWEPT_AT_ONCE = 500
NO_ROOM = "The file cannot be written on this machine."
TOO_LARGE = "The file is larger than this installation takes."
ANOTHER = "What came is not the file that WhatsApp announced."

log = structlog.get_logger()
fetched = Counter("tallybook_inbox_files_total", "Files of messages, by what became of fetching them.", ["became"])
Take = Callable[[bytes], Awaitable[None]]


class Unfetched(Exception):
    """A file cannot be had; the text says why, in a sentence that people are shown.

    ``passing``: it may be had later, after ``wait`` seconds or more.
    """

    def __init__(self, reason: str, *, passing: bool = False, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.passing, self.wait = passing, wait


class Provider(Protocol):
    """Who has the files. ``fetch`` hands the bytes on as they come, and raises Unfetched or what ``take`` raises."""

    async def fetch(self, wanted: Wanted, take: Take) -> None: ...


@dataclass(frozen=True)
class Shelf:
    """Where files are kept, and the bytes that one may have."""

    folder: Path
    most: int


async def noted(conn: Conn, business_id: int, said: Sequence[Said]) -> None:
    """Has the files of filed messages fetched, in the transaction that files them. A repeat asks for nothing again."""
    with_files = [one for one in said if one.file is not None]
    if with_files:
        await _ask(conn, business_id, await store.put(conn, business_id, with_files))


async def _ask(
    conn: Conn, business_id: int, asked: Sequence[tuple[int, int]], not_before: datetime | None = None
) -> None:
    new = [
        NewJob(FETCH, f"{business_id}:{file_id}:{number}", {"file_id": file_id}, business_id, not_before)
        for file_id, number in asked
    ]
    if new:
        await jobs.enqueue(conn, new)
        await wake_up(conn, WAKE)


async def again(conn: Conn, business_id: int, file_id: int) -> bool:
    """Tries once more what could not be had. False: it did not fail, and nothing is done."""
    asked = await store.again(conn, business_id, file_id)
    if asked is not None:
        await _ask(conn, business_id, [(file_id, asked)])
        await wake_up(conn, TOPIC, business_id)
    return asked is not None


async def fetch(provider: Provider, shelf: Shelf, held: Held) -> None:
    """One job: fetches a message's file, or writes down why it cannot be had. Run twice, it does the same again.

    What the business has already, by the hash that was told, is not asked for again.
    """
    business_id, file_id = held.job.business_id, int(held.job.args["file_id"])
    if business_id is None:
        return
    wanted = await held.db.run("look up a file", partial(_looked_up, held, business_id, file_id, shelf.folder))
    if wanted is None:
        return
    draft = Draft(shelf.folder, shelf.most)
    try:
        work = await _fetched(provider, draft, wanted, partial(_keep, business_id, file_id, draft))
    except Unfetched as error:
        fetched.labels("put off" if error.passing and wanted.tries < len(WAITS) else "failed").inc()
        log.warning("A file of a message cannot be fetched", file=file_id, passing=error.passing)
        work = partial(_unfetched, business_id, file_id, wanted, error)
    try:
        await held.db.run("keep a file", partial(_settled, held, business_id, work))
    finally:
        await asyncio.to_thread(draft.drop)


async def _looked_up(held: Held, business_id: int, file_id: int, folder: Path, conn: Conn) -> Wanted | None:
    """What is to be asked for; None where nobody waits for it, it is here, or it is on its way for another message."""
    wanted = await store.wanted(conn, business_id, file_id)
    if wanted is None or wanted.told_sha256 is None or wanted.channel not in TELLS_TRUE:
        return wanted
    await store.hold(conn, wanted.told_sha256)
    here = await _here(conn, business_id, folder, wanted.told_sha256, wanted.told_type)
    if here is None and not wanted.behind:
        return wanted
    if here is None:
        asked = await store.later(conn, business_id, file_id, tries=0)
        if asked is not None:
            await _ask(conn, business_id, [(file_id, asked)], datetime.now(UTC) + BEHIND)
    elif await store.keep(conn, business_id, file_id, here):
        fetched.labels("here already").inc()
    await held.finish(conn)
    await wake_up(conn, TOPIC, business_id)
    return None


async def _here(conn: Conn, business_id: int, folder: Path, sha256: bytes, told: str) -> Here | None:
    """A content that the business has, while nobody sweeps it. What was merely told to be of this hash is none."""
    found = await store.held(conn, business_id, sha256)
    if found is None:
        return None
    size, width, height = found
    head = await asyncio.to_thread(kept_files.touched, folder, sha256, size)
    return None if head is None else Here(sha256, checked_type(head, told), size, width, height)


async def _settled(held: Held, business_id: int, work: Callable[[Conn], Awaitable[None]], conn: Conn) -> None:
    await work(conn)
    await held.finish(conn)
    await wake_up(conn, TOPIC, business_id)


async def _fetched(
    provider: Provider, draft: Draft, wanted: Wanted, keep: Callable[[Here, Conn], Awaitable[None]]
) -> Callable[[Conn], Awaitable[None]]:
    """What to do once the file has come whole and is what was announced. Raises Unfetched."""
    try:
        await provider.fetch(wanted, partial(_take, draft))
        found = await asyncio.to_thread(draft.end)
        size = await asyncio.to_thread(size_of, draft.path)
    except TooLong as error:
        raise Unfetched(TOO_LARGE) from error
    except OSError as error:
        raise Unfetched(NO_ROOM, passing=True) from error
    if wanted.told_sha256 is not None and found.sha256 != wanted.told_sha256:
        raise Unfetched(ANOTHER, passing=True)
    return partial(keep, here_of(found, wanted.told_type, size))


async def _take(draft: Draft, part: bytes) -> None:
    await asyncio.to_thread(draft.write, part)


def here_of(found: Found, told: str, size: tuple[int, int] | None) -> Here:
    """A file that came whole, under the type that its content has. Pure."""
    kind = checked_type(found.head, told)
    width, height = size if size and kind.startswith("image/") else (None, None)
    return Here(found.sha256, kind, found.size, width, height)


async def _keep(business_id: int, file_id: int, draft: Draft, here: Here, conn: Conn) -> None:
    """The file takes its place while nobody sweeps it, and the row says so in the same transaction.

    Where the row went meanwhile, somebody was forgotten, and nothing of theirs may come to stand there.
    """
    await store.hold(conn, here.sha256)
    if not await store.keep(conn, business_id, file_id, here):
        fetched.labels("forgotten").inc()
        return
    await asyncio.to_thread(draft.keep)
    fetched.labels("kept").inc()


async def place(conn: Conn, draft: Draft, sha256: bytes) -> None:
    """Has a draft stand under its hash, which no sweep touches until the transaction ends. Raises OSError."""
    await store.hold(conn, sha256)
    await asyncio.to_thread(draft.keep)


async def _unfetched(business_id: int, file_id: int, wanted: Wanted, error: Unfetched, conn: Conn) -> None:
    if not error.passing or wanted.tries >= len(WAITS):
        await store.fail(conn, business_id, file_id, str(error))
        return
    asked = await store.later(conn, business_id, file_id)
    if asked is not None:
        wait = timedelta(seconds=max(WAITS[wanted.tries], error.wait))
        await _ask(conn, business_id, [(file_id, asked)], datetime.now(UTC) + wait)


async def sweep(db: Database, folder: Path, stop: asyncio.Event, left_alone: float = LEFT_ALONE) -> int:
    """Removes the files to which no message refers any more; returns how many. Ends early when ``stop`` is set."""
    removed = 0
    old = await asyncio.to_thread(lambda: list(kept_files.older(folder, left_alone)))
    for start in range(0, len(old), SWEPT_AT_ONCE):
        if stop.is_set():
            break
        some = old[start : start + SWEPT_AT_ONCE]
        referred = await db.run("look for files in use", partial(_referred, some))
        for sha256 in some:
            if sha256 not in referred:
                removed += await db.run("remove a file", partial(_remove, folder, sha256, left_alone))
    log.info("Files of no message were removed", removed=removed, looked_at=len(old))
    return removed


async def _referred(hashes: Sequence[bytes], conn: Conn) -> set[bytes]:
    return await store.referred(conn, hashes)


async def _remove(folder: Path, sha256: bytes, left_alone: float, conn: Conn) -> bool:
    """Looks once more while nobody else puts it there: a message may have brought it again meanwhile."""
    await store.hold(conn, sha256)
    if await store.referred(conn, [sha256]):
        return False
    with suppress(OSError):
        return await asyncio.to_thread(kept_files.remove, folder, sha256, left_alone)
    return False
