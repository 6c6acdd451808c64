"""When a business is open: by its week, its own days, and the public holidays that it keeps. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

import holidays
import msgspec
from msgspec import Meta

from tallybook.core import wall_clock
from tallybook.core.errors import Invalid

Clock = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$")]
Span = tuple[Clock, Clock]
DAYS = 7
LOOK = 60  # days in which a closed business opens again, or an open one closes; longer is for ever
MOST_SPANS, MOST_DATES = 4, 400
MIDNIGHT = "24:00"
LETTERS = 2  # of a country's code


class Hours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a business is open, by its own clocks.

    ``week`` are the times from and to for each day, Monday first; ``dates`` are days that are otherwise, by date as
    YYYY-MM-DD; a day without times is closed all day. On a public holiday of ``country`` it is closed, unless that date
    says otherwise. Without a week it is always open.
    """

    week: list[list[Span]] = []
    country: str = ""
    dates: Mapping[str, list[Span]] = {}

    @property
    def told(self) -> bool:
        """Whether anybody said when it is open."""
        return bool(self.week)


class Period(msgspec.Struct, frozen=True):
    """A time in which a business is open, or closed. None is for ever."""

    open: bool
    since: datetime | None
    until: datetime | None


def checked(hours: Hours) -> Hours:
    """The hours with their times in order. Raises Invalid for what cannot be."""
    if len(hours.week) not in {0, DAYS}:
        raise Invalid("A week has seven days.")
    if len(hours.dates) > MOST_DATES:
        raise Invalid("There are too many days of your own. Take out those that are over.")
    if hours.country and hours.country not in countries():
        raise Invalid("The public holidays of this country are not known.")
    for written in hours.dates:
        _date(written)
    return msgspec.structs.replace(
        hours, week=[_spans(day) for day in hours.week], dates={on: _spans(day) for on, day in hours.dates.items()}
    )


def _date(written: str) -> date:
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise Invalid("A day is written as year-month-day, for example 2026-12-24.") from None


def _spans(day: list[Span]) -> list[Span]:
    ordered = sorted(day)
    if len(ordered) > MOST_SPANS:
        raise Invalid("A day has at most four times at which it opens.")
    ends = [closes for _, closes in ordered]
    begins = [opens for opens, _ in ordered]
    if any(opens >= closes for opens, closes in ordered):
        raise Invalid("A day closes after it opens. What goes over midnight is written on both days.")
    if any(begin < end for begin, end in zip(begins[1:], ends, strict=False)):
        raise Invalid("Two opening times of one day lie over each other.")
    return ordered


@lru_cache(maxsize=1)
def countries() -> frozenset[str]:
    """The countries whose public holidays are known, by their two letters."""
    return frozenset(one for one in holidays.list_supported_countries() if "-" not in one and len(one) == LETTERS)


@lru_cache(maxsize=256)
def public(country: str, year: int) -> Mapping[date, str]:
    """The public holidays of a country in a year, with their names there; none for no country."""
    return dict(holidays.country_holidays(country, years=year)) if country else {}


def spans_on(hours: Hours, on: date) -> list[Span]:
    """The opening times of one day."""
    own = hours.dates.get(on.isoformat())
    if own is not None:
        return list(own)
    if not hours.told:
        return [("00:00", MIDNIGHT)]
    return [] if on in public(hours.country, on.year) else list(hours.week[on.weekday()])


def instant(on: date, clock: str, zone: ZoneInfo) -> datetime:
    """When the clocks of a zone show a time, in UTC; where they jump over it, when they jump."""
    if clock == MIDNIGHT:
        return wall_clock.instant(datetime.combine(on + timedelta(days=1), time.min), zone)
    return wall_clock.instant(datetime.combine(on, time.fromisoformat(clock)), zone)


def period(hours: Hours, zone: ZoneInfo, now: datetime) -> Period:
    """Whether the business is open at a moment, since when, and until when."""
    today = now.astimezone(zone).date()
    first, last = today - timedelta(days=LOOK), today + timedelta(days=LOOK)
    joined = _times(msgspec.json.encode(hours), zone, first)
    inside = next((span for span in joined if span[0] <= now < span[1]), None)
    if inside is None:
        ended = max((end for _, end in joined if end <= now), default=None)
        return Period(open=False, since=ended, until=min((begin for begin, _ in joined if begin > now), default=None))
    # What reaches the edge of what was looked at reaches beyond it.
    begin, end = inside
    return Period(
        open=True,
        since=None if begin == instant(first, "00:00", zone) else begin,
        until=None if end == instant(last, MIDNIGHT, zone) else end,
    )


# Asked for each message of a day: by what is written, since hours are not compared themselves.
@lru_cache(maxsize=64)
def _times(written: bytes, zone: ZoneInfo, first: date) -> Sequence[tuple[datetime, datetime]]:
    """All times at which a business is open, from a day on."""
    hours = msgspec.json.decode(written, type=Hours)
    return _joined([
        (instant(on, opens, zone), instant(on, closes, zone))
        for on in (first + timedelta(days=day) for day in range(2 * LOOK + 1))
        for opens, closes in spans_on(hours, on)
    ])  # fmt: skip


def _joined(spans: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Times that touch, as over midnight, are one."""
    found: list[tuple[datetime, datetime]] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found
