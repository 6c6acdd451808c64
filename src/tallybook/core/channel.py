"""The contract that a channel fulfils, and the catalogue of what can go wrong in sending.

Three kinds of channel exist: one that is told (a webhook: ``Webhook``), one that is asked (a file or API that we read:
``Source``) and one that sends (``Sender``). A channel may be several of them. Core names no channel; app.py lists them.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Protocol, runtime_checkable

import msgspec

from .messages import Incoming, Outgoing

# Bytes. WhatsApp sends "up to 3 MB" and does not say whether of 1,000 or of 1,024; what is refused for it is lost.
MAX_BODY = 3 * 1024 * 1024 + 65_536


class Webhook(Protocol):
    """A channel that is told. Both methods are pure; ``verify`` compares in constant time on the raw bytes."""

    @property
    def name(self) -> str: ...

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> bool: ...

    def parse(self, body: bytes) -> list[Incoming]: ...


@runtime_checkable
class Greeting(Protocol):
    """A channel that is also asked, before its first webhook, whether it is the right place."""

    def greet(self, query: Mapping[str, str]) -> str | None:
        """What to answer, or None where the asker does not know our token. Pure, in constant time."""


@runtime_checkable
class Explaining(Protocol):
    """A channel that says why it lets a request not in, in a word that holds nothing of the request."""

    def refusal(self, headers: Mapping[str, str], body: bytes, now: datetime) -> str | None: ...


class Position(msgspec.Struct, frozen=True):
    """Where a source's reader stands. A hint, never an arbiter: losing it costs time and nothing else.

    ``identity`` tells one file from another that took its place; ``seen`` is the highest row number read. ``anchor`` is
    an older row's number and ``anchor_key`` says which message stood there: another one in its place means that row
    numbers were used again. ``groups`` are those that everything up to ``seen`` was read for.
    """

    identity: str = ""
    seen: int = 0
    anchor: int = 0
    anchor_key: str = ""
    groups: tuple[str, ...] = ()


class Reading(msgspec.Struct, frozen=True):
    """A batch read from a source, and the position to keep once the batch is stored."""

    incomings: list[Incoming]
    position: Position
    total: int = 0
    done: int = 0


class Source(Protocol):
    """A channel that is asked. ``read`` yields batches after a position; ``full`` reads everything again.

    ``quiet`` is whether a read would surely yield nothing, whatever the position: the cheap question of an idle poll.
    """

    name: str
    account: str

    async def quiet(self) -> bool: ...

    def read(self, position: Position, *, full: bool = False) -> AsyncIterator[Reading]: ...


class Settlement(enum.StrEnum):
    """How a channel settles a message whose sending ended without an answer (state ``unknown``)."""

    BY_REPORT = "report"
    BY_ECHO = "echo"
    BY_LOOKUP = "lookup"
    NEVER = "never"


class Sender(Protocol):
    """A channel that sends. ``send`` returns the provider's id ("" if it gives none), or raises a SendError.

    One that is ``Limited`` (core/rates.py) also says how fast it may send.
    """

    name: str
    settlement: Settlement

    async def send(self, outgoing: Outgoing) -> str: ...


class SendError(Exception):
    """Sending failed and nothing was sent. ``permanent`` alone decides whether it is tried again.

    ``of_line``: the fault is that of the number or its provider, so that nobody else can be sent to either; otherwise
    it is the recipient's or the message's own.
    """

    permanent = False
    of_line = False

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unreachable(SendError):
    """No connection was made, so nothing can have been sent."""

    of_line = True


class RateLimited(SendError):
    """The provider asked us to wait; ``retry_after`` is in seconds."""

    of_line = True


class Refused(SendError):
    """The provider understood and said no; asking again would get the same answer."""

    permanent = True


class OutcomeUnknown(Exception):
    """The connection broke after the request left: the message may or may not have been sent."""
