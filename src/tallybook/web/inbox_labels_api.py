"""Labels for programs: kept, put on threads, and taken off them."""

from __future__ import annotations

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody

from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.inbox import naming
from tallybook.inbox.desk_types import Label
from tallybook.inbox.service import labels, threads

from .answers import Ok, ok
from .inbox_api import TAGS, THREADS
from .needs import Asked, TheApp

LABELS = "/api/crm/labels"


class LabelRow(msgspec.Struct, frozen=True):
    """A label, and on how many threads it stands."""

    id: int
    name: str
    colour: str
    threads: int


class NewLabel(msgspec.Struct, frozen=True):
    """A label's name, in at most 40 characters, and its colour.

    ``colour`` is ``grey``, ``blue``, ``green``, ``amber``, ``red``, ``purple``, ``teal`` or ``pink``.
    """

    name: str
    colour: str = "grey"


class Into(msgspec.Struct, frozen=True):
    """The label into which another one goes."""

    into: int


class Put(msgspec.Struct, frozen=True):
    """Threads, by their keys, numbers or phones, at most 200. ``off``: the label is taken off them."""

    threads: list[str]
    off: bool = False


class Counted(msgspec.Struct, frozen=True):
    """How many threads that changed."""

    threads: int


@get(LABELS, tags=TAGS)
async def list_labels(request: Asked, app: TheApp) -> Ok[list[LabelRow]]:
    """All labels by name."""
    found = await app.db.run("list labels", lambda conn: labels.listed(conn, request.user))
    return ok([_row(label, count) for label, count in found])


@post(LABELS, tags=TAGS, status_code=201)
async def add_label(request: Asked, app: TheApp, data: JSONBody[NewLabel]) -> Ok[LabelRow]:
    """Makes a label. For who may lead. 409 for a name that one has, in whatever case."""

    async def work(conn: Conn) -> LabelRow:
        return await _one(conn, request, await labels.add(conn, request.user, data.name, data.colour))

    return ok(await app.db.run("add label", work))


@put(f"{LABELS}/{{label_id:int}}", tags=TAGS)
async def change_label(request: Asked, app: TheApp, label_id: FromPath[int], data: JSONBody[NewLabel]) -> Ok[LabelRow]:
    """Names and colours a label anew. For who may lead. 404 outside the business, 409 for a name that another has."""

    async def work(conn: Conn) -> LabelRow:
        await labels.change(conn, request.user, _number(label_id), data.name, data.colour)
        return await _one(conn, request, label_id)

    return ok(await app.db.run("change label", work))


@post(f"{LABELS}/{{label_id:int}}/merge", tags=TAGS, status_code=200)
async def merge_label(request: Asked, app: TheApp, label_id: FromPath[int], data: JSONBody[Into]) -> Ok[Counted]:
    """Puts another label wherever this one stands, and takes this one away. For who may lead. 404 for either."""
    one, other = _number(label_id), _number(data.into)
    return ok(Counted(await app.db.run("join labels", lambda conn: labels.merge(conn, request.user, one, other))))


@delete(f"{LABELS}/{{label_id:int}}", tags=TAGS, status_code=200)
async def remove_label(request: Asked, app: TheApp, label_id: FromPath[int]) -> Ok[Counted]:
    """Takes a label away, and off every thread. For who may lead. 404 outside the business."""
    number = _number(label_id)
    return ok(Counted(await app.db.run("remove label", lambda conn: labels.remove(conn, request.user, number))))


@post(f"{LABELS}/{{label_id:int}}/threads", tags=TAGS, status_code=200)
async def put_label(request: Asked, app: TheApp, label_id: FromPath[int], data: JSONBody[Put]) -> Ok[Counted]:
    """Puts a label on threads, or takes it off them; repeats change nothing. 404 for a thread of another business."""
    require(request.user, Right.ANSWER)
    number = _number(label_id)
    if len(data.threads) > labels.AT_ONCE:
        raise Invalid("At most 200 threads at a time.", limit=labels.AT_ONCE)

    async def work(conn: Conn) -> int:
        ids = [(await threads.thread(conn, request.user, ref)).id for ref in data.threads]
        return await labels.put(conn, request.user, ids, number, off=data.off)

    return ok(Counted(await app.db.run("label threads", work)))


@get(f"{THREADS}/{{thread_id:str}}/labels", tags=TAGS)
async def labels_of(request: Asked, app: TheApp, thread_id: FromPath[str]) -> Ok[list[Label]]:
    """The labels that stand on a thread, by name. 404 outside the business."""
    require(request.user, Right.SEE)

    async def work(conn: Conn) -> list[Label]:
        thread = await threads.thread(conn, request.user, thread_id)
        return (await labels.on(conn, request.user, [thread.id])).get(thread.id, [])

    return ok(await app.db.run("list labels", work))


async def _one(conn: Conn, request: Asked, number: int) -> LabelRow:
    listed = await labels.listed(conn, request.user)
    return next(_row(label, count) for label, count in listed if label.id == number)


def _row(label: Label, count: int) -> LabelRow:
    return LabelRow(label.id, label.name, label.colour, count)


def _number(given: int) -> int:
    """Raises NotFound for what no label can be numbered."""
    if naming.number(str(given)) is None:
        raise NotFound("There is no such label.")
    return given


HANDLERS = [list_labels, add_label, change_label, merge_label, remove_label, put_label, labels_of]
