"""The bot for programs: whether it speaks in a thread, what it decided there, and its drafts, as JSON."""

from __future__ import annotations

from datetime import datetime

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody

from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.inbox.answer_types import Draft, Told
from tallybook.inbox.service import drafts, threads

from .answers import Ok, ok
from .inbox_api import TAGS, THREADS
from .inbox_bot_view import bot_of
from .needs import Asked, TheApp

DECISIONS = 100


class BotRow(msgspec.Struct, frozen=True):
    """Whether the bot speaks in a thread.

    ``mode`` is the business's: off, draft or auto. ``active`` is its switch in the thread; ``paused_until`` is until
    when a person's answer keeps it silent, null where none does.
    """

    conversation_id: int
    mode: str
    active: bool
    paused_until: datetime | None


class Switch(msgspec.Struct, frozen=True):
    """Whether the bot is to speak in the thread."""

    active: bool


class DraftRow(msgspec.Struct, frozen=True):
    """What the bot would say. ``place`` names it; ``stale``: the customer has written again, and it cannot be sent."""

    place: int
    text: str
    at: datetime
    stale: bool


class Seen(msgspec.Struct, frozen=True):
    """A draft as somebody saw it: its place and its text. Another text by now is refused."""

    place: int
    text: str


class Left(msgspec.Struct, frozen=True):
    """The message that was left to be sent."""

    message_id: int


class DecisionRow(msgspec.Struct, frozen=True):
    """How a burst of a customer's messages ended. ``place`` is that of its last message.

    ``decision`` is answered, drafted, handed_over, suppressed or withdrawn; ``draft_state`` sent or discarded.
    """

    place: int
    decision: str
    reason: str
    at: datetime
    draft_state: str | None


@get(f"{THREADS}/{{thread_id:str}}/bot", tags=TAGS)
async def bot(request: Asked, app: TheApp, thread_id: FromPath[str]) -> Ok[BotRow]:
    """Whether the bot speaks in a thread, and until when a person keeps it silent. 404 outside the business."""
    require(request.user, Right.SEE)

    async def work(conn: Conn) -> BotRow:
        thread = await threads.thread(conn, request.user, thread_id)
        its = await bot_of(conn, app, request.user.business)
        speaks = await drafts.speaks(conn, request.user, thread.id, its)
        return BotRow(thread.id, speaks.mode, speaks.active, speaks.paused_until)

    return ok(await app.db.run("look at bot", work))


@post(f"{THREADS}/{{thread_id:str}}/bot", tags=TAGS, status_code=200)
async def switch(request: Asked, app: TheApp, thread_id: FromPath[str], data: JSONBody[Switch]) -> Ok[BotRow]:
    """Switches the bot on in a thread, also where a person spoke within the hour, or off. A repeat does nothing."""
    require(request.user, Right.ANSWER)

    async def work(conn: Conn) -> BotRow:
        thread = await threads.thread(conn, request.user, thread_id)
        await drafts.switch(conn, request.user, thread.id, active=data.active)
        its = await bot_of(conn, app, request.user.business)
        speaks = await drafts.speaks(conn, request.user, thread.id, its)
        return BotRow(thread.id, speaks.mode, speaks.active, speaks.paused_until)

    return ok(await app.db.run("switch bot", work))


@get(f"{THREADS}/{{thread_id:str}}/decisions", tags=TAGS)
async def decisions(request: Asked, app: TheApp, thread_id: FromPath[str]) -> Ok[list[DecisionRow]]:
    """The newest decisions in a thread, the oldest first, at most 100. 404 outside the business."""
    require(request.user, Right.SEE)

    async def work(conn: Conn) -> list[Told]:
        thread = await threads.thread(conn, request.user, thread_id)
        return await drafts.decisions(conn, request.user, thread.id, (0, 2**62), DECISIONS)

    found = await app.db.run("list decisions", work)
    return ok([DecisionRow(one.seq, one.decision, one.reason, one.at, one.draft_state) for one in found])


@get(f"{THREADS}/{{thread_id:str}}/draft", tags=TAGS)
async def draft(request: Asked, app: TheApp, thread_id: FromPath[str]) -> Ok[DraftRow | None]:
    """The draft that waits in a thread; null where none does. 404 outside the business."""
    require(request.user, Right.SEE)

    async def work(conn: Conn) -> Draft | None:
        thread = await threads.thread(conn, request.user, thread_id)
        return await drafts.of_thread(conn, request.user, thread.id)

    found = await app.db.run("look at draft", work)
    return ok(DraftRow(found.seq, found.body, found.at, found.stale) if found else None)


@post(f"{THREADS}/{{thread_id:str}}/draft/send", tags=TAGS, status_code=200)
async def send(request: Asked, app: TheApp, thread_id: FromPath[str], data: JSONBody[Seen]) -> Ok[Left]:
    """Sends a draft as it was seen, once however often it is asked for.

    409 for one that is another one by now, was thrown away, or answers no longer the newest message.
    """
    require(request.user, Right.ANSWER)

    async def work(conn: Conn) -> int:
        thread = await threads.thread(conn, request.user, thread_id)
        return await drafts.send(conn, request.user, thread.id, data.place, data.text)

    return ok(Left(await app.db.run("send draft", work)))


@post(f"{THREADS}/{{thread_id:str}}/draft/discard", tags=TAGS, status_code=200)
async def discard(request: Asked, app: TheApp, thread_id: FromPath[str], data: JSONBody[Seen]) -> Ok[None]:
    """Throws a draft away. A repeat does nothing; 409 for one that was sent."""
    require(request.user, Right.ANSWER)

    async def work(conn: Conn) -> None:
        thread = await threads.thread(conn, request.user, thread_id)
        await drafts.discard(conn, request.user, thread.id, data.place, data.text)

    await app.db.run("discard draft", work)
    return ok(None)


HANDLERS = [bot, switch, decisions, draft, send, discard]
