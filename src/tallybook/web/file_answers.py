"""A kept file as an answer: whole, or the part that a player asks for; never run, framed, or taken for a page."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

from litestar import Response
from litestar.response import Stream

from tallybook.core.file_types import FILE, is_inline
from tallybook.core.kept_files import path_of
from tallybook.inbox.service.files import Found

from .needs import Asked

AWAY = "The files cannot be read on this machine now. Try again later."
PART = 65_536
PARTIAL, UNCHANGED, OUT_OF_RANGE = 206, 304, 416
_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
# A sender's bytes: never run, never framed, never taken for anything but what their content was found to be.
HEADERS = {
    "content-security-policy": "default-src 'none'; img-src 'self'; media-src 'self'; sandbox",
    "x-content-type-options": "nosniff",
    "cache-control": "private, max-age=3600",
    "cross-origin-resource-policy": "same-origin",
    "accept-ranges": "bytes",
}
ENDS = {
    "image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "audio/ogg": ".ogg", "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a", "audio/aac": ".aac", "audio/amr": ".amr", "video/mp4": ".mp4", "video/3gpp": ".3gp",
    "application/pdf": ".pdf",
}  # fmt: skip


def range_of(header: str, size: int) -> tuple[int, int] | None:
    """The first byte and the one after the last that are asked for; None for all of it. Pure.

    Raises ValueError where none of what is asked for is there. Of several ranges all is given, as one may.
    """
    asked = _RANGE.fullmatch(header.strip())
    if asked is None or asked.group(1) == asked.group(2) == "":
        return None
    first, last = asked.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    if start >= size or (end <= start and not (first and last and int(last) < int(first))):
        raise ValueError("there is no such part")
    return (start, end) if end > start else None


def disposition(found: Found, *, inline: bool) -> str:
    """How a browser is to take the file, and its name; nothing in the name can change how it is read. Pure."""
    name = found.filename or f"file-{found.id}{ENDS.get(found.type or '', '')}"
    # A sign that turns the rest of a name around would have an ending look like another one.
    name = "".join(one for one in name if one.isprintable()).replace("/", "_").replace("\\", "_")
    return f"{'inline' if inline else 'attachment'}; filename*=UTF-8''{quote(name, safe='')}"


async def answer(request: Asked, folder: Path, found: Found) -> Response[bytes] | Stream:
    """The file, or what is asked for of it. Raises FileNotFoundError where it is not there, else OSError."""
    if found.sha256 is None or found.type is None:
        raise FileNotFoundError
    path = path_of(folder, found.sha256)
    size = await asyncio.to_thread(_size, path)
    inline = is_inline(found.type) and request.query_params.get("download") is None
    headers = HEADERS | {"etag": f'"{found.sha256.hex()}"', "content-disposition": disposition(found, inline=inline)}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(b"", status_code=UNCHANGED, headers=headers)
    kind = found.type if inline else FILE
    known = request.headers.get("if-range") in {None, headers["etag"]}
    try:
        part = range_of(request.headers.get("range", ""), size) if known else None
    except ValueError:
        headers |= {"content-range": f"bytes */{size}"}
        return Response(b"", status_code=OUT_OF_RANGE, media_type=kind, headers=headers)
    start, end = part or (0, size)
    if part is not None:
        headers |= {"content-range": f"bytes {start}-{end - 1}/{size}"}
    headers |= {"content-length": str(end - start)}
    return Stream(_bytes(path, start, end), media_type=kind, headers=headers, status_code=PARTIAL if part else 200)


def _size(path: Path) -> int:
    """Of a file that can be read, which is known before the answer begins. Raises OSError."""
    with path.open("rb") as file:
        return os.fstat(file.fileno()).st_size


async def _bytes(path: Path, start: int, end: int) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        await asyncio.to_thread(file.seek, start)
        left = end - start
        while left > 0 and (part := await asyncio.to_thread(file.read, min(PART, left))):
            left -= len(part)
            yield part
