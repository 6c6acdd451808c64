"""What is spoken of when somebody's messages are to be answered: the burst, the known answers, the decision."""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec


class Mode(enum.StrEnum):
    """What the bot may do: nothing, write drafts for a person, or answer."""

    OFF = "off"
    DRAFT = "draft"
    AUTO = "auto"


class Bot(msgspec.Struct, frozen=True):
    """What the bot may do for one business; for every other it is off. ``business`` None means the first."""

    mode: Mode = Mode.OFF
    business: str | None = None


class Choice(enum.StrEnum):
    """How a burst of messages ended. WAITING is for who answers slowly and says so first."""

    ANSWERED = "answered"
    DRAFTED = "drafted"
    HANDED_OVER = "handed_over"
    SUPPRESSED = "suppressed"
    WAITING = "waiting"


class Heard(msgspec.Struct, frozen=True):
    """One message of a customer, with both clocks: when it was said, and when we saw it."""

    seq: int
    body: str
    type: str
    said_at: datetime
    seen_at: datetime
    late: bool


class Burst(msgspec.Struct, frozen=True):
    """All that a customer wrote since the last decision, in the order of arrival; never empty.

    ``spoken_after``: somebody of ours wrote after the last of it. ``human_at`` is when a person of ours last wrote,
    where that is not long ago.
    """

    conversation_id: int
    key: str
    bot_active: bool
    messages: list[Heard]
    spoken_after: bool
    human_at: datetime | None

    @property
    def seq(self) -> int:
        return self.messages[-1].seq

    @property
    def text(self) -> str:
        return "\n".join(one.body for one in self.messages)


class Answer(msgspec.Struct, frozen=True):
    """A question that the business knows, and its answer."""

    id: int
    question: str
    answer: str


class Decision(msgspec.Struct, frozen=True):
    """How the burst that ends with ``seq`` was decided, and why, in words that quote nobody.

    ``body`` is what is said, or drafted. ``frees_bot``: a person was asked for, and the bot leaves the thread.
    """

    conversation_id: int
    seq: int
    choice: Choice
    reason: str
    body: str = ""
    frees_bot: bool = False


class Line(msgspec.Struct, frozen=True):
    """What somebody's list says is to be answered to a question, in ``en`` or ``he``."""

    language: str
    question: str
    answer: str


class Kept(msgspec.Struct, frozen=True):
    """An answer as it is kept. The bot gives only those that are ``active``."""

    id: int
    language: str
    question: str
    answer: str
    active: bool
