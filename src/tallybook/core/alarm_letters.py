"""What people are told of an alarm: plain words in the business's language, without anybody's words, phone or path.

Pure. A sentence of health that does not stand in its list may quote a file or a mistake; it stays on the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from gettext import NullTranslations
from typing import Literal
from uuid import UUID

import msgspec

from .alarms import Step
from .businesses import Business
from .health_words import is_known, name_of, told
from .marking import N_
from .messages import Outgoing

MAIL, WEBHOOK = "mail", "webhook"
CHANNELS = (MAIL, WEBHOOK)
ACCOUNT = "alarms"
Event = Literal["begun", "ended", "test"]

SUBJECTS = {"begun": N_("Alarm: {name} ({business})"), "ended": N_("Over: {name} ({business})"),
            "test": N_("Test: alarms of {business}")}  # fmt: skip
TESTED = N_("This is a test. If you read it, the alarms of {business} reach you.")
MORE = N_("The page says more.")
SINCE = N_("Since {from} ({zone}).")
LASTED = N_("It lasted from {from} to {to} ({zone}).")
WELL = N_("It is well again.")
ONCE = N_("You are told once, and once more when it is over.")


class Target(msgspec.Struct, frozen=True, order=True):
    """Somebody to be told: an e-mail address, or a webhook by the name that it has in the projects file."""

    channel: str
    to: str


class Told(msgspec.Struct, frozen=True):
    """What is to be told."""

    event: Event
    name: str = ""
    says: str = ""
    begun_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True)
class Desk:
    """Who writes the letters: whose alarms they are, in which words, and where a reader may look."""

    business: Business
    words: NullTranslations
    targets: Sequence[Target]
    link: str

    def letters(self, step: Step) -> list[Outgoing]:
        """The messages of a step, one for each target."""
        alarm = step.alarm
        if step.tell is None:
            return []
        ended = alarm.well_since if step.tell == "ended" else None
        what = Told(step.tell, alarm.name, alarm.says, step.begun_at, ended)
        return self.written(what, f"{prefix(alarm.name, alarm.number)}{step.tell}:")

    def tests(self, number: UUID) -> list[Outgoing]:
        """The messages of a test, one for each target."""
        return self.written(Told("test"), test_prefix(number))

    def written(self, what: Told, key: str) -> list[Outgoing]:
        """A message for each target, whose key begins with ``key``."""
        bodies = {MAIL: self._mail(what), WEBHOOK: self._facts(what)}
        return [
            Outgoing(target.channel, ACCOUNT, target.to, f"{key}{target.to}", bodies[target.channel])
            for target in self.targets
        ]

    def _facts(self, what: Told) -> dict[str, msgspec.Raw | str | int | bool | list[str] | None]:
        return {
            "event": f"alarm.{what.event}", "alarm": what.name, "business": self.business.name,
            "says": what.says if is_known(what.says) else "", "link": self.link,
            "begun_at": _stamp(what.begun_at), "ended_at": _stamp(what.ended_at),
        }  # fmt: skip

    def _mail(self, what: Told) -> dict[str, msgspec.Raw | str | int | bool | list[str] | None]:
        say = self.words.gettext
        filled = {
            "name": name_of(what.name, self.words), "business": self.business.name, "zone": self.business.time_zone,
            "from": self._local(what.begun_at), "to": self._local(what.ended_at),
        }  # fmt: skip
        if what.event == "test":
            lines = [say(TESTED)]
        elif what.event == "begun":
            lines = [self._says(what.says), say(SINCE), "", say(ONCE)]
        else:
            lines = [say(WELL), say(LASTED)]
        head = [] if what.event == "test" else ["{name}", ""]
        text = "\n".join([*head, *lines, "", self.link, ""])
        return {"subject": _filled(say(SUBJECTS[what.event]), filled), "text": _filled(text, filled)}

    def _says(self, sentence: str) -> str:
        return told(sentence, self.words) if is_known(sentence) else self.words.gettext(MORE)

    def _local(self, at: datetime | None) -> str:
        return f"{at.astimezone(self.business.zone):%Y-%m-%d %H:%M}" if at else ""


def prefix(name: str, number: int) -> str:
    """How the keys of an alarm's messages begin."""
    return f"alarm:{name}:{number}:"


def test_prefix(number: UUID) -> str:
    """How the keys of a test's messages begin."""
    return f"alarm-test:{number}:"


def _stamp(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="seconds") if at else None


def _filled(text: str, values: dict[str, str]) -> str:
    """The text with its places filled; braces in a value are no places."""
    for place in ("name", "business", "zone", "from", "to"):
        text = text.replace(f"{{{place}}}", values[place].replace("{", "(").replace("}", ")"))
    return text
