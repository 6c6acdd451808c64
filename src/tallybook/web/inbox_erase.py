"""Forgetting a customer from the page: what goes and what stays is shown, and done once it was typed who it is."""

from __future__ import annotations

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, JSONBody
from litestar.response import Redirect

from tallybook import customer_files
from tallybook.app import App
from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.core.marking import N_
from tallybook.inbox import naming
from tallybook.inbox.service import erasing, threads

from . import inbox_view, pages
from .answers import Ok, ok
from .inbox import look
from .inbox_view import PATH
from .needs import Asked, TheApp

GOES = {
    "messages": N_("Messages"), "files": N_("Files"), "notes": N_("Notes"), "appointments": N_("Appointments"),
    "later": N_("Messages for later"), "outgoing": N_("What was sent, and waits to be"),
    "received": N_("What was received, as it came"),
}  # fmt: skip
STAYS = (
    N_("That somebody was forgotten, when and by whom: without a name, a number or a word."),
    N_("Who did what with the thread and when, without what it said."),
    N_("What they said in groups, in the groups’ threads; posts in the monitor’s groups are its records."),
    N_("Backups that were made before, until they are too old and removed."),
    N_("Masked copies for other environments, which hold no name and no word of theirs."),
    N_("What is on the customer’s phone, at WhatsApp, and with programs that were told of it."),
)
ERRORS = (N_("Type exactly what is shown, so that nobody is forgotten by mistake."),)


def _number(conversation_id: int) -> int:
    number = naming.number(str(conversation_id))
    if number is None:
        raise NotFound("There is no such conversation.")
    return number


@get(PATH + "/{conversation_id:int}/erase", include_in_schema=False)
async def erase_page(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Response[str]:
    """What goes, what stays and why. Nothing is done."""
    return await _asked(request, app, _number(conversation_id), "", "")


@post(PATH + "/{conversation_id:int}/erase", include_in_schema=False)
async def erase(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Response[str] | Redirect:
    """Does it, if the right thing was typed; a repeat finds nobody."""
    asked, number = look(request), _number(conversation_id)
    typed = str((await request.form()).get("typed", ""))[: inbox_view.MAX_SEARCH]
    try:
        places = customer_files.erased(app.settings)
        await app.db.run("forget contact", lambda conn: erasing.erase(conn, asked.caller, number, typed, places))
    except Invalid as error:
        return await _asked(request, app, number, typed, asked.clock.words.gettext(error.message))
    return Redirect(asked.query.link(), status_code=303)


async def _asked(request: Asked, app: App, number: int, typed: str, trouble: str) -> Response[str]:
    require(request.user, Right.LEAD)
    asked = look(request)
    preview = await app.db.run("look at contact", lambda conn: erasing.preview(conn, asked.caller, number))
    context = {
        "query": asked.query, "view": inbox_view, "open": preview.thread, "preview": preview, "goes": GOES,
        "stays": STAYS, "typed": typed, "trouble": trouble,
    }  # fmt: skip
    return pages.page(request, "inbox/erase.html", context, 400 if trouble else 200)


class Confirmed(msgspec.Struct, frozen=True):
    """``confirm`` is the customer's phone in any format; where none is known, the name, else the thread's number."""

    confirm: str


class Forgotten(msgspec.Struct, frozen=True):
    """The number of the erasure, under which the record has it."""

    erasure: int


@post("/api/inbox/threads/{thread_id:str}/erase", tags=["Inbox"], status_code=200)
async def erase_api(request: Asked, app: TheApp, thread_id: FromPath[str], data: JSONBody[Confirmed]) -> Ok[Forgotten]:
    """Forgets the customer of a thread for good, with all their messages and files, everywhere in this environment.

    The thread is named by its number, its canonical key, or a phone in any format. For who may lead. 404 outside the
    business, and for a repeat; 400 where ``confirm`` is not theirs. What merely mentions them is gone through within
    minutes.
    """
    require(request.user, Right.LEAD)
    places = customer_files.erased(app.settings)

    async def work(conn: Conn) -> int:
        thread = await threads.thread(conn, request.user, thread_id)
        return await erasing.erase(conn, request.user, thread.id, data.confirm, places)

    return ok(Forgotten(await app.db.run("forget contact", work)))


HANDLERS = [erase_page, erase, erase_api]
