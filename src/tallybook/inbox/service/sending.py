"""Answering by hand: what somebody of ours writes takes its place in the thread and leaves by the outbox, once."""

from __future__ import annotations

from datetime import UTC, datetime

from tallybook.core import audit, channel_accounts, outbox
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.core.messages import Outgoing
from tallybook.core.wakeups import wake_up
from tallybook.inbox import rules, window
from tallybook.inbox.store import sending as store
from tallybook.inbox.store import threads as threads_store
from tallybook.inbox.store.sending import Held, New
from tallybook.inbox.window import Window

from .filing import TOPIC

LONGEST_TEXT = 4096  # characters
LONGEST_KEY = 200  # characters
ANSWERED = frozenset({"whatsapp"})  # the channels by which somebody can be answered


class WindowClosed(Conflict):
    """The customer wrote too long ago to be answered freely."""

    code = "WINDOW_CLOSED"


async def send_text(conn: Conn, caller: Caller, conversation_id: int, text: str, key: str) -> int:
    """Leaves a text to be sent, in the caller's transaction; returns the message's id.

    A repeat of ``key`` in the thread returns the same id and sends nothing. What is for a thread that went into another
    by a joining goes there, and a repeat of what it was given before the joining is a repeat still. It leaves by the
    number to which the customer last wrote. Raises NotAllowed, NotFound, Invalid for a text or key of no use,
    WindowClosed where only a template may be sent, Conflict for a key that stood for another text or a number that
    cannot send.
    """
    require(caller, Right.ANSWER)
    text = _checked(text, key)
    held = await _held(conn, caller.business_id, conversation_id)
    outgoing_key = f"inbox:{conversation_id}:{key}"
    before = await store.put_before(conn, caller.business_id, outgoing_key)
    if before is not None:
        if before[1] != text:
            raise Conflict("Another text was sent under this key. Load the page again.")
        return before[0]
    to = await _address(conn, caller, held)
    now = datetime.now(UTC)
    allowed = await _open_window(conn, caller, held, now)
    new = New(held, text, rules.preview(text, "text"), outgoing_key, now, caller.account_id)
    message_id = await store.add(conn, caller.business_id, new)
    await outbox.put(conn, caller.business_id, _outgoing(new, to, allowed))
    who = (caller.name, caller.account_id)
    after = {"message": message_id}
    await audit.record(
        conn, caller.business_id, *who, "conversation.answered", "conversation", str(held.id), None, after
    )
    await wake_up(conn, TOPIC, caller.business_id)
    return message_id


async def window_of(conn: Conn, caller: Caller, conversation_id: int) -> Window:
    """Whether the thread may be answered freely now, and until when. Raises NotAllowed and NotFound."""
    require(caller, Right.SEE)
    found = await store.last_inbound(conn, caller.business_id, conversation_id)
    if found is None:
        raise NotFound("There is no such conversation.")
    return window.window_of(*found, datetime.now(UTC))


def _checked(text: str, key: str) -> str:
    if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Invalid(f"A message needs a key of 1 to {LONGEST_KEY} letters, digits or signs.")
    text = text.replace("\r\n", "\n").strip()  # as a browser's form sends its lines
    if not 1 <= len(text) <= LONGEST_TEXT:
        raise Invalid(f"A message has 1 to {LONGEST_TEXT:,} characters.")
    if "\0" in text or any("\ud800" <= one <= "\udfff" for one in text):
        raise Invalid("The message holds a character that cannot be sent.")
    return text


async def _held(conn: Conn, business_id: int, conversation_id: int) -> Held:
    """The thread, or the one into which it went; it may go while we wait for it. Raises NotFound."""
    held = await store.hold(conn, business_id, conversation_id)
    if held is None:
        kept = await threads_store.kept(conn, business_id, conversation_id)
        held = await store.hold(conn, business_id, kept) if kept is not None else None
    if held is None:
        raise NotFound("There is no such conversation.")
    return held


async def _address(conn: Conn, caller: Caller, held: Held) -> str:
    """Whom to write to. Raises Conflict where that cannot be, so that nothing waits in the outbox for ever."""
    if held.channel not in ANSWERED:
        raise Conflict("Answers cannot be sent through a number of this kind.")
    if held.to is None:
        raise Conflict("Nothing is known of this customer by which they could be written to.")
    known = await channel_accounts.listed(conn, caller.business_id)
    number = next((one for one in known if (one.channel, one.account) == (held.channel, held.account)), None)
    if number is None:
        raise Conflict("The number to which the customer wrote is not one of this business any more.")
    if not number.has_token:
        raise Conflict("The number has no access token. An admin can give it one with `tallybook channel add`.")
    return held.to


async def _open_window(conn: Conn, caller: Caller, held: Held, now: datetime) -> Window:
    found = await store.last_inbound(conn, caller.business_id, held.id)
    known = window.window_of(held.channel, found[1] if found else None, now)
    if not known.open:
        raise WindowClosed("More than 24 hours have passed since the customer wrote: only a template can be sent.")
    return known


def _outgoing(new: New, to: str, allowed: Window) -> Outgoing:
    """A message as the outbox takes it: of no use once the window has closed. Pure."""
    held = new.conversation
    topic = f"conversation:{held.id}"
    return Outgoing(held.channel, held.account, to, new.key, {"text": new.text}, topic, allowed.until, pressed=True)
