"""A file of questions and answers: read, shown with what it would change, and written down at a second press."""

from __future__ import annotations

import asyncio
import base64
import binascii
import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, TallybookError, TooLarge
from tallybook.core.marking import N_
from tallybook.core.sheets import MAX_BYTES
from tallybook.inbox.answer_types import Line
from tallybook.inbox.service import faq, faq_lists
from tallybook.inbox.service.faq import Order
from tallybook.inbox.service.faq_lists import Read

from . import errors, inbox_bot_answers, pages
from .inbox_bot import frame
from .inbox_bot_answers import PATH, who_keeps
from .needs import Asked, TheApp
from .security import MAX_UPLOAD

FILE = f"{PATH}/file"
SHOWN = 40  # lines of a part of a preview
MOST_CARRIED = 4 * MAX_BYTES  # bytes of a list as a page carries it, unpacked
NOT_OURS = N_("This list is not one that this page showed. Choose the file again.")
ERRORS = (
    N_("The answers were changed meanwhile. This is what the list would change now."),
    N_("More than a fifth of the answers would be given no more. Say that it is meant."),
)


def pack(lines: Sequence[Line]) -> str:
    """A list as a page carries it from its preview to the second press. Pure."""
    return base64.urlsafe_b64encode(zlib.compress(msgspec.json.encode(lines))).decode()


def unpack(text: str) -> list[Line]:
    """The list that pack() wrote; each line is looked at again. Raises Invalid for anything else. Pure."""
    try:
        reader = zlib.decompressobj()
        whole = reader.decompress(base64.urlsafe_b64decode(text.encode()), MOST_CARRIED)
        lines = msgspec.json.decode(whole, type=list[Line]) if reader.eof else []
    except (binascii.Error, zlib.error, msgspec.DecodeError, ValueError):
        lines = []
    right = all(faq_lists.line_of(one.question, one.answer, one.language) == one for one in lines)
    if not right or len({(one.language, one.question) for one in lines}) != len(lines):
        lines = []
    if not 1 <= len(lines) <= faq_lists.MOST_LINES:
        raise Invalid(NOT_OURS)
    return lines


@get(FILE, include_in_schema=False)
async def no_list() -> Redirect:
    """Whoever comes here without a file."""
    return Redirect(PATH, status_code=303)


@post(FILE, include_in_schema=False, status_code=200, request_max_body_size=MAX_UPLOAD)
async def look_at_list(request: Asked, app: TheApp) -> Response[Any]:
    """Shows what a file would add, change and withdraw, and its rows that cannot be used. Nothing is changed yet."""
    who_keeps(request)
    form = await request.form()
    try:
        read = await read_file(form.get("file"))
    except (Invalid, TooLarge) as error:
        return await inbox_bot_answers.show(request, app, error, {})
    return await _show(request, app, read, Order(read.lines, withdraws=bool(form.get("withdraw"))), None)


async def read_file(file: object) -> Read:
    """What an uploaded file says. Raises Invalid and TooLarge."""
    if not isinstance(file, UploadFile) or not file.filename:
        raise Invalid("Choose a file first.")
    return await asyncio.to_thread(faq_lists.read, await file.read(MAX_BYTES + 1))


async def _show(request: Asked, app: App, read: Read, order: Order, error: TallybookError | None) -> Response[str]:
    """Half a list is none: while a row cannot be used, there is nothing to press."""
    business = request.user.business

    async def work(conn: Conn) -> dict[str, Any]:
        preview = await faq.look(conn, business, order.lines, withdraws=order.withdraws)
        return {"preview": preview, **await frame(conn, app, request)}

    context = await app.db.run("look at list of answers", work)
    say = pages.clock_of(request).words
    context |= {
        "list": read, "order": order, "packed": "" if read.wrong else pack(order.lines), "shown": SHOWN, "path": FILE,
        "trouble": say.gettext(error.message) if error else None,
    }  # fmt: skip
    status = errors.status_of(error) if error else 400 if read.wrong else 200
    return pages.page(request, "inbox/bot_list.html", context, status)


@post(f"{FILE}/write", include_in_schema=False, request_max_body_size=MAX_UPLOAD)
async def write_list(request: Asked, app: TheApp) -> Response[Any]:
    """Writes down what was shown. Pressed twice, or by two people, it is done once; what changed since is shown."""
    who, form = who_keeps(request), await request.form()
    business = request.user.business
    try:
        lines = await asyncio.to_thread(unpack, str(form.get("list", "")))
    except Invalid as error:
        return await inbox_bot_answers.show(request, app, error, {})
    order = Order(lines, bool(form.get("withdraw")), bool(form.get("over")), str(form.get("mark", "")))
    try:
        done = await app.db.run("write answers", lambda conn: faq.write(conn, business, order, who))
    except Conflict as error:
        return await _show(request, app, Read(lines, [], 0, []), order, error)
    told = f"{done.added}-{done.changed}-{done.known}-{done.withdrawn}"
    return Redirect(f"{PATH}?done={told}", status_code=303)


HANDLERS = [no_list, look_at_list, write_list]
