"""Sending for programs: words or a file into a thread, once for its key, answered when the provider has answered."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from uuid import uuid4

import msgspec
from litestar import post
from litestar.params import FromPath, FromQuery

from tallybook.app import App
from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, TimedOut, Unavailable
from tallybook.core.numbers import number_in
from tallybook.inbox.service import sending, threads
from tallybook.inbox.service.files import FileTooLarge
from tallybook.inbox.service.media import Shelf
from tallybook.inbox.store import files as store
from tallybook.inbox.types import Delivery

from . import inbox_files
from .answers import Ok, ok
from .inbox_api import TAGS, THREADS
from .inbox_files import Sending
from .needs import Asked, TheApp
from .security import FORM, MAX_FILE

MOST = 10 * 1024 * 1024  # bytes of a file that a program sends
WAIT, LONGEST_WAIT, AGAIN = 10.0, 30.0, 0.1  # seconds
ROUND_IT = 100_000  # bytes of a form around its file
NOT_YET = frozenset({Delivery.QUEUED, Delivery.UNKNOWN})


class EmptyMessage(Invalid):
    """There is neither a text nor a file."""

    code = "empty_message"


class SendTimeout(TimedOut):
    """The provider has not answered yet. The message is still sent; the same key sends no second one."""

    code = "send_timeout"


class ProviderError(Unavailable):
    """The provider refused the message, or it was given up."""

    code = "provider_error"


class Words(msgspec.Struct, frozen=True):
    """What to send as JSON. ``key`` may stand in the header ``Idempotency-Key`` instead."""

    text: str = ""
    key: str = ""


class SentMessage(msgspec.Struct, frozen=True):
    """A message of ours: its number, its thread's, how far it came, and the key under which it was sent."""

    id: int
    conversation_id: int
    status: str
    key: str


@dataclass(frozen=True)
class Given:
    """What a request brings: words, or a file with words beside it."""

    text: str
    key: str
    file: object = None
    has_file: bool = False


@post(f"{THREADS}/{{thread_id:str}}/message", tags=TAGS, status_code=200, request_max_body_size=MAX_FILE)
async def post_message(
    request: Asked, app: TheApp, thread_id: FromPath[str], wait: FromQuery[float] = WAIT
) -> Ok[SentMessage]:
    """Sends words (JSON ``{"text", "key"}``) or a file (a form with ``file``, ``text`` and ``key``) into a thread.

    The key, in the body or as the header ``Idempotency-Key``, sends once: a repeat answers for the first message.
    Answers when the provider took it, after ``wait`` seconds (0 to 30) at the latest; with ``wait=0`` at once.
    400 ``no_file`` and ``empty_message``, 413 ``file_too_large`` above 10 MB and ``TOO_LARGE`` for JSON above 1 MB,
    503 ``provider_error`` where the provider refused it, 504 ``send_timeout`` where it has not answered: it is still
    sent, and the same key asks again. 404 outside the business, 409 where the customer may not be written to.
    """
    require(request.user, Right.ANSWER)
    if not 0 <= wait <= LONGEST_WAIT:
        raise Invalid("The wait is a number of seconds from 0 to 30.")
    given = await _given(request)
    thread = await app.db.run("find thread", lambda conn: threads.thread(conn, request.user, thread_id))
    message_id = await _send(request, app, thread.id, given)
    status, reason = await _came(app, request.user.business_id, message_id, wait)
    if status == Delivery.FAILED:
        raise ProviderError(reason or "The message was not sent.", id=message_id, key=given.key)
    if status in NOT_YET and wait > 0:
        raise SendTimeout(
            "The provider has not answered yet. The message is still being sent; ask again with the same key.",
            id=message_id, key=given.key,
        )  # fmt: skip
    return ok(SentMessage(message_id, thread.id, status, given.key))


async def _given(request: Asked) -> Given:
    """Raises Invalid for what is neither JSON nor a form."""
    key = request.headers.get("idempotency-key", "")
    if request.headers.get("content-type", "").startswith(FORM):
        if (number_in(request.headers.get("content-length", "")) or 0) > MOST + ROUND_IT:
            raise FileTooLarge("The file is too large to be sent from here.", limit=MOST)
        form = await request.form()
        words, named = str(form.get("text", "") or form.get("caption", "")), str(form.get("key", ""))
        has_file = "file" in form or not words.strip()
        return Given(words, named or key or uuid4().hex, form.get("file"), has_file)
    body = await request.body()
    try:
        read = msgspec.json.decode(body, type=Words)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Invalid("The request cannot be understood.") from None
    return Given(read.text, read.key or key or uuid4().hex)


async def _send(request: Asked, app: App, conversation_id: int, given: Given) -> int:
    caller = request.user
    if given.has_file:
        shelf = Shelf(inbox_files.upload_shelf(app).folder, MOST)
        attachment = await inbox_files.attached(shelf, given.file)
        return await inbox_files.send(app, Sending(caller, conversation_id, given.text, given.key), attachment)
    if not given.text.strip():
        raise EmptyMessage("There is no text to send.")

    async def work(conn: Conn) -> int:
        return await sending.send_text(conn, caller, conversation_id, given.text, given.key)

    return await app.db.run("send message", work)


async def _came(app: App, business_id: int, message_id: int, wait: float) -> tuple[str, str | None]:
    """How far the message came within the time, and why not further."""
    until = time.monotonic() + wait

    async def look(conn: Conn) -> tuple[str, str | None]:
        return await store.state(conn, business_id, message_id)

    while True:
        found = await app.db.run("look at a message", look)
        if found[0] not in NOT_YET or time.monotonic() >= until:
            return found
        await asyncio.sleep(AGAIN)


HANDLERS = [post_message]
