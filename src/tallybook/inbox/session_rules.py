"""Until when a thread is snoozed, and what is written of a conversation that is over. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from .session_types import Ended, Facts

# Stands for “until the customer writes”: later than anybody waits, and a date that every program can read.
SOMEDAY = datetime(9999, 1, 1, tzinfo=UTC)
SILENCE = timedelta(hours=24)  # as long as a customer may be answered freely
LONGEST_SNOOZE = timedelta(days=366)
MORNING = time(9)
LONGEST_SUMMARY = 4000  # characters
LONGEST_ASKED = 160
TWO_HOURS, TWO_DAYS = 120, 2880  # in minutes
SUNDAY, MONDAY = 6, 0
WEEK_BEGINS = {"he": SUNDAY}


class Until(enum.StrEnum):
    """How long a thread may be snoozed, in the words of the buttons."""

    HOUR = "hour"
    TOMORROW = "tomorrow"
    WEEK = "week"
    CUSTOMER = "customer"


def moment_of(until: Until, now: datetime, zone: ZoneInfo, locale: str) -> datetime:
    """When a snooze ends: in an hour, at nine tomorrow, at nine on the first day of next week, or never by the clock.

    The days are those of ``zone``; the week begins as people of that language have it.
    """
    today = now.astimezone(zone).date()
    if until is Until.HOUR:
        return now + timedelta(hours=1)
    if until is Until.TOMORROW:
        return _morning(today + timedelta(days=1), zone)
    if until is Until.WEEK:
        ahead = (WEEK_BEGINS.get(locale, MONDAY) - today.weekday() - 1) % 7 + 1
        return _morning(today + timedelta(days=ahead), zone)
    return SOMEDAY


def _morning(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, MORNING, zone).astimezone(UTC)


def is_useful(until: datetime, now: datetime) -> bool:
    """Whether a thread can be snoozed so long: to a moment that comes, within a year."""
    return until == SOMEDAY or now < until <= now + LONGEST_SNOOZE


# Stored once, in the language of the business, and read by whoever reads the table.
_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "customer": "customer", "bot": "bot", "automation": "automation", "human": "team", "system": "system",
        "counts": "Messages: {counts}; {long}.", "min": "{n} min", "h": "{n} h", "d": "{n} d",
        "asked": "First asked: “{asked}”", "labels": "Labels: {labels}",
        Ended.SILENCE: "The customer fell silent; last to write: {last}.",
        Ended.PERSON: "Closed by {who}; last to write: {last}.",
        Ended.JOINED: "Another thread of the customer came behind it; last to write: {last}.",
    },
    "he": {
        "customer": "לקוח", "bot": "בוט", "automation": "אוטומציה", "human": "צוות", "system": "מערכת",
        "counts": "הודעות: {counts}; {long}.", "min": "{n} דק׳", "h": "{n} שע׳", "d": "{n} ימ׳",
        "asked": "שאלה ראשונה: „{asked}”", "labels": "תוויות: {labels}",
        Ended.SILENCE: "הלקוח הפסיק לכתוב; הודעה אחרונה: {last}.",
        Ended.PERSON: "נסגר על ידי {who}; הודעה אחרונה: {last}.",
        Ended.JOINED: "שיחה אחרת של הלקוח צורפה אחריה; הודעה אחרונה: {last}.",
    },
}  # fmt: skip


def local_summary(facts: Facts, ended: Ended, who: str, locale: str) -> str:
    """What is said of a conversation from what was counted in it, a line each: who wrote, first question, how it ended.

    ``who`` closed it, where a person did.
    """
    words = _WORDS.get(locale, _WORDS["en"])
    by = {name: getattr(facts.counts, name) for name in facts.counts.__struct_fields__}
    counts = " · ".join(f"{words[name]} {count}" for name, count in by.items() if count or name == "customer")
    unit, number = _length(facts.ended_at - facts.started_at)
    lines = [words["counts"].format(counts=counts, long=words[unit].format(n=number))]
    if asked := shortened(facts.asked, LONGEST_ASKED):
        lines.append(words["asked"].replace("{asked}", asked))
    if facts.labels:
        lines.append(words["labels"].replace("{labels}", ", ".join(facts.labels)))
    lines.append(words[ended].replace("{last}", words.get(facts.last, facts.last)).replace("{who}", who))
    return "\n".join(lines)[:LONGEST_SUMMARY]


def _length(lasted: timedelta) -> tuple[str, int]:
    """How long something took, in minutes, hours or days, whichever is short to say."""
    minutes = max(round(lasted.total_seconds() / 60), 1)
    if minutes < TWO_HOURS:
        return "min", minutes
    return ("h", round(minutes / 60)) if minutes < TWO_DAYS else ("d", round(minutes / 1440))


def shortened(text: str, longest: int) -> str:
    """Its words on one line, no longer than that."""
    one = " ".join(text.split())
    return one if len(one) <= longest else one[: longest - 1] + "…"
