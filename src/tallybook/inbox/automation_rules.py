"""Whether a rule fires for something that happened, and what it says then. Pure: no database, no clock.

What a customer writes is compared, never obeyed, and what automation itself wrote is no cause of anything.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from .automation_types import (
    AnyMessage,
    Booked,
    Cause,
    Conditions,
    Daily,
    Decision,
    Facts,
    FirstMessage,
    InsideHours,
    Keyword,
    Kind,
    LabelPut,
    Outcome,
    OutsideHours,
    Reminder,
    Rule,
    Silence,
    StatusEntered,
    Trigger,
)
from .hours import Hours, period

# Older than this, a cause fires nothing any more: whoever wrote waits for no answer, or had one.
LATE: Mapping[Kind, timedelta] = {
    Kind.MESSAGE: timedelta(minutes=30),
    Kind.LABEL: timedelta(hours=1),
    Kind.STATUS: timedelta(hours=1),
    Kind.DAY: timedelta(hours=1),
    Kind.SILENCE: timedelta(hours=6),
    Kind.APPOINTMENT: timedelta(hours=1),
}
MOST = 5  # messages of automation to one customer within an hour, so that no two rules can go on and on
ALIVE = frozenset({"booked", "confirmed"})

# Why nothing was done, in words that name nobody.
TOO_OLD = "it happened too long ago"
CAME_LATE = "it came late: what was said after it was there before"
BEFORE_RULE = "it happened before the rule was switched on"
GROUP = "it is a group"
BLOCKED = "the customer is blocked"
CLOSED_THREAD = "the thread is closed"
LABEL_MISSING = "the thread has none of the labels"
LABEL_THERE = "the thread has a label that it must not have"
OTHER_STATUS = "the customer is at another status"
OTHER_NUMBER = "it came to another number"
NOT_OPEN = "the business is closed"
NOT_CLOSED = "the business is open"
NO_LONGER = "somebody has written since"
TOO_MANY = "automation wrote here often enough within the hour"
WINDOW_CLOSED = "only a template may be sent, and the rule has none"
MOVED = "the appointment was moved"
BEGUN = "the appointment has begun"
CANCELLED = "the appointment does not take place"

_WORD = re.compile(r"\w+")
_HEBREW = re.compile("[\u05d0-\u05ea]")
_PREFIXES = "והבלמשכ"  # and, the, in, to, from, that, as: written onto a Hebrew word
_PLACE = re.compile(r"\{(name|title|date|time|place)\}")
_MOST_PREFIXES = 2


@dataclass(frozen=True)
class World:
    """What is the same for all threads of a business at one moment."""

    hours: Hours
    zone: ZoneInfo
    now: datetime


def decide(rule: Rule, cause: Cause, facts: Facts, world: World) -> Decision | None:
    """What a rule does about a cause; None where it is none of its."""
    if not fits(rule, cause, facts, world):
        return None
    key = key_of(rule.trigger, cause, world)
    why = _why_not(rule, cause, facts, world)
    if why is not None:
        return Decision(key, Outcome.SKIPPED, why)
    by_template = rule.actions.template is not None and (not rule.actions.text or not facts.free)
    return Decision(key, Outcome.DONE, by_template=by_template)


def fits(rule: Rule, cause: Cause, facts: Facts, world: World) -> bool:
    """Whether this is what the rule waits for."""
    trigger = rule.trigger
    if cause.rule_id not in {0, rule.id} or not _is_of(trigger, cause.kind):
        return False
    match trigger:
        case FirstMessage():
            return facts.heard is not None and facts.heard.first
        case Keyword():
            return facts.heard is not None and says(facts.heard.body, trigger)
        case InsideHours() | OutsideHours():
            return period(world.hours, world.zone, cause.at).open is isinstance(trigger, InsideHours)
        case LabelPut() | StatusEntered():
            return cause.about == (str(trigger.label) if isinstance(trigger, LabelPut) else trigger.status)
        case _:
            return True


def _is_of(trigger: Trigger, kind: Kind) -> bool:
    kinds: tuple[tuple[Kind, tuple[type, ...]], ...] = (
        (Kind.MESSAGE, (AnyMessage, FirstMessage, Keyword, InsideHours, OutsideHours)),
        (Kind.LABEL, (LabelPut,)),
        (Kind.STATUS, (StatusEntered,)),
        (Kind.DAY, (Daily,)),
        (Kind.SILENCE, (Silence,)),
        (Kind.APPOINTMENT, (Reminder,)),
    )
    return any(of is kind and isinstance(trigger, types) for of, types in kinds)


def key_of(trigger: Trigger, cause: Cause, world: World) -> str:
    """Under what a rule may fire once: the cause, or the time in which the business is open or closed."""
    if not isinstance(trigger, InsideHours | OutsideHours):
        return cause.key
    now = period(world.hours, world.zone, cause.at)
    since = now.since.isoformat() if now.since else "always"
    return f"{'open' if now.open else 'closed'}:{cause.conversation_id}:{since}"


def _why_not(rule: Rule, cause: Cause, facts: Facts, world: World) -> str | None:
    """Why nothing is done, the first reason that holds."""
    late = cause.at < world.now - LATE[cause.kind]
    reasons = (
        (rule.active_since is None or cause.at < rule.active_since, BEFORE_RULE),
        (late, TOO_OLD),
        (facts.heard is not None and facts.heard.late, CAME_LATE),
        (facts.key.startswith("chat:"), GROUP),
        (facts.blocked, BLOCKED),
        (cause.kind in {Kind.DAY, Kind.SILENCE} and not facts.is_open, CLOSED_THREAD),
        (isinstance(rule.trigger, Silence) and not _still_silent(rule.trigger, cause, facts), NO_LONGER),
    )
    why = next((reason for holds, reason in reasons if holds), None) or _of_appointment(cause, facts.booked, world.now)
    return why or _unmet(rule.conditions, facts, world) or _unsaid(rule, facts)


def useful_until(cause: Cause, booked: Booked | None) -> datetime:
    """Until when what is said about a cause may leave: a reminder until the meeting begins."""
    return booked.starts_at if cause.kind is Kind.APPOINTMENT and booked else cause.at + LATE[cause.kind]


def _still_silent(trigger: Silence, cause: Cause, facts: Facts) -> bool:
    return cause.message_id == (facts.quiet_us if trigger.of == "us" else facts.quiet_customer)


def _of_appointment(cause: Cause, booked: Booked | None, now: datetime) -> str | None:
    if cause.kind is not Kind.APPOINTMENT:
        return None
    if booked is None or booked.status not in ALIVE:
        return CANCELLED
    if cause.about != str(booked.moves):
        return MOVED
    return BEGUN if booked.starts_at <= now else None


def _unmet(conditions: Conditions, facts: Facts, world: World) -> str | None:
    open_now = period(world.hours, world.zone, world.now).open if conditions.hours else False
    reasons = (
        (bool(conditions.labels) and not facts.labels & set(conditions.labels), LABEL_MISSING),
        (bool(facts.labels & set(conditions.without)), LABEL_THERE),
        (bool(conditions.statuses) and facts.status not in conditions.statuses, OTHER_STATUS),
        (bool(conditions.accounts) and facts.account not in conditions.accounts, OTHER_NUMBER),
        (conditions.hours == "open" and not open_now, NOT_OPEN),
        (conditions.hours == "closed" and open_now, NOT_CLOSED),
    )
    return next((reason for holds, reason in reasons if holds), None)


def _unsaid(rule: Rule, facts: Facts) -> str | None:
    if not rule.actions.sends:
        return None
    if facts.sent >= MOST:
        return TOO_MANY
    return WINDOW_CLOSED if rule.actions.template is None and not facts.free else None


def says(text: str, wanted: Keyword) -> bool:
    """Whether a text holds one of these words or phrases, whatever their case, accents and vowel points.

    As words of their own a Hebrew one may have letters before it that only say how it stands in the sentence.
    """
    said = plain(text)
    if not wanted.whole:
        return any(plain(one) in said for one in wanted.words if plain(one).strip())
    heard = _WORD.findall(said)
    return any(_stands(_WORD.findall(plain(one)), heard) for one in wanted.words)


def _stands(phrase: Sequence[str], heard: Sequence[str]) -> bool:
    length = len(phrase)
    if not length:
        return False
    return any(
        _is_word(phrase[0], heard[at]) and list(phrase[1:]) == list(heard[at + 1 : at + length])
        for at in range(len(heard) - length + 1)
    )


def _is_word(wanted: str, heard: str) -> bool:
    if wanted == heard:
        return True
    if not _HEBREW.match(wanted) or not heard.endswith(wanted):
        return False
    before = heard[: -len(wanted)]
    return len(before) <= _MOST_PREFIXES and all(letter in _PREFIXES for letter in before)


def plain(text: str) -> str:
    """Small letters without accents and vowel points, with single spaces."""
    parted = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(one for one in parted if not unicodedata.combining(one)).split())


def filled(text: str, facts: Facts, world: World) -> str:
    """A text with what its places stand for: the customer's name, and what is known of the appointment."""
    booked = facts.booked
    at = booked.starts_at.astimezone(world.zone) if booked else None
    values = {
        "name": facts.name,
        "title": booked.title if booked else "",
        "place": booked.place if booked else "",
        "date": f"{at:%d.%m.%Y}" if at else "",
        "time": f"{at:%H:%M}" if at else "",
    }
    return _PLACE.sub(lambda found: values[found[1]], text)
