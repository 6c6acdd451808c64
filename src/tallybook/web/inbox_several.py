"""One act on several threads of the list, as a plain form: each is put away, read, labelled or given."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec
from litestar import post
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import NotFound
from tallybook.inbox import naming
from tallybook.inbox.desk_types import NOBODY
from tallybook.inbox.service import assigning, labels, several, threads
from tallybook.inbox.service.several import AT_ONCE

from . import inbox_receipts, inbox_several_view, inbox_states
from .inbox import Look, look
from .inbox_assign import read_owner
from .inbox_several_view import DONE, MANY, NONE
from .inbox_view import PATH
from .needs import Asked, TheApp


class Act(msgspec.Struct, frozen=True):
    """What is to be done, and with what: a label's number, whose a thread is to be, until when it is snoozed."""

    what: str
    of: str = ""


def read_act(text: str) -> Act:
    """What a button of the form means: ``close``, ``label:3``, ``assign:team:2``. Raises NotFound."""
    what, _, of = text.partition(":")
    if what not in DONE:
        raise NotFound("There is nothing of this name to be done to threads.")
    return Act(what, of)


@post(PATH + "/several", include_in_schema=False)
async def do_several(request: Asked, app: TheApp) -> Redirect:
    """Does one thing to the chosen threads, all of them or none, and shows the list with what came of it."""
    asked = look(request)
    require(asked.caller, Right.ANSWER)
    form = await request.form()
    act = read_act(str(form.get("do", "")))
    given = {naming.number(str(value)) or 0 for value in form.getall("thread", [])}
    if not 1 <= len(given) <= AT_ONCE:
        return _back(asked, MANY if given else NONE)

    async def work(conn: Conn) -> tuple[Sequence[int], Sequence[int]]:
        chosen = await several.chosen(conn, asked.caller, given)
        return chosen, await _changed(conn, app, asked, act, chosen)

    chosen, changed = await app.db.run("do to several threads", work)
    if act.what == "read":
        for number in changed:
            threads.tell_read(asked.caller, number)
    return _back(asked, inbox_several_view.write(act.what, len(changed), len(chosen) - len(changed)))


async def _changed(conn: Conn, app: App, asked: Look, act: Act, chosen: Sequence[int]) -> Sequence[int]:
    """The threads that are different by the act. Raises Invalid and NotFound, as what it calls does."""
    caller = asked.caller
    if act.what == "read":
        return await several.mark_read(conn, caller, chosen, partial(show, app))
    if act.what in {"label", "unlabel"}:
        return await labels.put_on(conn, caller, chosen, naming.number(act.of) or 0, off=act.what == "unlabel")
    if act.what in {"assign", "unassign"}:
        owner = read_owner(act.of) if act.what == "assign" else NOBODY
        return await assigning.give_all(conn, caller, chosen, owner)
    return await inbox_states.put(conn, caller, chosen, {"do": act.what, "until": act.of})


async def show(app: App, conn: Conn, caller: Caller, conversation_id: int) -> None:
    """Has a customer see that they were read, where it is wished."""
    await inbox_receipts.show(conn, app, caller, conversation_id)


def _back(asked: Look, did: str) -> Redirect:
    return Redirect(asked.query.link(did=did), status_code=303)


HANDLERS = [do_several]
