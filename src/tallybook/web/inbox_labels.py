"""Labels: the page on which they are kept, and putting one on a thread or taking it off."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.callers import Right, may, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.core.marking import N_
from tallybook.inbox import desk_rules, naming
from tallybook.inbox.service import labels, threads
from tallybook.inbox.service.threads import Thread

from . import errors, pages
from .inbox import look
from .inbox_view import PATH
from .needs import Asked, TheApp

LABELS = PATH + "/labels"
COLOUR_NAMES = {
    "grey": N_("Grey"), "blue": N_("Blue"), "green": N_("Green"), "amber": N_("Amber"), "red": N_("Red"),
    "purple": N_("Purple"), "teal": N_("Teal"), "pink": N_("Pink"),
}  # fmt: skip


@get(LABELS, include_in_schema=False)
async def labels_page(request: Asked, app: TheApp) -> Response[str]:
    """All labels."""
    return await _show(request, app)


async def _show(request: Asked, app: App, error: Conflict | Invalid | None = None, typed: str = "") -> Response[str]:
    require(request.user, Right.SEE)
    listed = await app.db.run("list labels", lambda conn: labels.listed(conn, request.user))
    trouble = pages.clock_of(request).words.gettext(error.message) if error else ""
    context: dict[str, Any] = {"labels": listed, "trouble": trouble, "typed": typed, "colour_names": COLOUR_NAMES}
    context |= {"may_lead": may(request.user, Right.LEAD), "colours": desk_rules.COLOURS}
    return pages.page(request, "inbox/labels.html", context, errors.status_of(error) if error else 200)


@post(LABELS, include_in_schema=False)
async def write_label(request: Asked, app: TheApp) -> Response[Any]:
    """Makes a label, or gives the one of the form's number its name and colour."""
    form = await request.form()
    name, colour = str(form.get("name", "")), str(form.get("colour", ""))
    number = naming.number(str(form.get("label", "")))

    async def work(conn: Conn) -> None:
        if number is None:
            await labels.add(conn, request.user, name, colour)
        else:
            await labels.change(conn, request.user, number, name, colour)

    try:
        await app.db.run("write label", work)
    except (Conflict, Invalid) as error:
        return await _show(request, app, error, name if number is None else "")
    return Redirect(LABELS, status_code=303)


@post(LABELS + "/{label_id:int}/remove", include_in_schema=False)
async def remove_label(request: Asked, app: TheApp, label_id: FromPath[int]) -> Redirect:
    """Takes a label away; ``into`` another one, where the form names it."""
    number = naming.number(str(label_id)) or 0
    into = naming.number(str((await request.form()).get("into", "")))

    async def work(conn: Conn) -> int:
        if into is None:
            return await labels.remove(conn, request.user, number)
        return await labels.merge(conn, request.user, number, into)

    await app.db.run("remove label", work)
    return Redirect(LABELS, status_code=303)


@post(PATH + "/{conversation_id:int}/labels", include_in_schema=False)
async def put_label(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Redirect:
    """Puts a label on a thread, or takes it ``off``."""
    asked = look(request)
    form = await request.form()
    number, off = naming.number(str(form.get("label", ""))), str(form.get("off", "")) == "1"
    if number is None:
        raise NotFound("There is no such label.")

    async def work(conn: Conn) -> Thread:
        await labels.put(conn, asked.caller, [conversation_id], number, off=off)
        return await threads.by_number(conn, asked.caller, conversation_id)

    return Redirect(asked.query.to(await app.db.run("label thread", work)), status_code=303)


HANDLERS = [labels_page, write_label, remove_label, put_label]
