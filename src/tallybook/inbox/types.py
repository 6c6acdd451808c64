"""What the inbox speaks of: contacts, threads, messages, and who said them."""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec

CHANNELS = frozenset({"whatsapp", "gateway"})
CONTACT = "contact"
Number = tuple[str, str]  # channel and account: one of ours
Place = tuple[str, str, str]  # channel, account, the provider's id of a message
# What the first inbox's queries call the two ways to a number.
PROVIDERS = {"whatsapp": "meta", "gateway": "baileys"}


class Source(enum.StrEnum):
    """Who wrote a message: the customer, or one of ours."""

    CUSTOMER = "customer"
    BOT = "bot"
    AUTOMATION = "automation"
    HUMAN = "human"
    SYSTEM = "system"


class Delivery(enum.StrEnum):
    """How far a message came. Of ours it only rises, in this order; FAILED only before DELIVERED."""

    RECEIVED = "received"
    QUEUED = "queued"
    UNKNOWN = "unknown"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    DELETED = "deleted"


class Known(msgspec.Struct, frozen=True, gc=False, order=True):
    """One thing by which somebody is known again. ``kind`` is phone, user_id, lid or chat; a phone is E.164.

    Or CONTACT, with our own number of them: who they are was decided by when it was said.
    """

    kind: str
    value: str


class Customer(msgspec.Struct, frozen=True, gc=False):
    """The other side of one message, as it tells them: by what they are known, the surest first.

    ``spare`` is the id above their own, by which they are known too and not written to.
    """

    known: tuple[Known, ...]
    name: str = ""
    username: str = ""
    spare: str = ""

    @property
    def phone(self) -> str | None:
        return next((one.value for one in self.known if one.kind == "phone"), None)


class Attached(msgspec.Struct, frozen=True, gc=False):
    """The file that a message brings, as the provider tells of it. By ``media_id`` it can be had for some days."""

    kind: str
    media_id: str
    type: str = ""
    sha256: bytes | None = None
    filename: str = ""
    voice: bool = False


class Said(msgspec.Struct, frozen=True, gc=False):
    """A message to be filed in its thread, or a line of the thread's own (SYSTEM), which nobody said.

    ``counts``: somebody waits for it to be read.

    ``external_id`` is the provider's id; ``quotes`` that of the message it answers. ``past``: from before we listened.
    ``referred``: the customer came by an advertisement. ``ours``: our own key, where the provider gives that back.
    """

    message_id: int
    channel: str
    account: str
    external_id: str
    customer: Customer
    said_at: datetime
    source: Source
    body: str
    type: str
    quotes: str = ""
    past: bool = False
    file: Attached | None = None
    referred: bool = False
    ours: str = ""

    @property
    def inbound(self) -> bool:
        return self.source is Source.CUSTOMER

    @property
    def counts(self) -> bool:
        return self.inbound and not self.past


class Reaction(msgspec.Struct, frozen=True, gc=False):
    """What somebody put on a message, or took off it (``emoji`` is empty)."""

    channel: str
    account: str
    about: str
    who: str
    emoji: str
    at: datetime


class Report(msgspec.Struct, frozen=True, gc=False):
    """What a provider tells of a message of ours. ``ours`` is our own key, where it gives that back."""

    channel: str
    account: str
    about: str
    status: Delivery
    at: datetime
    ours: str = ""
    reason: str = ""


class Change(msgspec.Struct, frozen=True, gc=False):
    """A message says something else now, or (``body`` None) is taken back; by us, or by one of whom it says ``known``.

    Only who said a message may change it: a gateway vouches for nobody.
    """

    channel: str
    account: str
    about: str
    at: datetime
    body: str | None
    by_us: bool
    known: tuple[Known, ...]


class Filed(msgspec.Struct, frozen=True):
    """What filing a batch did, told once it is committed.

    ``conversations`` are their ids, ``created`` those of them that were new; ``saved`` are (id, conversation's id) of
    messages, ``known`` the ids of core's rows whose message was there already. ``news`` counts by channel and kind what
    was told besides.
    """

    conversations: list[int]
    created: list[int]
    saved: list[tuple[int, int]]
    known: list[int]
    news: dict[tuple[str, str], int] = {}
