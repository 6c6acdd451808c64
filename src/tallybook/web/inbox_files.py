"""Files of conversations: handed out to who may see them, asked for once more, and sent from the composer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath
from litestar.response import Redirect, Stream

from tallybook import customer_files
from tallybook.app import App
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound, TooLarge, Unavailable
from tallybook.inbox.service import files, threads
from tallybook.inbox.service.files import Attachment, EmptyFile
from tallybook.inbox.service.media import Shelf

from . import file_answers, inbox
from .answers import Ok, is_partial, ok
from .file_answers import AWAY
from .inbox import Refused, look
from .inbox_view import PATH
from .needs import Asked, TheApp
from .security import MAX_FILE

API = "/api/crm/files/{file_id:int}"
TAGS = ["Inbox"]
PART = 65_536
SENT = 204


@get(PATH + "/files/{file_id:int}", include_in_schema=False)
async def show_file(request: Asked, app: TheApp, file_id: FromPath[int]) -> Response[bytes] | Stream:
    """A file of a message: shown or played if its content is a picture, a sound or a film, else to be put away."""
    return await _show(request, app, file_id)


@get(API, tags=TAGS, media_type="application/octet-stream")
async def get_file(request: Asked, app: TheApp, file_id: FromPath[int]) -> Response[bytes] | Stream:
    """The bytes of a file; ``media_url`` of a message ends with its number. One ``Range`` is understood.

    404 outside the business, while it is being fetched, and for what was taken back; 503 while the disk is away.
    """
    return await _show(request, app, file_id)


async def _show(request: Asked, app: App, file_id: int) -> Response[bytes] | Stream:
    found = await app.db.run("find file", lambda conn: files.find(conn, request.user, file_id))
    folder = customer_files.folder(app.settings)
    try:
        given = await file_answers.answer(request, folder, found)
    except FileNotFoundError:
        # Where the whole folder is missing a disk is not mounted, and no file of it is lost.
        if not await asyncio.to_thread(os.path.isdir, folder):
            raise Unavailable(AWAY) from None
        await app.db.run("file is gone", lambda conn: files.lost(conn, request.user, file_id))
        raise NotFound("There is no such file.") from None
    except OSError as error:
        raise Unavailable(AWAY) from error
    if found.state != "kept":
        await app.db.run("file is back", lambda conn: files.back(conn, request.user, [file_id]))
    return given


@post(PATH + "/files/{file_id:int}/again", include_in_schema=False)
async def fetch_again(request: Asked, app: TheApp, file_id: FromPath[int]) -> Redirect:
    """Has a file fetched that could not be, and shows its thread."""
    found = await app.db.run("fetch file again", lambda conn: files.again(conn, request.user, file_id))
    return Redirect(f"{PATH}/{found.conversation_id}", status_code=303)


@post(f"{API}/again", tags=TAGS, status_code=200)
async def post_again(request: Asked, app: TheApp, file_id: FromPath[int]) -> Ok[int]:
    """Has a file fetched once more that could not be; its number. A repeat does nothing. 404 outside the business."""
    found = await app.db.run("fetch file again", lambda conn: files.again(conn, request.user, file_id))
    return ok(found.id)


@dataclass(frozen=True)
class Sending:
    """A file on its way into a thread: whose, with what words beside it, under which key."""

    caller: Caller
    conversation_id: int
    caption: str
    key: str


async def attached(shelf: Shelf, given: object) -> Attachment:
    """What was attached to a form, on our disk. The caller drops its draft. Raises as files.attach() says."""
    if not isinstance(given, UploadFile) or not given.filename:
        raise EmptyFile("Choose a file first.")
    async with aclosing(_parts(given)) as parts:
        return await files.attach(shelf, parts, given.filename, given.content_type)


async def _parts(given: UploadFile) -> AsyncGenerator[bytes, None]:
    while part := await given.read(PART):
        yield part


async def send(app: App, sending: Sending, attachment: Attachment) -> int:
    """Leaves the file to be sent; the message's number. Raises as files.send() says."""

    async def work(conn: Conn) -> int:
        return await files.send(conn, sending.caller, sending.conversation_id, attachment, sending.caption, sending.key)

    try:
        return await app.db.run("send file", work)
    finally:
        await asyncio.to_thread(attachment.draft.drop)


def upload_shelf(app: App) -> Shelf:
    """Where a file goes that somebody sends, and how large it may be."""
    return Shelf(customer_files.folder(app.settings), app.settings.inbox_upload_mb * 1024 * 1024)


@post(PATH + "/{conversation_id:int}/file", include_in_schema=False, request_max_body_size=MAX_FILE)
async def send_file(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Response[Any]:
    """Leaves a file to be sent, with what was typed as its words. What cannot be sent is told, with why."""
    asked = look(request)
    require(asked.caller, Right.ANSWER)
    form = await request.form()
    text, key = str(form.get("text", "")), str(form.get("key", ""))
    try:
        thread = await app.db.run("find thread", lambda conn: threads.by_number(conn, asked.caller, conversation_id))
        attachment = await attached(upload_shelf(app), form.get("file"))
        await send(app, Sending(asked.caller, conversation_id, text, key), attachment)
    except (Conflict, Invalid, NotFound, TooLarge) as error:
        return await inbox.answer(request, app, replace(asked, refused=Refused(text, error)), conversation_id)
    if is_partial(request):
        return Response(b"", status_code=SENT)
    return Redirect(asked.query.to(thread), status_code=303)


HANDLERS = [show_file, get_file, fetch_again, post_again, send_file]
