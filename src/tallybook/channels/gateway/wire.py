"""What a gateway posts. docs/gateway.md is the same for people. Unknown fields are left alone; null counts as missing.

A gateway stands beside a number that no official API serves, and speaks WhatsApp's web protocol for it. Addresses are
JIDs as that protocol has them (``27820000001@s.whatsapp.net``, ``…@lid``, ``…@g.us``) or phones.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec
from msgspec import Raw

Text = str | None
Moment = int | float | str | None


class Kind(StrEnum):
    """What an update is. Any other kind is kept, and shown as unknown."""

    MESSAGE = "message"
    REACTION = "reaction"
    EDIT = "edit"
    REVOKE = "revoke"
    STATUS = "status"
    HISTORY = "history"
    IDENTITY = "identity"
    CONNECTION = "connection"


class Body(msgspec.Struct):
    """A webhook of one account: the gateway's own name for the number."""

    account: str
    updates: list[Raw]


class File(msgspec.Struct):
    """A photo, video, voice note, document or sticker. ``sha256`` in hex, of the content; ``size`` in bytes."""

    id: Text = None
    url: Text = None
    mime: Text = None
    filename: Text = None
    sha256: Text = None
    size: int | None = None
    voice: bool | None = None
    animated: bool | None = None


class Update(msgspec.Struct):
    """One update. ``at`` is in seconds since 1970.

    ``chat`` is where it was said, ``from`` who said it, ``lid`` and ``phone`` the same person's other addresses where
    the gateway knows them. ``about`` is the id of the message that is quoted, reacted to, edited or taken back.
    """

    id: Text = None
    kind: str = Kind.MESSAGE
    at: Moment = None
    chat: Text = None
    from_: Text = msgspec.field(default=None, name="from")
    lid: Text = None
    phone: Text = None
    name: Text = None
    from_me: bool = False
    type: Text = None
    text: Text = None
    about: Text = None
    emoji: Text = None
    status: Text = None
    key: Text = None
    reason: Text = None
    file: File | None = None


BODY = msgspec.json.Decoder(Body)
UPDATE = msgspec.json.Decoder(Update, strict=False)
