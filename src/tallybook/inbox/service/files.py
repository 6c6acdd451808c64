"""Files as people look at them and send them: each within its business, and only what WhatsApp takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

import msgspec

from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound, TooLarge
from tallybook.core.file_types import checked_type
from tallybook.core.kept_files import Draft, TooLong, path_of
from tallybook.core.pictures import size_of
from tallybook.inbox.contents import LONGEST_FILENAME, File
from tallybook.inbox.store import files as store
from tallybook.inbox.store.files import Found, Ours, Shown

from . import media, sending
from .media import Shelf

__all__ = [
    "Attachment", "EmptyFile", "FileTooLarge", "Found", "Shown", "again", "attach", "back", "find", "lost", "send",
    "shown", "told",
]  # fmt: skip

MEGA = 1024 * 1024
# What WhatsApp takes as something to look at or to listen to, and how large; all else is a document, or nothing.
PICTURES, FILMS = frozenset({"image/jpeg", "image/png"}), frozenset({"video/mp4", "video/3gpp"})
SOUNDS = frozenset({"audio/ogg", "audio/mpeg", "audio/mp4", "audio/aac", "audio/amr"})
MOST = {"image": 5 * MEGA, "video": 16 * MEGA, "audio": 16 * MEGA, "document": 100 * MEGA}
_OFFICE = "application/vnd.openxmlformats-officedocument"
# Documents by how their names end; what they hold is the customer's to open, and never ours.
DOCUMENTS = {
    ".pdf": "application/pdf", ".txt": "text/plain", ".csv": "text/plain", ".doc": "application/msword",
    ".docx": f"{_OFFICE}.wordprocessingml.document", ".xls": "application/vnd.ms-excel",
    ".xlsx": f"{_OFFICE}.spreadsheetml.sheet", ".ppt": "application/vnd.ms-powerpoint",
    ".pptx": f"{_OFFICE}.presentationml.presentation",
}  # fmt: skip
# A file that was kept is one of these while it cannot be had.
AWAY = ("gone", "failed")
GONE = "The file is gone from this machine."


class EmptyFile(Invalid):
    """There is no file, or nothing in it."""

    code = "no_file"


class FileTooLarge(TooLarge):
    """The file is over what we or WhatsApp take."""

    code = "file_too_large"


@dataclass(frozen=True)
class Attachment:
    """A file that somebody attached, whole on our disk and not yet in its place."""

    draft: Draft
    ours: Ours


async def attach(shelf: Shelf, parts: AsyncIterator[bytes], filename: str, told: str) -> Attachment:
    """Takes a file in as it comes. The caller drops the draft. Raises EmptyFile, FileTooLarge and Invalid."""
    draft = Draft(shelf.folder, shelf.most)
    try:
        async for part in parts:
            await asyncio.to_thread(draft.write, part)
        return await _whole(draft, plain_name(filename), told)
    except TooLong as error:
        await asyncio.to_thread(draft.drop)
        raise FileTooLarge("The file is too large to be sent from here.", limit=shelf.most) from error
    except BaseException:
        await asyncio.to_thread(draft.drop)
        raise


async def _whole(draft: Draft, name: str, told: str) -> Attachment:
    found = await asyncio.to_thread(draft.end)
    if not found.size:
        raise EmptyFile("Choose a file first.")
    size = await asyncio.to_thread(size_of, draft.path)
    kind, mime = kind_of(checked_type(found.head, told), name, found.size)
    here = media.here_of(found, told, size)
    return Attachment(draft, Ours(kind, name, msgspec.structs.replace(here, type=mime)))


def plain_name(filename: str) -> str:
    """A file's own name without folders or signs that cannot be seen, shortened before its ending. Pure."""
    name = PurePosixPath(filename.replace("\\", "/")).name
    name = "".join(one for one in name if one.isprintable()).strip() or "file"
    if len(name) <= LONGEST_FILENAME:
        return name
    end = PurePath(name).suffix[:16]
    return name[: LONGEST_FILENAME - len(end)] + end


def kind_of(checked: str, name: str, size: int) -> tuple[str, str]:
    """As what a file is sent, and under which type. ``checked`` is its type by content. Raises Invalid. Pure."""
    for kind, types in (("image", PICTURES), ("video", FILMS), ("audio", SOUNDS)):
        if checked in types:
            if size <= MOST[kind]:
                return kind, checked
            raise FileTooLarge(
                f"WhatsApp takes {MOST[kind] // MEGA} MB of this kind of file at most.", limit=MOST[kind]
            )
    mime = DOCUMENTS.get(PurePath(name).suffix.lower())
    if mime is None or (mime == "application/pdf") != (checked == "application/pdf") or checked.startswith("image/"):
        raise Invalid("WhatsApp takes photos (JPEG, PNG), videos (MP4), sound, PDF, text and Office files.")
    if size > MOST["document"]:
        raise FileTooLarge("WhatsApp takes 100 MB of this kind of file at most.", limit=MOST["document"])
    return "document", mime


async def send(conn: Conn, caller: Caller, conversation_id: int, attached: Attachment, caption: str, key: str) -> int:
    """Leaves a file to be sent, as sending.send() says; returns the message's id. A repeat of ``key`` sends nothing.

    Raises what that raises, and Conflict for a key that stood for another file.
    """
    here = attached.ours.here
    content = File(attached.ours.kind, here.sha256.hex(), here.type, attached.ours.filename, caption)
    message_id = await sending.send(conn, caller, conversation_id, content, key)
    await media.place(conn, attached.draft, here.sha256)
    if not await store.add(conn, caller.business_id, message_id, attached.ours):
        raise Conflict("Another file was sent under this key. Load the page again.")
    return message_id


async def find(conn: Conn, caller: Caller, file_id: int) -> Found:
    """A file that was kept, and may be back where it is ``gone`` or ``failed``.

    Raises NotFound for any other, in any business, and for what was taken back.
    """
    require(caller, Right.SEE)
    found = await store.one(conn, caller.business_id, file_id)
    if found is None or found.sha256 is None or found.state not in {"kept", *AWAY}:
        raise NotFound("There is no such file.")
    return found


async def again(conn: Conn, caller: Caller, file_id: int) -> Found:
    """Has a file fetched once more that could not be. A repeat does nothing. Raises NotAllowed and NotFound."""
    require(caller, Right.ANSWER)
    found = await store.one(conn, caller.business_id, file_id)
    if found is None:
        raise NotFound("There is no such file.")
    await media.again(conn, caller.business_id, file_id)
    return found


async def lost(conn: Conn, caller: Caller, file_id: int) -> None:
    """Notes that a kept file is not on this machine; the thread says so from its next look on.

    Open pages are not woken: of two machines one may have the file, and they would wake each other without end.
    """
    await store.lost(conn, caller.business_id, file_id, GONE)


async def back(conn: Conn, caller: Caller, ids: Sequence[int]) -> None:
    """Notes that files are on the disk after all. A repeat does nothing."""
    await store.back(conn, caller.business_id, ids)


async def shown(conn: Conn, caller: Caller, messages: Sequence[int], folder: Path) -> dict[int, Shown]:
    """The files of these messages, by message; those that are back on the disk are noted as kept."""
    found = await store.of_messages(conn, caller.business_id, messages) if messages else []
    away = [one for one in found if one.state in AWAY and one.sha256 is not None]
    returned = await asyncio.to_thread(_returned, away, folder) if away else set()
    if returned:
        await back(conn, caller, sorted(returned))
    return {
        one.message_id: msgspec.structs.replace(one, state="kept", reason=None) if one.id in returned else one
        for one in found
    }


def _returned(away: Sequence[Shown], folder: Path) -> set[int]:
    """Which of these can be read here. What cannot be looked at is not."""
    with suppress(OSError):
        return {one.id for one in away if one.sha256 is not None and path_of(folder, one.sha256).is_file()}
    return set()


async def told(conn: Conn, caller: Caller, messages: Sequence[int]) -> dict[int, str]:
    """What came with these messages beside their words, as the provider told it: JSON by message."""
    return await store.as_sent(conn, caller.business_id, messages) if messages else {}
