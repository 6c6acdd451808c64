"""What is spoken of when somebody's messages are to be answered: the burst, the known answers, the decision."""

from __future__ import annotations

import enum
from datetime import date, datetime, timedelta

import msgspec

FAQ, MODEL = "faq", "model"  # who thinks out an answer
TARGET = 95  # of 100 bursts: the bot is to answer or draft more of those in which it is not to keep silent


class Mode(enum.StrEnum):
    """What the bot may do: nothing, write drafts for a person, or answer."""

    OFF = "off"
    DRAFT = "draft"
    AUTO = "auto"


class ModelTerms(msgspec.Struct, frozen=True):
    """How a language model answers for a business, and within what. ``persona`` is who it is, in the business's words.

    ``history``: how many messages of a thread it is shown. ``seconds`` for all that it thinks about one answer. Prices
    are for a million tokens, ``cost_per_day`` is in their currency; 0 sets no limit.
    """

    name: str
    persona: str = ""
    history: int = 20
    max_tokens: int = 500
    seconds: float = 25.0
    tokens_per_day: int = 500_000
    cost_per_day: float = 0.0
    price_in: float = 0.0
    price_out: float = 0.0


class Bot(msgspec.Struct, frozen=True):
    """What the bot may do for one business; for every other it is off. ``business`` None means the first.

    ``model`` None means that it knows the business's own answers alone. ``shows_typing``: customers are shown that it
    writes, and so that they were read, while the model thinks.
    """

    mode: Mode = Mode.OFF
    business: str | None = None
    per_hour: int = 20  # answers to one thread
    model: ModelTerms | None = None
    shows_typing: bool = False


class Sought(msgspec.Struct, frozen=True):
    """By what answers are looked for: ``query`` as ``to_tsquery`` has it, and how words may be spelt.

    ``spellings`` are pairs: a word of the question, and one of the forms in which it may stand in a known one.
    """

    language: str
    query: str
    spellings: list[tuple[str, str]]


class Choice(enum.StrEnum):
    """How a burst of messages ended. WAITING is for who answers slowly and says so first.

    WITHDRAWN: an answer was taken back before it left, and the burst is decided on anew.
    """

    ANSWERED = "answered"
    DRAFTED = "drafted"
    HANDED_OVER = "handed_over"
    SUPPRESSED = "suppressed"
    WAITING = "waiting"
    WITHDRAWN = "withdrawn"


class Heard(msgspec.Struct, frozen=True):
    """One message of a customer, with both clocks: when it was said, and when we saw it.

    ``of_appointment``: a button under a reminder was pressed, which is heard by the appointment.
    """

    seq: int
    body: str
    type: str
    said_at: datetime
    seen_at: datetime
    late: bool
    of_appointment: bool = False


class Burst(msgspec.Struct, frozen=True):
    """All that a customer wrote since the last decision, in the order of arrival; never empty.

    ``spoken_after``: somebody of ours wrote after the last of it. ``human_at`` is when a person of ours last wrote,
    where that is not long ago and nobody called the bot back since. ``bot_said``: how often the bot answered here
    within the hour. ``withdrawn``: how many answers to it were taken back.
    """

    conversation_id: int
    key: str
    bot_active: bool
    messages: list[Heard]
    spoken_after: bool
    human_at: datetime | None
    bot_said: int = 0
    withdrawn: int = 0

    @property
    def seq(self) -> int:
        return self.messages[-1].seq

    @property
    def asked_at(self) -> datetime:
        """When we saw the first of it."""
        return min(one.seen_at for one in self.messages)

    @property
    def text(self) -> str:
        return "\n".join(one.body for one in self.messages if not one.of_appointment)


class Answer(msgspec.Struct, frozen=True):
    """A question that the business knows, and its answer."""

    id: int
    question: str
    answer: str


class Decision(msgspec.Struct, frozen=True):
    """How the burst that ends with ``seq`` was decided, and why, in words that quote nobody.

    ``body`` is what is said, or drafted, thought out by ``responder``. ``silences_bot``: a person was asked for, and
    the bot says no more in the thread until somebody calls it back. ``failed`` is the responder that should have
    thought and could not, whatever was decided without it.
    """

    conversation_id: int
    seq: int
    choice: Choice
    reason: str
    body: str = ""
    silences_bot: bool = False
    responder: str = FAQ
    asked_at: datetime | None = None  # when the first of the burst was seen, where that is known
    failed: str | None = None


class Draft(msgspec.Struct, frozen=True):
    """What the bot would say, and a person may send. ``stale``: the customer wrote again after what it answers."""

    seq: int
    body: str
    at: datetime
    responder: str
    stale: bool


class Told(msgspec.Struct, frozen=True):
    """A decision as people see it. ``draft_state`` is what ``draft_by`` did with a draft: sent or discarded."""

    seq: int
    decision: str
    reason: str
    at: datetime
    responder: str
    draft_state: str | None
    draft_by: str | None


class Speaks(msgspec.Struct, frozen=True):
    """Whether the bot speaks in a thread: the business's mode, its switch there, and until when a person is there."""

    mode: Mode
    active: bool
    paused_until: datetime | None


class Waits(msgspec.Struct, frozen=True):
    """How many bursts of a day ended in one way after so many seconds; None where it is not known after how many."""

    day: date
    decision: str
    waited: int | None
    count: int


class BoardDay(msgspec.Struct, frozen=True):
    """How the bursts of a day ended; ``day`` None is of a whole period.

    ``median`` and ``p95`` are how long those waited for their decision that were not met with silence.
    """

    day: date | None
    bursts: int
    answered: int
    drafted: int
    handed_over: int
    suppressed: int
    median: timedelta | None
    p95: timedelta | None

    @property
    def asked(self) -> int:
        """Those in which the bot was to answer."""
        return self.bursts - self.suppressed

    @property
    def rate(self) -> float | None:
        """The part of those that it answered or drafted, from 0 to 1; None where there were none."""
        return (self.answered + self.drafted) / self.asked if self.asked else None

    @property
    def lacks(self) -> int:
        """How many more of those it would have had to answer or draft, so that they were over TARGET of 100."""
        return max(self.asked * TARGET // 100 + 1 - self.answered - self.drafted, 0)

    @property
    def reached(self) -> bool | None:
        """Whether they were over TARGET of 100; None where there were none."""
        return self.lacks == 0 if self.asked else None


class Why(msgspec.Struct, frozen=True):
    """A reason, and how many bursts ended for it."""

    decision: str
    reason: str
    count: int


class Unknown(msgspec.Struct, frozen=True):
    """What a customer asked and nobody knew an answer to."""

    conversation_id: int
    at: datetime
    text: str


class Listed(msgspec.Struct, frozen=True):
    """A decision in a list, with the customer's name."""

    conversation_id: int
    seq: int
    decision: str
    reason: str
    at: datetime
    asked_at: datetime | None
    responder: str
    draft_state: str | None
    name: str


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
