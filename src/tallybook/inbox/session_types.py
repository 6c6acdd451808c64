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
    ``lead_status`` is the customer's as a lead, None where they are none; ``email`` an address they wrote, else ''.
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
    lead_status: str | None = None
    email: str = ""


class Topic(msgspec.Struct, frozen=True):
    """What a conversation was about, how sure that is (0 to 1), and who says so.

    ``source`` is a known answer, with its number, or a model.
    """

    words: str
    confidence: float
    source: str
    answer_id: int | None = None


class Findings(msgspec.Struct, frozen=True):
    """What came to light in a conversation. Of a lead it changes nothing: people take it over, or not.

    ``status`` is one that the lead might come to, ``status_by`` who suggests it; ``name`` and ``email`` are what the
    customer wrote.
    """

    topic: Topic | None = None
    status: str | None = None
    status_by: By | None = None
    name: str | None = None
    email: str | None = None


class Gist(msgspec.Struct, frozen=True):
    """What a model makes of a conversation, as far as it was checked."""

    text: str
    topic: Topic | None = None
    status: str | None = None
    name: str | None = None
    email: str | None = None


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
    findings: Findings = Findings()


class Spoken(msgspec.Struct, frozen=True):
    """One message as a model is told of it. ``source`` is customer, bot, automation or human."""

    source: str
    body: str
    type: str
    said_at: datetime


# Makes the summary of a run of conversation of a business, whose messages are given in order, with the statuses that
# may be suggested for its customer; None where no model is there for that business. May raise: it is then tried again,
# and what the product wrote itself stands.
Summarise = Callable[[Business, list[Spoken], list[str]], Awaitable[Gist | None]]
