"""Statistics and marketing for programs, in the shapes that the dashboard before this one had."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import FromQuery, QueryParameter

from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.monitor.service import marketing, statistics
from tallybook.monitor.service.statistics import OfProject, Statistics, share
from tallybook.monitor.store.marketing_list import Wanted
from tallybook.monitor.store.statistics import Figures, Period
from tallybook.monitor.types import Kind

from .answers import Ok, ok
from .monitor import clock_of
from .monitor_statistics import LABELS
from .monitor_view import read_day
from .needs import Asked, TheApp

TAGS = ["Monitor"]
USUAL_DAYS = 30
MOST_DAYS = 3660
MOST_SUBMISSIONS = 10_000


class Counts(msgspec.Struct, frozen=True, rename="camel"):
    """Distinct drops posted, first or again; complete is complete and looked at. The rate is in percent."""

    total: int
    complete: int
    incomplete: int
    completion_rate: float | None


class ProjectStats(msgspec.Struct, frozen=True, rename="camel"):
    """By the business's days: today, the last 7, the last 30, and all."""

    today: Counts
    week: Counts
    month: Counts
    all_time: Counts


class ProjectSummary(msgspec.Struct, frozen=True, rename="camel"):
    project: str
    total: int
    complete: int
    incomplete: int
    completion_rate: float | None
    resubmitted: int
    first_time_pass_rate: float | None
    needs_attention: int


class Trend(msgspec.Struct, frozen=True, rename="camel"):
    """A day, or from 93 days on a week."""

    first: date = msgspec.field(name="date")
    last: date = msgspec.field(name="lastDate")
    total: int
    complete: int
    resubmitted: int


class Outstanding(msgspec.Struct, frozen=True, rename="camel"):
    """Open drops; ``needs_attention`` were first posted over seven days ago, at whatever time."""

    total: int
    needs_attention: int


class Resubmissions(msgspec.Struct, frozen=True, rename="camel"):
    """``rate``: posted again, of all. ``first_time_pass_rate``: not posted again, of the complete ones. In percent."""

    total: int
    rate: float | None
    first_time_pass_rate: float | None


class CommonFailure(msgspec.Struct, frozen=True, rename="camel"):
    step: str
    label: str
    missing: int
    incorrect: int
    count: int


class Agent(msgspec.Struct, frozen=True, rename="camel"):
    """Somebody who posts (``submissions``) or reviews (``reviews``, of which ``completed``); a day counts once."""

    agent: str
    submissions: int = 0
    reviews: int = 0
    completed: int = 0


class Summary(msgspec.Struct, frozen=True, rename="camel"):
    by_project: list[ProjectSummary]
    overall_stats: Counts
    trends: list[Trend]
    outstanding: Outstanding
    resubmissions: Resubmissions
    common_failures: list[CommonFailure]
    agent_performance: list[Agent]
    counted_at: datetime | None
    behind: bool


def counts(figures: Figures) -> Counts:
    return Counts(
        figures.drops, figures.complete, figures.drops - figures.complete, share(figures.complete, figures.drops)
    )


@get("/api/wa-monitor-project-stats", tags=TAGS)
async def project_stats(request: Asked, app: TheApp, project: FromQuery[str | None] = None) -> Ok[ProjectStats]:
    """A QA project's figures of today, 7 days, 30 days and all time; without ``project`` those of all together.

    A drop posted in two projects counts in each. 404 for a project that there never was.
    """
    require(request.user, Right.SEE)
    today = clock_of(request).today
    found = await _statistics(request, app, Period("chosen", today - timedelta(days=6), today))
    one = next((one for one in found.projects if one.register is Kind.QA and one.project == project), None)
    if project is not None and one is None:
        raise NotFound("There is no such project.")
    one = one or found.total
    return ok(ProjectStats(counts(one.today), counts(one.week), counts(one.month), counts(one.all_time)))


@get("/api/wa-monitor-projects-summary", tags=TAGS)
async def projects_summary(
    request: Asked,
    app: TheApp,
    start: Annotated[str | None, QueryParameter(name="startDate")] = None,
    end: Annotated[str | None, QueryParameter(name="endDate")] = None,
) -> Ok[Summary]:
    """All QA projects over business days, both ends included; without them the last 30.

    ``behind`` says that something has been posted or judged that is not counted yet.
    """
    require(request.user, Right.SEE)
    last = read_day(end or "") or clock_of(request).today
    first = read_day(start or "") or last - timedelta(days=USUAL_DAYS - 1)
    if not 0 <= (last - first).days <= MOST_DAYS:
        raise Invalid("The days must be in order, and at most ten years.")
    found = await _statistics(request, app, Period("chosen", first, last))
    return ok(summary(found))


def summary(found: Statistics) -> Summary:
    """The page's figures in the shape of the API. Pure."""
    total = found.total
    overall = counts(total.chosen)
    return Summary(
        by_project=[_project(one) for one in found.projects if one.register is Kind.QA],
        overall_stats=overall,
        trends=[Trend(one.first, one.last, one.drops, one.complete, one.repeated) for one in found.points],
        outstanding=Outstanding(overall.incomplete, total.waiting),
        resubmissions=Resubmissions(
            total.chosen.again,
            share(total.chosen.again, total.chosen.drops),
            share(total.chosen.passed, total.chosen.complete),
        ),
        common_failures=[
            CommonFailure(one.column, LABELS[one.column], one.missing, one.wrong, one.missing + one.wrong)
            for one in found.failures
        ],
        agent_performance=[
            *(Agent(one.who, submissions=one.drops) for one in found.senders),
            *(Agent(one.who, reviews=one.drops, completed=one.complete) for one in found.reviewers),
        ],
        counted_at=found.freshness.counted_at,
        behind=found.freshness.behind,
    )


def _project(one: OfProject) -> ProjectSummary:
    chosen = counts(one.chosen)
    return ProjectSummary(
        project=one.project,
        total=chosen.total,
        complete=chosen.complete,
        incomplete=chosen.incomplete,
        completion_rate=chosen.completion_rate,
        resubmitted=one.chosen.again,
        first_time_pass_rate=share(one.chosen.passed, one.chosen.complete),
        needs_attention=one.waiting,
    )


async def _statistics(request: Asked, app: TheApp, period: Period) -> Statistics:
    business = request.user.business
    return await app.db.run("read statistics", lambda conn: statistics.of_period(conn, business, period))


class MarketingStats(msgspec.Struct, frozen=True, rename="camel"):
    """``unknown``: nobody knows whether they are valid."""

    total: int
    valid: int
    invalid: int
    unknown: int


class MarketingDrop(msgspec.Struct, frozen=True, rename="camel"):
    drop_number: str
    project: str
    submitted_at: datetime
    submitted_by: str | None
    user_name: str | None
    is_valid: bool | None
    validation_message: str | None
    lat: float | None
    long: float | None


class MarketingDay(msgspec.Struct, frozen=True, rename="camel"):
    day: date = msgspec.field(name="date")
    stats: MarketingStats
    submissions: list[MarketingDrop]


@get("/api/marketing-activations", tags=TAGS)
async def marketing_activations(request: Asked, app: TheApp, date: FromQuery[str | None] = None) -> Ok[MarketingDay]:
    """The drops posted to marketing on a business day, the newest first, and where they are as far as it is known.

    Without ``date`` that of today in the business's time zone. At most 10,000 are told; ``stats`` counts all.
    """
    require(request.user, Right.SEE)
    business = request.user.business
    wanted = Wanted(read_day(date or "") or clock_of(request).today)

    async def work(conn: Conn) -> MarketingDay:
        tally = await marketing.tally(conn, business, wanted)
        rows = await marketing.listed(conn, business, wanted, None, MOST_SUBMISSIONS)
        return MarketingDay(
            wanted.day,
            MarketingStats(tally.total, tally.valid, tally.invalid, tally.unknown),
            [
                MarketingDrop(
                    one.drop_number, one.project, one.said_at, one.submitted_by, one.user_name, one.is_valid,
                    one.validation_message, one.latitude, one.longitude,
                )
                for one in rows
            ],
        )  # fmt: skip

    return ok(await app.db.run("list marketing", work))


HANDLERS = [project_stats, projects_summary, marketing_activations]
