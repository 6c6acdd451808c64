"""What was said in a thread, summed up: in the customer's panel, and for programs."""

from __future__ import annotations

from datetime import datetime

import msgspec
from litestar import get, post, put
from litestar.params import FromPath, JSONBody
from litestar.response import Redirect

from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import NotFound
from tallybook.core.marking import N_
from tallybook.inbox.finding_rules import Take
from tallybook.inbox.service import summaries, threads
from tallybook.inbox.service.summaries import Summary
from tallybook.inbox.service.threads import Thread
from tallybook.inbox.session_types import By, Counts, Ended, Session

from .answers import Ok, ok
from .inbox import look
from .inbox_api import TAGS, THREADS
from .inbox_view import PATH
from .needs import Asked, TheApp

ERRORS = (
    N_("A summary has 1 to 4,000 characters."),
    N_("No conversation in this thread is over yet. Close the thread, then write its summary."),
    N_("There is no such conversation, or its customer is no lead."),
    N_("This is not suggested any more: somebody changed the lead meanwhile."),
)


class SessionRow(msgspec.Struct, frozen=True):
    """A conversation in a thread that is over; ``number`` counts them from 1. ``by`` is local, model or person.

    ``started_at`` and ``ended_at`` are when its first and last messages were said. ``ended_by`` is silence of the
    customer, person (who closed the thread), or joined (another thread came behind it).
    ``topic`` is null where it is not known; its source is known_answer (by its number ``topic_id``) or model, its
    confidence from 0 to 1. ``suggested_status`` is one to which the lead might come, by local or model; ``found_name``
    and ``found_email`` are what the customer wrote. ``open`` is what of status, name and email can be taken over.
    """

    number: int
    started_at: datetime
    ended_at: datetime
    closed_at: datetime
    ended_by: Ended
    messages: Counts
    summary: str
    by: By
    topic: str | None = None
    topic_id: int | None = None
    topic_confidence: float | None = None
    topic_source: str | None = None
    suggested_status: str | None = None
    suggested_by: By | None = None
    found_name: str | None = None
    found_email: str | None = None
    open: list[Take] = []


class SummaryRow(msgspec.Struct, frozen=True):
    """What a thread is about. ``summary`` is that of the latest conversation that is over, null before the first.

    ``started_at`` is of the conversation that goes on (``is_active``), else of the latest; ``summary_created`` whether
    that one has a summary. The topic is of the latest that is over, null where it is not known; ``detected_topic_id``
    is a known answer, null where a model said it. ``sessions`` are over, the latest first.
    """

    id: str
    conversation_id: int
    summary: str | None
    summary_created: bool
    is_active: bool
    session: int
    started_at: datetime
    detected_topic_id: int | None
    detected_topic_confidence: float | None
    detected_topic_source: str | None
    sessions: list[SessionRow]


class NewSummary(msgspec.Struct, frozen=True):
    """What a person writes of the latest conversation that is over, in at most 4,000 characters."""

    summary: str


class Taken(msgspec.Struct, frozen=True):
    """What a lead takes over from one of its conversations: its status, name or email."""

    session: int
    what: Take


@post(PATH + "/{conversation_id:int}/summary/{session:int}/take/{what:str}", include_in_schema=False)
async def take_here(
    request: Asked, app: TheApp, conversation_id: FromPath[int], session: FromPath[int], what: FromPath[str]
) -> Redirect:
    """Has the lead be what a conversation suggests, and shows the thread."""
    asked = look(request)
    if what not in set(Take):
        raise NotFound("There is no such conversation, or its customer is no lead.")

    async def work(conn: Conn) -> Thread:
        thread = await threads.by_number(conn, asked.caller, conversation_id)
        await summaries.take_over(conn, asked.caller, thread.id, session, Take(what))
        return thread

    return Redirect(asked.query.to(await app.db.run("take over", work)), status_code=303)


@post(f"{THREADS}/{{thread_id:str}}/summary/take", tags=TAGS, status_code=200)
async def take(request: Asked, app: TheApp, thread_id: FromPath[str], data: JSONBody[Taken]) -> Ok[SummaryRow]:
    """Has the lead be what a conversation that is over suggests. A repeat does nothing.

    The thread is named by its number, its canonical key, or a phone in any format. 404 outside the business, and where
    the customer is no lead; 409 where it is not suggested any more, since somebody changed the lead.
    """
    require(request.user, Right.ANSWER)

    async def work(conn: Conn) -> SummaryRow:
        thread = await threads.thread(conn, request.user, thread_id)
        found = await summaries.take_over(conn, request.user, thread.id, data.session, data.what)
        return await row_of(conn, request.user, thread, found)

    return ok(await app.db.run("take over", work))


@post(PATH + "/{conversation_id:int}/summary", include_in_schema=False)
async def write_here(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Redirect:
    """Writes the summary of the thread's latest conversation that is over, and shows the thread."""
    asked = look(request)
    text = str((await request.form()).get("summary", ""))

    async def work(conn: Conn) -> Thread:
        thread = await threads.by_number(conn, asked.caller, conversation_id)
        await summaries.write(conn, asked.caller, thread.id, text)
        return thread

    return Redirect(asked.query.to(await app.db.run("write summary", work)), status_code=303)


@get(f"{THREADS}/{{thread_id:str}}/summary", tags=TAGS)
async def read(request: Asked, app: TheApp, thread_id: FromPath[str]) -> Ok[SummaryRow]:
    """The summary of a thread, and those of its latest 20 conversations that are over.

    The thread is named by its number, its canonical key, or a phone in any format. 404 outside the business.
    """
    require(request.user, Right.SEE)

    async def work(conn: Conn) -> SummaryRow:
        thread = await threads.thread(conn, request.user, thread_id)
        found = await summaries.of_thread(conn, request.user, thread.id)
        return await row_of(conn, request.user, thread, found)

    return ok(await app.db.run("read summary", work))


@put(f"{THREADS}/{{thread_id:str}}/summary", tags=TAGS)
async def write(request: Asked, app: TheApp, thread_id: FromPath[str], data: JSONBody[NewSummary]) -> Ok[SummaryRow]:
    """Writes the summary of the latest conversation that is over; only a person replaces it. A repeat does nothing.

    The thread is named by its number, its canonical key, or a phone in any format. 400 for a text of no use, 404
    outside the business, 409 while no conversation is over.
    """
    require(request.user, Right.ANSWER)

    async def work(conn: Conn) -> SummaryRow:
        thread = await threads.thread(conn, request.user, thread_id)
        found = await summaries.write(conn, request.user, thread.id, data.summary)
        return await row_of(conn, request.user, thread, found)

    return ok(await app.db.run("write summary", work))


async def row_of(conn: Conn, caller: Caller, thread: Thread, found: Summary) -> SummaryRow:
    """A thread's summaries as programs are told of them."""
    now = found.current
    suggested = await summaries.suggested(conn, caller, thread.id, found)
    return SummaryRow(
        id=thread.canonical_key,
        conversation_id=thread.id,
        summary=now.summary,
        summary_created=now.summary_created,
        is_active=now.is_open,
        session=now.number,
        started_at=now.started_at,
        detected_topic_id=now.topic_id,
        detected_topic_confidence=now.topic_confidence,
        detected_topic_source=now.topic_source,
        sessions=[_session(one, suggested.get(one.number, [])) for one in found.sessions],
    )


def _session(one: Session, suggested: list[Take]) -> SessionRow:
    told, topic = one.findings, one.findings.topic
    return SessionRow(
        number=one.number,
        started_at=one.started_at,
        ended_at=one.ended_at,
        closed_at=one.closed_at,
        ended_by=one.ended_by,
        messages=one.counts,
        summary=one.summary,
        by=one.summary_by,
        topic=topic.words if topic else None,
        topic_id=topic.answer_id if topic else None,
        topic_confidence=topic.confidence if topic else None,
        topic_source=topic.source if topic else None,
        suggested_status=told.status,
        suggested_by=told.status_by,
        found_name=told.name,
        found_email=told.email,
        open=suggested,
    )


HANDLERS = [write_here, take_here, read, write, take]
