"""How it goes, for people: a sentence first, then what was looked at. Shown while the database is away, too."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Response, get

from tallybook.app import health_report
from tallybook.core.callers import Right, require
from tallybook.core.health import Check, HealthReport

from . import i18n, pages
from .needs import Asked, TheApp
from .times import Clock

COUNTED = re.compile(r"(No|\d+) (.+)", re.DOTALL)


def N_(text: str) -> str:  # noqa: N802 - marks a text for translation where the language is not yet known
    return text


# What core/health.py says, so that it can be translated here; a number stands as {n}.
SAID = (
    N_("Everything is held."),
    N_("Connected."),
    N_("Working."),
    N_("The database cannot be reached. Nothing is lost: work waits until it is back."),
    N_("No worker has ever run here. Start one with: tallybook work"),
    N_("Not heard of for a while. Is its process running?"),
    N_("{n} item waits."), N_("{n} items wait."), N_("No items wait."),
    N_("{n} item is parked."), N_("{n} items are parked."), N_("No items are parked."),
    N_("{n} sending ended without an answer."), N_("{n} sendings ended without an answer."),
    N_("No sendings ended without an answer."),
    N_("{n} unexpected refusal by the database this week."), N_("{n} unexpected refusals by the database this week."),
    N_("No unexpected refusals by the database this week."),
)  # fmt: skip
NAMES = {
    "database": N_("Database"),
    "worker": N_("Worker"),
    "bridge": N_("WhatsApp bridge"),
    "web": N_("Web server"),
    "waiting": N_("Waiting work"),
    "parked": N_("Parked"),
    "unknown": N_("Sent or not?"),
    "constraints": N_("Database rules"),
    "spool": N_("Kept on disk"),
}
STATES = {"ok": N_("Well"), "late": N_("Late"), "wrong": N_("Wrong")}
FACTS = {
    "latency_ms": N_("answers in ms"),
    "messages": N_("messages"),
    "deliveries": N_("deliveries"),
    "jobs": N_("jobs"),
    "outgoing": N_("outgoing"),
    "behind_seconds": N_("seconds behind"),
    "journal_mode": N_("journal"),
    "captions": N_("captions"),
}


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
        (say(FACTS.get(name, name.replace("_", " "))), value if isinstance(value, str) else clock.number(value))
        for name, value in check.facts.items()
        if value != 0
    ]
    name = say(NAMES.get(check.name, check.name))
    return Line(name, check.state, say(STATES[check.state]), told(check.says, clock), check.since, facts)


def told(text: str, clock: Clock) -> str:
    """One of core's sentences in the reader's language; a sentence that is not known stays as it is."""
    counted = COUNTED.fullmatch(text)
    if counted is None or counted[1] == "No":
        return clock.words.gettext(text)
    return clock.words.gettext(f"{{n}} {counted[2]}").replace("{n}", counted[1])


def sentence(found: HealthReport, clock: Clock) -> str:
    """The first line: what is held, and what wants a person."""
    if found.state == "ok":
        return told(found.sentence, clock)
    lines = [line(check, clock) for state in ("wrong", "late") for check in found.checks if check.state == state]
    return " ".join(f"{shown.name}: {shown.says}" for shown in lines)


@get("/health", include_in_schema=False)
async def health_page(request: Asked, app: TheApp) -> Response[str]:
    """What is connected, how fresh it is, what waits and what is parked."""
    require(request.user, Right.SEE)
    lang = pages.language_of(request)
    clock = Clock(datetime.now(UTC), request.user.business, lang, i18n.words(lang))
    found = await health_report(app, clock.now, request.user.business)
    context: dict[str, Any] = {
        "clock": clock,
        "state": found.state,
        "sentence": sentence(found, clock),
        "lines": [line(check, clock) for check in found.checks],
    }
    part = "health_part.html" if "hx-request" in request.headers else "health.html"
    return pages.page(request, part, context)


HANDLERS = [health_page]
