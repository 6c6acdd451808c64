"""Notes on a thread: among us, never sent; written once per key, changed by who wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tallybook.core import audit
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, NotAllowed, NotFound
from tallybook.core.wakeups import wake_up
from tallybook.inbox import desk_rules
from tallybook.inbox.desk_types import Note
from tallybook.inbox.store import notes as store

from . import threads
from .filing import TOPIC

MOST = 200  # notes of a thread that are shown at a time


async def write(conn: Conn, caller: Caller, conversation_id: int, body: str, key: str) -> Note:
    """Notes something on a thread, and names whoever it names as @login. A repeat of the writer's key writes nothing.

    Raises NotAllowed, NotFound, Invalid, Conflict for a key under which something else was written.
    """
    require(caller, Right.ANSWER)
    body, key = desk_rules.written(body), desk_rules.keyed(key)
    thread = await threads.by_number(conn, caller, conversation_id)
    new = store.New(thread.id, caller.account_id or 0, caller.name[:100], body, key)
    number, where, there, is_new = await store.write(conn, caller.business_id, new)
    if (where, there) != (thread.id, body):
        raise Conflict("Something else was noted under this key. Load the page again.")
    if is_new:
        await _name(conn, caller, number, body)
        await _tell(conn, caller, "note.written", number, None, {"conversation": thread.id, "body": body})
    return await _one(conn, caller, number)


async def edit(conn: Conn, caller: Caller, note_id: int, body: str) -> Note:
    """Has one's own note say something else; what it said stays in the record.

    Raises NotAllowed for somebody else's, NotFound, Invalid.
    """
    body = desk_rules.written(body)
    note = await _own(conn, caller, note_id)
    if note.body != body:
        await store.edit(conn, caller.business_id, note_id, body)
        await _name(conn, caller, note_id, body)
        await _tell(conn, caller, "note.changed", note_id, {"body": note.body}, {"body": body})
    return await _one(conn, caller, note_id)


async def remove(conn: Conn, caller: Caller, note_id: int) -> None:
    """Takes one's own note away; what it said stays in the record. A repeat changes nothing.

    Raises NotAllowed for somebody else's, NotFound.
    """
    note = await _own(conn, caller, note_id, removed=True)
    if note.removed_at is None:
        await store.remove(conn, caller.business_id, note_id)
        await _tell(conn, caller, "note.removed", note_id, {"body": note.body}, None)


async def between(
    conn: Conn, caller: Caller, conversation_id: int, times: tuple[datetime | None, datetime | None] = (None, None)
) -> Sequence[Note]:
    """What was noted on a thread from one moment until another (None: from the first, until now), the oldest first.

    One that was taken away is among them, without words. Raises NotAllowed.
    """
    require(caller, Right.SEE)
    return await store.between(conn, caller.business_id, conversation_id, times, MOST)


async def see(conn: Conn, caller: Caller, conversation_id: int) -> None:
    """The caller looks at a thread, and so at every note there that names them."""
    me = caller.account_id
    if me is not None and await store.see(conn, caller.business_id, conversation_id, me):
        await wake_up(conn, TOPIC, caller.business_id)


async def unseen(conn: Conn, caller: Caller) -> set[int]:
    """The threads with a note that names the caller and that they have not seen."""
    return set() if caller.account_id is None else await store.unseen(conn, caller.business_id, caller.account_id)


async def one(conn: Conn, caller: Caller, note_id: int) -> Note:
    """Raises NotAllowed and NotFound."""
    require(caller, Right.SEE)
    return await _one(conn, caller, note_id)


async def _one(conn: Conn, caller: Caller, note_id: int) -> Note:
    note = await store.one(conn, caller.business_id, note_id)
    if note is None:
        raise NotFound("There is no such note.")
    return note


async def _own(conn: Conn, caller: Caller, note_id: int, *, removed: bool = False) -> Note:
    require(caller, Right.ANSWER)
    note = await _one(conn, caller, note_id)
    if note.account_id != (caller.account_id or 0):
        raise NotAllowed("Only who wrote a note may change it.")
    if note.removed_at is not None and not removed:
        raise NotFound("There is no such note.")
    return note


async def _name(conn: Conn, caller: Caller, note_id: int, body: str) -> None:
    logins = await store.logins(conn, caller.business_id) if "@" in body else {}
    await store.name(conn, caller.business_id, note_id, desk_rules.mentioned(body, logins))


async def _tell(
    conn: Conn, caller: Caller, action: str, number: int, before: dict[str, object] | None,
    after: dict[str, object] | None,
) -> None:  # fmt: skip
    await audit.record_by(conn, caller, action, "note", str(number), before, after)
    await wake_up(conn, TOPIC, caller.business_id)
