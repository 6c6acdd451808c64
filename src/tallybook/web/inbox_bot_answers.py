"""What the bot knows, kept by people: questions and answers listed, added, changed, taken out, and given as files."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect, Stream

from tallybook.app import App
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound, TallybookError
from tallybook.core.table_files import Rows, Table
from tallybook.inbox import naming, responder
from tallybook.inbox.answer_types import Kept, Line
from tallybook.inbox.service import faq, faq_lists
from tallybook.inbox.service.faq import Who

from . import errors, pages
from .downloads import download, kind_of
from .inbox_bot import BOT, frame
from .needs import Asked, TheApp

PATH = f"{BOT}/answers"
MAX_SEARCH = 100
MOST_SHOWN = 200


def who_keeps(request: Asked) -> Who:
    """Who keeps the answers. Raises NotAllowed: what stands here is said to every customer."""
    require(request.user, Right.LEAD)
    return (request.user.name, request.user.account_id)


@get(PATH, include_in_schema=False)
async def answers_page(request: Asked, app: TheApp) -> Response[str]:
    """The questions and answers, those with the words that are sought."""
    require(request.user, Right.SEE)
    return await show(request, app, None, {})


async def show(request: Asked, app: App, error: TallybookError | None, typed: dict[str, str]) -> Response[str]:
    """The page, with what was typed and could not be kept, and why."""
    business, values = request.user.business, request.query_params
    search = values.get("q", "").replace("\0", "")[:MAX_SEARCH]

    async def work(conn: Conn) -> tuple[list[Kept], dict[str, Any]]:
        return await faq.listed(conn, business), await frame(conn, app, request)

    kept, context = await app.db.run("list answers", work)
    found = faq.found(kept, search)
    say = pages.clock_of(request).words
    context |= {
        "kept": found[:MOST_SHOWN], "count": len(found), "all": len(kept), "search": search, "path": PATH,
        "typed": {"question": values.get("ask", "")[: faq_lists.LONGEST_QUESTION], "answer": ""} | typed,
        "trouble": say.gettext(error.message) if error else None,
        "done": [naming.number(one) or 0 for one in values.get("done", "").split("-")][:4] if "done" in values else [],
    }  # fmt: skip
    return pages.page(request, "inbox/bot_answers.html", context, errors.status_of(error) if error else 200)


def line_of(question: str, answer: str, language: str | None = None) -> Line:
    """A question and its answer as somebody gives them, in the language of its letters if none is said.

    Raises Invalid.
    """
    line = faq_lists.line_of(question, answer, responder.language_of(question) if language is None else language)
    if isinstance(line, str):
        raise Invalid(line)
    return line


def numbered(number: int) -> int:
    """Raises NotFound for what no answer can be numbered."""
    if naming.number(str(number)) is None:
        raise NotFound("There is no such answer.")
    return number


def _typed(form: Any) -> Line:
    return line_of(str(form.get("question", "")), str(form.get("answer", "")))


@post(PATH, include_in_schema=False)
async def add(request: Asked, app: TheApp) -> Response[Any]:
    """Writes an answer down. One that its question has already is not changed by that."""
    who, form = who_keeps(request), await request.form()
    business = request.user.business

    async def work(conn: Conn) -> None:
        await faq.add(conn, business, _typed(form), who)

    try:
        await app.db.run("add answer", work)
    except (Conflict, Invalid) as error:
        typed = {name: str(form.get(name, "")) for name in ("question", "answer")}
        return await show(request, app, error, typed)
    return Redirect(PATH, status_code=303)


@post(PATH + "/{number:int}", include_in_schema=False)
async def change(request: Asked, app: TheApp, number: FromPath[int]) -> Response[Any]:
    """Changes an answer, takes it out, or has it be given no more."""
    who, form = who_keeps(request), await request.form()
    business, known = request.user.business, numbered(number)

    async def work(conn: Conn) -> None:
        if form.get("remove"):
            await faq.remove(conn, business, known, who)
        else:
            await faq.change(conn, business, known, _typed(form), who, active=bool(form.get("given")))

    try:
        await app.db.run("change answer", work)
    except (Conflict, Invalid) as error:
        return await show(request, app, error, {})
    return Redirect(PATH, status_code=303)


@get([f"{PATH}.csv", f"{PATH}.xlsx"], include_in_schema=False)
async def give_file(request: Asked, app: TheApp) -> Stream:
    """All answers, in the columns that the import reads."""
    return await as_file(request, app)


async def as_file(request: Asked, app: App) -> Stream:
    """All answers as the address ends. Raises NotAllowed, TooMany while others are being made."""
    require(request.user, Right.SEE)
    caller: Caller = request.user
    kind = kind_of(request.scope["path"])
    return await download(app, kind, "answers", lambda conn: Table("Answers", faq_lists.COLUMNS, _rows(conn, caller)))


async def _rows(conn: Conn, caller: Caller) -> AsyncGenerator[Rows, None]:
    yield [(one.question, one.answer, one.language) for one in await faq.listed(conn, caller.business)]


HANDLERS = [answers_page, add, change, give_file]
