"""Answering by hand: what somebody of ours writes takes its place in the thread and leaves by the outbox, once."""

from __future__ import annotations

from datetime import UTC, datetime

from tallybook.core import audit
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.inbox import canned_rules, window
from tallybook.inbox.contents import LONGEST_TEXT, Content, Template, Text
from tallybook.inbox.store import sending as store
from tallybook.inbox.store import threads as threads_store
from tallybook.inbox.store.sending import Held
from tallybook.inbox.types import Source
from tallybook.inbox.window import Window

from .leaving import ANSWERED, WindowClosed, leave, may_leave, refuse

__all__ = ["ANSWERED", "LONGEST_TEXT", "WindowClosed", "hold", "key_of", "send", "send_text", "window_of"]

LONGEST_KEY = 200  # characters


async def send_text(conn: Conn, caller: Caller, conversation_id: int, text: str, key: str) -> int:
    """Leaves a text to be sent; send() says how."""
    return await send(conn, caller, conversation_id, Text(text), key)


async def send(conn: Conn, caller: Caller, conversation_id: int, content: Content, key: str) -> int:
    """Leaves a message to be sent, in the caller's transaction; returns the message's id.

    A repeat of ``key`` in the thread returns the same id and sends nothing. What is for a thread that went into another
    by a joining goes there, and a repeat of what it was given before the joining is a repeat still. It leaves by the
    number to which the customer last wrote. Raises NotAllowed, NotFound, Invalid for a content or key of no use,
    WindowClosed where only a template may be sent, Conflict for a key that stood for another text, a number that
    cannot send, or a place for a name that nobody filled.
    """
    require(caller, Right.ANSWER)
    checked_key(key)
    content = content.checked()
    if not isinstance(content, Template):
        canned_rules.require_filled(content.words)
    held = await hold(conn, caller.business_id, conversation_id)
    outgoing_key = key_of(conversation_id, key)
    now = datetime.now(UTC)
    before = await store.put_before(conn, caller.business_id, outgoing_key)
    why = await may_leave(conn, caller.business_id, held, content, now) if before is None else None
    if why is not None:
        raise refuse(why)
    by = caller.account_id
    message_id = await leave(
        conn, caller.business_id, held, content, source=Source.HUMAN, key=outgoing_key, now=now, by=by, pressed=True
    )
    if before is None:
        after = {"message": message_id} | ({"template": content.name} if isinstance(content, Template) else {})
        await audit.record(
            conn, caller.business_id, caller.name, by, "conversation.answered", "conversation", str(held.id), None,
            after,
        )  # fmt: skip
    return message_id


def checked_key(key: str) -> str:
    """The key by which a press is known again. Raises Invalid."""
    if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Invalid(f"A message needs a key of 1 to {LONGEST_KEY} letters, digits or signs.")
    return key


def key_of(conversation_id: int, key: str) -> str:
    """Under which key the outbox holds what a person sends."""
    return f"inbox:{conversation_id}:{key}"


async def window_of(conn: Conn, caller: Caller, conversation_id: int) -> Window:
    """Whether the thread may be answered freely now, and until when. Raises NotAllowed and NotFound."""
    require(caller, Right.SEE)
    found = await store.times(conn, caller.business_id, conversation_id)
    if found is None:
        raise NotFound("There is no such conversation.")
    return window.window_of(*found, datetime.now(UTC))


async def hold(conn: Conn, business_id: int, conversation_id: int) -> Held:
    """The thread, or the one into which it went; it may go while we wait for it. Raises NotFound."""
    held = await store.hold(conn, business_id, conversation_id)
    if held is None:
        kept = await threads_store.kept(conn, business_id, conversation_id)
        held = await store.hold(conn, business_id, kept) if kept is not None else None
    if held is None:
        raise NotFound("There is no such conversation.")
    return held
