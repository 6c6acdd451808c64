"""What is spoken of when threads are put away and come back, and of the runs of conversation in them."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from datetime import datetime

import msgspec

from tallybook.core.businesses import Business


class Ended(enum.StrEnum):
    """Why a run of conversation ended: the customer fell silent, a person of ours closed the thread, or was joined.

    JOINED: another thread came behind it, in which the conversation goes on.
    """

    SILENCE = "silence"
    PERSON = "person"
    JOINED = "joined"


class By(enum.StrEnum):
    """Who wrote a summary: the product from what it counted, a model, or a person of ours."""

    LOCAL = "local"
    MODEL = "model"
    PERSON = "person"


class Counts(msgspec.Struct, frozen=True):
    """Messages of a run of conversation, by who wrote them; those that were taken back are not among them."""

    customer: int
    bot: int
    automation: int
    human: int


class Facts(msgspec.Struct, frozen=True):
    """What is known of a run of conversation when it ends, of which a summary is made without any model.

    ``id`` is the thread's, ``number`` counts its runs from 1. The moments are the provider's, of the first and the last
    message. ``asked`` is the customer's first question, else the first that they wrote; ``last`` who wrote last.
    """

    id: int
    number: int
    first_seq: int
    last_seq: int
    started_at: datetime
    ended_at: datetime
    counts: Counts
    asked: str
    last: str
    labels: list[str]


class Session(msgspec.Struct, frozen=True):
    """A run of conversation that is over. ``closed_at`` is when we ended it, ``who`` who did, where a person did."""

    id: int
    number: int
    first_seq: int
    last_seq: int
    started_at: datetime
    ended_at: datetime
    closed_at: datetime
    ended_by: Ended
    who: str
    counts: Counts
    summary: str
    summary_by: By
    summary_who: str
    summary_at: datetime


class Spoken(msgspec.Struct, frozen=True):
    """One message as a model is told of it. ``source`` is customer, bot, automation or human."""

    source: str
    body: str
    type: str
    said_at: datetime


# Makes the summary of a run of conversation of a business, whose messages are given in order; None where no model is
# there for that business. May raise: it is then tried again, and what the product wrote itself stands.
Summarise = Callable[[Business, list[Spoken]], Awaitable[str | None]]
