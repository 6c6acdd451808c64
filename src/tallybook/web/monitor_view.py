"""What the monitor's pages show, made from what the monitor knows. Pure: no database, no request."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from gettext import NullTranslations
from statistics import median
from urllib.parse import urlencode

import msgspec

from tallybook.core.errors import Invalid, TallybookError
from tallybook.core.numbers import BIGINT_DIGITS, INT_DIGITS, number_in
from tallybook.monitor.types import (
    NOBODY,
    STEPS,
    Changes,
    DayCount,
    Filters,
    Kind,
    Place,
    Posted,
    Review,
    ReviewRow,
    Shown,
    Verdict,
)

from . import phrases
from .times import Clock

PATH = "/wa-monitor"
PAGE_SIZE = 50
MAX_SEARCH = 50
MAX_PROJECT = 100
SPARK_HEIGHT = 28
LABELS = {step.column: step.label for step in STEPS}
REASONS = phrases.REASONS
NOT_OURS = "This page is not one of ours. Load it again."
NOT_A_PERSON = -1  # nothing is assigned to a token of nobody


@dataclass(frozen=True)
class Query:
    """The filters as they stand in the URL. No dates at all means today; empty dates mean any day."""

    clock: Clock
    project: str = ""
    search: str = ""
    shown: Shown = Shown.ALL
    posted: Posted = Posted.ANY
    first_day: date | None = None
    last_day: date | None = None
    assigned: str = ""
    me: int | None = None

    @property
    def filters(self) -> Filters:
        named = {"": None, "me": self.me or NOT_A_PERSON, "nobody": NOBODY}
        assigned = named[self.assigned] if self.assigned in named else int(self.assigned)
        return Filters(
            self.project or None, self.search, self.shown, self.posted, self.first_day, self.last_day, assigned
        )

    @property
    def is_today(self) -> bool:
        return self.first_day == self.last_day == self.clock.today

    @property
    def narrowed(self) -> bool:
        """Whether anything but the day of today is asked for."""
        return bool(
            self.project
            or self.search
            or self.assigned
            or self.shown != "all"
            or self.posted != "any"
            or not self.is_today
        )

    @property
    def period(self) -> str:
        """The chosen days, in a few words."""
        first, last = self.first_day, self.last_day
        for name, days in self._named_periods():
            if days == (first, last):
                return name
        if first == last and first is not None:
            return self.clock.day(first)
        return f"{self.clock.day(first) if first else '…'} – {self.clock.day(last) if last else '…'}"

    @property
    def periods(self) -> list[tuple[str, str, bool]]:
        """The common periods: name, link, whether it is the chosen one."""
        return [
            (
                name,
                replace(self, first_day=first, last_day=last).link(),
                (first, last) == (self.first_day, self.last_day),
            )
            for name, (first, last) in self._named_periods()
        ]

    def _named_periods(self) -> list[tuple[str, tuple[date | None, date | None]]]:
        say, today = self.clock.words.gettext, self.clock.today
        yesterday = today - timedelta(days=1)
        week = today - timedelta(days=6)
        days = ((today, today), (yesterday, yesterday), (week, today), (None, None))
        return [(say(name), span) for name, span in zip(phrases.PERIODS, days, strict=True)]

    def link(self, path: str = PATH, after: str = "") -> str:
        """The address of this view, without what is the default."""
        parts = {"project": self.project, "q": self.search, "assigned": self.assigned, "after": after}
        parts |= {"show": self.shown if self.shown is not Shown.ALL else ""}
        parts |= {"posted": self.posted if self.posted is not Posted.ANY else ""}
        kept = {name: str(value) for name, value in parts.items() if value}
        if not self.is_today:
            kept |= {"from": str(self.first_day or ""), "to": str(self.last_day or "")}
        return f"{path}?{urlencode(kept)}" if kept else path


def read_query(parameters: Mapping[str, str], clock: Clock, me: int | None = None) -> Query:
    """The filters of a request; ``me`` is the account that asks. Raises Invalid for a value that means nothing."""
    search, project = parameters.get("q", "").strip(), parameters.get("project", "")
    if len(search) > MAX_SEARCH or len(project) > MAX_PROJECT or "\0" in search + project:
        raise Invalid("A search may be at most 50 characters long, a project's name 100.")
    given = "from" in parameters or "to" in parameters
    first = read_day(parameters.get("from", "")) if given else clock.today
    last = read_day(parameters.get("to", "")) if given else clock.today
    try:
        shown, posted = Shown(parameters.get("show") or "all"), Posted(parameters.get("posted") or "any")
    except ValueError:
        raise Invalid("“show” is all, open or complete; “posted” is any, once or again.") from None
    assigned = parameters.get("assigned", "")
    if assigned not in {"", "me", "nobody"} and number_in(assigned, INT_DIGITS) is None:
        raise Invalid("“assigned” is me, nobody or the number of an account.")
    return Query(clock, project, search, shown, posted, first, last, assigned, me)


def read_day(text: str) -> date | None:
    """A day as a form writes it; None for none. Raises Invalid."""
    return day_in(text) if text else None


def day_in(text: str) -> date:
    """A day that a form must name. Raises Invalid."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Invalid("A day is written as 2026-01-31.") from None
    if not date(2000, 1, 1) <= day <= date(9000, 1, 1):
        raise Invalid("That day is out of range.")
    return day


def write_cursor(row: ReviewRow) -> str:
    """Where a page ended, opaque: only read_cursor() looks inside."""
    place = Place(row.resubmitted, row.last_said_at, row.id)
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def read_cursor(text: str | None) -> Place | None:
    """The place that write_cursor() wrote. Raises Invalid for anything else."""
    if not text:
        return None
    try:
        return msgspec.json.decode(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True), type=Place)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise Invalid("This place in the list is not one of ours. Start again without “after”.") from None


@dataclass(frozen=True)
class DayView:
    """A project's day as drawn. ``bars`` are heights, oldest first and today last; ``middle`` is the usual day."""

    project: str
    drops: int
    complete: int
    again: int
    middle: int
    middle_y: float
    bars: list[float]
    link: str
    chosen: bool


def day_view(day: DayCount, query: Query) -> DayView:
    values = [*day.usual, day.drops]
    top = max([*values, 1])
    heights = [round(max(value / top * SPARK_HEIGHT, 1), 1) for value in values]
    worked = [value for value in day.usual if value]
    middle = round(median(worked)) if worked else 0
    chosen = day.project == query.project
    target = "" if chosen else day.project
    link = replace(query, project=target).link() if day.kind is Kind.QA else ""
    middle_y = round(SPARK_HEIGHT - middle / top * SPARK_HEIGHT, 1)
    return DayView(day.project, day.drops, day.complete, day.again, middle, middle_y, heights, link, chosen)


@dataclass(frozen=True)
class StepView:
    column: str
    label: str
    mark: Verdict
    reason: str


def step_views(review: Review, typed: Mapping[str, str]) -> list[StepView]:
    """The twelve steps in display order; what somebody typed stands where the record's own words would."""
    views = []
    for step, mark in zip(STEPS, review.verdicts, strict=True):
        chosen = typed.get(step.column, mark)
        reason = typed.get(f"reason_{step.column}", review.reasons.get(step.column, ""))
        views.append(StepView(step.column, step.label, Verdict(chosen) if chosen in set(Verdict) else mark, reason))
    return views


def trouble_of(error: TallybookError, words: NullTranslations) -> str:
    """Why a form was not saved, in the reader's words."""
    say, details = words.gettext, error.details
    if "locked_by" in details:
        return say(phrases.LOCKED).replace("{name}", str(details["locked_by"]))
    if "step" in details and details["step"] in LABELS and isinstance(error, Invalid):
        return say(phrases.NO_REASON).replace("{step}", say(LABELS[details["step"]]))
    return say(error.message)


def marks_of(verdicts: Sequence[Verdict]) -> str:
    """Twelve letters that a form carries, so that only what its writer changed is written."""
    return "".join(verdict[0] for verdict in verdicts)


def read_form(form: Mapping[str, str]) -> Changes:
    """The changes that a form asks for. Raises Invalid for a wrong step without a reason."""
    was = form.get("was", "")
    ticks: dict[str, bool] = {}
    reasons: dict[str, str] = {}
    for number, step in enumerate(STEPS):
        mark = form.get(step.column)
        if mark is None or (mark[:1] == was[number : number + 1] and mark != Verdict.WRONG):
            continue
        reason = form.get(f"reason_{step.column}", "").strip()
        if mark == Verdict.WRONG and not reason:
            raise Invalid(f"Say what is wrong with: {step.label}.", step=step.column)
        if mark not in set(Verdict):
            raise Invalid("A step is missing, right or wrong.", step=step.column)
        ticks[step.column] = mark == Verdict.RIGHT
        reasons[step.column] = reason if mark == Verdict.WRONG else ""
    posts = read_posts(form["posts"]) if form.get("posts") else None
    return Changes(ticks, reasons, form.get("comment"), posts)


def read_number(text: str, digits: int = BIGINT_DIGITS) -> int:
    """A number that our page put into a form. Raises Invalid for any other text."""
    number = number_in(text, digits)
    if number is None:
        raise Invalid(NOT_OURS)
    return number


def read_posts(text: str) -> int:
    """How many posts a form showed. Raises Invalid for what is no such number."""
    return read_number(text, INT_DIGITS)
