"""What the inbox's pages show, made from what the inbox knows. Pure: no database, no request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from urllib.parse import urlencode

from babel import dates

from tallybook.core.errors import Invalid, TallybookError
from tallybook.core.numbers import number_in
from tallybook.inbox import naming
from tallybook.inbox.service.sending import ANSWERED
from tallybook.inbox.service.threads import Bubble, Filter, Listed, Narrow, Place, Shown, Thread
from tallybook.inbox.types import Delivery, Source
from tallybook.inbox.window import Window

from . import inbox_words
from .times import Clock

PATH = "/inbox"
PAGE_SIZE = 50  # threads
BUBBLES = 60  # messages of a thread at a time
MAX_SEARCH = 100
SOON = timedelta(hours=1)  # before a window closes
BADGE = 99  # above it, a badge says that there are more
_date = lru_cache(maxsize=1_024)(dates.format_date)


@dataclass(frozen=True)
class Query:
    """The filters as they stand in the URL."""

    shown: Filter = Filter.ALL
    search: str = ""
    team: int | None = None
    label: int | None = None

    @property
    def narrowed(self) -> bool:
        return self != Query()

    @property
    def asked(self) -> Shown:
        """Which threads it means."""
        return Shown(self.shown, Narrow(self.team, self.label))

    def link(self, path: str = PATH, **more: str) -> str:
        """The address of this view, without what is the default."""
        narrow = {"team": str(self.team or ""), "label": str(self.label or "")}
        parts = {"show": self.shown if self.shown is not Filter.ALL else "", "q": self.search} | narrow | more
        kept = {name: str(value) for name, value in parts.items() if value}
        return f"{path}?{urlencode(kept)}" if kept else path

    def to(self, thread: Thread, **more: str) -> str:
        """The address of one thread beside this view."""
        return self.link(f"{PATH}/{thread.id}", **more)


def read_query(parameters: Mapping[str, str]) -> Query:
    """The filters of a request. Raises Invalid for a search that is too long; what means nothing counts as not said."""
    search = parameters.get("q", "").strip()
    if len(search) > MAX_SEARCH or "\0" in search:
        raise Invalid("A search may be at most 100 characters long.")
    shown = parameters.get("show", "")
    team, label = (naming.number(parameters.get(name, "")) for name in ("team", "label"))
    return Query(Filter(shown) if shown in set(Filter) else Filter.ALL, search, team, label)


def write_place(at: datetime, number: int) -> str:
    """Where a page ended: a moment and a number."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat()}~{number}"


def read_place(text: str) -> tuple[datetime, int] | None:
    """The place that write_place() wrote; None for none. Raises Invalid for anything else."""
    if not text:
        return None
    moment, _, digits = text.partition("~")
    number = number_in(digits)
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        at = None
    if at is None or at.tzinfo is not None or number is None:
        raise Invalid("This place in the thread is not one of ours. Open the thread again.")
    return at.replace(tzinfo=UTC), number


def read_after(text: str) -> Place | None:
    """The place in the list of threads that a link names. Raises Invalid."""
    place = read_place(text)
    return None if place is None else Place(*place)


def after(query: Query, page: Listed) -> str | None:
    """The link to what comes after a page of threads; None after the last."""
    return query.link(after=write_place(page.after.at, page.after.id)) if page.after else None


def name_of(thread: Thread, clock: Clock) -> str:
    """What somebody is called, in the reader's words where nobody knows."""
    return thread.name or thread.phone or clock.words.gettext(inbox_words.NO_NAME)


def badge(count: int) -> str:
    """A number of unread messages as a badge has room for it."""
    return f"{BADGE}+" if count > BADGE else str(count)


def sign_of(thread: Thread) -> str:
    """The sign before a thread's last words: who of ours said them."""
    return inbox_words.SIGNS.get(thread.last_source, "")


def last_words(thread: Thread, clock: Clock) -> str:
    """A thread's newest message: its first words, or, where it has none, what it is, as “📷 Photo”."""
    kind, said = thread.last_type, thread.last_body
    if kind in inbox_words.TEXTS or said not in {"", _told(kind)[0]}:
        return said
    return called(kind, clock)


@dataclass(frozen=True)
class Mark:
    """How far a message of ours came: in words, as an icon, and the icon's colour."""

    words: str
    icon: str
    colour: str


@dataclass(frozen=True)
class Line:
    """A message as drawn. ``day`` is the separator above it, empty where the one before was of the same day.

    ``sign`` and ``who`` are the badge of its source; ``what`` is what it is beyond its words; ``time`` in the zone.
    """

    bubble: Bubble
    day: str
    day_id: str
    time: str
    exact: str
    sign: str
    who: str
    what: str
    mark: Mark | None
    deleted: bool
    arrived: str

    @property
    def ours(self) -> bool:
        return self.bubble.direction == "out" and self.bubble.source != Source.SYSTEM

    @property
    def look(self) -> str:
        """The name of its colour, which is its source's."""
        return self.bubble.source if self.bubble.source in set(Source) else Source.SYSTEM


def lines(bubbles: Sequence[Bubble], clock: Clock) -> list[Line]:
    """Messages, oldest first, with a separator above the first of each day."""
    drawn: list[Line] = []
    before: date | None = None
    for bubble in bubbles:
        on = bubble.said_at.astimezone(clock.business.zone).date()
        drawn.append(_line(bubble, clock, on, first=on != before))
        before = on
    return drawn


def _line(bubble: Bubble, clock: Clock, on: date, *, first: bool) -> Line:
    say = clock.words.gettext
    deleted = bubble.status == Delivery.DELETED
    return Line(
        bubble=bubble,
        day=day_words(on, clock) if first else "",
        day_id=f"day-{on}",
        time=f"{bubble.said_at.astimezone(clock.business.zone):%H:%M}",
        exact=clock.exact(bubble.said_at),
        sign=inbox_words.SIGNS.get(bubble.source, ""),
        who=say(inbox_words.SOURCES.get(bubble.source, inbox_words.SOURCES[Source.SYSTEM])),
        what="" if deleted else what_of(bubble, clock),
        mark=mark_of(bubble, clock),
        deleted=deleted,
        arrived=clock.short(bubble.created_at) if bubble.late else "",
    )


def day_words(on: date, clock: Clock) -> str:
    """A day as people say it: today, yesterday, its name and date, with the year where that is another."""
    today, yesterday = inbox_words.DAYS
    if on == clock.today:
        return clock.words.gettext(today)
    if on == clock.today - timedelta(days=1):
        return clock.words.gettext(yesterday)
    return _date(on, "EEEE d MMMM" if on.year == clock.today.year else "EEEE d MMMM y", clock.locale)


def what_of(bubble: Bubble, clock: Clock) -> str:
    """What a message is that is not only words, as “📷 Photo”; empty for words."""
    return "" if bubble.type in inbox_words.TEXTS else called(bubble.type, clock)


def _told(kind: str) -> tuple[str, str]:
    return inbox_words.TYPES.get(kind, inbox_words.OTHER)


def called(kind: str, clock: Clock) -> str:
    """What a message is that has no words, as “📷 Photo”."""
    sign, words = _told(kind)
    return f"{sign} {clock.words.gettext(words)}".strip()


def mark_of(bubble: Bubble, clock: Clock) -> Mark | None:
    """How far a message of ours came; None for a customer's and for one that was taken back."""
    if bubble.direction != "out" or bubble.status not in inbox_words.STATES:
        return None
    words, icon, colour = inbox_words.STATES[bubble.status]
    return Mark(clock.words.gettext(words), icon, colour)


@dataclass(frozen=True)
class Composer:
    """Where an answer is written. ``closed`` says why it cannot be now, ``until`` for how long it can.

    ``key`` is another one for each drawing, so that one press sends once. ``typed`` was not sent, for ``trouble``.
    """

    key: str
    closed: str
    until: str
    soon: bool
    typed: str = ""
    trouble: str = ""


def composer(thread: Thread, window: Window, key: str, clock: Clock) -> Composer:
    """The composer of a thread, open or closed."""
    say = clock.words.gettext
    if thread.is_blocked:
        return Composer(key, say(inbox_words.BLOCKED), "", soon=False)
    if thread.channel not in ANSWERED:
        return Composer(key, say(inbox_words.NOT_ANSWERED), "", soon=False)
    if window.open and window.until is None:
        return Composer(key, "", say(inbox_words.ALWAYS_OPEN), soon=False)
    if window.until is None:
        return Composer(key, say(inbox_words.NEVER_OPEN), "", soon=False)
    if not window.open:
        return Composer(key, say(inbox_words.CLOSED), "", soon=False)
    until = say(inbox_words.UNTIL).replace("{time}", clock.short(window.until))
    return Composer(key, "", until, soon=window.until - clock.now < SOON)


def refused(drawn: Composer, typed: str, error: TallybookError, clock: Clock) -> Composer:
    """The composer with what was typed still in it, and why it was not sent."""
    return replace(drawn, typed=typed, trouble=clock.words.gettext(error.message))
