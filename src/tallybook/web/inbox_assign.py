"""Whose a thread is, as plain forms: given to somebody or a team, taken, given up."""

from __future__ import annotations

from litestar import post
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.inbox import naming
from tallybook.inbox.desk_types import NOBODY, Owner
from tallybook.inbox.service import assigning
from tallybook.inbox.service.threads import Thread

from .inbox import look
from .inbox_view import PATH
from .needs import Asked, TheApp


def read_owner(text: str) -> Owner:
    """What a choice of the form means: ``person:3``, ``team:2``, or empty for nobody. Raises Invalid."""
    kind, _, number = text.partition(":")
    if not text:
        return NOBODY
    known = naming.number(number)
    if known is None or kind not in {"person", "team"} or (kind == "person" and known >= 2**31):
        raise Invalid("This is nobody to whom a thread could be given.")
    return Owner(known, None) if kind == "person" else Owner(None, known)


@post(PATH + "/{conversation_id:int}/assign", include_in_schema=False)
async def assign(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Redirect:
    """Gives the thread to whom the form says; ``take`` only if it is nobody's."""
    asked = look(request)
    to = str((await request.form()).get("to", ""))

    async def work(conn: Conn) -> Thread:
        if to == "take":
            return await assigning.take(conn, asked.caller, conversation_id)
        return await assigning.assign(conn, asked.caller, conversation_id, read_owner(to))

    return Redirect(asked.query.to(await app.db.run("assign thread", work)), status_code=303)


HANDLERS = [assign]
