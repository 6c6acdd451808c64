"""Templates and questions for programs: what may be sent at any time, and what a customer answers by a press."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody

from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import NotFound
from tallybook.inbox import template_rules as rules
from tallybook.inbox.contents import Choice, Content, Interactive, Text
from tallybook.inbox.service import reacting, receipts, sending, templates, threads
from tallybook.inbox.store.receipts import Reading
from tallybook.inbox.template_types import Field, Template

from .answers import Ok, ok
from .inbox_api import TAGS, THREADS
from .needs import Asked, TheApp

PATH = "/api/inbox/templates"


class TemplateRow(msgspec.Struct, frozen=True):
    """A template. ``usable``: it can be sent now, else ``why_not`` says why. ``text`` is how it reads with its places.

    ``places`` are to be filled: their keys are those of ``values`` when it is sent.
    """

    id: int
    name: str
    language: str
    status: str
    category: str
    text: str
    usable: bool
    why_not: str | None
    places: list[Field]


class SendTemplate(msgspec.Struct, frozen=True):
    """Which template, with which values (place → text). ``key`` is yours: a repeat of it sends nothing."""

    name: str
    language: str
    key: str
    values: dict[str, str] = {}


class Asks(msgspec.Struct, frozen=True):
    """A question: ``kind`` is ``buttons`` (up to 3) or ``list`` (up to 10, under ``label``)."""

    kind: str
    text: str
    choices: list[Choice]
    key: str
    label: str = ""
    quote: int | None = None


class Answers(msgspec.Struct, frozen=True):
    """Words that answer one message. ``key`` is yours: a repeat of it sends nothing."""

    text: str
    key: str


class Reacts(msgspec.Struct, frozen=True):
    """An emoji for a message; an empty one takes ours off."""

    emoji: str
    key: str


class Left(msgspec.Struct, frozen=True):
    """A message of ours that was left to be sent: its number and its thread's."""

    id: int
    conversation_id: int


def row_of(template: Template) -> TemplateRow:
    why = rules.why_not(template)
    text = rules.shown(template, {}).text
    return TemplateRow(
        template.id, template.name, template.language, template.status, template.category, text, why is None, why,
        rules.fields(template),
    )  # fmt: skip


@get(PATH, tags=TAGS)
async def list_templates(request: Asked, app: TheApp) -> Ok[list[TemplateRow]]:
    """The templates of the business as WhatsApp told of them last; those that are gone last."""
    require(request.user, Right.SEE)
    board = await app.db.run("list templates", lambda conn: templates.board(conn, request.user))
    return ok([row_of(one) for one in board.templates])


@post(f"{PATH}/read", tags=TAGS, status_code=202)
async def ask_for_templates(request: Asked, app: TheApp) -> Ok[None]:
    """Has the templates be read from WhatsApp again, once in a minute. They are there some seconds later."""
    await app.db.run("ask for templates", lambda conn: templates.ask(conn, request.user, datetime.now(UTC)))
    return ok(None)


@post(f"{THREADS}/{{thread_id:str}}/template", tags=TAGS, status_code=200)
async def send_template(
    request: Asked, app: TheApp, thread_id: FromPath[str], data: JSONBody[SendTemplate]
) -> Ok[Left]:
    """Leaves a template to be sent to a thread's customer, whenever they wrote.

    400 with the ``place`` for a value that WhatsApp would refuse, 404 for what is not there, 409 for a key that stood
    for something else.
    """
    require(request.user, Right.ANSWER)

    async def work(conn: Conn) -> Left:
        caller = request.user
        thread = await threads.thread(conn, caller, thread_id)
        template = await templates.named(conn, caller.business_id, thread.account, data.name, data.language)
        return Left(await templates.send(conn, caller, thread.id, template, data.values, data.key), thread.id)

    return ok(await app.db.run("send template", work))


@post(f"{THREADS}/{{thread_id:str}}/question", tags=TAGS, status_code=200)
async def ask_question(request: Asked, app: TheApp, thread_id: FromPath[str], data: JSONBody[Asks]) -> Ok[Left]:
    """Leaves a question to be sent that a customer answers by a press; the ``id`` of the choice comes back with it."""
    asks = Interactive(kind=data.kind, text=data.text, choices=tuple(data.choices), label=data.label)
    return ok(await _send(request, app, thread_id, asks, data.key, data.quote))


@post(f"{THREADS}/{{thread_id:str}}/messages/{{message_id:int}}/answer", tags=TAGS, status_code=200)
async def answer_message(
    request: Asked, app: TheApp, thread_id: FromPath[str], message_id: FromPath[int], data: JSONBody[Answers]
) -> Ok[Left]:
    """Leaves words to be sent that quote one message of the thread."""
    return ok(await _send(request, app, thread_id, Text(text=data.text), data.key, message_id))


async def _send(request: Asked, app: TheApp, thread_id: str, content: Content, key: str, quote: int | None) -> Left:
    require(request.user, Right.ANSWER)

    async def work(conn: Conn) -> Left:
        thread = await threads.thread(conn, request.user, thread_id)
        said = content
        if quote is not None:
            about = await reacting.quoted(conn, request.user, thread.id, _number(quote))
            said = msgspec.structs.replace(content, quote=about.external_id or "")
        return Left(await sending.send(conn, request.user, thread.id, said, key), thread.id)

    return await app.db.run("send message", work)


@post(f"{THREADS}/{{thread_id:str}}/messages/{{message_id:int}}/reaction", tags=TAGS, status_code=200)
async def react(
    request: Asked, app: TheApp, thread_id: FromPath[str], message_id: FromPath[int], data: JSONBody[Reacts]
) -> Ok[None]:
    """Puts an emoji on a message of the last 30 days, or takes ours off. It leaves by the outbox, once for its key."""
    require(request.user, Right.ANSWER)

    async def work(conn: Conn) -> None:
        thread = await threads.thread(conn, request.user, thread_id)
        await reacting.react(conn, request.user, thread.id, _number(message_id), data.emoji, data.key)

    await app.db.run("react", work)
    return ok(None)


@get(f"{THREADS}/{{thread_id:str}}/reading", tags=TAGS)
async def who_read(request: Asked, app: TheApp, thread_id: FromPath[str]) -> Ok[Reading]:
    """Three facts: when the customer last read us, when we last read them, and when they were shown that we did."""
    require(request.user, Right.SEE)

    async def work(conn: Conn) -> Reading:
        thread = await threads.thread(conn, request.user, thread_id)
        return await receipts.reading(conn, request.user, thread.id)

    return ok(await app.db.run("ask who read", work))


def _number(message_id: int) -> int:
    if not 0 < message_id < 2**63:
        raise NotFound("There is no such message.")
    return message_id


HANDLERS = [list_templates, ask_for_templates, send_template, ask_question, answer_message, react, who_read]
