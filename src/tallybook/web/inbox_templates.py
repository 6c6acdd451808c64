"""Templates: what WhatsApp has approved, and one of them filled, looked at and sent to a thread's customer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from tallybook.core.callers import Right, may, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound, TallybookError
from tallybook.core.marking import N_
from tallybook.inbox import template_rules as rules
from tallybook.inbox.service import templates, threads
from tallybook.inbox.service.threads import Thread
from tallybook.inbox.template_types import Field, Template

from . import errors, inbox_view, pages
from .inbox import Look, look
from .inbox_view import PATH
from .needs import Asked, TheApp

MAX_SEARCH = 100
PREVIEW, SEND = "preview", "send"
STATUSES = {
    "approved": (N_("approved"), "ok"), "pending": (N_("waits for WhatsApp"), "late"),
    "in_appeal": (N_("waits for WhatsApp"), "late"), "rejected": (N_("refused"), "wrong"),
    "paused": (N_("paused"), "wrong"), "disabled": (N_("stopped"), "wrong"), "flagged": (N_("in danger"), "late"),
    "limit_exceeded": (N_("stopped"), "wrong"), "pending_deletion": (N_("is being deleted"), "late"),
    "deleted": (N_("deleted"), "wrong"), "unknown": (N_("not read yet"), "late"),
}  # fmt: skip
GONE = (N_("gone"), "wrong")
LABELS = {
    "file": N_("Address of the file"), "header": N_("In the heading"), "body": N_("In the text"),
    "address": N_("End of the address of the button"), "code": N_("Code of the button"),
}  # fmt: skip


def state_of(template: Template) -> tuple[str, str]:
    """How a template stands: in words, and as the name of a colour. Pure."""
    if template.gone:
        return GONE
    return STATUSES.get(template.status, (template.status, "late"))


def label_of(field: Field, say: Any) -> str:
    """What a place is called on a page. Pure."""
    name = f"{{{{{field.label}}}}}" if field.part in {"header", "body"} else field.label
    return f"{say(LABELS[field.part])} {name}" if name else str(say(LABELS[field.part]))


@get(PATH + "/templates", include_in_schema=False)
async def templates_page(request: Asked, app: TheApp) -> Response[str]:
    """Every template and how it stands, with a button that has them read again."""
    require(request.user, Right.SEE)
    board = await app.db.run("list templates", lambda conn: templates.board(conn, request.user))
    context = {"board": board, "state_of": state_of, "shown": rules.shown, "why_not": rules.why_not}
    return pages.page(request, "inbox/templates.html", context | {"may_ask": may(request.user, Right.ANSWER)})


@post(PATH + "/templates/read", include_in_schema=False)
async def read_templates(request: Asked, app: TheApp) -> Redirect:
    """Has them read again; a job does it."""
    await app.db.run("ask for templates", lambda conn: templates.ask(conn, request.user, datetime.now(UTC)))
    return Redirect(f"{PATH}/templates", status_code=303)


@get(PATH + "/{conversation_id:int}/templates", include_in_schema=False)
async def choose_page(
    request: Asked, app: TheApp, conversation_id: FromPath[int], find: FromQuery[str] = ""
) -> Response[str]:
    """Which template may be sent to a thread's customer."""
    require(request.user, Right.ANSWER)
    asked = look(request)

    async def work(conn: Conn) -> tuple[Thread, list[Template], bool]:
        thread = await threads.by_number(conn, asked.caller, conversation_id)
        board = await templates.board(conn, asked.caller)
        return thread, await templates.offered(conn, asked.caller, thread.id), bool(board.accounts)

    thread, offered, has_accounts = await app.db.run("offer templates", work)
    sought = find.strip()[:MAX_SEARCH].casefold()
    fitting = [one for one in offered if sought in f"{one.name}\n{rules.shown(one, {}).text}".casefold()]
    context = {"query": asked.query, "view": inbox_view, "open": thread, "offered": fitting, "find": find.strip()}
    context |= {"shown": rules.shown, "has_accounts": has_accounts, "none_at_all": not offered}
    return pages.page(request, "inbox/template_choose.html", context)


@get(PATH + "/{conversation_id:int}/templates/{template_id:int}", include_in_schema=False)
async def fill_page(
    request: Asked, app: TheApp, conversation_id: FromPath[int], template_id: FromPath[int]
) -> Response[str]:
    """A template with its places to be filled."""
    require(request.user, Right.ANSWER)
    return await _fill(request, app, look(request), (conversation_id, template_id), {})


@post(PATH + "/{conversation_id:int}/templates/{template_id:int}", include_in_schema=False)
async def use_template(
    request: Asked, app: TheApp, conversation_id: FromPath[int], template_id: FromPath[int]
) -> Response[Any]:
    """Shows a template as it will read, or leaves it to be sent."""
    require(request.user, Right.ANSWER)
    asked, form = look(request), await request.form()
    given = {name: str(value) for name, value in form.items() if "." in name or name in {"header", "file"}}
    if form.get("do") != SEND:
        return await _fill(request, app, asked, (conversation_id, template_id), given)
    key = str(form.get("key", ""))

    async def work(conn: Conn) -> Thread:
        thread = await threads.by_number(conn, asked.caller, conversation_id)
        template = await templates.one(conn, asked.caller, template_id)
        places = {one.key for one in rules.fields(template)}
        values = {name: value for name, value in given.items() if name in places}
        await templates.send(conn, asked.caller, conversation_id, template, values, key)
        return thread

    try:
        thread = await app.db.run("send template", work)
    except (Conflict, Invalid) as error:
        return await _fill(request, app, asked, (conversation_id, template_id), given, error, key)
    return Redirect(asked.query.to(thread), status_code=303)


async def _fill(  # noqa: PLR0917 - what is shown of what, and what went wrong with it
    request: Asked, app: TheApp, asked: Look, place: tuple[int, int], given: Mapping[str, str],
    error: TallybookError | None = None, key: str = "",
) -> Response[str]:  # fmt: skip
    async def work(conn: Conn) -> tuple[Thread, Template]:
        thread = await threads.by_number(conn, asked.caller, place[0])
        return thread, await templates.one(conn, asked.caller, place[1])

    thread, template = await app.db.run("show template", work)
    say = asked.clock.words.gettext
    why = rules.why_not(template)
    if why is not None and error is None:
        error = NotFound(why)
    context = {
        "query": asked.query, "view": inbox_view, "open": thread, "template": template,
        "fields": [(one, label_of(one, say)) for one in rules.fields(template)], "given": given,
        "reads": rules.shown(template, {name: value.strip() for name, value in given.items()}),
        "key": key or uuid4().hex, "trouble": say(error.message) if error else "",
        "wrong_place": error.details.get("place") if error else None, "usable": why is None,
    }  # fmt: skip
    part = request.headers.get("hx-target") == "shown"
    page = "template_shown" if part else "template_fill"
    status = errors.status_of(error) if error and not part else 200
    return pages.page(request, f"inbox/{page}.html", context, status)


HANDLERS = [templates_page, read_templates, choose_page, fill_page, use_template]
