"""What a conversation that is over was about, and what it suggests that people take over. Pure.

Nothing is guessed: a topic is a known question that the customer's is like, or a model's own word where it says that it
is sure; a field is what the customer wrote, letter for letter.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from datetime import datetime

import msgspec

from . import lead_rules, responder
from .answer_types import Answer
from .session_rules import LONGEST_SUMMARY, shortened
from .session_types import By, Counts, Facts, Findings, Gist, Session, Spoken, Topic

SURE = 0.65  # of a model, from which on its topic and its status are taken
KNOWN_ANSWER, MODEL = "known_answer", "model"
LONGEST_TOPIC = 80  # characters that a model may give it
NEW, CONTACTED = "new", "contacted"  # two of the statuses with which every business begins
_FENCE = re.compile(r"\A```\w*\s*|\s*```\Z")


class Take(enum.StrEnum):
    """What of a lead can be taken over from a conversation."""

    STATUS = "status"
    NAME = "name"
    EMAIL = "email"


class Standing(msgspec.Struct, frozen=True):
    """A lead as it is: its status, since when, the name and the address that are written down, each '' for none."""

    status: str
    status_at: datetime
    name: str
    email: str


class _Told(msgspec.Struct):
    """What a model is asked to give."""

    summary: str
    topic: str | None = None
    confidence: float | None = None
    status: str | None = None
    name: str | None = None
    email: str | None = None


def topic_of(asked: str, known: Sequence[Answer]) -> Topic | None:
    """The known question that a customer's is surely like, and how like; None where there is none."""
    found = responder.surest(asked, known)
    if found is None:
        return None
    like = responder.likeness(responder.words_of(asked), responder.words_of(found.question))
    return Topic(shortened(found.question, lead_rules.LONGEST_NAME), round(like, 2), KNOWN_ANSWER, found.id)


def local(facts: Facts, topic: Topic | None, kept: Sequence[str]) -> Findings:
    """What is known without any model; ``kept`` are the statuses of the business."""
    status = CONTACTED if facts.lead_status == NEW and is_answered(facts.counts) and CONTACTED in kept else None
    return Findings(topic, status, By.LOCAL if status else None, None, facts.email or None)


def is_answered(counts: Counts) -> bool:
    return counts.human + counts.bot > 0


def read(text: str, spoken: Sequence[Spoken], statuses: Sequence[str]) -> Gist | None:
    """What a model's answer says, as far as it holds: ``statuses`` may be suggested, and what the customer wrote found.

    Words alone are a summary alone. None for what can be no summary.
    """
    bare = _FENCE.sub("", text.strip())
    if not bare.startswith("{"):
        return Gist(text.strip()) if text.strip() else None
    try:
        told = msgspec.json.decode(bare, type=_Told)
    except (msgspec.DecodeError, UnicodeError):
        return None
    if not told.summary.strip():
        return None
    theirs = "\n".join(one.body for one in spoken if one.source == "customer")
    sure = told.confidence if told.confidence is not None and SURE <= told.confidence <= 1 else None
    topic = _line(told.topic, LONGEST_TOPIC)
    return Gist(
        told.summary.strip()[:LONGEST_SUMMARY],
        Topic(topic, round(sure, 2), MODEL, None) if topic and sure is not None else None,
        told.status if told.status in statuses and sure is not None else None,
        _quoted(_line(told.name, lead_rules.LONGEST_NAME), theirs),
        _quoted(lead_rules.email_in(told.email or ""), theirs),
    )


def open_of(session: Session, latest: int, lead: Standing) -> list[Take]:
    """What a conversation still suggests: the latest one a status, unless somebody moved the lead since it ended.

    An address only where none is written down, a name only where it says more than the one that is.
    """
    found = session.findings
    is_newest = session.number == latest and lead.status_at <= session.closed_at
    holds = {
        Take.STATUS: found.status not in {None, lead.status} and is_newest,
        Take.NAME: found.name not in {None, lead.name} and lead.name.casefold() in (found.name or "").casefold(),
        Take.EMAIL: found.email is not None and not lead.email,
    }
    return [take for take, is_open in holds.items() if is_open]


def is_done(session: Session, what: Take, lead: Standing) -> bool:
    """Whether the lead is already what a conversation suggests."""
    found = session.findings
    return (what, {Take.STATUS: lead.status, Take.NAME: lead.name, Take.EMAIL: lead.email}[what]) in {
        (Take.STATUS, found.status), (Take.NAME, found.name), (Take.EMAIL, found.email),
    }  # fmt: skip


def _line(text: str | None, longest: int) -> str:
    line = " ".join((text or "").split())
    return line if line.isprintable() and len(line) <= longest else ""


def _quoted(words: str, said: str) -> str | None:
    """Words that the customer wrote, as words of their own; None for any other."""
    if not words:
        return None
    return words if re.search(rf"(?<!\w){re.escape(words)}(?!\w)", said, re.IGNORECASE) else None
