"""Notes on a thread, as plain forms: written, and by who wrote them changed and taken away."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotAllowed, NotFound
from tallybook.inbox import naming
from tallybook.inbox.desk_types import Note
from tallybook.inbox.service import notes, threads
from tallybook.inbox.service.threads import Thread

from . import errors, inbox_view, pages
from .inbox import look
from .inbox_view import PATH
from .needs import Asked, TheApp


@post(PATH + "/{conversation_id:int}/notes", include_in_schema=False)
async def write_note(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Redirect:
    """Notes something, and shows the thread."""
    asked = look(request)
    form = await request.form()
    text, key = str(form.get("note", "")), str(form.get("key", ""))

    async def work(conn: Conn) -> Thread:
        await notes.write(conn, asked.caller, conversation_id, text, key)
        return await threads.by_number(conn, asked.caller, conversation_id)

    return Redirect(asked.query.to(await app.db.run("write note", work)), status_code=303)


@get(PATH + "/{conversation_id:int}/notes/{note_id:int}", include_in_schema=False)
async def note_page(
    request: Asked, app: TheApp, conversation_id: FromPath[int], note_id: FromPath[int]
) -> Response[str]:
    """One's own note, to be changed or taken away."""
    return await _show(request, app, conversation_id, note_id)


async def _show(
    request: Asked, app: App, conversation_id: int, note_id: int, error: Invalid | None = None, typed: str | None = None
) -> Response[str]:
    asked = look(request)

    async def work(conn: Conn) -> tuple[Thread, Note]:
        thread = await threads.by_number(conn, asked.caller, conversation_id)
        return thread, await _of(conn, request, thread.id, note_id)

    thread, note = await app.db.run("show note", work)
    if note.account_id != (asked.caller.account_id or 0) or note.removed_at is not None:
        raise NotAllowed("Only who wrote a note may change it.")
    context: dict[str, Any] = {"open": thread, "note": note, "query": asked.query, "view": inbox_view}
    context["typed"] = note.body if typed is None else typed
    context["trouble"] = asked.clock.words.gettext(error.message) if error else ""
    return pages.page(request, "inbox/note.html", context, errors.status_of(error) if error else 200)


async def _of(conn: Conn, request: Asked, conversation_id: int, note_id: int) -> Note:
    """A note of a thread. Raises NotFound."""
    if naming.number(str(note_id)) is None:
        raise NotFound("There is no such note.")
    note = await notes.one(conn, request.user, note_id)
    if note.conversation_id != conversation_id:
        raise NotFound("There is no such note.")
    return note


@post(PATH + "/{conversation_id:int}/notes/{note_id:int}", include_in_schema=False)
async def change_note(
    request: Asked, app: TheApp, conversation_id: FromPath[int], note_id: FromPath[int]
) -> Response[Any]:
    """Has one's own note say something else; ``remove`` takes it away."""
    asked = look(request)
    form = await request.form()
    text, removes = str(form.get("note", "")), str(form.get("remove", "")) == "1"

    async def work(conn: Conn) -> Thread:
        thread = await threads.by_number(conn, asked.caller, conversation_id)
        await _of(conn, request, thread.id, note_id)
        if removes:
            await notes.remove(conn, asked.caller, note_id)
        else:
            await notes.edit(conn, asked.caller, note_id, text)
        return thread

    try:
        thread = await app.db.run("change note", work)
    except Invalid as error:
        return await _show(request, app, conversation_id, note_id, error, text)
    return Redirect(asked.query.to(thread), status_code=303)


HANDLERS = [write_note, note_page, change_note]
