"""The pages of broadcasts: looked at, begun, watched, paused, stopped; and by which words customers say no more."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.callers import Caller, Right, may, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound, TallybookError, TooLarge
from tallybook.inbox import broadcast_rules, naming, template_rules
from tallybook.inbox.broadcast_types import New, Preview
from tallybook.inbox.service import broadcasts, consent, labels, leads
from tallybook.inbox.template_types import Template

from . import errors, inbox_lead_view, pages
from .inbox_broadcast_words import AUDIENCES, STATES
from .needs import Asked, TheApp

PATH = "/inbox/broadcasts"
PAGE_SIZE = 50
MOST_BYTES = 500_000  # of a list: it goes along with the form until the broadcast begins
REFUSALS = (Invalid, Conflict, NotFound, TooLarge)


@dataclass(frozen=True)
class Typed:
    """What stands in the form: the broadcast as it would be, the list as it goes along, the time as it was typed."""

    new: New
    listed: str = ""
    at: str = ""


@get(PATH, include_in_schema=False)
async def broadcasts_page(request: Asked, app: TheApp) -> Response[str]:
    """Every broadcast, the newest first."""
    before = naming.number(request.query_params.get("before", "")) or 0

    async def read(conn: Conn) -> dict[str, Any]:
        found = await broadcasts.listed(conn, request.user, before, PAGE_SIZE + 1)
        following = found[PAGE_SIZE - 1].id if len(found) > PAGE_SIZE else None
        return {"rows": found[:PAGE_SIZE], "before": following, "words": await consent.words(conn, request.user)}

    context = await app.db.run("list broadcasts", read)
    context |= {"states": STATES, "may_begin": may(request.user, Right.LEAD), "saved": False}
    return pages.page(request, "inbox/broadcasts.html", context)


@post(PATH + "/words", include_in_schema=False)
async def keep_words(request: Asked, app: TheApp) -> Redirect:
    """By which words customers say that they want no more, or want it again. Raises Invalid."""
    form = await request.form()
    words = broadcast_rules.Words(
        broadcast_rules.words_of(str(form.get("stop", ""))), broadcast_rules.words_of(str(form.get("resume", "")))
    )
    await app.db.run("keep words", lambda conn: consent.keep_words(conn, request.user, words))
    return Redirect(PATH, status_code=303)


@get(PATH + "/new", include_in_schema=False)
async def new_broadcast(request: Asked, app: TheApp) -> Response[str]:
    """The form of one."""
    require(request.user, Right.LEAD)
    template = naming.number(request.query_params.get("template", "")) or 0
    return await _form(request, app, Typed(New(uuid4().hex, "", template, "", "all")), {})


@post(PATH + "/look", include_in_schema=False)
async def look(request: Asked, app: TheApp) -> Response[str]:
    """What it would do, beside the form as it was typed; nothing is done."""
    typed = await _typed(request)
    try:
        found: Preview = await app.db.run(
            "look at broadcast", lambda conn: broadcasts.look(conn, request.user, typed.new)
        )
    except REFUSALS as error:
        return await _refused(request, app, typed, error)
    return await _form(request, app, typed, {"preview": found})


@post(PATH, include_in_schema=False)
async def begin(request: Asked, app: TheApp) -> Response[Any]:
    """Begins it; the form's key makes a second press harmless."""
    typed = await _typed(request)
    try:
        number: int = await app.db.run("begin broadcast", lambda conn: broadcasts.start(conn, request.user, typed.new))
    except REFUSALS as error:
        return await _refused(request, app, typed, error)
    return Redirect(f"{PATH}/{number}", status_code=303)


async def _typed(request: Asked) -> Typed:
    require(request.user, Right.LEAD)
    form = await request.form()

    def text(name: str) -> str:
        return str(form.get(name, "")).replace("\0", "")

    file = form.get("file")
    listed = text("listed")
    if isinstance(file, UploadFile) and file.filename:
        data = await file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise TooLarge("The list is larger than 500 kB. Send it in parts.", limit=MOST_BYTES)
        listed = base64.b64encode(data).decode()
    places = {name.removeprefix("place."): text(name) for name in form if name.startswith("place.")}
    new = New(
        text("key"), text("name"), naming.number(text("template")) or 0, text("account"), text("kind"), places,
        naming.number(text("label")), text("status"), _decoded(listed), _moment(text("at"), request.user),
    )  # fmt: skip
    return Typed(new, listed, text("at"))


def _decoded(listed: str) -> bytes:
    try:
        return base64.b64decode(listed, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("The list is not whole. Choose the file again.") from None


def _moment(text: str, caller: Caller) -> datetime | None:
    """By the clocks of the business; None for now."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=caller.business.zone) if text else None
    except (ValueError, OverflowError):
        raise Invalid("This is not a time.") from None


async def _refused(request: Asked, app: App, typed: Typed, error: TallybookError) -> Response[str]:
    return await _form(request, app, typed, {"problem": error}, errors.status_of(error))


async def _form(request: Asked, app: App, typed: Typed, more: dict[str, Any], status: int = 200) -> Response[str]:
    caller, clock = request.user, pages.clock_of(request)

    async def read(conn: Conn) -> dict[str, Any]:
        offered = await broadcasts.offered(conn, caller)
        chosen = next((one for one in offered if one.id == typed.new.template), offered[0] if offered else None)
        return {
            "offered": offered, "chosen": chosen, "labels": await labels.names(conn, caller),
            "statuses": [
                (one.status, inbox_lead_view.words_of(one, clock))
                for one in await leads.statuses(conn, caller.business_id)
            ],
            "numbers": await broadcasts.numbers(conn, caller), **_places(chosen),
        }  # fmt: skip

    context = await app.db.run("read broadcast form", read)
    context |= {"typed": typed, "new": typed.new, "preview": None, "problem": None, "audiences": AUDIENCES}
    context |= {"why": broadcast_rules.WHY, "most": broadcast_rules.MOST_ROWS}
    return pages.page(request, "inbox/broadcast_new.html", context | more, status)


def _places(template: Template | None) -> dict[str, Any]:
    if template is None:
        return {"fields": [], "reads": ""}
    return {"fields": template_rules.fields(template), "reads": template_rules.shown(template, {}).text}


@get(PATH + "/{number:int}", include_in_schema=False)
async def broadcast_page(request: Asked, app: TheApp, number: FromPath[int]) -> Response[str]:
    """One broadcast, with what became of each recipient; it asks for itself again while it runs."""
    asked = request.query_params
    after = naming.number(asked.get("after", "")) or 0
    state = asked.get("show", "") if asked.get("show", "") in STATES else ""

    async def read(conn: Conn) -> dict[str, Any]:
        found = await broadcasts.one(conn, request.user, number)
        rows = await broadcasts.recipients(conn, request.user, number, state, after, PAGE_SIZE + 1)
        following = rows[PAGE_SIZE - 1].place if len(rows) > PAGE_SIZE else None
        return {"one": found, "rows": rows[:PAGE_SIZE], "after": following}

    context = await app.db.run("show broadcast", read)
    context |= {"states": STATES, "show": state, "path": f"{PATH}/{number}", "may_turn": may(request.user, Right.LEAD)}
    name = "broadcast_part" if "hx-request" in request.headers else "broadcast"
    return pages.page(request, f"inbox/{name}.html", context)


@post(PATH + "/{number:int}/turn", include_in_schema=False)
async def turn(request: Asked, app: TheApp, number: FromPath[int]) -> Redirect:
    """Pauses, resumes or stops it."""
    what = str((await request.form()).get("what", ""))
    await app.db.run("turn broadcast", lambda conn: broadcasts.turn(conn, request.user, number, what))
    return Redirect(f"{PATH}/{number}", status_code=303)


HANDLERS = [broadcasts_page, keep_words, new_broadcast, look, begin, broadcast_page, turn]
