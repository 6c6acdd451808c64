"""A question from the composer that a customer answers by a press: up to three buttons, or a list of up to ten."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound, TallybookError
from tallybook.inbox import contents, naming
from tallybook.inbox.service import reacting, sending, threads
from tallybook.inbox.service.threads import Thread

from . import errors, inbox, inbox_signs, inbox_view, pages
from .inbox import look
from .inbox_question_form import Typed, question_of, read
from .inbox_view import PATH
from .needs import Asked, TheApp

COMPOSE, BACK, SEND = "compose", "back", "send"


@get(PATH + "/{conversation_id:int}/question", include_in_schema=False)
async def question_page(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Response[str]:
    """An empty question for a thread's customer."""
    require(request.user, Right.ANSWER)
    return await _page(request, app, conversation_id, Typed())


@post(PATH + "/{conversation_id:int}/question", include_in_schema=False)
async def ask(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Response[Any]:
    """Shows a question as it will read, or leaves it to be sent (``do=send``).

    ``do=compose`` takes along what stands in the composer, and ``do=back`` brings it back there.
    """
    require(request.user, Right.ANSWER)
    asked, form = look(request), await request.form()
    typed, do = read(form), form.get("do")
    if do == COMPOSE:
        return await _page(request, app, conversation_id, msgspec.structs.replace(typed, key=""))
    if do == BACK:
        return await inbox.answer(request, app, replace(asked, typed=typed.text, quote=typed.quote), conversation_id)
    if do != SEND:
        return await _page(request, app, conversation_id, typed)

    async def work(conn: Conn) -> Thread:
        thread = await threads.by_number(conn, asked.caller, conversation_id)
        said = question_of(typed)
        if typed.quote:
            about = await reacting.quoted(conn, asked.caller, thread.id, naming.number(typed.quote) or 0)
            said = msgspec.structs.replace(said, quote=about.external_id or "")
        await sending.send(conn, asked.caller, conversation_id, said, typed.key)
        return thread

    try:
        thread = await app.db.run("ask question", work)
    except (Conflict, Invalid, NotFound) as error:
        return await _page(request, app, conversation_id, typed, error)
    return Redirect(asked.query.to(thread), status_code=303)


async def _page(
    request: Asked, app: App, conversation_id: int, typed: Typed, error: TallybookError | None = None
) -> Response[str]:
    asked = look(request)

    async def work(conn: Conn) -> dict[str, Any]:
        thread = await threads.by_number(conn, asked.caller, conversation_id)
        window = await sending.window_of(conn, asked.caller, thread.id)
        closed = inbox_view.composer(thread, window, "", asked.clock).closed
        quoting = await inbox_signs.quoting_of(conn, asked, thread.id, typed.quote)
        return {"open": thread, "closed": closed, "quoting": quoting}

    context = await app.db.run("show question", work)
    context |= {
        "query": asked.query, "view": inbox_view, "typed": typed, "key": typed.key or uuid4().hex,
        "longest": contents, "trouble": asked.clock.words.gettext(error.message) if error else "",
        "wrong_place": error.details.get("place") if error else None,
    }  # fmt: skip
    part = request.headers.get("hx-target") == "shown"
    name = "question_shown" if part else "question"
    return pages.page(request, f"inbox/{name}.html", context, errors.status_of(error) if error and not part else 200)


HANDLERS = [question_page, ask]
