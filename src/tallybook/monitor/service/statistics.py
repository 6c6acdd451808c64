"""Statistics: what was posted, how it stands, what goes wrong, who does what. By the day on which it was said.

All figures are of distinct drops in a project, as the list of reviews means them: a drop is of a period if it was
posted in it, first or again; open is not complete, or posted again and not looked at. They come from counts that are
kept by day, and are exact: a page counts what was touched since, or says that it is behind.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.monitor.store import statistics as store
from tallybook.monitor.store import statistics_count, statistics_marks
from tallybook.monitor.store.statistics import Bucket, Failure, Figures, Period, Person, Place
from tallybook.monitor.types import Kind

OUTSTANDING_DAYS = 7
FEW_DAYS = 3  # that a page counts itself; more are left to the worker
PATIENCE = timedelta(seconds=10)
MOST_FAILURES = 5
MOST_PEOPLE = 10
DAILY_AT_MOST = 92  # days of a period that are drawn one by one; a longer one is drawn by weeks
TODAY, WEEK, MONTH, CHOSEN = "today", "week", "month", "chosen"


class Freshness(msgspec.Struct, frozen=True):
    """When it was last counted, whether something waits to be, when all days were held against their rows."""

    counted_at: datetime | None
    behind: bool
    whole_at: datetime | None
    mended: int


class OfProject(msgspec.Struct, frozen=True):
    """A project's figures. ``chosen`` is of the period asked for; ``waiting`` is open for over seven days."""

    register: Kind
    project: str
    today: Figures
    week: Figures
    month: Figures
    all_time: Figures
    chosen: Figures
    waiting: int
    line: list[int]


class Point(msgspec.Struct, frozen=True):
    """A day or a week of all projects together. A drop posted in two projects counts in each."""

    first: date
    last: date
    drops: int
    complete: int
    repeated: int


class Statistics(msgspec.Struct, frozen=True):
    """All that the page shows of a period."""

    period: Period
    weekly: bool
    projects: list[OfProject]
    points: list[Point]
    judged: int
    failures: list[Failure]
    senders: list[Person]
    reviewers: list[Person]
    freshness: Freshness

    @property
    def total(self) -> OfProject:
        """The QA projects together."""
        return together([one for one in self.projects if one.register is Kind.QA])


async def freshen(conn: Conn, business: Business) -> Freshness:
    """Counts what was touched, if that is little and nobody else counts; else says that it waits."""
    turn = await statistics_marks.see_turn(conn, business.id)
    waiting = await statistics_marks.waiting(conn, business.id)
    if 0 < len(waiting) <= FEW_DAYS and turn.whole_at is not None:
        taken = await statistics_marks.try_turn(conn, business.id)
        if taken is not None:
            await fold(conn, business)
            turn = await statistics_marks.see_turn(conn, business.id)
            waiting = await statistics_marks.waiting(conn, business.id)
    return Freshness(turn.counted_at, bool(waiting) or turn.whole_at is None, turn.whole_at, turn.mended)


async def keeps_up(conn: Conn, business: Business) -> bool:
    """Whether what is kept of days gone by can be shown beside today's, without counting anything first.

    Not before everything was counted once, and not while something has waited longer than counting takes.
    """
    if (await statistics_marks.see_turn(conn, business.id)).whole_at is None:
        return False
    waited = await statistics_marks.oldest(conn, business.id)
    return waited is None or waited < PATIENCE


async def fold(conn: Conn, business: Business, always: tuple[date, ...] = ()) -> bool:
    """Counts the days that marks name, and ``always`` others. Returns whether there were marks. May be repeated."""
    await statistics_marks.take_turn(conn, business.id)
    days = await statistics_marks.take_marks(conn, business)
    if days or always:
        await statistics_count.count_again(conn, business, sorted({*days, *always}))
    await statistics_marks.counted(conn, business.id)
    return bool(days)


async def of_period(conn: Conn, business: Business, period: Period, project: str | None = None) -> Statistics:
    """Everything of a period. With ``project``, failures, people and points are of that one alone."""
    freshness = await freshen(conn, business)
    weekly = (period.last - period.first).days >= DAILY_AT_MOST
    buckets = await store.trend(conn, business.id, period, weekly=weekly)
    judged, failures = await store.failures(conn, business.id, period, project)
    people = await store.people(conn, business.id, period, project, MOST_PEOPLE)
    chosen = [one for one in buckets if one.register is Kind.QA and project in {None, one.project}]
    return Statistics(
        period=period,
        weekly=weekly,
        projects=await by_project(conn, business, period, buckets),
        points=points(period, chosen, weekly=weekly),
        judged=judged,
        failures=worst(failures),
        senders=people["sender"],
        reviewers=people["reviewer"],
        freshness=freshness,
    )


async def by_project(conn: Conn, business: Business, period: Period, buckets: list[Bucket]) -> list[OfProject]:
    """Each active project and each that has any figure, QA before marketing."""
    today = datetime.now(UTC).astimezone(business.zone).date()
    figures = await store.of_periods(
        conn, business.id, [*usual_periods(today), msgspec.structs.replace(period, name=CHOSEN)]
    )
    ever = await store.ever(conn, business.id, today - timedelta(days=OUTSTANDING_DAYS))
    known = await store.projects(conn, business)
    others = sorted(set(ever) - set(known), key=lambda place: (place[0] is Kind.MARKETING, place[1]))
    starts = starts_of(period, weekly=(period.last - period.first).days >= DAILY_AT_MOST)
    return [
        _of_project(place, figures, ever, starts, buckets)
        for place in sorted([*known, *others], key=lambda place: place[0] is Kind.MARKETING)
    ]


def _of_project(
    place: Place,
    figures: dict[tuple[str, Place], Figures],
    ever: dict[Place, tuple[Figures, int]],
    starts: list[date],
    buckets: list[Bucket],
) -> OfProject:
    all_time, waiting = ever.get(place, (Figures(), 0))
    drops = {one.first: one.drops for one in buckets if (one.register, one.project) == place}
    return OfProject(
        register=place[0],
        project=place[1],
        today=figures.get((TODAY, place), Figures()),
        week=figures.get((WEEK, place), Figures()),
        month=figures.get((MONTH, place), Figures()),
        all_time=all_time,
        chosen=figures.get((CHOSEN, place), Figures()),
        waiting=waiting if place[0] is Kind.QA else 0,
        line=[drops.get(start, 0) for start in starts],
    )


def usual_periods(today: date) -> list[Period]:
    """Today, the last seven days and the last thirty, today included. Pure."""
    return [Period(name, today - timedelta(days=back), today) for name, back in ((TODAY, 0), (WEEK, 6), (MONTH, 29))]


def starts_of(period: Period, *, weekly: bool) -> list[date]:
    """The first day of each day or week of a period; its first week may begin in the middle. Pure."""
    days = [period.first + timedelta(days=n) for n in range((period.last - period.first).days + 1)]
    return [day for day in days if not weekly or day == period.first or day.weekday() == 0]


def points(period: Period, buckets: list[Bucket], *, weekly: bool) -> list[Point]:
    """The buckets of all projects added up, those without a post as zeros. Pure."""
    starts = starts_of(period, weekly=weekly)
    ends = [start - timedelta(days=1) for start in starts[1:]] + [period.last]
    sums = {start: [0, 0, 0] for start in starts}
    for one in buckets:
        for place, value in enumerate((one.drops, one.complete, one.repeated)):
            sums[one.first][place] += value
    return [Point(start, end, *sums[start]) for start, end in zip(starts, ends, strict=True)]


def worst(failures: list[Failure]) -> list[Failure]:
    """The five steps that fail most, the worst first. Pure."""
    ordered = sorted(failures, key=lambda one: one.missing + one.wrong, reverse=True)
    return [one for one in ordered if one.missing + one.wrong][:MOST_FAILURES]


def together(projects: list[OfProject]) -> OfProject:
    """Projects added up. Pure."""

    def added(parts: list[Figures]) -> Figures:
        rows = [msgspec.structs.astuple(part) for part in parts]
        return Figures(*(sum(column) for column in zip(*rows, strict=True))) if rows else Figures()

    return OfProject(
        register=Kind.QA,
        project="",
        today=added([one.today for one in projects]),
        week=added([one.week for one in projects]),
        month=added([one.month for one in projects]),
        all_time=added([one.all_time for one in projects]),
        chosen=added([one.chosen for one in projects]),
        waiting=sum(one.waiting for one in projects),
        line=[sum(column) for column in zip(*(one.line for one in projects), strict=True)],
    )


def share(part: int, whole: int) -> float | None:
    """A percentage with one decimal; None of nothing. Pure."""
    return round(100 * part / whole, 1) if whole else None
