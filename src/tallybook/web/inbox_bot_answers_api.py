"""What the bot knows, for programs: questions and answers kept one by one, and given and taken as files."""

from __future__ import annotations

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Stream

from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.inbox.answer_types import Kept
from tallybook.inbox.service import faq
from tallybook.inbox.service.faq import Change, Imported, Order, Preview
from tallybook.inbox.service.faq_lists import Read, Wrong

from .answers import Ok, ok
from .inbox_api import TAGS
from .inbox_bot_answers import MAX_SEARCH, as_file, line_of, numbered, who_keeps
from .inbox_bot_lists import read_file
from .needs import Asked, TheApp
from .security import MAX_UPLOAD

PATH = "/api/inbox/bot/answers"
PAGE_SIZE = 200


class AnswerRow(msgspec.Struct, frozen=True):
    """A question and its answer, in ``en`` or ``he``. The bot gives it only where ``given`` is true."""

    id: int
    language: str
    question: str
    answer: str
    given: bool


class AnswersPage(msgspec.Struct, frozen=True):
    """Answers by language and question. ``count`` are those with the words that are sought, of ``kept`` in all."""

    answers: list[AnswerRow]
    count: int
    kept: int


class NewAnswer(msgspec.Struct, frozen=True):
    """A question of at most 500 characters and its answer of at most 1,999.

    ``language`` is ``en`` or ``he``; that of the question's letters if none is said.
    """

    question: str
    answer: str
    language: str | None = None


class OtherAnswer(msgspec.Struct, frozen=True):
    """What an answer is to be, as in NewAnswer. ``given`` false withdraws it: it is kept, and given no more."""

    question: str
    answer: str
    language: str | None = None
    given: bool = True


class ChangedRow(msgspec.Struct, frozen=True):
    """An answer that a list changes, as it stands, and what the list says instead."""

    before: AnswerRow
    answer: str


class ListRow(msgspec.Struct, frozen=True):
    """What a file would change, and its rows that cannot be used, with which nothing can be written.

    ``known`` counts the lines that are kept already, ``repeats`` those that the file says twice; ``left_out`` are
    sheets without the columns. ``withdrawn`` would be given no more, of ``given`` that are now. ``mark`` stands for
    what is shown here.
    """

    added: list[NewAnswer]
    changed: list[ChangedRow]
    withdrawn: list[AnswerRow]
    known: int
    given: int
    mark: str
    wrong: list[Wrong]
    repeats: int
    left_out: list[str]


class WrittenRow(msgspec.Struct, frozen=True):
    """How many answers a file added, changed, knew already, and withdrew."""

    added: int
    changed: int
    known: int
    withdrawn: int


@get(PATH, tags=TAGS)
async def list_answers(
    request: Asked, app: TheApp, q: FromQuery[str | None] = None, skip: FromQuery[int] = 0
) -> Ok[AnswersPage]:
    """Those with ``q`` in their question or answer, all without it; 200 at a time, after the first ``skip`` of them."""
    require(request.user, Right.SEE)
    if len(q or "") > MAX_SEARCH:
        raise Invalid("A search may be at most 100 characters long.")
    if skip < 0:
        raise Invalid("How many to skip is 0 or more.")
    kept = await app.db.run("list answers", lambda conn: faq.listed(conn, request.user.business))
    found = faq.found(kept, q or "")
    return ok(AnswersPage([_row(one) for one in found[skip : skip + PAGE_SIZE]], len(found), len(kept)))


@post(PATH, tags=TAGS, status_code=201)
async def add_answer(request: Asked, app: TheApp, data: JSONBody[NewAnswer]) -> Ok[AnswerRow]:
    """Writes an answer down. For who may lead. 409 where its question has one already, given or not."""
    who, line = who_keeps(request), line_of(data.question, data.answer, data.language)

    async def work(conn: Conn) -> Kept:
        await faq.add(conn, request.user.business, line, who)
        kept = await faq.listed(conn, request.user.business)
        return next(one for one in kept if (one.language, one.question) == (line.language, line.question))

    return ok(_row(await app.db.run("add answer", work)))


@put(f"{PATH}/{{answer_id:int}}", tags=TAGS)
async def change_answer(
    request: Asked, app: TheApp, answer_id: FromPath[int], data: JSONBody[OtherAnswer]
) -> Ok[AnswerRow]:
    """Has an answer be another one, or be given no more. A repeat does nothing. For who may lead.

    404 outside the business, 409 where its question has another answer.
    """
    who, number = who_keeps(request), numbered(answer_id)
    line = line_of(data.question, data.answer, data.language)

    async def work(conn: Conn) -> Kept:
        await faq.change(conn, request.user.business, number, line, who, active=data.given)
        return await faq.one(conn, request.user.business, number)

    return ok(_row(await app.db.run("change answer", work)))


@delete(f"{PATH}/{{answer_id:int}}", tags=TAGS)
async def remove_answer(request: Asked, app: TheApp, answer_id: FromPath[int]) -> None:
    """Takes an answer out. For who may lead. 404 outside the business."""
    who, number = who_keeps(request), numbered(answer_id)
    await app.db.run("remove answer", lambda conn: faq.remove(conn, request.user.business, number, who))


@get([f"{PATH}.csv", f"{PATH}.xlsx"], tags=TAGS)
async def give_answers(request: Asked, app: TheApp) -> Stream:
    """All answers as a file, in the columns that the import reads. 429 while two others are being made."""
    return await as_file(request, app)


@post(f"{PATH}/file/look", tags=TAGS, status_code=200, request_max_body_size=MAX_UPLOAD)
async def look_at_answers(request: Asked, app: TheApp, withdraw: FromQuery[bool] = False) -> Ok[ListRow]:
    """What a CSV or XLSX file would change, sent as ``file`` in a form. Changes nothing. For who may lead.

    With ``withdraw`` what the file lacks, in its languages, would be given no more. 400 for what is no such file, 413
    above 5 MB or 5,000 questions.
    """
    who_keeps(request)
    read = await read_file((await request.form()).get("file"))

    async def work(conn: Conn) -> Preview:
        return await faq.look(conn, request.user.business, read.lines, withdraws=withdraw)

    return ok(_list(read, await app.db.run("look at list of answers", work)))


@post(f"{PATH}/file", tags=TAGS, status_code=200, request_max_body_size=MAX_UPLOAD)
async def take_answers(
    request: Asked, app: TheApp, withdraw: FromQuery[bool] = False, withdraw_many: FromQuery[bool] = False,
    mark: FromQuery[str | None] = None,
) -> Ok[WrittenRow]:  # fmt: skip
    """Writes a CSV or XLSX file of answers down, sent as ``file`` in a form. A repeat does nothing. For who may lead.

    With ``withdraw`` what the file lacks, in its languages, is given no more: 409 where that is more than a fifth and
    not ``withdraw_many``. With the ``mark`` of a look, 409 where by now something else would change. 400 where a row
    cannot be used: ``details.rows`` says which, and nothing is changed. 413 above 5 MB or 5,000 questions.
    """
    who = who_keeps(request)
    read = await read_file((await request.form()).get("file"))
    if read.wrong:
        rows = [msgspec.structs.asdict(one) for one in read.wrong]
        raise Invalid("Nothing was changed: the file has rows that cannot be used.", rows=rows)
    order = Order(read.lines, withdraw, withdraw_many, mark)
    done = await app.db.run("write answers", lambda conn: faq.write(conn, request.user.business, order, who))
    return ok(_written(done))


def _row(one: Kept) -> AnswerRow:
    return AnswerRow(one.id, one.language, one.question, one.answer, one.active)


def _list(read: Read, preview: Preview) -> ListRow:
    return ListRow(
        [NewAnswer(one.question, one.answer, one.language) for one in preview.added],
        [_changed(one) for one in preview.changed],
        [_row(one) for one in preview.withdrawn],
        preview.known,
        preview.given,
        preview.mark,
        read.wrong,
        read.repeats,
        read.left_out,
    )


def _changed(one: Change) -> ChangedRow:
    return ChangedRow(_row(one.before), one.answer)


def _written(done: Imported) -> WrittenRow:
    return WrittenRow(done.added, done.changed, done.known, done.withdrawn)


HANDLERS = [
    list_answers, add_answer, change_answer, remove_answer, give_answers, look_at_answers, take_answers,
]  # fmt: skip
