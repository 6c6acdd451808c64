"""What the product says in groups: what waits, was sent, failed, is in doubt or was captured; and the stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.core.callers import Caller, Right, may, require
from tallybook.core.db import Conn
from tallybook.core.errors import NotFound
from tallybook.core.numbers import number_in
from tallybook.monitor.service import reply_board
from tallybook.monitor.service.reply_board import PARTS, Board, Look

from . import i18n, pages, reply_words
from .needs import Asked, TheApp

PATH = "/wa-monitor/replies"


def look_of(request: Asked) -> Look:
    """Which part, and below which message; what is not understood counts as not said."""
    part, below = request.query_params.get("show"), request.query_params.get("below", "")
    return Look(part if part in PARTS else None, number_in(below))


def link(part: str | None, below: int | None = None) -> str:
    given = [f"{name}={value}" for name, value in (("show", part), ("below", below)) if value]
    return PATH + ("?" + "&".join(given) if given else "")


@get(PATH, include_in_schema=False)
async def replies_page(request: Asked, app: TheApp) -> Response[str]:
    """All of it, or one part."""
    caller: Caller = request.user
    require(caller, Right.SEE)
    look = look_of(request)

    async def read(conn: Conn) -> Board:
        return await reply_board.board(conn, caller.business, look)

    board = await app.db.run("show replies", read)
    now, words = datetime.now(UTC), i18n.words(pages.language_of(request))
    parts = [(part, words.gettext(reply_words.PARTS[part]), board.counts[part]) for part in PARTS]
    context: dict[str, Any] = {
        "board": board, "part": look.part, "link": link, "may_stop": may(caller, Right.LEAD),
        "lines": [reply_words.line(sent, now, words) for sent in board.rows], "parts": parts,
        "total": sum(board.counts.values()),
    }  # fmt: skip
    return pages.page(request, "monitor/replies.html", context)


async def _do(request: Asked, app: TheApp, work: Callable[[Conn, Caller], Awaitable[object]]) -> Redirect:
    """Does one thing and goes back to the page. Who may not is refused by the service."""
    caller: Caller = request.user
    done = await app.db.run("turn replies", lambda conn: work(conn, caller))
    if done is None:
        raise NotFound("There is no such message.")
    return Redirect(link(look_of(request).part), status_code=303)


@post(f"{PATH}/stop", include_in_schema=False)
async def stop(request: Asked, app: TheApp) -> Redirect:
    return await _do(request, app, reply_board.stop)


@post(f"{PATH}/release", include_in_schema=False)
async def release(request: Asked, app: TheApp) -> Redirect:
    return await _do(request, app, reply_board.release)


@post(f"{PATH}/drop", include_in_schema=False)
async def drop_all(request: Asked, app: TheApp) -> Redirect:
    return await _do(request, app, reply_board.drop)


@post(PATH + "/{number:int}/drop", include_in_schema=False)
async def drop_one(request: Asked, app: TheApp, number: FromPath[int]) -> Redirect:
    async def work(conn: Conn, caller: Caller) -> object:
        return await reply_board.drop(conn, caller, [number]) or None

    return await _do(request, app, work)


@post(PATH + "/{number:int}/again", include_in_schema=False)
async def send_again(request: Asked, app: TheApp, number: FromPath[int]) -> Redirect:
    async def work(conn: Conn, caller: Caller) -> object:
        return await reply_board.send_again(conn, caller, number) or None

    return await _do(request, app, work)


HANDLERS = [replies_page, stop, release, drop_all, drop_one, send_again]
