"""The vocabulary that channels, core and modules share: what came in, what goes out, what became of it."""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec


class Identity(msgspec.Struct, frozen=True, gc=False):
    """Who somebody is, as far as it is known.

    ``raw`` is the address as the channel spelled it. ``phone`` is E.164 with its plus, and is None while the person is
    known by a LID (WhatsApp's private id) alone: an unresolved person is stored as unresolved, never as a phone.
    """

    raw: str
    phone: str | None = None
    lid: str | None = None

    @property
    def key(self) -> str:
        """What tells this person from another: the phone where it is known, else the LID, else the raw address."""
        return self.phone or self.lid or self.raw


class Media(msgspec.Struct, frozen=True, gc=False):
    """A photo or file that came with a message. ``sha256`` is of the content; file names of bridges collide."""

    type: str
    filename: str = ""
    sha256: bytes | None = None
    size: int | None = None


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """One update from the outside: something said, edited or taken back.

    ``scope`` is what makes ``external_id`` unique on the channel (the chat for a bridge, the account for an API). The
    two clocks: ``said_at`` is the provider's time, the time we saw it is set by the database.
    ``content_hash`` tells an edit from a re-delivery. ``from_us`` marks words that we or our numbers sent.
    ``content`` is what it says beyond its text, as the JSON of a ``core.content.Content``; None where there is nothing.
    """

    channel: str
    account: str
    scope: str
    external_id: str
    chat: str
    sender: Identity
    said_at: datetime
    text: str
    content_hash: bytes
    kind: str = "message"
    from_us: bool = False
    deleted: bool = False
    media: Media | None = None
    content: str | None = None

    @property
    def natural_key(self) -> tuple[str, str, str, str]:
        """The order in which every writer takes its locks, so that two batches cannot deadlock."""
        return (self.channel, self.scope, self.external_id, self.kind)


class Stored(msgspec.Struct, frozen=True, gc=False):
    """An Incoming that has a row. ``fresh`` means that this transaction made the row, so nothing can hang on it yet."""

    id: int
    fresh: bool
    incoming: Incoming


class Outgoing(msgspec.Struct, frozen=True):
    """Something to be sent by a channel, once per ``dedup_key`` within its business and channel.

    Messages to one recipient keep their order; those of a ``topic`` only among themselves, so that one which must cool
    down holds no other back. After ``expires_at`` it is dropped instead of sent. What somebody ``pressed`` for goes
    before what is said by itself, and need not cool down; what is said ``in_bulk``, of which there may be thousands,
    goes after everything else.
    """

    channel: str
    account: str
    to: str
    dedup_key: str
    body: dict[str, msgspec.Raw | str | int | bool | list[str] | None]
    topic: str | None = None
    expires_at: datetime | None = None
    pressed: bool = False
    in_bulk: bool = False


class Status(enum.StrEnum):
    """What became of an outgoing message, in the order in which it may rise. See docs/states.md."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    CAPTURED = "captured"
    UNKNOWN = "unknown"
    PARKED = "parked"
    DROPPED = "dropped"
