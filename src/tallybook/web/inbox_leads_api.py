"""Leads for programs: listed by status, changed with a key, and how they became what they are."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import get, patch, post, put
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Stream
from msgspec import Meta

from tallybook.core.db import Conn
from tallybook.core.errors import NotFound
from tallybook.inbox import lead_rules, naming
from tallybook.inbox.lead_rules import Status
from tallybook.inbox.service import leads
from tallybook.inbox.service.leads import Lead

from . import inbox_view, pages
from .answers import Ok, ok
from .inbox_api import TAGS
from .inbox_lead_view import shown
from .inbox_leads import PAGE_SIZE, file_of, read_sought
from .needs import Asked, TheApp

LEADS = "/api/crm/leads"


class StatusRow(msgspec.Struct, frozen=True):
    """A status: its key, what it is called in the caller's language, its colour, and how many leads are at it."""

    status: str
    name: str
    colour: str
    leads: int


class LeadsPage(msgspec.Struct, frozen=True):
    """A page of leads, who came to their status last first. ``after`` leads to the next one; null on the last."""

    leads: list[Lead]
    after: str | None


class Kept(msgspec.Struct, frozen=True):
    """A status to keep. ``name`` may be null for one of those with which everybody begins."""

    status: Annotated[str, Meta(min_length=1, max_length=60)]
    name: str | None
    colour: str


class Wanted(msgspec.Struct, frozen=True):
    """The status to which a lead is to come. ``key`` makes a repeat harmless."""

    status: str
    key: str


class Facts(msgspec.Struct, frozen=True):
    """What to write down of a lead; what is null stays."""

    name: str | None = None
    email: str | None = None
    notes: str | None = None


class ChangeRow(msgspec.Struct, frozen=True):
    """That a lead came from one status to another."""

    at: datetime
    by: str
    status_before: str
    status: str


@get(LEADS, tags=TAGS)
async def list_leads(
    request: Asked,
    app: TheApp,
    *,
    status: FromQuery[str | None] = None,
    q: FromQuery[str | None] = None,
    after: FromQuery[str | None] = None,
) -> Ok[LeadsPage]:
    """Leads at a ``status``, by a part of a name, an e-mail address or a phone (``q``). A page holds 50."""
    sought, place = read_sought(status, q), inbox_view.read_place(after or "")
    found = await app.db.run("list leads", lambda conn: leads.listed(conn, request.user, sought, place, PAGE_SIZE + 1))
    last = found[PAGE_SIZE - 1] if len(found) > PAGE_SIZE else None
    following = inbox_view.write_place(last.status_entered_at, last.id) if last else None
    return ok(LeadsPage(found[:PAGE_SIZE], following))


@get([f"{LEADS}.csv", f"{LEADS}.xlsx"], tags=TAGS)
async def get_leads_file(
    request: Asked, app: TheApp, status: FromQuery[str | None] = None, q: FromQuery[str | None] = None
) -> Stream:
    """All leads of such a list as a file. Times are by the clocks of the business, which its heading names."""
    return await file_of(request, app, status, q)


@get(f"{LEADS}/statuses", tags=TAGS)
async def list_statuses(request: Asked, app: TheApp) -> Ok[list[StatusRow]]:
    """What a lead can be, in order."""
    return ok(await app.db.run("list statuses", lambda conn: _statuses(conn, request)))


@put(f"{LEADS}/statuses", tags=TAGS)
async def keep_statuses(request: Asked, app: TheApp, data: JSONBody[list[Kept]]) -> Ok[list[StatusRow]]:
    """Has a lead be one of these, in this order. For who may lead. 409 for one less at which leads still are."""

    async def work(conn: Conn) -> list[StatusRow]:
        kept = [Status(one.status, one.name, one.colour) for one in data]
        await leads.keep_statuses(conn, request.user, kept)
        return await _statuses(conn, request)

    return ok(await app.db.run("keep statuses", work))


@get(f"{LEADS}/{{lead_id:int}}", tags=TAGS)
async def show_lead(request: Asked, app: TheApp, lead_id: FromPath[int]) -> Ok[Lead]:
    """One lead. 404 outside the business."""
    number = _number(lead_id)
    return ok(await app.db.run("show lead", lambda conn: leads.one(conn, request.user, number)))


@patch(f"{LEADS}/{{lead_id:int}}", tags=TAGS)
async def change_lead(request: Asked, app: TheApp, lead_id: FromPath[int], data: JSONBody[Facts]) -> Ok[Lead]:
    """Writes down other things of a lead. 404 outside the business."""
    number = _number(lead_id)

    async def work(conn: Conn) -> Lead:
        there = await leads.one(conn, request.user, number)
        given = (
            there.given if data.name is None else data.name,
            there.email if data.email is None else data.email,
            there.notes if data.notes is None else data.notes,
        )
        return await leads.edit(conn, request.user, number, lead_rules.facts(*given))

    return ok(await app.db.run("change lead", work))


@post(f"{LEADS}/{{lead_id:int}}/status", tags=TAGS, status_code=200)
async def change_status(request: Asked, app: TheApp, lead_id: FromPath[int], data: JSONBody[Wanted]) -> Ok[Lead]:
    """A lead comes to a status. A repeat of ``key`` changes nothing; 409 where it stood for another status."""
    number = _number(lead_id)
    return ok(
        await app.db.run("change lead", lambda conn: leads.change(conn, request.user, number, data.status, data.key))
    )


@get(f"{LEADS}/{{lead_id:int}}/history", tags=TAGS)
async def lead_history(request: Asked, app: TheApp, lead_id: FromPath[int]) -> Ok[list[ChangeRow]]:
    """How a lead became what it is, the newest first; the latest 50. 404 outside the business."""
    number = _number(lead_id)
    found = await app.db.run("lead's history", lambda conn: leads.history(conn, request.user, number))
    return ok([ChangeRow(one.at, one.who, one.was, one.became) for one in found])


async def _statuses(conn: Conn, request: Asked) -> list[StatusRow]:
    counts = await leads.counts(conn, request.user)
    kept = await leads.statuses(conn, request.user.business_id)
    return [
        StatusRow(one.status, one.words, one.colour, one.leads) for one in shown(kept, counts, pages.clock_of(request))
    ]


def _number(given: int) -> int:
    """Raises NotFound for what no lead can be numbered."""
    if naming.number(str(given)) is None:
        raise NotFound("There is no such lead.")
    return given


HANDLERS = [
    list_leads,
    get_leads_file,
    list_statuses,
    keep_statuses,
    show_lead,
    change_lead,
    change_status,
    lead_history,
]
