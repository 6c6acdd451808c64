"""The bot in one thread, as plain forms: its draft is sent, edited or thrown away, and it is switched on or off."""

from __future__ import annotations

from dataclasses import replace

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import NotFound
from tallybook.inbox import naming
from tallybook.inbox.service import drafts, threads
from tallybook.inbox.service.threads import Thread

from .inbox import answer, look
from .inbox_view import PATH
from .needs import Asked, TheApp


@post(PATH + "/{conversation_id:int}/draft/{what:str}", include_in_schema=False)
async def settle(request: Asked, app: TheApp, conversation_id: FromPath[int], what: FromPath[str]) -> Redirect:
    """Sends the draft as it was shown, or throws it away, and shows the thread."""
    asked = look(request)
    form = await request.form()
    place, text = naming.number(str(form.get("place", ""))), str(form.get("draft", ""))
    if place is None or what not in {"send", "discard"}:
        raise NotFound(drafts.NO_DRAFT)

    async def work(conn: Conn) -> Thread:
        thread = await threads.by_number(conn, asked.caller, conversation_id)
        do = drafts.send if what == "send" else drafts.discard
        await do(conn, asked.caller, thread.id, place, text)
        return thread

    return Redirect(asked.query.to(await app.db.run("settle draft", work)), status_code=303)


@get(PATH + "/{conversation_id:int}/draft", include_in_schema=False)
async def edit(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Response[str]:
    """The thread with the draft where an answer is written."""
    asked = look(request)
    require(asked.caller, Right.ANSWER)

    async def work(conn: Conn) -> str:
        thread = await threads.by_number(conn, asked.caller, conversation_id)
        draft = await drafts.of_thread(conn, asked.caller, thread.id)
        return draft.body if draft else ""

    typed = await app.db.run("show draft", work)
    return await answer(request, app, replace(asked, typed=typed), conversation_id)


@post(PATH + "/{conversation_id:int}/bot", include_in_schema=False)
async def switch(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Redirect:
    """Switches the bot on or off in the thread, and shows it."""
    asked = look(request)
    active = str((await request.form()).get("active", "")) == "yes"

    async def work(conn: Conn) -> Thread:
        thread = await threads.by_number(conn, asked.caller, conversation_id)
        await drafts.switch(conn, asked.caller, thread.id, active=active)
        return thread

    return Redirect(asked.query.to(await app.db.run("switch bot", work)), status_code=303)


HANDLERS = [settle, edit, switch]
