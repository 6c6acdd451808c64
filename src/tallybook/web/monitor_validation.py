"""The lists of valid drops: imported after a look, what they hold up, and what they let be accepted by now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.core.callers import Right, may, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, TallybookError, TooLarge
from tallybook.core.numbers import number_in
from tallybook.core.sheets import MAX_BYTES
from tallybook.monitor.service import importing, offers, validity_board
from tallybook.monitor.service.importing import File
from tallybook.monitor.service.refiling import Person
from tallybook.monitor.service.validity_board import PARTS, Part
from tallybook.monitor.store import projects as project_store
from tallybook.monitor.store.held import Waiting
from tallybook.monitor.store.offers import Asked as Sought

from . import errors, pages, validation_words
from .needs import Asked, TheApp

PATH = "/wa-monitor/validation"
SHOWN = 40  # lines of a part of a preview
MAX_SEARCH, MAX_PROJECT = 50, 100


def person(request: Asked, right: Right) -> Person:
    """Who asks. Raises NotAllowed without the right."""
    require(request.user, right)
    return Person(request.user.name, request.user.account_id)


def sought(values: Any) -> Sought:
    """Which posts are asked for; what is not understood counts as not said. Pure."""
    below, _, drop = str(values.get("below", "")).partition("~")
    number = number_in(below)
    search = "".join(str(values.get("q", "")).upper().split()).replace("\0", "")[:MAX_SEARCH]
    project = str(values.get("project", "")).replace("\0", "")[:MAX_PROJECT]
    return Sought(project or None, search.replace("%", "").replace("\\", ""), (number, drop) if number else None)


def part_of(values: Any) -> Part | None:
    return next((part for part in PARTS if part == values.get("show")), None)


def link(part: Part | None, asked: Sought, below: tuple[int, str] | None = None) -> str:
    """The address of a part as it is asked for. Pure."""
    given = {
        "show": part, "q": asked.search, "project": asked.project, "below": f"{below[0]}~{below[1]}" if below else None,
    }  # fmt: skip
    query = urlencode({name: value for name, value in given.items() if value})
    return PATH + (f"?{query}" if query else "")


@get(PATH, include_in_schema=False)
async def validation_page(request: Asked, app: TheApp) -> Response[str]:
    """The lists, the form, and one part of the posts that made no review."""
    require(request.user, Right.SEE)
    return await _show(request, app, None)


async def _show(request: Asked, app: TheApp, error: TallybookError | None) -> Response[str]:
    business, values = request.user.business, request.query_params
    asked, clock = sought(values), pages.clock_of(request)

    async def read(conn: Conn) -> tuple[Any, list[str]]:
        names = [row.name for row in await project_store.every(conn, business.id) if row.active and row.kind == "qa"]
        return await validity_board.board(conn, business, part_of(values), asked), names

    board, names = await app.db.run("show validity", read)
    say = clock.words
    context = {
        "board": board, "asked": asked, "link": link, "projects": names, "words": validation_words,
        "parts": [(part, say.gettext(validation_words.PARTS[part]), board.counts[part]) for part in PARTS],
        "lines": [
            (one, validation_words.reason(one, board.part, say), validation_words.state(one, say))
            for one in board.lines
        ],
        "imports": [(one, validation_words.import_state(one, say)) for one in board.imports],
        "may_accept": may(request.user, Right.REVIEW), "may_import": may(request.user, Right.LEAD),
        "trouble": say.gettext(error.message) if error else None,
    }  # fmt: skip
    return pages.page(request, "monitor/validation.html", context, errors.status_of(error) if error else 200)


# ── Imports ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@post(f"{PATH}/imports", include_in_schema=False)
async def take_list(request: Asked, app: TheApp) -> Response[Any]:
    """Reads a file and shows what it would change; nothing is changed yet."""
    who = person(request, Right.LEAD)
    form = await request.form()
    try:
        number = await importing.give(app.db, request.user.business, await _file(form), who, MAX_BYTES)
    except (Invalid, TooLarge) as error:
        return await _show(request, app, error)
    return Redirect(f"{PATH}/imports/{number}", status_code=303)


async def _file(form: Any) -> File:
    file = form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise Invalid("Choose a file first.")
    project = str(form.get("project") or "")[:MAX_PROJECT] or None
    return File(file.filename, await file.read(MAX_BYTES + 1), project, bool(form.get("withdraw")))


@get(PATH + "/imports/{number:int}", include_in_schema=False)
async def import_page(request: Asked, app: TheApp, number: FromPath[int]) -> Response[str]:
    """What an import would change, or what it changed."""
    require(request.user, Right.SEE)
    return await _show_import(request, app, number, None)


async def _show_import(request: Asked, app: TheApp, number: int, error: TallybookError | None) -> Response[str]:
    business = request.user.business
    kept, read, changes = await app.db.run(
        "look at import", lambda conn: importing.look(conn, business, number if number < 2**63 else 0)
    )
    clock = pages.clock_of(request)
    context = {
        "clock": clock, "kept": kept, "list": read, "changes": changes, "shown": SHOWN,
        "path": f"{PATH}/imports/{number}", "state": validation_words.import_state(kept, clock.words),
        "may_import": may(request.user, Right.LEAD),
        "unusable": kept.withdraws and importing.unusable(read) is not None,
        "trouble": clock.words.gettext(error.message) if error else None,
    }  # fmt: skip
    return pages.page(request, "monitor/validation_import.html", context, errors.status_of(error) if error else 200)


@post(PATH + "/imports/{number:int}/apply", include_in_schema=False)
async def apply_import(request: Asked, app: TheApp, number: FromPath[int]) -> Response[Any]:
    """Applies what was shown. Pressed twice, or by two people, it is done once."""
    who = person(request, Right.LEAD)
    over = bool((await request.form()).get("over"))
    try:
        await importing.run(app.db, request.user.business, number if number < 2**63 else 0, who, over=over)
    except Conflict as error:
        return await _show_import(request, app, number, error)
    return Redirect(f"{PATH}/imports/{number}", status_code=303)


# ── Posts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def key_of(form: Any) -> Waiting:
    """The post that a form names. Raises Invalid for one that names none."""
    message = number_in(str(form.get("message", "")))
    if message is None:
        raise Invalid("There is no such post.")
    return Waiting(str(form.get("of", ""))[:MAX_PROJECT], str(form.get("drop", ""))[:MAX_SEARCH], message)


async def _do(request: Asked, app: TheApp, work: Callable[[Conn, Any], Awaitable[object]]) -> Response[Any]:
    """Does one thing and goes back to the page that it was asked on; what is refused is told there."""
    form = await request.form()
    try:
        await app.db.run("decide post", lambda conn: work(conn, form))
    except (Invalid, Conflict) as error:
        return await _show(request, app, error)
    return Redirect(link(part_of(request.query_params), sought(request.query_params)), status_code=303)


@post(f"{PATH}/accept", include_in_schema=False)
async def accept_post(request: Asked, app: TheApp) -> Response[Any]:
    who, business = person(request, Right.REVIEW), request.user.business
    return await _do(request, app, lambda conn, form: offers.accept(conn, business, [key_of(form)], who))


@post(f"{PATH}/accept-all", include_in_schema=False)
async def accept_all(request: Asked, app: TheApp) -> Response[Any]:
    who, business, asked = person(request, Right.REVIEW), request.user.business, sought(request.query_params)

    async def work(conn: Conn, form: Any) -> object:
        count = number_in(str(form.get("agreed", ""))) or 0
        return await offers.accept_all(conn, business, Sought(asked.project, asked.search), count, who)

    return await _do(request, app, work)


@post(f"{PATH}/accept-anyway", include_in_schema=False)
async def accept_anyway(request: Asked, app: TheApp) -> Response[Any]:
    who, business = person(request, Right.LEAD), request.user.business

    async def work(conn: Conn, form: Any) -> object:
        return await offers.accept(conn, business, [key_of(form)], who, anyway=str(form.get("reason", "")))

    return await _do(request, app, work)


@post(f"{PATH}/dismiss", include_in_schema=False)
async def dismiss_post(request: Asked, app: TheApp) -> Response[Any]:
    who, business = person(request, Right.REVIEW), request.user.business

    async def work(conn: Conn, form: Any) -> object:
        return await offers.dismiss(conn, business, [key_of(form)], who, str(form.get("reason", "")))

    return await _do(request, app, work)


HANDLERS = [
    validation_page, take_list, import_page, apply_import, accept_post, accept_all, accept_anyway, dismiss_post,
]  # fmt: skip
