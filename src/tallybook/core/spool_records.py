"""How one record lies in a spool segment, and how a damaged segment is read.

A record is a header and its payload, numbers little-endian: magic (4 bytes), payload length (u32), sequence (u64), time
written (u64, microseconds since 1970), CRC32C of the payload (u32), CRC32C of the folder's name and the header (u32).
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator

import google_crc32c
import msgspec

MAGIC = b"TBS1"
_FIELDS = struct.Struct("<4sIQQI")
_CHECK = struct.Struct("<I")
HEADER_BYTES = _FIELDS.size + _CHECK.size


class Record(msgspec.Struct, frozen=True, gc=False):
    """A whole record. ``at`` is when it was written, in microseconds since 1970."""

    sequence: int
    at: int
    payload: bytes


class Damaged(msgspec.Struct, frozen=True, gc=False):
    """Bytes at ``offset`` that are no record: one bad record, or all up to the next good header."""

    offset: int
    data: bytes


def encode(salt: bytes, sequence: int, payload: bytes) -> bytes:
    """Give the bytes of one record. ``salt`` is the name of the folder, known to nobody outside."""
    fields = _FIELDS.pack(MAGIC, len(payload), sequence, time.time_ns() // 1000, google_crc32c.value(payload))
    return b"".join((fields, _CHECK.pack(_check(salt, fields)), payload))


def scan(salt: bytes, data: bytes) -> Iterator[Record | Damaged]:
    """Yield every record of a segment and every damaged piece. A torn tail is cut: it is not yielded.

    A tail is torn where a write ended early: too short for a header, or a sound header with too short a payload, or
    zeros that a file system left. Everything else that cannot be read is yielded as damaged, so that it is kept.
    """
    offset = 0
    while offset < len(data):
        header = _header(salt, data, offset)
        if header is None:
            end = _next_header(salt, data, offset + 1)
            if end == len(data) and _is_torn(data, offset):
                return
            yield Damaged(offset, data[offset:end])
            offset = end
            continue
        length, sequence, at, check = header
        end = offset + HEADER_BYTES + length
        if end > len(data):
            return
        payload = data[offset + HEADER_BYTES : end]
        sound = google_crc32c.value(payload) == check
        yield Record(sequence, at, payload) if sound else Damaged(offset, data[offset:end])
        offset = end


def _check(salt: bytes, fields: bytes) -> int:
    # The salt keeps a record that somebody sent inside a message from being taken for one of ours after a bad header.
    check: int = google_crc32c.extend(google_crc32c.value(salt), fields)
    return check


def _header(salt: bytes, data: bytes, offset: int) -> tuple[int, int, int, int] | None:
    if not data.startswith(MAGIC, offset) or len(data) - offset < HEADER_BYTES:
        return None
    fields = data[offset : offset + _FIELDS.size]
    if _CHECK.unpack_from(data, offset + _FIELDS.size)[0] != _check(salt, fields):
        return None
    _, length, sequence, at, check = _FIELDS.unpack(fields)
    return length, sequence, at, check


def _next_header(salt: bytes, data: bytes, start: int) -> int:
    offset = data.find(MAGIC, start)
    while offset >= 0:
        if _header(salt, data, offset) is not None:
            return offset
        offset = data.find(MAGIC, offset + 1)
    return len(data)


def _is_torn(data: bytes, offset: int) -> bool:
    return len(data) - offset < HEADER_BYTES or data.count(0, offset) == len(data) - offset
