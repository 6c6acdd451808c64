"""Answering one message of a thread: quoting it, and putting an emoji on it; and who read what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound, TallybookError
from tallybook.inbox import naming
from tallybook.inbox.contents import Text
from tallybook.inbox.service import reacting, receipts, sending, templates, threads
from tallybook.inbox.service.leaving import ANSWERED
from tallybook.inbox.service.threads import Thread
from tallybook.inbox.store.reacting import About
from tallybook.inbox.types import Delivery

from . import errors, inbox_receipts, inbox_view, pages
from .inbox_view import PATH
from .needs import Asked, TheApp
from .times import Clock

if TYPE_CHECKING:
    from .inbox import Look

# How far a message must have come for its provider to know it.
KNOWN = frozenset({Delivery.RECEIVED, Delivery.SENT, Delivery.DELIVERED, Delivery.READ})


@dataclass(frozen=True)
class Quoting:
    """The message that the composer answers: its number and its words."""

    id: int
    words: str


async def of_thread(conn: Conn, app: App, asked: Look, thread: Thread) -> dict[str, Any]:
    """What an open thread shows of this."""
    may_answer = asked.may_answer and thread.channel in ANSWERED
    quote = asked.quote if may_answer else ""
    return {
        "quoting": await quoting_of(conn, asked, thread.id, quote), "may_sign": may_answer,
        "has_templates": thread.channel == templates.CHANNEL,
        "signed": KNOWN, "quick": reacting.QUICK, "sign_key": uuid4().hex,
        "reading": await receipts.reading(conn, asked.caller, thread.id),
        "shows_reading": await inbox_receipts.wished(conn, app, asked.caller),
    }  # fmt: skip


async def quoting_of(conn: Conn, asked: Look, conversation_id: int, quote: str) -> Quoting | None:
    """The message of a thread of which somebody gave the number; None where it went, or was never there."""
    number = naming.number(quote)
    if number is None:
        return None
    try:
        return _quoting(number, await reacting.quoted(conn, asked.caller, conversation_id, number), asked.clock)
    except (Conflict, NotFound):
        return None


def _quoting(number: int, about: About, clock: Clock) -> Quoting:
    return Quoting(number, about.body[:300] or inbox_view.called(about.type, clock))


async def send(conn: Conn, caller: Caller, conversation_id: int, form: Mapping[str, Any]) -> int:
    """Leaves what the composer holds to be sent, with what it answers. Raises as sending.send."""
    text, key, quote = str(form.get("text", "")), str(form.get("key", "")), str(form.get("quote", ""))
    if not quote:
        return await sending.send_text(conn, caller, conversation_id, text, key)
    number = naming.number(quote)
    if number is None:
        raise NotFound("There is no such message.")
    require(caller, Right.ANSWER)
    held = await sending.hold(conn, caller.business_id, conversation_id)
    about = await reacting.quoted(conn, caller, held.id, number)
    return await sending.send(conn, caller, conversation_id, Text(text=text, quote=about.external_id or ""), key)


@get(PATH + "/{conversation_id:int}/messages/{message_id:int}/react", include_in_schema=False)
async def react_page(
    request: Asked, app: TheApp, conversation_id: FromPath[int], message_id: FromPath[int]
) -> Response[str]:
    """Which emoji to put on a message, for those without script."""
    require(request.user, Right.ANSWER)
    return await _page(request, app, (conversation_id, message_id), None)


@post(PATH + "/{conversation_id:int}/react", include_in_schema=False)
async def react(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Response[Any]:
    """Puts an emoji on a message, or takes ours off."""
    require(request.user, Right.ANSWER)
    form = await request.form()
    number = naming.number(str(form.get("message", "")))
    if number is None:
        raise NotFound("There is no such message.")
    emoji, key = str(form.get("emoji", "")), str(form.get("key", ""))

    async def work(conn: Conn) -> Thread:
        thread = await threads.by_number(conn, request.user, conversation_id)
        await reacting.react(conn, request.user, conversation_id, number, emoji, key)
        return thread

    try:
        thread = await app.db.run("react", work)
    except (Conflict, Invalid) as error:
        return await _page(request, app, (conversation_id, number), error)
    return Redirect(f"{PATH}/{thread.id}#m{number}", status_code=303)


async def _page(request: Asked, app: App, place: tuple[int, int], error: TallybookError | None) -> Response[str]:
    async def work(conn: Conn) -> tuple[Thread, About]:
        thread = await threads.by_number(conn, request.user, place[0])
        return thread, await reacting.quoted(conn, request.user, thread.id, place[1])

    thread, about = await app.db.run("show message", work)
    clock = pages.clock_of(request)
    context = {
        "open": thread, "about": _quoting(place[1], about, clock), "quick": reacting.QUICK, "sign_key": uuid4().hex,
        "view": inbox_view, "trouble": clock.words.gettext(error.message) if error else "",
    }  # fmt: skip
    return pages.page(request, "inbox/react.html", context, errors.status_of(error) if error else 200)


HANDLERS = [react_page, react]
