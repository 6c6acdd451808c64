"""The page on which a business keeps what a lead can be: named, coloured, ordered, added and taken away."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.callers import Right, may, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid
from tallybook.inbox import desk_rules, lead_rules
from tallybook.inbox.lead_rules import Status
from tallybook.inbox.service import leads

from . import errors, pages
from .inbox_labels import COLOUR_NAMES
from .inbox_lead_view import shown
from .inbox_leads import LEADS
from .needs import Asked, TheApp

STATUSES = LEADS + "/statuses"


@get(STATUSES, include_in_schema=False)
async def statuses_page(request: Asked, app: TheApp) -> Response[str]:
    """What a lead can be."""
    return await _show(request, app)


async def _show(request: Asked, app: App, error: Conflict | Invalid | None = None) -> Response[str]:
    require(request.user, Right.SEE)
    clock = pages.clock_of(request)

    async def work(conn: Conn) -> dict[str, Any]:
        kept = await leads.statuses(conn, request.user.business_id)
        return {"statuses": shown(kept, await leads.counts(conn, request.user), clock)}

    context = await app.db.run("list statuses", work)
    context |= {"colours": desk_rules.COLOURS, "colour_names": COLOUR_NAMES, "may_lead": may(request.user, Right.LEAD)}
    context["trouble"] = clock.words.gettext(error.message) if error else ""
    return pages.page(request, "inbox/lead_statuses.html", context, errors.status_of(error) if error else 200)


@post(STATUSES, include_in_schema=False)
async def keep_status(request: Asked, app: TheApp) -> Response[Any]:
    """Adds a status, or names, colours, moves up or takes away the one of the form."""
    form = await request.form()
    given = {name: str(form.get(name, "")) for name in ("status", "name", "colour", "do", "into")}

    async def work(conn: Conn) -> None:
        kept = await leads.statuses(conn, request.user.business_id)
        if given["do"] == "remove":
            await leads.remove_status(conn, request.user, given["status"], given["into"])
        else:
            await leads.keep_statuses(conn, request.user, turned(kept, given))

    try:
        await app.db.run("keep statuses", work)
    except (Conflict, Invalid) as error:
        return await _show(request, app, error)
    return Redirect(STATUSES, status_code=303)


def turned(kept: list[Status], given: dict[str, str]) -> list[Status]:
    """The statuses once what the form says is done. Pure."""
    at = next((place for place, one in enumerate(kept) if one.status == given["status"]), None)
    if at is None:
        key = lead_rules.key_of(given["name"], [one.status for one in kept])
        return [*kept, Status(key, given["name"], given["colour"])]
    if given["do"] == "up":
        return [*kept[: max(at - 1, 0)], kept[at], *kept[max(at - 1, 0) : at], *kept[at + 1 :]]
    name = kept[at].name if kept[at].name is None and not given["name"].strip() else given["name"]
    return [*kept[:at], Status(kept[at].status, name, given["colour"]), *kept[at + 1 :]]


HANDLERS = [statuses_page, keep_status]
