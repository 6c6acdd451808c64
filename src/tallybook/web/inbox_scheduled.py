"""Messages for later, as plain forms beside a thread: what waits, what was missed, and one more."""

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
from tallybook.inbox.service import scheduled, sending, templates, threads

from . import errors, inbox_view, pages
from .inbox import look
from .inbox_automation_form import NEXT
from .inbox_scheduled_view import STATES, read_later
from .inbox_view import PATH
from .needs import Asked, TheApp


@get(PATH + "/{conversation_id:int}/later", include_in_schema=False)
async def later_page(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Response[str]:
    """What waits in a thread, and a form for one more."""
    return await _page(request, app, conversation_id, {})


@post(PATH + "/{conversation_id:int}/later", include_in_schema=False)
async def leave_later(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Response[Any]:
    """Leaves a message for later; ``do=compose`` only takes what was typed in the thread along."""
    asked = look(request)
    form = await request.form()
    if form.get("do") == "compose":
        return await _page(request, app, conversation_id, {"typed": {"text": str(form.get("text", ""))}})

    async def work(conn: Conn) -> int:
        thread = await threads.by_number(conn, asked.caller, conversation_id)
        await scheduled.schedule(conn, asked.caller, thread.id, read_later(form), datetime.now(UTC))
        return thread.id

    try:
        thread = await app.db.run("send later", work)
    except (Conflict, Invalid, NotFound) as error:
        return await _refused(request, app, conversation_id, error)
    return Redirect(asked.query.link(f"{PATH}/{thread}"), status_code=303)


async def _refused(
    request: Asked, app: App, conversation_id: int, error: Conflict | Invalid | NotFound, number: int | None = None
) -> Response[str]:
    """The page with what was typed, and why it was not kept."""
    form = await request.form()
    typed = {name: str(form.get(name, "")) for name in ("text", "at", "template", "values", "unless_written", "key")}
    trouble = pages.clock_of(request).words.gettext(error.message)
    told = {"typed": typed, "trouble": trouble, "changing": number}
    return await _page(request, app, conversation_id, told, errors.status_of(error))


async def _page(
    request: Asked, app: App, conversation_id: int, told: dict[str, Any], status: int = 200
) -> Response[str]:
    asked = look(request)
    caller = asked.caller

    async def read(conn: Conn) -> dict[str, Any]:
        thread = await threads.by_number(conn, caller, conversation_id)
        found = await scheduled.everything(conn, caller, thread.id)
        may_answer = may(caller, Right.ANSWER)
        offered = await templates.offered(conn, caller, thread.id) if may_answer else []
        return {
            "open": thread, "found": found, "may_answer": may_answer,
            "window": await sending.window_of(conn, caller, thread.id),
            "templates": [(f"{one.name}{NEXT}{one.language}", f"{one.name} ({one.language})") for one in offered],
        }  # fmt: skip

    context = await app.db.run("show later messages", read)
    soon = (asked.clock.now + timedelta(hours=1)).astimezone(caller.business.zone)
    typed = {
        "text": "", "at": f"{soon:%Y-%m-%dT%H:00}", "template": "", "values": "", "unless_written": "",
        "key": uuid4().hex,
    }  # fmt: skip
    given = told.pop("typed", {})
    context |= {
        "typed": typed | {name: value for name, value in given.items() if value}, "query": asked.query,
        "view": inbox_view, "trouble": "", "states": STATES, "changing": None,
    }  # fmt: skip
    return pages.page(request, "inbox/scheduled.html", context | told, status)


Work = Callable[[Conn, Caller, int], Awaitable[object]]


async def _turn(request: Asked, app: App, conversation_id: int, number: int, work: Work) -> Response[Any]:
    asked, one = look(request), naming.number(str(number)) or 0
    try:
        await app.db.run("turn later message", lambda conn: work(conn, asked.caller, one))
    except (Conflict, Invalid, NotFound) as error:
        return await _refused(request, app, conversation_id, error, number)
    return Redirect(asked.query.link(f"{PATH}/{conversation_id}/later"), status_code=303)


@post(PATH + "/{conversation_id:int}/later/{number:int}/change", include_in_schema=False)
async def change_later(
    request: Asked, app: TheApp, conversation_id: FromPath[int], number: FromPath[int]
) -> Response[Any]:
    """Has one say something else, or at another time."""
    form = await request.form()

    async def work(conn: Conn, caller: Caller, one: int) -> object:
        return await scheduled.change(conn, caller, one, read_later(form), datetime.now(UTC))

    return await _turn(request, app, conversation_id, number, work)


@post(PATH + "/{conversation_id:int}/later/{number:int}/cancel", include_in_schema=False)
async def cancel_later(
    request: Asked, app: TheApp, conversation_id: FromPath[int], number: FromPath[int]
) -> Response[Any]:
    """Has one never be sent."""

    async def work(conn: Conn, caller: Caller, one: int) -> object:
        return await scheduled.cancel(conn, caller, one, datetime.now(UTC))

    return await _turn(request, app, conversation_id, number, work)


@post(PATH + "/{conversation_id:int}/later/{number:int}/seen", include_in_schema=False)
async def see_missed(
    request: Asked, app: TheApp, conversation_id: FromPath[int], number: FromPath[int]
) -> Response[Any]:
    """Somebody has seen that one was missed."""

    async def work(conn: Conn, caller: Caller, one: int) -> object:
        return await scheduled.dismiss(conn, caller, one, datetime.now(UTC))

    return await _turn(request, app, conversation_id, number, work)


HANDLERS = [later_page, leave_later, change_later, cancel_later, see_missed]
