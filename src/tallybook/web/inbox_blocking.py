"""Blocking a customer and hearing them again: plain forms, and the same for programs."""

from __future__ import annotations

import msgspec
from litestar import post
from litestar.params import FromPath, JSONBody
from litestar.response import Redirect

from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.inbox.service import blocking, threads
from tallybook.inbox.service.threads import Thread

from .answers import Ok, ok
from .inbox import look
from .inbox_api import TAGS, THREADS
from .inbox_view import PATH
from .needs import Asked, TheApp


class Reason(msgspec.Struct, frozen=True):
    """Why somebody is blocked, in at most 500 characters."""

    reason: str = ""


class BlockedRow(msgspec.Struct, frozen=True):
    """Whether the customer of a thread is blocked."""

    conversation_id: int
    is_blocked: bool


@post(PATH + "/{conversation_id:int}/block", include_in_schema=False)
async def block(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Redirect:
    """Blocks the customer, and shows the thread."""
    asked = look(request)
    reason = str((await request.form()).get("reason", ""))
    thread = await app.db.run("block", lambda conn: blocking.block(conn, asked.caller, conversation_id, reason))
    return Redirect(asked.query.to(thread), status_code=303)


@post(PATH + "/{conversation_id:int}/unblock", include_in_schema=False)
async def unblock(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Redirect:
    """Hears the customer again, and shows the thread."""
    asked = look(request)
    thread = await app.db.run("unblock", lambda conn: blocking.unblock(conn, asked.caller, conversation_id))
    return Redirect(asked.query.to(thread), status_code=303)


@post(f"{THREADS}/{{thread_id:str}}/block", tags=TAGS, status_code=200)
async def block_api(
    request: Asked, app: TheApp, thread_id: FromPath[str], data: JSONBody[Reason | None] = None
) -> Ok[BlockedRow]:
    """Blocks the thread's customer: what they write is kept and opens nothing, and nothing can be sent to them.

    The thread is named by its number, its canonical key, or a phone in any format. A repeat changes nothing. 404
    outside the business.
    """
    require(request.user, Right.ANSWER)

    async def work(conn: Conn) -> Thread:
        thread = await threads.thread(conn, request.user, thread_id)
        return await blocking.block(conn, request.user, thread.id, data.reason if data else "")

    return ok(_row(await app.db.run("block", work)))


@post(f"{THREADS}/{{thread_id:str}}/unblock", tags=TAGS, status_code=200)
async def unblock_api(request: Asked, app: TheApp, thread_id: FromPath[str]) -> Ok[BlockedRow]:
    """Hears the thread's customer again. A repeat changes nothing. 404 outside the business."""
    require(request.user, Right.ANSWER)

    async def work(conn: Conn) -> Thread:
        thread = await threads.thread(conn, request.user, thread_id)
        return await blocking.unblock(conn, request.user, thread.id)

    return ok(_row(await app.db.run("unblock", work)))


def _row(thread: Thread) -> BlockedRow:
    return BlockedRow(thread.id, thread.is_blocked)


HANDLERS = [block, unblock, block_api, unblock_api]
