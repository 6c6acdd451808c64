"""From what a webhook says of one update to the Incoming that core takes; the same for every such channel. Pure."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b

import msgspec

from .content import Content, written
from .messages import Identity, Incoming, Media

# In place of a moment that was not told: before anybody chatted, and the same at every delivery.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
# Seconds; larger numbers are milliseconds, which have been seen in place of seconds.
LATEST = 100_000_000_000
_LAST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
SHA256_BYTES = 32
# Characters. PostgreSQL's index takes some 2,700 bytes for all of a key; no provider's id comes near it.
LONGEST = 250


def moment(told: float | str | None) -> datetime | None:
    """A time as providers tell it: seconds since 1970, as text or number; None where it is none."""
    if told is None:
        return None
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        seconds = float(told)
        seconds = seconds / 1000 if seconds > LATEST else seconds
        return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < _LAST else None
    return None


def canonical(raw: msgspec.Raw | bytes) -> bytes:
    """One spelling for each JSON value, whatever the order of its keys and its escapes."""
    try:
        return msgspec.json.encode(msgspec.json.decode(raw), order="sorted")
    except (OverflowError, msgspec.ValidationError):  # a number that no machine counts with, which is nobody's
        return bytes(raw)


def indexable(text: str) -> str:
    """A text that the database's index takes: itself, or what stands for one that is absurdly long."""
    return text if len(text) <= LONGEST else f"of:{digest(text.encode()).hex()}"


def digest(*parts: bytes) -> bytes:
    """Sixteen bytes that tell contents apart."""
    return blake2b(b"\0".join(parts), digest_size=16).digest()


def derived_id(raw: msgspec.Raw, *around: object) -> str:
    """An id for what its provider gives none: the same at each delivery of the same news."""
    told = "\0".join(str(one) for one in around)
    return f"of:{digest(told.encode(), canonical(raw)).hex()}"


def parts_of(raw: msgspec.Raw) -> dict[str, msgspec.Raw]:
    """The fields of an object, unread. Raises msgspec.ValidationError for what is none."""
    return msgspec.json.decode(raw, type=dict[str, msgspec.Raw])


def hash_in_hex(told: str) -> bytes | None:
    """A SHA-256 from hex; None where it is none."""
    with contextlib.suppress(ValueError):
        found = bytes.fromhex(told)
        return found if len(found) == SHA256_BYTES else None
    return None


@dataclass(frozen=True)
class Said:
    """What an update says; ``hash_of`` are the parts in which an edit of it would show."""

    content: Content
    hash_of: tuple[bytes, ...]
    text: str = ""
    media: Media | None = None


@dataclass(frozen=True)
class Update:
    """What an Incoming is made of. ``at`` is None where no moment was told."""

    kind: str
    external_id: str
    chat: str
    sender: Identity
    at: datetime | None
    said: Said
    from_us: bool = False

    def incoming(self, channel: str, account: str) -> Incoming:
        """The update as core takes it, keyed by (account, provider's id, kind)."""
        said = self.said
        content = said.content if self.at else msgspec.structs.replace(said.content, undated=True)
        return Incoming(
            channel,
            account,
            account,
            indexable(self.external_id),
            indexable(self.chat),
            self.sender if len(self.sender.lid or "") <= LONGEST else Identity(raw=self.sender.raw),
            self.at or NEVER,
            said.text,
            digest(said.text.encode(), *said.hash_of),
            indexable(self.kind),
            from_us=self.from_us,
            media=said.media,
            content=written(content),
        )
