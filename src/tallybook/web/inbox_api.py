"""The inbox for programs: the threads, their messages, and marking them as read, as JSON."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody

from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.inbox.service import customers, threads
from tallybook.inbox.service.threads import Bubble, Filter, Listed, Thread

from . import inbox_receipts, inbox_view, pages
from .answers import Ok, ok
from .inbox_view import Query
from .needs import Asked, TheApp
from .times import Clock

THREADS = "/api/crm/threads"
CONVERSATIONS = "/api/whatsapp/conversations"
MESSAGES = 100  # of a thread at a time
PREVIEW = 50  # characters
UNKNOWN = "Unknown"
TAGS = ["Inbox"]


class ThreadRow(msgspec.Struct, frozen=True):
    """A thread of the list. ``id`` is its canonical key, ``conversation_id`` our number of it.

    ``name`` is the lead's, what the contact is called, the phone, or ``Unknown``. ``lastMessage`` are the newest
    message's first 50 characters, or what it is where it has no words, as ``📷 Photo``, in the caller's language.
    ``has_media`` says whether that message is or bears a file. ``unread`` is the caller's own count;
    of a token that belongs to no person, the team's. ``time`` is when the newest message was said.
    """

    id: str
    conversation_id: int
    name: str
    lead_name: str | None
    push_name: str | None
    lead_id: int | None
    phone: str | None
    phone_e164: str | None
    last_message: str = msgspec.field(name="lastMessage")
    unread: int
    time: datetime | None
    is_closed: bool
    has_media: bool


class ThreadsPage(msgspec.Struct, frozen=True):
    """A page of threads, the newest first. ``after`` leads to the next one; it is null on the last.

    A page of one person's unread may be short, or even empty, and have an ``after``: as many threads as one answer
    bears were looked through.
    """

    threads: list[ThreadRow]
    after: str | None


class MessageRow(msgspec.Struct, frozen=True):
    """A message. ``direction`` is in or out, ``source`` customer, bot, automation, human or system.

    What nobody said is a line of the thread's own: its source is ``system`` and its direction ``out``, so that nobody
    counts it as unread. ``new_number``: the customer goes by another phone from then on.

    ``timestamp`` is when it was said, ``time`` the same as hours and minutes in the business's time zone.
    """

    id: int
    body: str
    direction: str
    timestamp: datetime
    time: str
    status: str
    message_type: str
    source: str
    media_url: str | None


class MessagesPage(msgspec.Struct, frozen=True):
    """Messages of a thread, the oldest first. ``before`` leads to those before them; it is null at the first."""

    messages: list[MessageRow]
    before: str | None


class NewLead(msgspec.Struct, frozen=True):
    """What to call a lead, in at most 200 characters; empty for what the customer is called already."""

    name: str = ""


@get(THREADS, tags=TAGS)
async def list_threads(
    request: Asked,
    app: TheApp,
    *,
    show: FromQuery[str | None] = None,
    q: FromQuery[str | None] = None,
    after: FromQuery[str | None] = None,
    team: FromQuery[int | None] = None,
    label: FromQuery[int | None] = None,
) -> Ok[ThreadsPage]:
    """The threads, the newest first, one for each customer.

    ``show`` is ``all``, ``unread``, ``mine``, ``unassigned``, ``closed``, ``snoozed``, ``mentions`` or ``blocked``;
    ``q`` is a part of a name, or a phone or a part of one in any format; ``team`` and ``label`` are numbers of them. A
    page holds 50; give its ``after`` to get the next. 400 for what means nothing.
    """
    require(request.user, Right.SEE)
    query = read_list(show, q, team, label)
    place = inbox_view.read_after(after or "")

    async def work(conn: Conn) -> Listed:
        return await threads.listing(conn, request.user, query.asked, query.search, place, inbox_view.PAGE_SIZE)

    page = await app.db.run("list threads", work)
    clock = pages.clock_of(request)
    following = inbox_view.write_place(page.after.at, page.after.id) if page.after else None
    return ok(ThreadsPage([row_of(one, clock) for one in page.threads], following))


def read_list(show: str | None, q: str | None, team: int | None, label: int | None) -> Query:
    """The filters of a list as a program names them. Raises Invalid for what means nothing."""
    if show and show not in set(Filter):
        raise Invalid("There is no such filter.", filters=list(Filter))
    return inbox_view.read_query({"q": q or "", "show": show or "", "team": str(team), "label": str(label)})


@get(f"{THREADS}/{{thread_id:str}}/messages", tags=TAGS)
async def list_messages(
    request: Asked, app: TheApp, thread_id: FromPath[str], before: FromQuery[str | None] = None
) -> Ok[MessagesPage]:
    """The newest messages of a thread, whoever said them, the oldest first. Reading them marks nothing as read.

    The thread is named by its number, its canonical key, or the customer's phone in any format. A page holds 100; give
    its ``before`` to get those before them. 404 outside the business.
    """
    require(request.user, Right.SEE)
    place = inbox_view.read_place(before or "")

    async def work(conn: Conn) -> list[Bubble]:
        thread = await threads.thread(conn, request.user, thread_id)
        return await threads.bubbles(conn, request.user, thread.id, place, MESSAGES + 1)

    found = await app.db.run("list messages", work)
    shown = found[-MESSAGES:]
    earlier = inbox_view.write_place(shown[0].said_at, shown[0].seq) if len(found) > MESSAGES else None
    zone = request.user.business.zone
    return ok(MessagesPage([message_of(one, zone) for one in shown], earlier))


@post(f"{CONVERSATIONS}/{{thread_id:str}}/mark_read", tags=TAGS, status_code=200)
async def mark_read(request: Asked, app: TheApp, thread_id: FromPath[str]) -> Ok[ThreadRow]:
    """Everything in the thread is read, by the caller and by the team, before this answers. A repeat does nothing.

    The thread is named by its number, its canonical key, or a phone in any format. 404 outside the business.
    """
    require(request.user, Right.ANSWER)

    async def work(conn: Conn) -> Thread:
        thread = await threads.thread(conn, request.user, thread_id)
        return await inbox_receipts.mark_read(app, conn, request.user, thread.id)

    thread = await app.db.run("mark thread read", work)
    threads.tell_read(request.user, thread.id)
    return ok(row_of(thread, pages.clock_of(request)))


@post(f"{CONVERSATIONS}/{{thread_id:str}}/mark_unread", tags=TAGS, status_code=200)
async def mark_unread(request: Asked, app: TheApp, thread_id: FromPath[str]) -> Ok[ThreadRow]:
    """The customer's newest message waits again, for the caller and for the team. A repeat does nothing.

    The thread is named by its number, its canonical key, or a phone in any format. 404 outside the business.
    """
    require(request.user, Right.ANSWER)

    async def work(conn: Conn) -> Thread:
        thread = await threads.thread(conn, request.user, thread_id)
        return await threads.mark_unread(conn, request.user, thread.id)

    return ok(row_of(await app.db.run("mark thread unread", work), pages.clock_of(request)))


@post(f"{CONVERSATIONS}/{{thread_id:str}}/lead", tags=TAGS, status_code=200)
async def make_lead(
    request: Asked, app: TheApp, thread_id: FromPath[str], data: JSONBody[NewLead | None] = None
) -> Ok[ThreadRow]:
    """Makes the thread's customer a lead, by a name if one is given. ``conversation_id`` stays, ``id`` is the lead's.

    The thread is named by its number, its canonical key, or a phone in any format. A repeat changes nothing, not the
    name either. For who may lead or review. 404 outside the business.
    """
    require(request.user, Right.REVIEW)

    async def work(conn: Conn) -> Thread:
        thread = await threads.thread(conn, request.user, thread_id)
        return await customers.make_lead(conn, request.user, thread.id, data.name if data else "")

    return ok(row_of(await app.db.run("make lead", work), pages.clock_of(request)))


def row_of(thread: Thread, clock: Clock) -> ThreadRow:
    """A thread as programs are told of it."""
    return ThreadRow(
        id=thread.canonical_key,
        conversation_id=thread.id,
        name=thread.name or UNKNOWN,
        lead_name=thread.lead_name,
        push_name=thread.push_name,
        lead_id=thread.lead_id,
        phone=thread.phone,
        phone_e164=thread.phone,
        last_message=inbox_view.last_words(thread, clock)[:PREVIEW],
        unread=thread.unread,
        time=thread.last_message_at,
        is_closed=not thread.is_open,
        has_media=thread.has_media,
    )


def message_of(bubble: Bubble, zone: ZoneInfo) -> MessageRow:
    """A message as programs are told of it."""
    return MessageRow(
        id=bubble.id,
        body=bubble.body,
        direction=bubble.direction,
        timestamp=bubble.said_at,
        time=f"{bubble.said_at.astimezone(zone):%H:%M}",
        status=bubble.status,
        message_type=bubble.type,
        source=bubble.source,
        media_url=bubble.media_url,
    )


HANDLERS = [list_threads, list_messages, mark_read, mark_unread, make_lead]
