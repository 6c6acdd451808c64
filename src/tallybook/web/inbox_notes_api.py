"""Notes for programs: what people note among themselves on a thread; never sent."""

from __future__ import annotations

from datetime import datetime

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody

from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import NotFound
from tallybook.inbox import naming
from tallybook.inbox.desk_types import Note
from tallybook.inbox.service import notes, threads

from .answers import Ok, ok
from .inbox_api import TAGS, THREADS
from .needs import Asked, TheApp

NOTES = "/api/crm/notes"


class NoteRow(msgspec.Struct, frozen=True):
    """A note. ``mentions`` are the accounts that it names as ``@login``; ``author_id`` is 0 for a token of nobody."""

    id: int
    conversation_id: int
    author_id: int
    author: str
    text: str
    written_at: datetime
    edited_at: datetime | None
    mentions: list[int]


class NewNote(msgspec.Struct, frozen=True):
    """What to note, in at most 4,096 characters. ``key`` makes a repeat harmless."""

    text: str
    key: str


class Text(msgspec.Struct, frozen=True):
    """What a note says."""

    text: str


@get(f"{THREADS}/{{thread_id:str}}/notes", tags=TAGS)
async def list_notes(request: Asked, app: TheApp, thread_id: FromPath[str]) -> Ok[list[NoteRow]]:
    """What was noted on a thread, the oldest first; the latest 200. 404 outside the business."""
    require(request.user, Right.SEE)

    async def work(conn: Conn) -> list[Note]:
        thread = await threads.thread(conn, request.user, thread_id)
        return list(await notes.between(conn, request.user, thread.id))

    found = await app.db.run("list notes", work)
    return ok([_row(one) for one in found if one.removed_at is None])


@post(f"{THREADS}/{{thread_id:str}}/notes", tags=TAGS, status_code=200)
async def write_note(request: Asked, app: TheApp, thread_id: FromPath[str], data: JSONBody[NewNote]) -> Ok[NoteRow]:
    """Notes something. A repeat of ``key`` writes nothing; 409 where the key stood for something else."""
    require(request.user, Right.ANSWER)

    async def work(conn: Conn) -> Note:
        thread = await threads.thread(conn, request.user, thread_id)
        return await notes.write(conn, request.user, thread.id, data.text, data.key)

    return ok(_row(await app.db.run("write note", work)))


@put(f"{NOTES}/{{note_id:int}}", tags=TAGS)
async def change_note(request: Asked, app: TheApp, note_id: FromPath[int], data: JSONBody[Text]) -> Ok[NoteRow]:
    """Has one's own note say something else. 403 for somebody else's, 404 outside the business."""
    number = _number(note_id)
    return ok(_row(await app.db.run("change note", lambda conn: notes.edit(conn, request.user, number, data.text))))


@delete(f"{NOTES}/{{note_id:int}}", tags=TAGS)
async def remove_note(request: Asked, app: TheApp, note_id: FromPath[int]) -> None:
    """Takes one's own note away; a repeat changes nothing. 403 for somebody else's, 404 outside the business."""
    number = _number(note_id)
    await app.db.run("remove note", lambda conn: notes.remove(conn, request.user, number))


def _row(note: Note) -> NoteRow:
    return NoteRow(
        note.id, note.conversation_id, note.account_id, note.author, note.body, note.written_at, note.edited_at,
        note.mentions,
    )  # fmt: skip


def _number(given: int) -> int:
    """Raises NotFound for what no note can be numbered."""
    if naming.number(str(given)) is None:
        raise NotFound("There is no such note.")
    return given


HANDLERS = [list_notes, write_note, change_note, remove_note]
