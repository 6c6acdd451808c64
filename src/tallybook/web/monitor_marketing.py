"""Marketing: the drops activated on a day, whether a list knows them, and a link to where they are."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, get_args
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import Response, get
from litestar.response import Stream

from tallybook.core.businesses import Business
from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.core.table_files import MOST_ROWS, Rows, Table
from tallybook.monitor.service import marketing
from tallybook.monitor.service.marketing import Activation, Spot, Wanted
from tallybook.monitor.store.marketing_list import Validity

from . import pages, register_words
from .downloads import download, kind_of
from .monitor import clock_of
from .monitor_export import wall
from .monitor_view import MAX_PROJECT, MAX_SEARCH, read_day
from .needs import Asked, TheApp
from .times import Clock

PATH = "/wa-monitor/marketing"
PAGE_SIZE = 100
VALIDITIES: tuple[Validity, ...] = get_args(Validity)
MAP = "https://www.openstreetmap.org/?mlat={lat}&mlon={long}#map=18/{lat}/{long}"  # followed by a click alone


@dataclass(frozen=True)
class Query:
    """The filters as they stand in the URL; without a date it is today's."""

    clock: Clock
    wanted: Wanted

    @property
    def narrowed(self) -> bool:
        return bool(self.wanted.project or self.wanted.search or self.wanted.validity != "all")

    @property
    def is_today(self) -> bool:
        return self.wanted.day == self.clock.today

    def link(self, path: str = PATH, after: str = "", **changes: Any) -> str:
        """The address of this view with changes, without what is the default."""
        wanted = msgspec.structs.replace(self.wanted, **changes)
        parts = {
            "date": "" if wanted.day == self.clock.today else str(wanted.day),
            "project": wanted.project or "",
            "q": wanted.search,
            "valid": "" if wanted.validity == "all" else wanted.validity,
            "after": after,
        }
        kept = {name: value for name, value in parts.items() if value}
        return f"{path}?{urlencode(kept)}" if kept else path

    def day_link(self, days: int) -> str:
        """The same filters, some days later."""
        return self.link(day=self.wanted.day + timedelta(days=days))


def read_query(given: Mapping[str, str], clock: Clock) -> Query:
    """The filters of a request. Raises Invalid for a value that means nothing."""
    project, search, validity = given.get("project", ""), given.get("q", "").strip(), given.get("valid") or "all"
    if len(search) > MAX_SEARCH or len(project) > MAX_PROJECT or "\0" in search + project:
        raise Invalid("A search may be at most 50 characters long, a project's name 100.")
    if validity not in VALIDITIES:
        raise Invalid("“valid” is all, valid, invalid or unknown.")
    day: date = read_day(given.get("date", "")) or clock.today
    return Query(clock, Wanted(day, project or None, search, validity))


def asked(request: Asked) -> tuple[Query, str]:
    """The filters, and where the page before ended. Raises NotAllowed and Invalid."""
    require(request.user, Right.SEE)
    given = dict(reversed(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)))
    return read_query(given, clock_of(request)), given.get("after", "")


def map_link(row: Activation) -> str | None:
    """Where a drop is, on a map elsewhere; None where nobody knows. Pure."""
    if row.latitude is None or row.longitude is None:
        return None
    return MAP.format(lat=round(row.latitude, 6), long=round(row.longitude, 6))


@get(PATH, include_in_schema=False)
async def marketing_page(request: Asked, app: TheApp) -> Response[str]:
    """A day's activations."""
    query, place = asked(request)
    after = read_cursor(place)
    business = request.user.business

    async def work(conn: Conn) -> dict[str, Any]:
        rows = await marketing.listed(conn, business, query.wanted, after, PAGE_SIZE + 1)
        return {
            "rows": rows[:PAGE_SIZE],
            "older": query.link(after=write_cursor(rows[PAGE_SIZE - 1])) if len(rows) > PAGE_SIZE else None,
            "tally": await marketing.tally(conn, business, query.wanted),
            "projects": await marketing.projects(conn, business),
        }

    context = await app.db.run("show marketing", work)
    context |= {"clock": query.clock, "query": query, "wanted": query.wanted, "map_link": map_link, "path": PATH}
    context["words"] = register_words
    return pages.page(request, "monitor/marketing.html", context)


@get([f"{PATH}.csv", f"{PATH}.xlsx"], include_in_schema=False)
async def export_marketing(request: Asked, app: TheApp) -> Stream:
    """Exactly the filtered activations, in the page's order."""
    query, _ = asked(request)
    kind, business = kind_of(request.scope["path"]), request.user.business
    return await download(
        app, kind, f"marketing-{query.wanted.day}", lambda conn: _table(conn, business, query.wanted, kind)
    )


def _table(conn: Conn, business: Business, wanted: Wanted, kind: str) -> Table:
    head = [
        "Drop", "Project", f"Posted ({business.time_zone})", "By", "Posted again", "Valid", "Remark", "Latitude",
        "Longitude",
    ]  # fmt: skip

    async def batches() -> AsyncGenerator[Rows, None]:
        async with aclosing(marketing.exported(conn, business, wanted, MOST_ROWS[kind] + 1)) as exported:
            async for found in exported:
                yield [_cells(one, business) for one in found]

    return Table("Marketing", head, batches())


def _cells(one: Activation, business: Business) -> list[object]:
    valid = {True: "yes", False: "no", None: ""}[one.is_valid]
    return [
        one.drop_number, one.project, wall(one.said_at, business.zone), one.user_name, "yes" if one.again else "",
        valid, one.validation_message, one.latitude, one.longitude,
    ]  # fmt: skip


def write_cursor(row: Activation) -> str:
    """Where a page ended, opaque: only read_cursor() looks inside."""
    place = Spot(row.said_at, row.project, row.drop_number)
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def read_cursor(text: str) -> Spot | None:
    """The place that write_cursor() wrote. Raises Invalid for anything else."""
    if not text:
        return None
    try:
        place = msgspec.json.decode(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True), type=Spot)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise Invalid("This place in the list is not one of ours. Start again without “after”.") from None
    if "\0" in place.project + place.drop_number:
        raise Invalid("This place in the list is not one of ours. Start again without “after”.")
    return place


HANDLERS = [marketing_page, export_marketing]
