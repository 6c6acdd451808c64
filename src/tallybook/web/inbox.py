"""The inbox's pages: the threads, and one of them open. Every part of a page can be asked for on its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.callers import Caller, Right, may, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound, TooLarge
from tallybook.inbox.service import customers, sending, threads
from tallybook.inbox.service.threads import Filter, Thread

from . import (
    errors,
    inbox_bot_view,
    inbox_brought,
    inbox_consent_view,
    inbox_desk,
    inbox_receipts,
    inbox_scheduled_view,
    inbox_several_view,
    inbox_signs,
    inbox_states_view,
    inbox_view,
    pages,
)
from .inbox_view import BUBBLES, PAGE_SIZE, PATH, Query
from .needs import Asked, TheApp
from .times import Clock

PARTS = {
    None: "page", "threads": "part_threads", "rows": "rows", "thread": "part_thread", "older": "bubbles",
    "fresh": "part_fresh", "read": "part_fresh", "composer": "composer",
}  # fmt: skip
# Opening is reading, and so is looking at the end of an open thread when something new comes there.
READS = frozenset({None, "thread", "read"})


@dataclass(frozen=True)
class Refused:
    """What was typed and not sent, and why."""

    typed: str
    error: Conflict | Invalid | NotFound | TooLarge


@dataclass(frozen=True)
class Look:
    """One look at the inbox: who looks, at which view of it, at what moment; ``part`` of the page, None for all."""

    caller: Caller
    query: Query
    clock: Clock
    part: str | None
    after: str = ""
    before: str = ""
    refused: Refused | None = None
    typed: str = ""
    quote: str = ""
    did: str = ""

    @property
    def may_answer(self) -> bool:
        return may(self.caller, Right.ANSWER)


def look(request: Asked) -> Look:
    """Reads a request. Raises NotAllowed and Invalid."""
    require(request.user, Right.SEE)
    given = dict(reversed(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)))
    query = inbox_view.read_query(given)
    part = _part(request)
    clock = pages.clock_of(request)
    after, before, quote, did = (given.get(name, "") for name in ("after", "before", "quote", "did"))
    return Look(request.user, query, clock, part, after, before, quote=quote, did=did)


def _part(request: Asked) -> str | None:
    """Which part of the page is asked for; None for all of it, as when a browser goes back."""
    if "hx-request" not in request.headers or "hx-history-restore-request" in request.headers:
        return None
    part = request.headers.get("x-part") or request.headers.get("hx-target")
    return part if part in PARTS else None


@get(PATH, include_in_schema=False)
async def inbox_page(request: Asked, app: TheApp) -> Response[str]:
    """The threads."""
    return await show(request, app, None)


@get(PATH + "/{conversation_id:int}", include_in_schema=False)
async def thread_page(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Response[str]:
    """The threads with one of them open, which is read by that."""
    return await show(request, app, conversation_id)


@post(PATH + "/{conversation_id:int}/mark-read", include_in_schema=False)
async def mark_read(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Redirect:
    """Takes the badge away, and shows the thread."""
    asked = look(request)
    thread = await _turn(app, asked, conversation_id, partial(inbox_receipts.mark_read, app))
    threads.tell_read(asked.caller, thread.id)
    return Redirect(asked.query.to(thread), status_code=303)


@post(PATH + "/{conversation_id:int}/mark-unread", include_in_schema=False)
async def mark_unread(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Redirect:
    """The newest message waits again. Leads to the list, since showing the thread would read it."""
    asked = look(request)
    await _turn(app, asked, conversation_id, threads.mark_unread)
    return Redirect(asked.query.link(), status_code=303)


@post(PATH + "/{conversation_id:int}/send", include_in_schema=False)
async def send(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Response[Any]:
    """Leaves what was typed to be sent. What cannot be sent is shown as it was typed, with why."""
    asked = look(request)
    form = await request.form()

    async def work(conn: Conn) -> Thread:
        thread = await threads.by_number(conn, asked.caller, conversation_id)
        await inbox_signs.send(conn, asked.caller, conversation_id, form)
        return thread

    try:
        thread = await app.db.run("send message", work)
    except (Conflict, Invalid, NotFound) as error:
        was = Refused(str(form.get("text", "")), error)
        kept = replace(asked, refused=was, quote=str(form.get("quote", "")))
        return await answer(request, app, kept, conversation_id)
    return Redirect(asked.query.to(thread), status_code=303)


Turn = Callable[[Conn, Caller, int], Awaitable[Thread]]


async def _turn(app: App, asked: Look, conversation_id: int, turn: Turn) -> Thread:
    """Does one thing to a thread, which tells every open page. Raises NotFound."""

    async def work(conn: Conn) -> Thread:
        thread = await threads.by_number(conn, asked.caller, conversation_id)
        return await turn(conn, asked.caller, thread.id)

    return await app.db.run("turn thread", work)


async def show(request: Asked, app: App, conversation_id: int | None) -> Response[str]:
    """The page, or the part of it that was asked for."""
    return await answer(request, app, look(request), conversation_id)


async def answer(request: Asked, app: App, asked: Look, conversation_id: int | None) -> Response[str]:
    """What opening reads is read before the list is."""
    reads = asked.part in READS and not request.headers.get("sec-purpose", "").startswith("prefetch")

    async def work(conn: Conn) -> dict[str, Any]:
        context: dict[str, Any] = {"query": asked.query, "view": inbox_view, "open": None, "lost": None, "read": False}
        context |= {"states": inbox_states_view, "may_put": asked.may_answer}
        context["upload_mb"] = app.settings.inbox_upload_mb
        if conversation_id is not None:
            context |= await _thread(conn, app, asked, conversation_id, reads=reads)
        if context["open"] is not None:
            context |= await inbox_bot_view.of_thread(conn, app, asked, context["open"].id, context["lines"])
            context |= await inbox_signs.of_thread(conn, app, asked, context["open"])
        if context["read"]:
            await inbox_receipts.show(conn, app, asked.caller, context["open"].id)
        if asked.part not in {"older", "thread", "composer"}:
            context |= await _list(conn, asked)
        context["threads_waiting"] = await threads.count(conn, asked.caller, Filter.UNREAD, "")
        return context

    context = await app.db.run("show inbox", work)
    if context["read"]:
        threads.tell_read(asked.caller, context["open"].id)
    status = 404 if context["lost"] and asked.part is None else 200
    if asked.refused:
        status = errors.status_of(asked.refused.error)
    drawn = pages.page(request, f"inbox/{PARTS[asked.part]}.html", context, status)
    if asked.part == "threads":
        drawn.headers["hx-push-url"] = asked.query.link()
    return drawn


async def _list(conn: Conn, asked: Look) -> dict[str, Any]:
    query = asked.query
    after = inbox_view.read_after(asked.after)
    page = await threads.listing(conn, asked.caller, query.asked, query.search, after, PAGE_SIZE)
    context: dict[str, Any] = {"rows": page.threads, "older": inbox_view.after(query, page)}
    context |= await inbox_desk.of_list(conn, asked.caller, page.threads)
    if asked.part == "rows":
        return context
    context |= await inbox_several_view.of_list(conn, asked.caller, asked.did, asked.clock)
    counted = await threads.counted(conn, asked.caller, query.asked, query.search)
    return context | {"total": counted.count, "whole": counted.whole}


async def _thread(conn: Conn, app: App, asked: Look, conversation_id: int, *, reads: bool) -> dict[str, Any]:
    caller = asked.caller
    try:
        thread = await threads.by_number(conn, caller, conversation_id)
    except NotFound as error:
        return {"lost": asked.clock.words.gettext(error.message), "composer": _unsent(asked)}
    # Not where there is nothing to read: marking waits for the thread's row, behind whoever files in it.
    read = reads and bool(thread.unread or (asked.may_answer and thread.team_unread))
    if read:
        thread = await threads.mark_read(conn, caller, thread.id)
    before = inbox_view.read_place(asked.before)
    found = await threads.bubbles(conn, caller, thread.id, before, BUBBLES + 1)
    shown = found[-BUBBLES:]
    earlier = None
    if len(found) > BUBBLES:
        earlier = asked.query.to(thread, before=inbox_view.write_place(shown[0].said_at, shown[0].seq))
    return {
        "open": thread,
        "lines": inbox_view.lines(shown, asked.clock),
        "brings": await inbox_brought.brought(conn, app, caller, shown, asked.clock),
        "earlier": earlier,
        "before": asked.before,
        "read": read,
        **await inbox_scheduled_view.of_thread(conn, caller, thread.id),
        **await inbox_desk.of_thread(conn, asked, thread, shown, before and before[0]),
        "composer": await _composer(conn, asked, thread),
        "joining": await customers.joining(conn, caller, thread.id),
        "may_tidy": may(caller, Right.REVIEW),
        **await inbox_consent_view.of_thread(conn, caller, thread.id),
        **await inbox_states_view.of_thread(conn, caller, thread),
    }


async def _composer(conn: Conn, asked: Look, thread: Thread) -> inbox_view.Composer | None:
    """None for who may not answer."""
    if not asked.may_answer:
        return None
    window = await sending.window_of(conn, asked.caller, thread.id)
    drawn = replace(inbox_view.composer(thread, window, uuid4().hex, asked.clock), typed=asked.typed)
    was = asked.refused
    return inbox_view.refused(drawn, was.typed, was.error, asked.clock) if was else drawn


def _unsent(asked: Look) -> inbox_view.Composer | None:
    """What was typed to a thread that is not there; None where nothing was."""
    was = asked.refused
    nowhere = inbox_view.Composer(uuid4().hex, "", "", soon=False)
    return inbox_view.refused(nowhere, was.typed, was.error, asked.clock) if was else None


HANDLERS = [inbox_page, thread_page, mark_read, mark_unread, send]
