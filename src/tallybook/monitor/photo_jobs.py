"""Fetches photos from the bridge: kept only if they hold what the provider says, and under the hash of just that."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Protocol

import structlog

from tallybook.core import kept_files
from tallybook.core.db import Conn
from tallybook.core.file_types import type_of
from tallybook.core.jobs import Held
from tallybook.core.wakeups import wake_up

from .photos import MAX_BYTES
from .service.photos import FETCH
from .store import photos as store
from .store.photos import Kept, Wanted

__all__ = ["FETCH", "Unfetched", "fetch"]

TOPIC = "monitor"
NO_HASH = "The bridge does not know what this file should hold, so it cannot be trusted."
TOO_LARGE = "The file is larger than 32 MB."
ANOTHER = "The bridge gave another file: one of the same name was there before."
NO_ROOM = "The file cannot be written on this machine."

log = structlog.get_logger(__name__)


class Unfetched(Exception):
    """The file cannot be had; the text says why, in a sentence that people are shown."""


class Files(Protocol):
    """Who has the files. ``fetch`` returns at most ``most`` bytes and one, and raises Unfetched."""

    async def fetch(self, external_id: str, chat: str, most: int) -> bytes: ...


async def fetch(files: Files, folder: Path, held: Held) -> None:
    """One job: fetches a message's file, or writes down why it cannot be had. Run twice, it does the same again."""
    business_id, message_id = held.job.business_id, int(held.job.args["message_id"])
    if business_id is None:
        return
    wanted = await held.db.run("look up photo", lambda conn: store.wanted(conn, business_id, message_id))
    kept: Kept | None = None
    reason = ""
    if wanted is not None:
        try:
            kept = await _keep(files, folder, wanted)
        except Unfetched as error:
            reason = str(error)
            log.warning("a photo cannot be fetched", message=message_id)

    async def write(conn: Conn) -> None:
        if kept is not None:
            await store.keep(conn, business_id, message_id, kept)
        elif wanted is not None:
            await store.fail(conn, business_id, message_id, reason)
        await held.finish(conn)
        await wake_up(conn, TOPIC, business_id)

    await held.db.run("keep photo", write)


async def _keep(files: Files, folder: Path, wanted: Wanted) -> Kept:
    if wanted.sha256 is None:
        raise Unfetched(NO_HASH)
    if wanted.size is not None and wanted.size > MAX_BYTES:
        raise Unfetched(TOO_LARGE)
    content = await files.fetch(wanted.external_id, wanted.chat, MAX_BYTES)
    if len(content) > MAX_BYTES:
        raise Unfetched(TOO_LARGE)
    # The bridge gives a file that it has under the same name, and names collide: only the hash tells.
    if hashlib.sha256(content).digest() != wanted.sha256:
        raise Unfetched(ANOTHER)
    try:
        await asyncio.to_thread(kept_files.write, kept_files.path_of(folder, wanted.sha256), content)
    except OSError as error:
        raise Unfetched(NO_ROOM) from error
    return Kept(wanted.sha256, type_of(content), len(content))
