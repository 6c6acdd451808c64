"""Answers that stand in no view: what was kept while the database is away, what became of it, who could not be told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from . import words
from .announcing import LONGEST_REASON, say, title, told
from .elements import Ready, escaped, fitted, modal, section, shortened
from .limits import LONGEST, Block, Message, message, view
from .names import Held, View
from .showing import Seen
from .texts_rota import ROTA
from .texts_telling import TELLING


class Refused(msgspec.Struct, frozen=True):
    """Something that was kept and could not be done: who sent it in, when, and why not, in the report's language."""

    by: str
    at: datetime
    because: str


def short(text: str) -> Message:
    """One sentence as a message; a text that is not Ready is escaped."""
    ready = Ready(fitted(escaped(text), LONGEST["section"]))
    return message(ready, [section(ready)])


def kept(locale: str) -> Message:
    """That something is kept and will be decided as soon as the database is back."""
    return message(words.filled(TELLING, locale, "kept_text"), [section(words.said(TELLING, locale, "kept"))])


def away(locale: str) -> Message:
    """That nothing can be shown while the database is away."""
    return short(words.said(TELLING, locale, "away"))


def busy(locale: str, seconds: float) -> Message:
    """That Slack takes nothing more from us for so many seconds, so that nothing was shown."""
    return short(words.said(TELLING, locale, "busy", seconds=math.ceil(seconds)))


def notice(locale: str, heading: str, text: str, team: int = 0) -> Block:
    """A modal that says one thing, such as that a request is kept. A text that is not Ready is escaped."""
    close = words.filled(ROTA, locale, "close")
    return view(modal(View.NOTICE, heading, [section(escaped(text))], Held(team), close=close))


def kept_view(locale: str, heading: str, team: int = 0) -> Block:
    """In the place of a modal that was sent in while the database is away."""
    return notice(locale, heading, words.said(TELLING, locale, "kept"), team)


def replayed(seen: Seen, at: datetime, because: str = "") -> Message:
    """To somebody whose request was kept: that it is done, or why it could not be."""
    if not because:
        return short(say(seen, "replayed", at=seen.at(at)))
    return short(say(seen, "not_replayed", at=seen.at(at), because=shortened(because, LONGEST_REASON)))


def report(seen: Seen, done: int, refused: Sequence[Refused]) -> Message:
    """To who leads, after an outage: how much of what was kept is done, and what could not be."""
    lines = [say(seen, "report_some" if refused else "report_all", done=done, refused=len(refused))]
    for one in refused:
        because = shortened(one.because, LONGEST_REASON)
        lines.append(say(seen, "report_line", who=seen.who(one.by), at=seen.at(one.at), because=because))
    return told(seen, title(seen, "report"), lines)


def entered(seen: Seen, since: datetime) -> Message:
    """To who leads, once: that the database is away."""
    return short(say(seen, "entered", team=shortened(seen.team.name, 60), at=seen.at(since)))


def left(seen: Seen, lasted: timedelta, kept_count: int = 0) -> Message:
    """To who leads, once: that it is back, and how much was kept."""
    text = say(seen, "left", team=shortened(seen.team.name, 60), time=words.lasting(seen.locale, lasted))
    if kept_count:
        text = Ready(f"{text} {say(seen, 'kept_count', n=kept_count)}")
    return short(text)
