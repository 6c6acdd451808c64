"""Broadcasts and consents for programs: all that their pages do, as JSON, and a broadcast's results as CSV."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncGenerator
from datetime import datetime

import msgspec
from litestar import get, post, put
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Redirect, Stream

from tallybook.app import App
from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.core.table_files import Rows, Table
from tallybook.inbox import broadcast_rules
from tallybook.inbox.broadcast_rules import Words
from tallybook.inbox.broadcast_types import Broadcast, New, Preview, Recipient
from tallybook.inbox.service import broadcasts, consent, threads
from tallybook.inbox.service.consent import Consent

from .answers import Ok, ok
from .downloads import download
from .inbox import look as looked
from .inbox_broadcasts import MOST_BYTES, PATH
from .needs import Asked, TheApp

API = "/api/inbox/broadcasts"
CONVERSATIONS = "/api/whatsapp/conversations"
TAGS = ["Inbox"]
PAGE_SIZE = 200
AT_ONCE = 1000  # rows of a download


class NewBroadcast(msgspec.Struct, frozen=True):
    """A broadcast to be. Of one ``key`` there is one; a repeat answers with it and begins nothing.

    ``template`` is the template's number, ``account`` the number by which is written to whoever never wrote. ``kind``
    is all, label (``label``: its number), status (``status``) or list (``listed``: a CSV or XLSX file in base64, at
    most 500 kB). ``places`` are the template's, as ``body.1``, each with its text, in which ``{name}``, ``{phone}``
    and ``{a column}`` stand for each one's own, ``{name|else}`` for what is else there. ``starts_at`` null is now.
    """

    key: str
    name: str
    template: int
    account: str
    kind: str
    places: dict[str, str] = {}
    label: int | None = None
    status: str = ""
    listed: str = ""
    starts_at: datetime | None = None


class RecipientsPage(msgspec.Struct, frozen=True):
    """A broadcast's recipients in their order. ``after`` leads to the next ones; it is null on the last page."""

    recipients: list[Recipient]
    after: int | None


class Turn(msgspec.Struct, frozen=True):
    """``what`` is pause, resume or stop."""

    what: str


class Said(msgspec.Struct, frozen=True):
    """Whether the customer wants no more marketing."""

    stopped: bool


class NewWords(msgspec.Struct, frozen=True):
    """By which words customers say that they want no more, and that they want it again: 1 to 30 of each.

    A word has at most 40 characters; its case and the marks around it do not matter.
    """

    stop: list[str]
    resume: list[str]


def _new(data: NewBroadcast) -> New:
    """Raises Invalid."""
    try:
        listed = base64.b64decode(data.listed, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("The list is no base64.") from None
    if len(listed) > MOST_BYTES:
        raise Invalid("The list is larger than 500 kB. Send it in parts.")
    if data.starts_at is not None and data.starts_at.tzinfo is None:
        raise Invalid("The time needs its zone.")
    if data.label is not None and not 0 < data.label < 2**63:
        raise Invalid("Say who is to get it.")
    if any("\0" in text for text in (data.key, data.name, data.account, data.status, *data.places)):
        raise Invalid("A text holds a character that cannot be stored.")
    return New(**{name: getattr(data, name) for name in data.__struct_fields__} | {"listed": listed})


@post(f"{API}/look", tags=TAGS, status_code=200)
async def look_at_broadcast(request: Asked, app: TheApp, data: JSONBody[NewBroadcast]) -> Ok[Preview]:
    """What a broadcast would do: how many it reaches, who is left out and why, how it reads. Nothing is done."""
    new = _new(data)
    return ok(await app.db.run("look at broadcast", lambda conn: broadcasts.look(conn, request.user, new)))


@post(API, tags=TAGS, status_code=201)
async def begin_broadcast(request: Asked, app: TheApp, data: JSONBody[NewBroadcast]) -> Ok[Broadcast]:
    """Begins a broadcast, now or at its time. For who may lead."""
    new = _new(data)

    async def work(conn: Conn) -> Broadcast:
        number = await broadcasts.start(conn, request.user, new)
        return await broadcasts.one(conn, request.user, number)

    return ok(await app.db.run("begin broadcast", work))


@get(API, tags=TAGS)
async def list_broadcasts(request: Asked, app: TheApp, before: FromQuery[int] = 0) -> Ok[list[Broadcast]]:
    """The newest 200 broadcasts, or those below a number."""
    return ok(
        await app.db.run("list broadcasts", lambda conn: broadcasts.listed(conn, request.user, before, PAGE_SIZE))
    )


@get(f"{API}/{{number:int}}", tags=TAGS)
async def get_broadcast(request: Asked, app: TheApp, number: FromPath[int]) -> Ok[Broadcast]:
    """A broadcast, with how many recipients stand where."""
    return ok(await app.db.run("show broadcast", lambda conn: broadcasts.one(conn, request.user, number)))


@get(f"{API}/{{number:int}}/recipients", tags=TAGS)
async def list_recipients(
    request: Asked, app: TheApp, number: FromPath[int], show: FromQuery[str] = "", after: FromQuery[int] = 0
) -> Ok[RecipientsPage]:
    """What became of each recipient, 200 at a time; ``show`` is a state, empty for all."""
    state = show.replace("\0", "")

    async def work(conn: Conn) -> list[Recipient]:
        return await broadcasts.recipients(conn, request.user, number, state, after, PAGE_SIZE + 1)

    rows = await app.db.run("list recipients", work)
    following = rows[PAGE_SIZE - 1].place if len(rows) > PAGE_SIZE else None
    return ok(RecipientsPage(rows[:PAGE_SIZE], following))


@post(f"{API}/{{number:int}}/turn", tags=TAGS, status_code=200)
async def turn_broadcast(request: Asked, app: TheApp, number: FromPath[int], data: JSONBody[Turn]) -> Ok[Broadcast]:
    """Pauses, resumes or stops a broadcast; of one that is stopped nobody else gets it."""
    return ok(await app.db.run("turn broadcast", lambda conn: broadcasts.turn(conn, request.user, number, data.what)))


@get(f"{PATH}/{{number:int}}/results.csv", include_in_schema=False)
async def results(request: Asked, app: TheApp, number: FromPath[int]) -> Stream:
    """What became of each recipient, as CSV."""
    return await _results(request, app, number)


@get(f"{API}/{{number:int}}/results.csv", tags=TAGS, media_type="text/csv")
async def get_results(request: Asked, app: TheApp, number: FromPath[int]) -> Stream:
    """What became of each recipient, as a CSV file with a heading. 404 outside the business."""
    return await _results(request, app, number)


async def _results(request: Asked, app: App, number: int) -> Stream:
    await app.db.run("show broadcast", lambda conn: broadcasts.one(conn, request.user, number))

    async def batches(conn: Conn) -> AsyncGenerator[Rows, None]:
        after = 0
        while rows := await broadcasts.recipients(conn, request.user, number, "", after, AT_ONCE):
            yield [_cells(one) for one in rows]
            after = rows[-1].place

    head = ["Phone", "Name", "State", "Reason", "At", "Replied", "Opted out"]
    return await download(app, "csv", f"broadcast-{number}", lambda conn: Table("Results", head, batches(conn)))


def _cells(one: Recipient) -> list[object]:
    at = one.at.isoformat() if one.at else ""
    return [
        one.phone or "", one.name, one.state, one.reason, at, "yes" if one.replied else "",
        "yes" if one.opted_out else "",
    ]  # fmt: skip


def _words(given: list[str]) -> tuple[str, ...]:
    """Raises Invalid."""
    if any("\0" in word for word in given):
        raise Invalid("A text holds a character that cannot be stored.")
    return broadcast_rules.words_of("\n".join(given))


@get(f"{API}/words", tags=TAGS)
async def get_words(request: Asked, app: TheApp) -> Ok[Words]:
    """By which words customers say that they want no more marketing, or want it again."""
    return ok(await app.db.run("show words", lambda conn: consent.words(conn, request.user)))


@put(f"{API}/words", tags=TAGS)
async def put_words(request: Asked, app: TheApp, data: JSONBody[NewWords]) -> Ok[Words]:
    """Has these be the words from now on, as they are compared. For who may lead. 400 for none, or for too many."""
    words = Words(_words(data.stop), _words(data.resume))

    async def work(conn: Conn) -> Words:
        await consent.keep_words(conn, request.user, words)
        return await consent.words(conn, request.user)

    return ok(await app.db.run("keep words", work))


@get(f"{CONVERSATIONS}/{{thread_id:str}}/consent", tags=TAGS)
async def get_consent(request: Asked, app: TheApp, thread_id: FromPath[str]) -> Ok[Consent]:
    """Whether a thread's customer wants no marketing, and what was said of it, the newest first."""
    require(request.user, Right.SEE)

    async def work(conn: Conn) -> Consent:
        thread = await threads.thread(conn, request.user, thread_id)
        return await consent.of_thread(conn, request.user, thread.id)

    return ok(await app.db.run("show consent", work))


@post(f"{CONVERSATIONS}/{{thread_id:str}}/consent", tags=TAGS, status_code=200)
async def set_consent(request: Asked, app: TheApp, thread_id: FromPath[str], data: JSONBody[Said]) -> Ok[Consent]:
    """Notes what the customer said of marketing. What holds already is not noted again."""
    require(request.user, Right.ANSWER)

    async def work(conn: Conn) -> Consent:
        thread = await threads.thread(conn, request.user, thread_id)
        return await consent.say(conn, request.user, thread.id, stopped=data.stopped)

    return ok(await app.db.run("note consent", work))


@post("/inbox/{conversation_id:int}/consent", include_in_schema=False)
async def note_consent(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Redirect:
    """As a plain form beside the thread, which is shown again."""
    asked = looked(request)
    stopped = str((await request.form()).get("stopped", "")) == "yes"

    async def work(conn: Conn) -> threads.Thread:
        thread = await threads.by_number(conn, request.user, conversation_id)
        await consent.say(conn, request.user, thread.id, stopped=stopped)
        return thread

    thread = await app.db.run("note consent", work)
    return Redirect(asked.query.to(thread), status_code=303)


HANDLERS = [
    look_at_broadcast, begin_broadcast, list_broadcasts, get_broadcast, list_recipients, turn_broadcast, results,
    get_results,
    get_words, put_words, get_consent, set_consent, note_consent,
]  # fmt: skip
