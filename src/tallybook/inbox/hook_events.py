"""What other programs are told of the inbox: the kinds of events, and when to try again. Pure."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec

LONGEST_NAME, LONGEST_URL = 100, 2000
GIVE_UP_AFTER = timedelta(days=1)
OFF_AFTER = timedelta(hours=12)
OFF_FAILURES = 20  # in a row, and for as long as OFF_AFTER
GONE, TOO_MANY, UNAVAILABLE = 410, 429, 503
SUCCESS = 2  # the first digit
HTTPS, PORTS = 443, 65536


class Kind(enum.StrEnum):
    """What happened."""

    MESSAGE_RECEIVED = "message.received"
    MESSAGE_SENT = "message.sent"
    MESSAGE_STATUS = "message.status"
    CONVERSATION_CREATED = "conversation.created"
    CONVERSATION_ASSIGNED = "conversation.assigned"
    CONVERSATION_CLOSED = "conversation.closed"
    CONVERSATION_REOPENED = "conversation.reopened"
    HANDED_OVER = "conversation.handed_over"
    CONTACT_CHANGED = "contact.changed"
    LEAD_STATUS = "lead.status"
    AUTOMATION_FIRED = "automation.fired"
    TEST = "test"


OFFERED = tuple(kind for kind in Kind if kind is not Kind.TEST)


def _new_key() -> str:
    return str(uuid4())


class Event(msgspec.Struct, frozen=True):
    """Something that happened, told in the transaction that made it happen.

    Of what a message or a thread is, the event says what it is by then; ``details`` are what is more to say. ``key``
    names it: of one key each hook is told once. Without one every call is an event of its own. ``moved_by``: the
    joinings by which it stands in another thread, so that a parting gives it back.
    """

    kind: Kind
    at: datetime
    conversation_id: int | None = None
    message_id: int | None = None
    details: dict[str, Any] = {}
    key: str = msgspec.field(default_factory=_new_key)
    moved_by: tuple[int, ...] = ()


class Hook(msgspec.Struct, frozen=True):
    """A web address that is told; of the address only the host, since the rest may hold a token.

    ``state``: on, off, or failed, which is off by itself. ``waiting``: how many events wait, those that are being
    tried again included; ``parked``: how many were given up. ``rotating_until``: the old secret signs too until then.
    """

    id: int
    name: str
    host: str
    events: list[str]
    state: str
    failing_since: datetime | None
    off_at: datetime | None
    created_at: datetime
    rotating_until: datetime | None
    waiting: int
    parked: int
    delivered_at: datetime | None


class Delivery(msgspec.Struct, frozen=True):
    """One event as one hook is told of it. ``says`` are the first bytes of the last answer, or why there was none."""

    id: int
    key: str
    kind: str
    conversation_id: int
    at: datetime
    state: str
    attempts: int
    not_before: datetime
    done_at: datetime | None
    status: int | None
    says: str


class Tried(msgspec.Struct, frozen=True):
    """How a try ended. ``pause``: seconds in which the whole hook is left alone. ``gone``: it wants no more."""

    ok: bool
    status: int | None
    says: str
    pause: float = 0.0
    gone: bool = False


def tried(status: int, says: str, wait: float | None) -> Tried:
    """What an answer means: any 2xx is a yes."""
    if status // 100 == SUCCESS:
        return Tried(ok=True, status=status, says=says)
    pause = wait or 5.0 if status == TOO_MANY or (status == UNAVAILABLE and wait) else 0.0
    return Tried(ok=False, status=status, says=says, pause=pause, gone=status == GONE)


def shown(says: str, secrets: list[str]) -> str:
    """An answer's first bytes as they may be kept: in one line, without a secret of ours that it repeats."""
    for secret in secrets:
        says = says.replace(secret, "…")
    return " ".join("".join(one if one.isprintable() else " " for one in says).split())[:300]


def mistake(name: str, url: str, events: list[str]) -> str | None:
    """Why a hook cannot be as it was asked for; None where it can."""
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        return "A webhook needs a name of at most 100 characters."
    if not events or not set(events) <= set(OFFERED):
        return "Choose at least one of the events that there are."
    try:
        parts = urlsplit(url)
        port = parts.port or HTTPS
    except ValueError:
        return "The address is not one of the web."
    plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= LONGEST_URL
    if parts.scheme != "https" or not parts.hostname or not plain or not 1 <= port < PORTS:
        return "The address must begin with https:// and name a host."
    if parts.username is not None or parts.password is not None:
        return "The address must hold no password. The signature says who calls."
    return None


def host_of(url: str) -> str:
    """The host of an address, which may be shown."""
    return urlsplit(url).netloc
