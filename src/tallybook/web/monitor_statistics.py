"""Statistics: the projects against their usual, what goes wrong, who does what. Every number leads to its list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from litestar import Response, get
from litestar.params import FromQuery
from litestar.response import Stream

from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.core.table_files import Rows, Table
from tallybook.monitor.service import statistics
from tallybook.monitor.service.statistics import OfProject, Statistics, share
from tallybook.monitor.service.statistics_picture import Caption, picture
from tallybook.monitor.store.statistics import Figures, Period
from tallybook.monitor.types import Kind

from . import monitor_view, pages, phrases, statistics_drawing
from .downloads import download, kind_of
from .monitor import clock_of
from .needs import Asked, TheApp
from .times import Clock

PATH = "/wa-monitor/statistics"
N_ = phrases.N_
PERIODS = {7: N_("Last 7 days"), 30: N_("Last 30 days"), 90: N_("Last 90 days"), 365: N_("Last 365 days")}
USUAL = 30
LABELS = monitor_view.LABELS


@dataclass(frozen=True)
class Query:
    """The filters as they stand in the URL."""

    clock: Clock
    days: int = USUAL
    project: str = ""

    @property
    def period(self) -> Period:
        today = self.clock.today
        return Period("chosen", today - timedelta(days=self.days - 1), today)

    def link(self, path: str = PATH, **changes: Any) -> str:
        parts = {"days": self.days, "project": self.project} | changes
        kept = {name: str(value) for name, value in parts.items() if value and (name, value) != ("days", USUAL)}
        return f"{path}?{urlencode(kept)}" if kept else path

    def list_link(self, project: str, first: date | None, last: date, show: str = "") -> str:
        """The list whose length a figure is."""
        parts = {"project": project, "from": str(first or ""), "to": str(last), "show": show}
        kept = {name: value for name, value in parts.items() if value or name == "from"}
        return f"{monitor_view.PATH}?{urlencode(kept)}"


def read_query(given: Mapping[str, str], clock: Clock) -> Query:
    """The filters of a request. Raises Invalid for a value that means nothing."""
    days, project = given.get("days") or str(USUAL), given.get("project", "")
    if days not in {str(known) for known in PERIODS}:
        raise Invalid("“days” is 7, 30, 90 or 365.")
    if len(project) > monitor_view.MAX_PROJECT or "\0" in project:
        raise Invalid("A search may be at most 50 characters long, a project's name 100.")
    return Query(clock, int(days), project)


def asked(request: Asked) -> Query:
    """Raises NotAllowed and Invalid."""
    require(request.user, Right.SEE)
    given = dict(reversed(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)))
    return read_query(given, clock_of(request))


async def found_by(request: Asked, app: TheApp, query: Query) -> Statistics:
    business = request.user.business
    return await app.db.run(
        "read statistics",
        lambda conn: statistics.of_period(conn, business, query.period, query.project or None),
    )


@get(PATH, include_in_schema=False)
async def statistics_page(request: Asked, app: TheApp) -> Response[str]:
    """The figures of a period."""
    query = asked(request)
    found = await found_by(request, app, query)
    shown = next((one for one in found.projects if one.register is Kind.QA and one.project == query.project), None)
    context = {
        "clock": query.clock,
        "query": query,
        "found": found,
        "shown": (shown if query.project else None) or found.total,
        "periods": PERIODS,
        "chart": statistics_drawing.drawing(
            [[one.drops for one in found.points], [one.complete for one in found.points]]
        ),
        "small": statistics_drawing.small,
        "share": share,
        "labels": LABELS,
        "spans": spans(query),
        "week_ago": query.clock.today - timedelta(days=statistics.OUTSTANDING_DAYS + 1),
        "qa": [one for one in found.projects if one.register is Kind.QA],
        "marketing": [one for one in found.projects if one.register is Kind.MARKETING],
    }
    return pages.page(request, "monitor/statistics.html", context)


def spans(query: Query) -> list[tuple[str, str, date | None]]:
    """The columns of the table: a figure's name, its heading, and since when."""
    say, today = query.clock.words.gettext, query.clock.today
    return [
        ("today", say(N_("Today")), today),
        ("week", say(N_("7 days")), today - timedelta(days=6)),
        ("month", say(N_("30 days")), today - timedelta(days=29)),
        ("all_time", say(N_("Ever")), None),
    ]


# ── As files ────────────────────────────────────────────────────────────────────────────────────────────────────────

Made = tuple[Sequence[str], list[list[object]]]


@get([f"{PATH}.csv", f"{PATH}.xlsx"], include_in_schema=False)
async def export_statistics(request: Asked, app: TheApp, table: FromQuery[str] = "projects") -> Stream:
    """One of the page's tables: ``projects``, ``trend``, ``failures`` or ``people``."""
    query = asked(request)
    if table not in TABLES:
        raise Invalid("“table” is projects, trend, failures or people.")
    found = await found_by(request, app, query)
    head, rows = TABLES[table](found)

    async def batches() -> AsyncGenerator[Rows, None]:
        yield rows

    def made(_: Conn) -> Table:
        return Table(table.capitalize(), head, batches())

    name = f"{table}-{found.period.first}-{found.period.last}"
    return await download(app, kind_of(request.scope["path"]), name, made)


def _projects(found: Statistics) -> Made:
    head = ["Project", "Register"]
    for name in ("Today", "7 days", "30 days", "Ever", f"{found.period.first} to {found.period.last}"):
        head += [f"{name}: drops", f"{name}: complete", f"{name}: posted again", f"{name}: complete at once"]
    return [*head, "Open for over 7 days"], [_of_project(one) for one in found.projects]


def _of_project(one: OfProject) -> list[object]:
    spans_of = (one.today, one.week, one.month, one.all_time, one.chosen)
    cells = [cell for span in spans_of for cell in _figures(span, one.register)]
    return [one.project, one.register.value, *cells, one.waiting if one.register is Kind.QA else None]


def _figures(span: Figures, register: Kind) -> list[object]:
    judged = register is Kind.QA
    return [span.drops, span.complete if judged else None, span.again, span.passed if judged else None]


def _trend(found: Statistics) -> Made:
    head = ["From", "To", "Drops", "Complete", "Posted again"]
    return head, [[one.first, one.last, one.drops, one.complete, one.repeated] for one in found.points]


def _failures(found: Statistics) -> Made:
    head = ["Step", "Missing", "Incorrect", "Of judged drops"]
    return head, [[LABELS[one.column], one.missing, one.wrong, found.judged] for one in found.failures]


def _people(found: Statistics) -> Made:
    rows: list[list[object]] = [["posted", one.who, one.drops, None] for one in found.senders]
    return ["Did", "Who", "Drops", "Completed"], [
        *rows, *(["reviewed", one.who, one.drops, one.complete] for one in found.reviewers),
    ]  # fmt: skip


@get(f"{PATH}.png", include_in_schema=False)
async def statistics_picture(request: Asked, app: TheApp) -> Response[bytes]:
    """The trend as a picture."""
    query = asked(request)
    found = await found_by(request, app, query)
    say = query.clock.words.gettext
    title = f"{request.user.business.name}: {say(PERIODS[query.days])}"
    caption = Caption(title, say(N_("posted")), say(N_("of these complete")), say(N_("Usually")))
    days = [query.clock.day(one.first) for one in found.points]
    content = await asyncio.to_thread(picture, found.points, caption, days)
    name = f"drops-{found.period.first}-{found.period.last}.png"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(content, media_type="image/png", headers=headers)


TABLES = {"projects": _projects, "trend": _trend, "failures": _failures, "people": _people}

HANDLERS = [statistics_page, export_statistics, statistics_picture]
