"""A supervisor's list against the registers: given, looked at in its parts, downloaded, and what is missing added."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.core.callers import Right, may, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound, TallybookError, TooLarge
from tallybook.core.sheet_cells import csv_file
from tallybook.core.sheets import MAX_BYTES
from tallybook.monitor.service import desks
from tallybook.monitor.service import reconcile as service
from tallybook.monitor.service.comparison import Comparison
from tallybook.monitor.service.reconcile import Asked as List
from tallybook.monitor.service.refiling import Person
from tallybook.monitor.service.supervisor_list import Given

from . import errors, pages
from .monitor import clock_of
from .needs import Asked, TheApp
from .security import MAX_UPLOAD
from .times import Clock

PATH = "/wa-monitor/reconcile"
SHOWN = 200  # lines of a part that a page shows; its download has them all
MAX_NAME = 100


def person(request: Asked) -> Person:
    """Who asks. Raises NotAllowed for who may not review."""
    require(request.user, Right.REVIEW)
    return Person(request.user.name, request.user.account_id)


@get(PATH, include_in_schema=False)
async def reconcile_page(request: Asked, app: TheApp) -> Response[str]:
    """The form, and the lists that were given lately."""
    require(request.user, Right.SEE)
    return await _form(request, app, {}, None)


async def _form(request: Asked, app: TheApp, typed: dict[str, str], error: TallybookError | None) -> Response[str]:
    business = request.user.business

    async def read(conn: Conn) -> dict[str, Any]:
        desk = await desks.desk_of(conn, business)
        projects = sorted(project.name for project in desk.projects.values())
        return {"projects": projects, "lists": await service.recent(conn, business)}

    clock = clock_of(request)
    context = await app.db.run("show lists", read)
    trouble = clock.words.gettext(error.message) if error else None
    context |= {"clock": clock, "typed": typed, "trouble": trouble, "may_add": may(request.user, Right.REVIEW)}
    return pages.page(request, "monitor/reconcile.html", context, errors.status_of(error) if error else 200)


@post(PATH, include_in_schema=False, request_max_body_size=MAX_UPLOAD)
async def take_list(request: Asked, app: TheApp) -> Response[Any]:
    """Reads a file and shows how it stands against the registers; nothing is added yet."""
    who = person(request)
    form = await request.form()
    typed = {name: value for name in ("project", "day") if isinstance(value := form.get(name), str)}
    try:
        asked = List(*await _upload(form.get("file")), _given(typed))
        sheets = await service.sheets_of(asked)
        number = await app.db.run(
            "keep list", lambda conn: service.keep(conn, request.user.business, asked, sheets, who)
        )
    except (Invalid, TooLarge) as error:
        return await _form(request, app, typed, error)
    return Redirect(f"{PATH}/{number}", status_code=303)


async def _upload(file: object) -> tuple[str, bytes]:
    if not isinstance(file, UploadFile) or not file.filename:
        raise Invalid("Choose a file first.")
    data = await file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise TooLarge("The file is larger than 5 MB.", limit=MAX_BYTES)
    return file.filename, data


def _given(typed: dict[str, str]) -> Given:
    try:
        day = date.fromisoformat(typed["day"]) if typed.get("day") else None
    except ValueError:
        raise Invalid("A day is written as 2026-01-31.") from None
    return Given(typed.get("project", "")[:MAX_NAME] or None, day)


@get(PATH + "/{number:int}", include_in_schema=False)
async def list_page(request: Asked, app: TheApp, number: FromPath[int]) -> Response[str]:
    """A list in its three parts, and what of it was not used."""
    require(request.user, Right.SEE)
    return await _show(request, app, number, "", None)


async def _show(request: Asked, app: TheApp, number: int, reason: str, error: TallybookError | None) -> Response[str]:
    kept, comparison = await app.db.run(
        "compare list", lambda conn: service.compared(conn, request.user.business, _bigint(number))
    )
    clock = clock_of(request)
    context = {
        "clock": clock, "kept": kept, "list": comparison, "counts": comparison.counts, "shown": SHOWN,
        "path": f"{PATH}/{number}", "reason": reason, "may_add": may(request.user, Right.REVIEW),
        "trouble": clock.words.gettext(error.message) if error else None,
    }  # fmt: skip
    return pages.page(request, "monitor/list_given.html", context, errors.status_of(error) if error else 200)


@post(PATH + "/{number:int}/add", include_in_schema=False)
async def add_missing(request: Asked, app: TheApp, number: FromPath[int]) -> Response[Any]:
    """Adds what is only in the file, with the reason. Asked twice, it adds once."""
    who = person(request)
    form = await request.form()
    reason = form.get("reason")
    reason = reason if isinstance(reason, str) else ""
    business = request.user.business
    try:
        await app.db.run("add missing", lambda conn: service.add_missing(conn, business, _bigint(number), who, reason))
    except Invalid as error:
        return await _show(request, app, number, reason, error)
    return Redirect(f"{PATH}/{number}", status_code=303)


def _bigint(number: int) -> int:
    return number if 0 < number < 2**63 else 0


Rows = tuple[Sequence[str], Callable[[Comparison, Clock], list[list[object]]]]
_LINE = ("sheet", "row", "project", "drop_number", "date", "time")


def _entry(entry: Any) -> list[object]:
    return [entry.sheet, entry.row, entry.project, entry.drop_number, entry.day, entry.at]


def _at(clock: Clock, at: Any) -> str:
    return f"{at.astimezone(clock.business.zone):%Y-%m-%d %H:%M:%S}"


PARTS: dict[str, Rows] = {
    "both": (
        (*_LINE, "posted_on", "posted_in"),
        lambda found, _: [
            [*_entry(one.entry), " ".join(map(str, one.days)), ", ".join(one.projects)] for one in found.both
        ],
    ),
    "only-file": (
        (*_LINE, "refused"),
        lambda found, _: [[*_entry(one.entry), "yes" if one.refused else ""] for one in found.only_file],
    ),
    "only-database": (
        ("project", "drop_number", "date", "said_at"),
        lambda found, clock: [
            [one.project, one.drop_number, one.day, _at(clock, one.said_at)] for one in found.only_database
        ],
    ),
    "not-used": (
        ("sheet", "row", "reason", "what_stands_there"),
        lambda found, _: [
            *([one.sheet, one.row, one.reason, one.detail] for one in found.unread),
            *([one.entry.sheet, one.entry.row, f"It says again what row {one.first_row} says.", one.entry.drop_number]
              for one in found.repeats),
        ],
    ),
}  # fmt: skip


@get(PATH + "/{number:int}/{file:str}", include_in_schema=False)
async def download(request: Asked, app: TheApp, number: FromPath[int], file: FromPath[str]) -> Response[bytes]:
    """One part of a list as CSV, such as ``both.csv``; every cell is safe to open."""
    require(request.user, Right.SEE)
    part = file.removesuffix(".csv")
    if part not in PARTS or not file.endswith(".csv"):
        raise NotFound("There is no such part.")
    _, comparison = await app.db.run(
        "compare list", lambda conn: service.compared(conn, request.user.business, _bigint(number))
    )
    header, rows = PARTS[part]
    return Response(
        csv_file(header, rows(comparison, clock_of(request))),
        media_type="text/csv",
        headers={
            "content-disposition": f'attachment; filename="{part}-{number}.csv"', "cache-control": "no-store",
        },
    )  # fmt: skip


HANDLERS = [reconcile_page, take_list, list_page, add_missing, download]
