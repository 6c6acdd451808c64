"""What is spoken of when a business has something done by itself: rules, causes, and what became of them."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

Word = Annotated[str, Meta(min_length=1, max_length=100)]
Clock = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Weekday = Annotated[int, Meta(ge=0, le=6)]
Number = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Text = Annotated[str, Meta(max_length=4096)]
A_YEAR_OF_HOURS = 24 * 365
MOST_WORDS, MOST_OFFSETS, MOST_VALUES = 20, 5, 20


class Starts(enum.StrEnum):
    """The kinds of triggers."""

    ANY = "any"
    FIRST = "first"
    KEYWORD = "keyword"
    OPEN = "open"
    CLOSED = "closed"
    DAILY = "daily"
    LABEL = "label"
    STATUS = "status"
    SILENCE = "silence"
    APPOINTMENT = "appointment"


BY_MESSAGE = frozenset({Starts.ANY, Starts.FIRST, Starts.KEYWORD, Starts.OPEN, Starts.CLOSED})


class AnyMessage(msgspec.Struct, frozen=True, tag_field="on", tag="any", forbid_unknown_fields=True):
    """Every message of a customer."""


class FirstMessage(msgspec.Struct, frozen=True, tag_field="on", tag="first", forbid_unknown_fields=True):
    """The first message of a thread."""


class Keyword(msgspec.Struct, frozen=True, tag_field="on", tag="keyword", forbid_unknown_fields=True):
    """A message with one of these words or phrases; ``whole``: as words of their own, not as a part of others."""

    words: Annotated[list[Word], Meta(min_length=1, max_length=MOST_WORDS)]
    whole: bool = True


class InsideHours(msgspec.Struct, frozen=True, tag_field="on", tag="open", forbid_unknown_fields=True):
    """The first message of a customer in each time that the business is open."""


class OutsideHours(msgspec.Struct, frozen=True, tag_field="on", tag="closed", forbid_unknown_fields=True):
    """The first message of a customer in each time that the business is closed."""


class Daily(msgspec.Struct, frozen=True, tag_field="on", tag="daily", forbid_unknown_fields=True):
    """A time of day on these weekdays, Monday being 0, by the business's clocks: for each open thread that fits."""

    at: Clock
    weekdays: Annotated[list[Weekday], Meta(min_length=1, max_length=7)]


class LabelPut(msgspec.Struct, frozen=True, tag_field="on", tag="label", forbid_unknown_fields=True):
    """A label was put on a thread."""

    label: Number


class StatusEntered(msgspec.Struct, frozen=True, tag_field="on", tag="status", forbid_unknown_fields=True):
    """The customer, a lead, came to a status."""

    status: Annotated[str, Meta(min_length=1, max_length=60)]


class Silence(msgspec.Struct, frozen=True, tag_field="on", tag="silence", forbid_unknown_fields=True):
    """Nobody of ours answered the customer (``of`` is ``us``), or they answered nobody of ours, for so many hours."""

    of: Annotated[str, Meta(pattern="^(us|customer)$")]
    hours: Annotated[int, Meta(ge=1, le=A_YEAR_OF_HOURS)]


class Reminder(msgspec.Struct, frozen=True, tag_field="on", tag="appointment", forbid_unknown_fields=True):
    """So many minutes before an appointment that is booked or confirmed."""

    minutes: Annotated[list[Annotated[int, Meta(ge=5, le=60 * 24 * 30)]], Meta(min_length=1, max_length=MOST_OFFSETS)]


Trigger: TypeAlias = (
    AnyMessage
    | FirstMessage
    | Keyword
    | InsideHours
    | OutsideHours
    | Daily
    | LabelPut
    | StatusEntered
    | Silence
    | Reminder
)


class Conditions(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What must hold besides; an empty list asks for nothing. ``hours`` is ``open``, ``closed``, or empty for any."""

    labels: Annotated[list[Number], Meta(max_length=20)] = []
    without: Annotated[list[Number], Meta(max_length=20)] = []
    statuses: Annotated[list[Annotated[str, Meta(max_length=60)]], Meta(max_length=20)] = []
    accounts: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=20)] = []
    hours: Annotated[str, Meta(pattern="^(open|closed|)$")] = ""


class TemplateChoice(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A template with what stands for its places, in the order in which it has them; they may name ``{name}``."""

    name: Annotated[str, Meta(min_length=1, max_length=512)]
    language: Annotated[str, Meta(min_length=2, max_length=15)]
    values: Annotated[list[Annotated[str, Meta(max_length=1024)]], Meta(max_length=MOST_VALUES)] = []


class Actions(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is done: all of what is given, in this order.

    Where both ``text`` and ``template`` are given, the template is sent where a text may not be. ``confirm``: what is
    said of an appointment has buttons to confirm or cancel it.
    """

    text: Text = ""
    template: TemplateChoice | None = None
    label: Number | None = None
    assign_to: Number | None = None
    hand_over: bool = False
    webhook: bool = False
    confirm: bool = False

    @property
    def sends(self) -> bool:
        return bool(self.text or self.template)


class Draft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule as somebody writes it."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    trigger: Trigger
    actions: Actions
    conditions: Conditions = msgspec.field(default_factory=Conditions)


class Rule(msgspec.Struct, frozen=True):
    """A rule as it is kept. Nothing fires for what was before ``active_since``."""

    id: int
    name: str
    active: bool
    trigger: Trigger
    conditions: Conditions
    actions: Actions
    active_since: datetime | None = None
    fired: int = 0
    last_fired_at: datetime | None = None


class Kind(enum.StrEnum):
    """What happened that may make rules fire."""

    MESSAGE = "message"
    LABEL = "label"
    STATUS = "status"
    DAY = "day"
    SILENCE = "silence"
    APPOINTMENT = "appointment"


class Cause(msgspec.Struct, frozen=True):
    """Something that happened in a thread, once under its ``key``.

    ``about`` is the label's number or the status. ``rule_id`` is given where it is one rule's alone, else 0.
    """

    kind: Kind
    key: str
    conversation_id: int
    at: datetime
    about: str = ""
    message_id: int | None = None
    appointment_id: int | None = None
    rule_id: int = 0


class Heard(msgspec.Struct, frozen=True):
    """The message that is a cause: what it says, when it was said and seen, and whether it is the thread's first."""

    body: str
    type: str
    said_at: datetime
    late: bool
    first: bool


class Booked(msgspec.Struct, frozen=True):
    """The appointment that is a cause, as it stands now."""

    id: int
    title: str
    starts_at: datetime
    place: str
    status: str
    moves: int


class Facts(msgspec.Struct, frozen=True):
    """What is known of a thread when it is decided on, so that deciding needs nothing else.

    ``free``: the customer may be written to freely. ``quiet`` is the last message of the customer, where the one who is
    to be silent still is. ``sent`` is how often automation wrote here within the hour.
    """

    name: str
    key: str
    account: str
    is_open: bool
    blocked: bool
    free: bool
    labels: frozenset[int] = frozenset()
    status: str | None = None
    sent: int = 0
    heard: Heard | None = None
    booked: Booked | None = None
    quiet_us: int | None = None
    quiet_customer: int | None = None


class Outcome(enum.StrEnum):
    """What became of a cause."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


class Decision(msgspec.Struct, frozen=True):
    """What a rule does about a cause under its own ``key``. ``template``: that one is sent, and not the text."""

    key: str
    outcome: Outcome
    reason: str = ""
    by_template: bool = False


class Run(msgspec.Struct, frozen=True):
    """What a rule did once. ``name`` is the customer's."""

    id: int
    rule_id: int
    rule: str
    conversation_id: int
    name: str
    outcome: Outcome
    reason: str
    at: datetime
