"""That a calendar whose events are somebody's absences cannot be read."""

from __future__ import annotations

from tallybook.triage.types import Calendar

from . import words
from .announcing import told
from .elements import Ready
from .limits import Message
from .showing import Seen
from .texts_calendars import CALENDARS

ANSWERS = "answers"


def unread(seen: Seen, one: Calendar) -> Message:
    """Since when, why, and what counts meanwhile."""

    def say(name: str, /, **values: object) -> Ready:
        return words.said(CALENDARS, seen.locale, name, **values)

    known, _, status = one.failed.partition(" ")
    because = say(known, status=status) if known == ANSWERS else say(known)
    about = {"who": seen.who(one.person), "host": one.host, "at": seen.at(one.failing_since or seen.now)}
    if one.read_at is None:
        line = say("unread_never", because=because, **about)
    else:
        line = say("unread_says", because=because, then=seen.at(one.read_at), **about)
    return told(seen, words.filled(CALENDARS, seen.locale, "unread", team=seen.team.name), [line])
