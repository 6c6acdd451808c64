"""Leads: the page on which they stand by status, the list as a file, and what is said of one beside its thread."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect, Stream

from tallybook.app import App
from tallybook.core.callers import Caller, Right, may, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.core.table_files import Rows, Table
from tallybook.inbox import lead_rules
from tallybook.inbox.service import leads
from tallybook.inbox.service.leads import Lead, Sought

from . import inbox_view, pages
from .downloads import download, kind_of
from .inbox import look
from .inbox_lead_view import shown, words_of
from .inbox_view import MAX_SEARCH, PATH
from .needs import Asked, TheApp

LEADS = PATH + "/leads"
PAGE_SIZE = 50


def link(status: str = "", search: str = "", after: str = "") -> str:
    """The address of a view of the leads, without what is the default."""
    kept = {name: value for name, value in (("status", status), ("q", search), ("after", after)) if value}
    return f"{LEADS}?{urlencode(kept)}" if kept else LEADS


def read_sought(status: str | None, search: str | None) -> Sought:
    """Raises Invalid for a search that is too long."""
    search = (search or "").strip()
    if len(search) > MAX_SEARCH or "\0" in search + (status or ""):
        raise Invalid("A search may be at most 100 characters long.")
    return Sought((status or "")[: lead_rules.LONGEST_STATUS] or None, search)


@get(LEADS, include_in_schema=False)
async def leads_page(
    request: Asked,
    app: TheApp,
    status: FromQuery[str | None] = None,
    q: FromQuery[str | None] = None,
    after: FromQuery[str | None] = None,
) -> Response[str]:
    """The leads, by status."""
    clock, caller = pages.clock_of(request), request.user
    sought, place = read_sought(status, q), inbox_view.read_place(after or "")

    async def work(conn: Conn) -> dict[str, Any]:
        kept = await leads.statuses(conn, caller.business_id)
        return {
            "statuses": shown(kept, await leads.counts(conn, caller), clock),
            "found": await leads.listed(conn, caller, sought, place, PAGE_SIZE + 1),
        }

    context = await app.db.run("list leads", work)
    found: list[Lead] = context["found"][:PAGE_SIZE]
    context |= {"leads": found, "sought": sought, "link": link, "view": inbox_view, "older": ""}
    if len(context["found"]) > PAGE_SIZE:
        place_after = inbox_view.write_place(found[-1].status_entered_at, found[-1].id)
        context["older"] = link(sought.status or "", sought.search, place_after)
    context["may_lead"] = may(caller, Right.LEAD)
    return pages.page(request, "inbox/leads.html", context)


@get([f"{LEADS}.csv", f"{LEADS}.xlsx"], include_in_schema=False)
async def export_leads(
    request: Asked, app: TheApp, status: FromQuery[str | None] = None, q: FromQuery[str | None] = None
) -> Stream:
    """The same list as a file; times are by the clocks of the business, which its heading names."""
    return await file_of(request, app, status, q)


async def file_of(request: Asked, app: App, status: str | None, q: str | None) -> Stream:
    """The leads as a file of the kind with which the address ends."""
    require(request.user, Right.SEE)
    clock, sought = pages.clock_of(request), read_sought(status, q)
    kept = await app.db.run("list statuses", lambda conn: leads.statuses(conn, request.user.business_id))
    words = {one.status: words_of(one, clock) for one in kept}
    zone = request.user.business.time_zone
    head = ["Lead", "Name", "Phone", "E-mail", "Status", f"Since ({zone})", f"Made ({zone})", "Notes"]
    return await download(
        app, kind_of(request.scope["path"]), "leads",
        lambda conn: Table("Leads", head, _batches(conn, request.user, sought, words)),
    )  # fmt: skip


async def _batches(conn: Conn, caller: Caller, sought: Sought, words: Mapping[str, str]) -> AsyncGenerator[Rows, None]:
    zone = caller.business.zone
    async for found in leads.exported(conn, caller, sought):
        yield [
            (
                one.id, one.name, one.phone or "", one.email, words.get(one.status, one.status),
                one.status_entered_at.astimezone(zone).replace(tzinfo=None),
                one.created_at.astimezone(zone).replace(tzinfo=None), one.notes,
            )
            for one in found
        ]  # fmt: skip


@post(PATH + "/{conversation_id:int}/lead-status", include_in_schema=False)
async def change_status(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Redirect:
    """The thread's lead comes to a status; shows the thread."""
    form = await request.form()
    status, key = str(form.get("status", "")), str(form.get("key", ""))

    async def work(conn: Conn, lead: Lead) -> None:
        await leads.change(conn, request.user, lead.id, status, key)

    return await _turn(request, app, conversation_id, work)


@post(PATH + "/{conversation_id:int}/lead-facts", include_in_schema=False)
async def change_facts(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Redirect:
    """Writes down other things of the thread's lead; shows the thread."""
    form = await request.form()
    facts = lead_rules.facts(*(str(form.get(name, "")) for name in ("name", "email", "notes")))

    async def work(conn: Conn, lead: Lead) -> None:
        await leads.edit(conn, request.user, lead.id, facts)

    return await _turn(request, app, conversation_id, work)


async def _turn(request: Asked, app: TheApp, conversation_id: int, turn: Any) -> Redirect:
    asked = look(request)
    require(request.user, Right.ANSWER)

    async def work(conn: Conn) -> None:
        lead = await leads.of_thread(conn, request.user, conversation_id)
        if lead is None:
            raise NotFound("There is no such lead.")
        await turn(conn, lead)

    await app.db.run("change lead", work)
    return Redirect(asked.query.link(f"{PATH}/{conversation_id}"), status_code=303)


HANDLERS = [leads_page, export_leads, change_status, change_facts]
