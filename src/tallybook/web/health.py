"""How it goes, for people: a sentence first, then what was looked at. Shown while the database is away, too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Response, get

from tallybook.core import health_words
from tallybook.core.callers import Right, may, require
from tallybook.core.health import Check, HealthReport, plain
from tallybook.health_report import health_report

from . import i18n, pages, phrases
from .needs import Asked, TheApp
from .times import Clock


class Line(msgspec.Struct, frozen=True):
    """A check as the table shows it."""

    name: str
    state: str
    state_name: str
    says: str
    since: datetime | None
    facts: list[tuple[str, str]]


def line(check: Check, clock: Clock) -> Line:
    """A check in the reader's words."""
    say = clock.words.gettext
    facts = [
        (say(phrases.FACTS.get(name, name.replace("_", " "))), _value(name, value, clock))
        for name, value in check.facts.items()
        if value != 0
    ]
    name = health_words.name_of(check.name, clock.words)
    return Line(
        name,
        check.state,
        say(phrases.STATES[check.state]),
        health_words.told(check.says, clock.words),
        check.since,
        facts,
    )


def _value(name: str, value: str | float | bool, clock: Clock) -> str:
    if value is True:  # a process says so of itself, and what is not so is left out, as nought is
        return clock.words.gettext("yes")
    if not isinstance(value, str):
        return clock.number(value)
    if name.endswith("_at"):
        return clock.short(datetime.fromisoformat(value))
    return health_words.told(value, clock.words)


def sentence(found: HealthReport, clock: Clock) -> str:
    """The first line: what is held, and what wants a person."""
    if found.state == "ok":
        return health_words.told(found.sentence, clock.words)
    lines = [line(check, clock) for state in ("wrong", "late") for check in found.checks if check.state == state]
    return " ".join(f"{shown.name}: {_ended(shown.says)}" for shown in lines)


def _ended(says: str) -> str:
    """A sentence that another one follows; what ends with a command has no full stop by itself."""
    return says if says.endswith((".", "?", "!")) else f"{says}."


@get("/health", include_in_schema=False)
async def health_page(request: Asked, app: TheApp) -> Response[str]:
    """What is connected, how fresh it is, what waits and what is parked."""
    require(request.user, Right.SEE)
    lang = pages.language_of(request)
    clock = Clock(datetime.now(UTC), request.user.business, lang, i18n.words(lang))
    found = await health_report(app, clock.now, request.user.business)
    if not may(request.user, Right.ADMINISTER):
        found = plain(found)
    context: dict[str, Any] = {
        "clock": clock,
        "state": found.state,
        "sentence": sentence(found, clock),
        "lines": [line(check, clock) for check in found.checks],
    }
    part = "health_part.html" if "hx-request" in request.headers else "health.html"
    return pages.page(request, part, context)


HANDLERS = [health_page]
