"""Appointments with a thread's customer, as plain forms: booked, moved, confirmed, cancelled, done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.callers import Caller, Right, may
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.inbox import naming
from tallybook.inbox.service import appointments, threads

from . import errors, inbox_view, pages
from .inbox import look
from .inbox_scheduled_view import STATUSES, read_meeting
from .inbox_view import PATH
from .needs import Asked, TheApp

HALF_AN_HOUR = timedelta(minutes=30)
FIELDS = ("title", "starts", "ends", "place", "key")


@get(PATH + "/{conversation_id:int}/appointments", include_in_schema=False)
async def appointments_page(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Response[str]:
    """The meetings with a customer, and a form for one more."""
    return await _page(request, app, conversation_id, {})


@post(PATH + "/{conversation_id:int}/appointments", include_in_schema=False)
async def book(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Response[Any]:
    """Books one more."""
    form = await request.form()

    async def work(conn: Conn, caller: Caller) -> object:
        thread = await threads.by_number(conn, caller, conversation_id)
        return await appointments.book_in(conn, caller, thread.id, read_meeting(form), datetime.now(UTC))

    return await _do(request, app, conversation_id, work)


@post(PATH + "/{conversation_id:int}/appointments/{number:int}", include_in_schema=False)
async def change(request: Asked, app: TheApp, conversation_id: FromPath[int], number: FromPath[int]) -> Response[Any]:
    """Has one be another, or (``status``) be confirmed, cancelled, done or booked again."""
    form = await request.form()
    one = naming.number(str(number)) or 0

    async def work(conn: Conn, caller: Caller) -> object:
        status, now = str(form.get("status", "")), datetime.now(UTC)
        if status:
            return await appointments.set_status(conn, caller, one, status, now)
        return await appointments.change(conn, caller, one, read_meeting(form), now)

    return await _do(request, app, conversation_id, work)


async def _do(
    request: Asked, app: App, conversation_id: int, work: Callable[[Conn, Caller], Awaitable[object]]
) -> Response[Any]:
    asked = look(request)
    try:
        await app.db.run("turn appointment", lambda conn: work(conn, asked.caller))
    except (Conflict, Invalid, NotFound) as error:
        form = await request.form()
        typed = {name: str(form.get(name, "")) for name in FIELDS}
        told = {"typed": typed, "trouble": asked.clock.words.gettext(error.message)}
        return await _page(request, app, conversation_id, told, errors.status_of(error))
    return Redirect(asked.query.link(f"{PATH}/{conversation_id}/appointments"), status_code=303)


async def _page(
    request: Asked, app: App, conversation_id: int, told: dict[str, Any], status: int = 200
) -> Response[str]:
    asked = look(request)
    caller = asked.caller

    async def read(conn: Conn) -> dict[str, Any]:
        thread = await threads.by_number(conn, caller, conversation_id)
        found = await appointments.coming(conn, caller, thread.id, asked.clock.now)
        return {"open": thread, "found": found, "may_answer": may(caller, Right.ANSWER)}

    context = await app.db.run("show appointments", read)
    zone = caller.business.zone
    tomorrow = (asked.clock.now + timedelta(days=1)).astimezone(zone).replace(minute=0)
    typed = {
        "title": "", "starts": f"{tomorrow:%Y-%m-%dT%H:%M}", "ends": f"{tomorrow + HALF_AN_HOUR:%Y-%m-%dT%H:%M}",
        "place": "", "key": uuid4().hex,
    }  # fmt: skip
    given = told.pop("typed", {})
    context |= {
        "typed": typed | {name: value for name, value in given.items() if value}, "query": asked.query,
        "view": inbox_view, "trouble": "", "statuses": STATUSES, "zone": zone,
    }  # fmt: skip
    return pages.page(request, "inbox/appointments.html", context | told, status)


HANDLERS = [appointments_page, book, change]
