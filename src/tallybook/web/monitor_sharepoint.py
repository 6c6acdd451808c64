"""What stands on SharePoint: each project's day and each workbook, when it was written, and what a person changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from litestar import Response, get, post
from litestar.response import Redirect

from tallybook import sharepoint_link
from tallybook.app import App
from tallybook.core import health_words
from tallybook.core.callers import Caller, Right, may, require
from tallybook.core.db import PROD, Conn
from tallybook.core.errors import Conflict, Invalid, NotAllowed, NotFound, WrongSetup
from tallybook.monitor.service import sharepoint_board
from tallybook.monitor.service.sharepoint_board import Board, Decision

from . import i18n, pages, phrases
from .monitor_view import day_in, read_day
from .needs import Asked, TheApp
from .times import Clock

PATH = "/wa-monitor/sharepoint"
MAX_TEXT = 200
N_ = phrases.N_
STATES = {
    "written": ("ok", N_("There")), "waiting": ("clock", N_("Waiting")), "conflict": ("late", N_("Changed there")),
    "kept": ("lock", N_("Theirs is kept")),
}  # fmt: skip
RUNS = {"running": ("clock", N_("Running")), "done": ("ok", N_("Done")), "failed": ("wrong", N_("Failed"))}
ASKED_BY = {"schedule": N_("by schedule"), "command line": N_("at the command line")}


@get(PATH, include_in_schema=False)
async def sharepoint_page(request: Asked, app: TheApp) -> Response[str]:
    """The newest days, or those before one."""
    caller: Caller = request.user
    require(caller, Right.SEE)
    return await _show(request, app, None)


async def _show(request: Asked, app: App, trouble: Conflict | None) -> Response[str]:
    caller: Caller = request.user
    lang = pages.language_of(request)
    clock = Clock(datetime.now(UTC), caller.business, lang, i18n.words(lang))
    before = request.query_params.get("before")

    async def read(conn: Conn) -> Board:
        return await sharepoint_board.board(conn, caller.business, clock.now, read_day(before or ""))

    board = await app.db.run("show sharepoint", read)
    state = board.check.state if board.check else "late"
    says = health_words.told(board.check.says, clock.words) if board.check else ""
    is_prod, is_set_up = app.settings.env == PROD, await _is_set_up_for(app, caller)
    context: dict[str, Any] = {
        "clock": clock, "board": board, "state": state, "says": says, "states": STATES, "runs": RUNS,
        "asked_by": ASKED_BY, "is_prod": is_prod, "is_set_up": is_set_up,
        "may_lead": may(caller, Right.LEAD) and is_prod and is_set_up, "asked": "asked" in request.query_params,
        "conflicts": any("conflict" in {day.file.state, *(one.state for one in day.items)} for day in board.days),
        "trouble": clock.words.gettext(trouble.message) if trouble else None, "path": PATH,
    }  # fmt: skip
    return pages.page(request, "monitor/sharepoint.html", context, 409 if trouble else 200)


@post(PATH, include_in_schema=False)
async def ask_for_day(request: Asked, app: TheApp) -> Redirect:
    """Has a day written at once, by the worker."""
    caller = await _leader(request, app)
    day = day_in(str((await request.form()).get("day", "")))
    await app.db.run("ask for a sync", lambda conn: sharepoint_board.ask(conn, caller, day))
    return Redirect(f"{PATH}?asked=1", status_code=303)


@post(f"{PATH}/decide", include_in_schema=False)
async def decide(request: Asked, app: TheApp) -> Response[Any]:
    """Ours over theirs, or theirs for good."""
    caller = await _leader(request, app)
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    project, etag, choice = form.get("project") or None, form.get("etag", ""), form.get("choice")
    if choice not in {"ours", "theirs"} or any(len(text) > MAX_TEXT or "\0" in text for text in (project or "", etag)):
        raise Invalid("Choose ours or theirs.")
    decision = Decision(day_in(form.get("day", "")), project, etag, choice == "ours")
    try:
        await app.db.run("decide a conflict", lambda conn: sharepoint_board.decide(conn, caller, decision))
    except Conflict as error:
        return await _show(request, app, error)
    return Redirect(PATH + ("?asked=1" if decision.ours else ""), status_code=303)


async def _leader(request: Asked, app: App) -> Caller:
    """A caller who may decide. Raises NotAllowed, outside production and in other businesses for everybody."""
    caller: Caller = request.user
    require(caller, Right.LEAD)
    if app.settings.env != PROD:
        raise NotAllowed("Only production writes to SharePoint.")
    if not await _is_set_up_for(app, caller):
        raise NotAllowed("SharePoint is not set up for this business.")
    return caller


async def _is_set_up_for(app: App, caller: Caller) -> bool:
    if not app.settings.has_sharepoint:
        return False
    try:
        return (await sharepoint_link.business_of(app)).id == caller.business_id
    except (NotFound, WrongSetup):  # the projects file names none of them, or is not right just now
        return False


HANDLERS = [sharepoint_page, ask_for_day, decide]
