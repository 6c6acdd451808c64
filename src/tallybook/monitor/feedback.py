"""What a drop's poster is told of its review, made from the ticks and reasons. Pure.

The text begins with the drop's number: a bridge that cannot quote then still says what it speaks of. It begins with no
mention, which whoever sends it puts there itself.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from .types import STEPS, Verdict, verdict

PREFIX = "feedback:"
MAX_TEXT = 4000
DEFAULT = "en"
WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "complete": "All items complete!",
        "correct": "NEEDS CORRECTION",
        "missing": "Missing items:",
        "wrong": "Incorrect items:",
        "feedback": "Feedback on the review:",
    },
    "he": {
        "complete": "כל הפריטים תקינים!",
        "correct": "נדרש תיקון",
        "missing": "פריטים חסרים:",
        "wrong": "פריטים לא תקינים:",
        "feedback": "משוב על הבדיקה:",
    },
}
# One of them stands in all that leaves, so that nobody's post is ever equal to what a reviewer wrote.
LINES = frozenset(line for words in WORDS.values() for line in words.values())
# The steps and the common reasons, as the page calls them; whatever else somebody wrote stands as they wrote it.
NAMES: Mapping[str, Mapping[str, str]] = {
    "he": {
        "Property Photo": "צילום הנכס",
        "Location on Wall": "המיקום על הקיר",
        "Cable from Pole": "הכבל מהעמוד",
        "Cable Entry Outside": "כניסת הכבל מבחוץ",
        "Cable Entry Inside": "כניסת הכבל מבפנים",
        "Fibre Entry to ONT": "כניסת הסיב ל־ONT",
        "Overall Work Area": "אזור העבודה כולו",
        "ONT Barcode": "ברקוד ה־ONT",
        "UPS Serial": "מספר סידורי של ה־UPS",
        "Powermeter at ONT": "מד הספק ב־ONT",
        "Green Lights": "נורות ירוקות",
        "Customer Signature": "חתימת הלקוח",
        "Blurry": "מטושטש",
        "Wrong angle": "זווית לא נכונה",
        "Wrong subject": "צולם הדבר הלא נכון",
        "Poor lighting": "תאורה חלשה",
        "Obstructed": "מוסתר",
        "Duplicate": "כפול",
        "Not installed": "לא הותקן",
    }
}


class Said(enum.StrEnum):
    """What became of a press: what a reviewer may rely on. ``SENT`` alone is the provider's yes."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CAPTURED = "captured"
    DROPPED = "dropped"


class Feedback(msgspec.Struct, frozen=True):
    """One press of “Send feedback”. ``posts`` is how many posts of the drop it answers; ``reason`` why it failed."""

    number: int
    text: str
    posts: int
    who: str
    put_at: datetime
    sent_at: datetime | None
    state: Said
    reason: str | None = None


def text_of(drop: str, ticks: Mapping[str, bool], reasons: Mapping[str, str], locale: str) -> str:
    """The feedback on a review as it stands, in the language of its business.

    Every step is either right, or named once: as missing, or as incorrect with its reason.
    """
    words, names = WORDS.get(locale, WORDS[DEFAULT]), NAMES.get(locale, {})
    missing: list[str] = []
    wrong: list[str] = []
    for step in STEPS:
        label, reason = names.get(step.label, step.label), reasons.get(step.column, "")
        mark = verdict(ticked=ticks.get(step.column, False), reason=reason)
        if mark is Verdict.MISSING:
            missing.append(f"- {label}")
        elif mark is Verdict.WRONG:
            wrong.append(f"- {label}: {names.get(reason, reason)}")
    if not missing and not wrong:
        return f"{drop}\n{words['complete']}"
    parts = [f"{drop}\n{words['correct']}"]
    parts += ["\n".join([words["missing"], *missing])] if missing else []
    parts += ["\n".join([words["wrong"], *wrong])] if wrong else []
    return "\n\n".join(parts)


def as_sent(text: str, drop: str, locale: str = DEFAULT) -> str:
    """What somebody edited, as it leaves: without what a form puts into it, and beginning with the drop's number.

    Words that a person could have posted get a line of ours before them.
    """
    clean = "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")).strip()
    if not clean or not LINES.isdisjoint(clean.split("\n")):
        return clean if not clean or clean.upper().startswith(drop.upper()) else f"{drop}\n{clean}"
    first, _, rest = clean.partition("\n")
    head, words = (first, rest) if first.upper() == drop.upper() else (drop, clean)
    return f"{head}\n{WORDS.get(locale, WORDS[DEFAULT])['feedback']}\n{words}".rstrip()


def key_of(review_id: UUID, number: int) -> str:
    """The key under which a press is put into the outbox: one message for each, however often it is repeated."""
    return f"{PREFIX}{review_id}:{number}"


def press_of(key: str) -> tuple[UUID, int] | None:
    """Which press a key of the outbox is of; None for what is no feedback."""
    if not key.startswith(PREFIX):
        return None
    review_id, _, number = key.removeprefix(PREFIX).partition(":")
    try:
        return UUID(review_id), int(number)
    except ValueError:
        return None
