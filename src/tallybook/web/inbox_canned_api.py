"""Canned answers for programs, and for the composer: kept, and filled for one thread."""

from __future__ import annotations

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.inbox import canned_rules, naming
from tallybook.inbox.canned_rules import Kept, Wrong
from tallybook.inbox.service import canned, threads
from tallybook.inbox.service.canned import Ready

from . import pages
from .answers import Ok, ok
from .inbox_api import TAGS, THREADS
from .inbox_canned import file_of, take_in
from .inbox_view import MAX_SEARCH
from .needs import Asked, TheApp

CANNED = "/api/crm/canned"


class CannedRow(msgspec.Struct, frozen=True):
    """A canned answer. ``text`` has places for names, as ``{customer name}``."""

    id: int
    language: str
    shortcut: str
    text: str


class FilledRow(msgspec.Struct, frozen=True):
    """A canned answer for one thread. ``missing`` are the places in ``text`` of which nothing is known."""

    id: int
    language: str
    shortcut: str
    text: str
    missing: list[str]


class NewCanned(msgspec.Struct, frozen=True):
    """An answer in a language, ``en`` or ``he``, by a shortcut of at most 40 characters."""

    language: str
    shortcut: str
    text: str


class TakenIn(msgspec.Struct, frozen=True):
    """How many answers of a file are new, changed, and as they were; and the rows that cannot be used, with why."""

    made: int
    changed: int
    known: int
    wrong: list[Wrong]


@get(CANNED, tags=TAGS)
async def list_canned(request: Asked, app: TheApp) -> Ok[list[CannedRow]]:
    """All canned answers, by shortcut."""
    kept = await app.db.run("list canned answers", lambda conn: canned.listed(conn, request.user))
    return ok([_row(one) for one in kept])


@get(f"{CANNED}.csv", tags=TAGS, media_type="text/csv")
async def get_canned_file(request: Asked, app: TheApp) -> Response[bytes]:
    """All canned answers as a CSV file, which can be taken in again."""
    return await file_of(request, app)


@post(f"{CANNED}/import", tags=TAGS, status_code=200)
async def import_canned(request: Asked, app: TheApp) -> Ok[TakenIn]:
    """Writes a CSV or XLSX file of answers down, sent as ``file`` in a form; the same file again changes nothing.

    Its columns are shortcut, language and text. 400 where it has no such heading, 413 above 2,000 answers.
    """
    wrong, taken = await take_in(request, app)
    return ok(TakenIn(*taken, wrong))


@get(f"{THREADS}/{{thread_id:str}}/canned", tags=TAGS)
async def canned_for(
    request: Asked, app: TheApp, thread_id: FromPath[str], q: FromQuery[str | None] = None
) -> Ok[list[FilledRow]]:
    """Those whose shortcut or text contains ``q``, at most 20, with what is known of the thread's customer filled in.

    404 outside the business.
    """
    require(request.user, Right.SEE)
    if len(q or "") > MAX_SEARCH:
        raise Invalid("A search may be at most 100 characters long.")

    async def work(conn: Conn) -> list[Ready]:
        thread = await threads.thread(conn, request.user, thread_id)
        return await canned.found(conn, request.user, thread, q or "", pages.language_of(request))

    found = await app.db.run("find canned answers", work)
    return ok([FilledRow(one.kept.id, one.kept.language, one.kept.shortcut, *_filled(one)) for one in found])


@post(CANNED, tags=TAGS, status_code=201)
async def add_canned(request: Asked, app: TheApp, data: JSONBody[NewCanned]) -> Ok[CannedRow]:
    """Keeps a new one. 409 for a shortcut that one has in its language, in whatever case."""
    line = canned_rules.line(data.language, data.shortcut, data.text)
    number = await app.db.run("add canned answer", lambda conn: canned.add(conn, request.user, line))
    return ok(CannedRow(number, line.language, line.shortcut, line.body))


@put(f"{CANNED}/{{answer_id:int}}", tags=TAGS)
async def change_canned(
    request: Asked, app: TheApp, answer_id: FromPath[int], data: JSONBody[NewCanned]
) -> Ok[CannedRow]:
    """Has one be another. 404 outside the business, 409 for a shortcut that another has."""
    number, line = _number(answer_id), canned_rules.line(data.language, data.shortcut, data.text)
    await app.db.run("change canned answer", lambda conn: canned.change(conn, request.user, number, line))
    return ok(CannedRow(number, line.language, line.shortcut, line.body))


@delete(f"{CANNED}/{{answer_id:int}}", tags=TAGS)
async def remove_canned(request: Asked, app: TheApp, answer_id: FromPath[int]) -> None:
    """Takes one away. 404 outside the business."""
    number = _number(answer_id)
    await app.db.run("remove canned answer", lambda conn: canned.remove(conn, request.user, number))


def _row(one: Kept) -> CannedRow:
    return CannedRow(one.id, one.language, one.shortcut, one.body)


def _filled(one: Ready) -> tuple[str, list[str]]:
    return one.filled.text, one.filled.missing


def _number(given: int) -> int:
    """Raises NotFound for what no answer can be numbered."""
    if naming.number(str(given)) is None:
        raise NotFound("There is no such answer.")
    return given


HANDLERS = [list_canned, get_canned_file, import_canned, canned_for, add_canned, change_canned, remove_canned]
