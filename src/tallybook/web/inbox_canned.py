"""Canned answers: the page on which they are kept, and the list that a spreadsheet holds."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.callers import Right, may, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, TooLarge
from tallybook.core.marking import N_
from tallybook.core.sheet_cells import csv_file
from tallybook.core.table_files import KINDS
from tallybook.inbox import canned_rules, naming
from tallybook.inbox.canned_rules import Line, Wrong
from tallybook.inbox.service import canned

from . import errors, pages
from .inbox_view import PATH
from .needs import Asked, TheApp

CANNED = PATH + "/canned"
MAX_BYTES = 3_000_000


@get(CANNED, include_in_schema=False)
async def canned_page(request: Asked, app: TheApp) -> Response[str]:
    """All canned answers."""
    return await _show(request, app, {})


async def _show(request: Asked, app: App, told: dict[str, Any], status: int = 200) -> Response[str]:
    require(request.user, Right.SEE)
    kept = await app.db.run("list canned answers", lambda conn: canned.listed(conn, request.user))
    nothing = {"trouble": "", "typed": Line(pages.language_of(request), "", ""), "wrong": [], "taken": None}
    context = {"kept": kept, "may_answer": may(request.user, Right.ANSWER), "variables": canned_rules.VARIABLES}
    return pages.page(request, "inbox/canned.html", nothing | context | told, status)


@post(CANNED, include_in_schema=False)
async def write_canned(request: Asked, app: TheApp) -> Response[Any]:
    """Keeps a new one, or has the one of the form's number be another."""
    form = await request.form()
    number = naming.number(str(form.get("answer", "")))
    typed = Line(*(str(form.get(name, "")) for name in ("language", "shortcut", "text")))

    async def work(conn: Conn) -> None:
        line = canned_rules.line(typed.language, typed.shortcut, typed.body)
        if number is None:
            await canned.add(conn, request.user, line)
        else:
            await canned.change(conn, request.user, number, line)

    try:
        await app.db.run("write canned answer", work)
    except (Conflict, Invalid, TooLarge) as error:
        trouble = pages.clock_of(request).words.gettext(error.message)
        return await _show(request, app, {"trouble": trouble, "typed": typed}, errors.status_of(error))
    return Redirect(CANNED, status_code=303)


@post(CANNED + "/{answer_id:int}/remove", include_in_schema=False)
async def remove_canned(request: Asked, app: TheApp, answer_id: FromPath[int]) -> Redirect:
    """Takes one away."""
    number = naming.number(str(answer_id)) or 0
    await app.db.run("remove canned answer", lambda conn: canned.remove(conn, request.user, number))
    return Redirect(CANNED, status_code=303)


@post(CANNED + "/import", include_in_schema=False, status_code=200)
async def import_canned(request: Asked, app: TheApp) -> Response[str]:
    """Takes a list in, and says of each row that it could not use why."""
    words = pages.clock_of(request).words
    try:
        wrong, taken = await take_in(request, app)
    except (Invalid, TooLarge) as error:
        return await _show(request, app, {"trouble": words.gettext(error.message)}, errors.status_of(error))
    return await _show(request, app, {"wrong": wrong, "taken": taken})


async def take_in(request: Asked, app: App) -> tuple[list[Wrong], tuple[int, int, int]]:
    """Writes the form's ``file`` down: the rows that cannot be used; how many are new, changed, as they were.

    Raises NotAllowed, Invalid and TooLarge.
    """
    require(request.user, Right.ANSWER)
    file = (await request.form()).get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise Invalid(N_("Choose a file first."))
    read = canned_rules.read(await file.read(MAX_BYTES))
    made, changed = await app.db.run("import canned", lambda conn: canned.take_in(conn, request.user, read.lines))
    return read.wrong, (made, changed, len(read.lines) - made - changed)


@get(CANNED + ".csv", include_in_schema=False)
async def export_canned(request: Asked, app: TheApp) -> Response[bytes]:
    """The list as a spreadsheet, which can be taken in again."""
    return await file_of(request, app)


async def file_of(request: Asked, app: App) -> Response[bytes]:
    """The canned answers as CSV."""
    require(request.user, Right.SEE)
    kept = await app.db.run("list canned answers", lambda conn: canned.listed(conn, request.user))
    body = csv_file(canned_rules.COLUMNS, [(one.shortcut, one.language, one.body) for one in kept])
    headers = {"content-disposition": 'attachment; filename="canned-answers.csv"', "cache-control": "no-store"}
    return Response(body, media_type=KINDS["csv"], headers=headers)


HANDLERS = [canned_page, write_canned, remove_canned, import_canned, export_canned]
