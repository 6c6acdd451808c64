"""The list of reviews as a file: exactly the rows that its filters show, in its order."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from zoneinfo import ZoneInfo

from litestar import get
from litestar.response import Stream

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.table_files import MOST_ROWS, Rows, Table
from tallybook.monitor.service import reviews
from tallybook.monitor.store.review_export import ExportRow
from tallybook.monitor.types import STEPS, Filters, Verdict

from .downloads import download, kind_of
from .monitor import look
from .monitor_view import PATH, Query
from .needs import Asked, TheApp

WORDS = {Verdict.RIGHT: "OK", Verdict.MISSING: "MISSING", Verdict.WRONG: "INCORRECT"}


@get([f"{PATH}/export.csv", f"{PATH}/export.xlsx"], include_in_schema=False)
async def export_list(request: Asked, app: TheApp) -> Stream:
    """The filtered list; times are by the clocks of the business, which its heading names."""
    asked = look(request)
    kind = kind_of(request.scope["path"])
    filters, business = asked.query.filters, asked.business
    return await download(app, kind, _name(asked.query), lambda conn: _table(conn, business, filters, kind))


def _name(query: Query) -> str:
    days = [str(day) for day in dict.fromkeys((query.first_day, query.last_day)) if day]
    return "-".join(["drops", *days])


def _table(conn: Conn, business: Business, filters: Filters, kind: str) -> Table:
    return Table("Drops", heading(business), _batches(conn, business, filters, MOST_ROWS[kind] + 1))


def heading(business: Business) -> list[str]:
    zone = business.time_zone
    steps = [step.label for step in STEPS]
    return [
        "Drop", "Project", f"Posted ({zone})", f"Last posted ({zone})", "Posts", "By", "State", "Posted again", *steps,
        "Assigned to", "Comment",
    ]  # fmt: skip


async def _batches(conn: Conn, business: Business, filters: Filters, most: int) -> AsyncGenerator[Rows, None]:
    async with aclosing(reviews.exported(conn, business, filters, most)) as batches:
        async for found in batches:
            yield [cells(one, business.zone) for one in found]


def cells(one: ExportRow, zone: ZoneInfo) -> list[object]:
    """A review as a row of a spreadsheet. Pure."""
    row = one.row
    return [
        row.drop_number, row.project, wall(row.said_at, zone), wall(row.last_said_at, zone), row.posts, row.user_name,
        "Complete" if row.completed else "Open", "yes" if row.resubmitted else "",
        *(WORDS[mark] for mark in row.verdicts), row.assigned, one.comment,
    ]  # fmt: skip


def wall(at: datetime, zone: ZoneInfo) -> datetime:
    """A moment by the clocks of a zone, to the second. Pure."""
    return at.astimezone(zone).replace(tzinfo=None, microsecond=0)


HANDLERS = [export_list]
