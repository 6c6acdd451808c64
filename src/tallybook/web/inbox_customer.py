"""What people say of a thread's customer, as plain forms: a lead, the same person as another, two persons again."""

from __future__ import annotations

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.inbox import naming
from tallybook.inbox.service import customers, threads
from tallybook.inbox.service.customers import Pair

from . import errors, inbox_view, pages
from .inbox import Look, look
from .inbox_view import MAX_SEARCH, PATH
from .needs import Asked, TheApp


def _tidier(request: Asked) -> Look:
    """Raises NotAllowed for who may neither lead nor review: who may lead may review."""
    require(request.user, Right.REVIEW)
    return look(request)


@post(PATH + "/{conversation_id:int}/lead", include_in_schema=False)
async def make_lead(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Redirect:
    """Makes the customer a lead, and shows the thread."""
    asked = _tidier(request)
    name = str((await request.form()).get("name", ""))

    number = _in_range(conversation_id)
    thread = await app.db.run("make lead", lambda conn: customers.make_lead(conn, asked.caller, number, name))
    return Redirect(asked.query.to(thread), status_code=303)


@post(PATH + "/{conversation_id:int}/part", include_in_schema=False)
async def part(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Redirect:
    """Parts two that were joined, and shows the thread of the one who was kept."""
    asked = _tidier(request)
    joining = naming.number(str((await request.form()).get("joining", "")))
    if joining is None:
        raise NotFound("There is no such joining.")
    number = _in_range(conversation_id)
    left = await app.db.run("part contacts", lambda conn: customers.part(conn, asked.caller, number, joining))
    return Redirect(asked.query.link(f"{PATH}/{left}"), status_code=303)


@get(PATH + "/{conversation_id:int}/same", include_in_schema=False)
async def ask_same(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Response[str]:
    """Asks who else the customer is."""
    return await _same(request, app, conversation_id, None)


@post(PATH + "/{conversation_id:int}/same", include_in_schema=False)
async def look_same(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Response[str]:
    """Says what joining two would do. Posted, so that no phone stands in an address."""
    return await _same(request, app, conversation_id, str((await request.form()).get("who", "")).strip())


async def _same(request: Asked, app: App, conversation_id: int, who: str | None) -> Response[str]:
    asked, number = _tidier(request), _in_range(conversation_id)

    async def pair_of(conn: Conn) -> Pair:
        if not who or len(who) > MAX_SEARCH or "\0" in who:
            raise NotFound("There is no such conversation.")
        return await customers.pair(conn, asked.caller, number, who)

    thread = await app.db.run("show thread", lambda conn: threads.by_number(conn, asked.caller, number))
    found, trouble, status = None, "", 200
    if who is not None:
        try:
            found = await app.db.run("look at two threads", pair_of)
        except (Invalid, NotFound) as error:
            trouble, status = asked.clock.words.gettext(error.message), errors.status_of(error)
    context = {"query": asked.query, "view": inbox_view, "open": thread, "who": who or ""}
    return pages.page(request, "inbox/same.html", context | {"pair": found, "trouble": trouble}, status)


@post(PATH + "/{conversation_id:int}/join", include_in_schema=False)
async def join(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Redirect:
    """Joins two, and shows their one thread."""
    asked = _tidier(request)
    contact = naming.number(str((await request.form()).get("contact", "")))
    if contact is None:
        raise NotFound("There is no such contact.")
    number = _in_range(conversation_id)
    one = await app.db.run("join contacts", lambda conn: customers.join(conn, asked.caller, number, contact))
    return Redirect(asked.query.link(f"{PATH}/{one}"), status_code=303)


def _in_range(conversation_id: int) -> int:
    """Raises NotFound for what no thread can be numbered."""
    number = naming.number(str(conversation_id))
    if number is None:
        raise NotFound("There is no such conversation.")
    return number


HANDLERS = [make_lead, part, ask_same, look_same, join]
