"""Photos, videos, voice notes, documents and stickers: what a webhook says of them. Pure."""

from __future__ import annotations

import base64
import binascii
import contextlib

from tallybook.core.messages import Media
from tallybook.core.updates import SHA256_BYTES, hash_in_hex

from .wire import FileRef, Message


def ref_of(read: Message) -> FileRef | None:
    """The file that a message brings, if it brings one."""
    return read.image or read.video or read.audio or read.document or read.sticker


def media_of(kind: str, ref: FileRef) -> Media:
    """The file as core keeps it; its hash is of its content, so that one file is fetched once."""
    return Media(kind, ref.filename or "", sha256_of(ref.sha256 or ""), ref.file_size)


def sha256_of(told: str) -> bytes | None:
    """A hash as Meta spells it, in base64 or in hex; None where it is none."""
    with contextlib.suppress(ValueError, binascii.Error):
        found = base64.b64decode(told, validate=True)
        return found if len(found) == SHA256_BYTES else hash_in_hex(told)
    return None
