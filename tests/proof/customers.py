"""What customers write to a business: an endless story, the same for the same seed, and what is answered to it.

Each customer comes once, with one burst of a kind of its own. What must become of it is worked out by inbox_oracle.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.channels.whatsapp.bodies import OURS, change, contact, message, status
from tests.cloud_api.media import FakeFiles

Json = dict[str, Any]

# What the business knows; the bot says these, and nothing else.
ANSWERS = {
    "What are your opening hours?": "We are open from eight to five.",
    "מה שעות הפתיחה שלכם?": "אנחנו פתוחים משמונה עד חמש.",
    "Do you deliver to Soweto?": "Yes, on Tuesdays.",
}
HOURS, HEBREW, DELIVERY = ANSWERS
PERSON = "I want to talk to a person"
UNKNOWN = "The blue one broke again"
KEYWORD, RULE_SAYS = "invoice", "Your invoice comes by mail."
BY_PHONE, BY_API = "We saw it, a colleague looks", "Your parcel comes today"
REGULAR = "120055501{:02}"  # who writes again and again
BUSINESS_FILE = '\n[inbox]\n[inbox.bot]\nmode = "auto"\nper_hour = 1000\n'
PICTURE = b"\xff\xd8\xff\xe0 a roof "


@dataclass(frozen=True)
class Said:
    """A message of a customer, or one that somebody of ours typed on the phone. ``at`` is in seconds since 1970."""

    id: str
    phone: str
    body: str
    at: int
    type: str = "text"
    by_us: bool = False


@dataclass(frozen=True)
class Answer:
    """What a person of ours answers by the API, once under its key."""

    phone: str
    text: str
    key: str


@dataclass
class Scene:
    """One customer's burst: what is said, what Meta tells of it after so many seconds, what a person answers."""

    said: list[Said] = field(default_factory=list)
    news: list[tuple[float, Json]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)


def phone_of(number: int) -> str:
    return f"1{201 + number // 100}55501{number % 100:02}"


@dataclass
class Teller:
    """Makes scenes. ``now`` is Meta's clock, in seconds since 1970; ``files`` are those that can be had from it."""

    dice: random.Random
    now: Callable[[], float]
    files: FakeFiles
    customers: int = 0

    def scene(self) -> Scene:
        """The next customer."""
        number, self.customers = self.customers, self.customers + 1
        made = _Making(f"{number}", phone_of(number), self)
        KINDS[number % len(KINDS)](made)
        return made.scene

    def again(self, place: int, number: int, words: str) -> Scene:
        """A regular, who writes for the so manieth time."""
        made = _Making(f"r{place}.{number}", REGULAR.format(place), self)
        made.say(words)
        return made.scene


@dataclass
class _Making:
    """A scene that is being made."""

    name: str
    phone: str
    teller: Teller
    scene: Scene = field(default_factory=Scene)
    after: float = 0.0

    def say(self, *words: str) -> None:
        for one in words:
            self._tell(message("text", text={"body": one}), one)
            self.after += self.teller.dice.uniform(0.1, 0.6)

    def show(self, caption: str) -> None:
        content = PICTURE + self.name.encode() * self.teller.dice.randrange(1, 9000)
        file = self.teller.files.add(f"9{int(self.name):012}", content)
        said = self._tell(message("image", image=file | {"caption": caption}), caption)
        self.scene.files[said.id] = content
        self.after += 0.3

    def answer_by_phone(self, words: str) -> None:
        """Typed on the phone; how far it came is told before the message itself."""
        said = self._said(words, by_us=True)
        echo = message("text", text={"body": words}) | {"id": said.id, "from": OURS, "to": self.phone}
        echo["timestamp"] = str(said.at)
        for became in ("read", "delivered"):
            report = status(became, at=said.at) | {"id": said.id, "recipient_id": self.phone}
            self.scene.news.append((self.after, change("statuses", report)))
        told = change("message_echoes", echo, field="smb_message_echoes")
        self.scene.news.append((self.after + 0.4, told))

    def answer_by_api(self, words: str) -> None:
        self.scene.answers.append(Answer(self.phone, f"{words}, number {self.name}", f"desk:{self.name}"))

    def _tell(self, update: Json, body: str) -> Said:
        said = self._said(body, type=update["type"])
        told = update | {"id": said.id, "from": self.phone, "timestamp": str(said.at)}
        self.scene.news.append((self.after, change("messages", told, contacts=[contact(self.phone, None)])))
        return said

    def _said(self, body: str, **more: Any) -> Said:
        number = len(self.scene.said)
        said = Said(f"wamid.{self.name}.{number}", self.phone, body, int(self.teller.now() + self.after), **more)
        self.scene.said.append(said)
        return said


def _asks(made: _Making) -> None:
    made.say("Hello", HOURS, "Thank you")


def _asks_in_hebrew(made: _Making) -> None:
    made.say(HEBREW)


def _asks_what_nobody_knows(made: _Making) -> None:
    made.say(UNKNOWN)


def _wants_a_person(made: _Making) -> None:
    made.say(PERSON, "please")


def _shows(made: _Making) -> None:
    made.show("The roof")


def _says_a_keyword(made: _Making) -> None:
    made.say(f"Please send me the {KEYWORD}")


def _is_answered_by_api(made: _Making) -> None:
    made.say("Where is my parcel")
    made.answer_by_api(BY_API)


def _is_answered_by_phone(made: _Making) -> None:
    made.say(UNKNOWN)
    made.answer_by_phone(BY_PHONE)


def _asks_in_pieces(made: _Making) -> None:
    made.say("Hi", "Good morning", "Hello", "please", DELIVERY)


def _shows_and_asks(made: _Making) -> None:
    made.show("My door")
    made.say(HOURS)


KINDS: tuple[Callable[[_Making], None], ...] = (
    _asks, _asks_in_hebrew, _asks_what_nobody_knows, _wants_a_person, _shows, _says_a_keyword, _is_answered_by_api,
    _is_answered_by_phone, _asks_in_pieces, _shows_and_asks,
)  # fmt: skip
