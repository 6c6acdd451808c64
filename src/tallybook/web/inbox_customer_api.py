"""Two customers who are one person, for programs: what joining them would do, joined, and parted again."""

from __future__ import annotations

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody

from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.inbox import naming
from tallybook.inbox.service import customers, threads
from tallybook.inbox.service.customers import Joining, Pair, Side

from . import pages
from .answers import Ok, ok
from .inbox_api import CONVERSATIONS, TAGS, ThreadRow, row_of
from .inbox_view import MAX_SEARCH
from .needs import Asked, TheApp


class Other(msgspec.Struct, frozen=True):
    """Who else the customer is: a phone in any format, or a thread's number or key."""

    who: str


class SideRow(msgspec.Struct, frozen=True):
    """One of two: the thread, the number of its contact, and how many messages are in it."""

    thread: ThreadRow
    contact: int
    messages: int


class PairRow(msgspec.Struct, frozen=True):
    """Two that may be one person. ``kept`` was known first, and the messages of ``gone`` would move into its thread."""

    kept: SideRow
    gone: SideRow


class Join(msgspec.Struct, frozen=True):
    """The number of the other contact, as a look says it."""

    contact: int


class Part(msgspec.Struct, frozen=True):
    """The number of a joining, as the thread says it."""

    joining: int


class JoinedRow(msgspec.Struct, frozen=True):
    """A thread, and the latest joining that its customer stands by; null where there is none."""

    thread: ThreadRow
    joining: Joining | None


@post(f"{CONVERSATIONS}/{{thread_id:str}}/same", tags=TAGS, status_code=200)
async def look_at_joining(request: Asked, app: TheApp, thread_id: FromPath[str], data: JSONBody[Other]) -> Ok[PairRow]:
    """What joining the thread's customer with another one would do. Nothing is done; posted, as it may hold a phone.

    For who may lead or review. 400 for the same thread, 404 outside the business, for either.
    """
    require(request.user, Right.REVIEW)
    if len(data.who) > MAX_SEARCH or "\0" in data.who:
        raise Invalid("A search may be at most 100 characters long.")

    async def work(conn: Conn) -> Pair:
        thread = await threads.thread(conn, request.user, thread_id)
        return await customers.pair(conn, request.user, thread.id, data.who.strip())

    found = await app.db.run("look at two threads", work)
    return ok(PairRow(_side(found.kept, request), _side(found.gone, request)))


@post(f"{CONVERSATIONS}/{{thread_id:str}}/join", tags=TAGS, status_code=200)
async def join_customers(request: Asked, app: TheApp, thread_id: FromPath[str], data: JSONBody[Join]) -> Ok[JoinedRow]:
    """Joins the thread's customer with another contact, into whoever was known first; their one thread.

    A repeat by the thread that was kept changes nothing; the other one's number is nobody's then. For who may lead or
    review. 400 for a contact and itself, 404 outside the business, for either.
    """
    require(request.user, Right.REVIEW)

    async def work(conn: Conn) -> JoinedRow:
        thread = await threads.thread(conn, request.user, thread_id)
        contact = _number(data.contact, "There is no such contact.")
        return await _stands(conn, request, await customers.join(conn, request.user, thread.id, contact))

    return ok(await app.db.run("join contacts", work))


@get(f"{CONVERSATIONS}/{{thread_id:str}}/joining", tags=TAGS)
async def joining_of(request: Asked, app: TheApp, thread_id: FromPath[str]) -> Ok[JoinedRow]:
    """The latest joining that the thread's customer stands by, and what parting would take back. 404 outside."""
    require(request.user, Right.REVIEW)

    async def work(conn: Conn) -> JoinedRow:
        thread = await threads.thread(conn, request.user, thread_id)
        return await _stands(conn, request, thread.id)

    return ok(await app.db.run("show joining", work))


@post(f"{CONVERSATIONS}/{{thread_id:str}}/part", tags=TAGS, status_code=200)
async def part_customers(request: Asked, app: TheApp, thread_id: FromPath[str], data: JSONBody[Part]) -> Ok[JoinedRow]:
    """Parts two that were joined; the thread of who was kept, else of the other. A repeat changes nothing.

    For who may lead or review. 404 outside the business, and for a joining that did not make this thread what it is;
    409 while a later joining stands upon it.
    """
    require(request.user, Right.REVIEW)

    async def work(conn: Conn) -> JoinedRow:
        thread = await threads.thread(conn, request.user, thread_id)
        joining = _number(data.joining, "There is no such joining.")
        return await _stands(conn, request, await customers.part(conn, request.user, thread.id, joining))

    return ok(await app.db.run("part contacts", work))


async def _stands(conn: Conn, request: Asked, conversation_id: int) -> JoinedRow:
    thread = await threads.by_number(conn, request.user, conversation_id)
    return JoinedRow(row_of(thread, pages.clock_of(request)), await customers.joining(conn, request.user, thread.id))


def _side(side: Side, request: Asked) -> SideRow:
    return SideRow(row_of(side.thread, pages.clock_of(request)), side.contact_id, side.messages)


def _number(given: int, without: str) -> int:
    """Raises NotFound for what nothing can be numbered."""
    if naming.number(str(given)) is None:
        raise NotFound(without)
    return given


HANDLERS = [look_at_joining, join_customers, joining_of, part_customers]
