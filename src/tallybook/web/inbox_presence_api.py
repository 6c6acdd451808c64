"""Who is at a thread, for programs: said to colleagues, read, and shown to the customer as writing. Nothing is kept."""

from __future__ import annotations

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody

from tallybook.app import App
from tallybook.core.callers import Right, require
from tallybook.core.errors import Invalid
from tallybook.inbox.service import threads

from . import inbox_presence, inbox_receipts
from .answers import Ok, ok
from .inbox_api import CONVERSATIONS, TAGS
from .inbox_presence import Doing, Says
from .needs import Asked, TheApp


class HereRow(msgspec.Struct, frozen=True):
    """That somebody, by the number of their account, ``looks`` at a thread, or ``writes`` to it."""

    person: int
    name: str
    doing: Doing


@post(f"{CONVERSATIONS}/{{thread_id:str}}/typing", tags=TAGS, status_code=200)
async def show_typing(request: Asked, app: TheApp, thread_id: FromPath[str]) -> Ok[None]:
    """Shows the customer for some 20 seconds that somebody writes to them, where the business wishes that.

    Answers at once, whatever becomes of it; a repeat within 20 seconds does nothing. 404 outside the business.
    """
    require(request.user, Right.ANSWER)
    await inbox_receipts.show_typing(app, request.user, await _thread(request, app, thread_id))
    return ok(None)


@post(f"{CONVERSATIONS}/{{thread_id:str}}/here", tags=TAGS, status_code=200)
async def say_here(request: Asked, app: TheApp, thread_id: FromPath[str], data: JSONBody[Says]) -> Ok[None]:
    """Tells colleagues for 25 seconds that the caller ``looks`` at a thread or ``writes`` to it, or that they ``left``.

    One thing a second is passed on of one person. 400 for a token that belongs to nobody, 404 outside the business.
    """
    require(request.user, Right.SEE)
    number = await _thread(request, app, thread_id)
    if request.user.account_id is None:
        raise Invalid("A token that belongs to no person is at no thread.")
    inbox_presence.say(request, request.user.account_id, number, data.doing)
    return ok(None)


@get(f"{CONVERSATIONS}/{{thread_id:str}}/here", tags=TAGS)
async def who_is_here(request: Asked, app: TheApp, thread_id: FromPath[str]) -> Ok[list[HereRow]]:
    """Who is at a thread, as far as this process has heard within the last 25 seconds. 404 outside the business."""
    require(request.user, Right.SEE)
    number = await _thread(request, app, thread_id)
    heard = inbox_presence.live_of(request).room.of(request.user.business_id)
    return ok([HereRow(one.who, one.name, one.doing) for one in heard if one.thread == number])


async def _thread(request: Asked, app: App, thread_id: str) -> int:
    """The number of a thread. Raises NotFound."""
    return (await app.db.run("find thread", lambda conn: threads.thread(conn, request.user, thread_id))).id


HANDLERS = [show_typing, say_here, who_is_here]
