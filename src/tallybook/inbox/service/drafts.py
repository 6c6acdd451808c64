"""What people do about the bot in one thread: send its draft or throw it away, switch it on and off, see why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from prometheus_client import Counter

from tallybook.core import audit
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, NotFound
from tallybook.core.wakeups import wake_up
from tallybook.inbox import responder
from tallybook.inbox.answer_types import Bot, Draft, Speaks, Told
from tallybook.inbox.store import drafts as store
from tallybook.inbox.store import sending as sending_store

from .filing import TOPIC
from .sending import hold, send_text

SENT, DISCARDED = "sent", "discarded"
NO_DRAFT = "There is no such draft."
GONE = "Somebody has thrown this draft away."
ANOTHER = "The draft is another one now. Look at it again."
STALE = "The customer has written again since this was drafted. Edit it, or throw it away."
ANSWERED = "Somebody has answered the customer since this was drafted."

settled = Counter("tallybook_reply_drafts_total", "Drafts of the bot by what a person did with them.", ["what"])


async def of_thread(conn: Conn, caller: Caller, conversation_id: int) -> Draft | None:
    """The draft that waits in a thread. Raises NotAllowed."""
    require(caller, Right.SEE)
    return await store.draft(conn, caller.business_id, conversation_id)


async def send(conn: Conn, caller: Caller, conversation_id: int, seq: int, text: str) -> int:
    """Sends a draft as somebody saw it (``text``), once however often it is asked for; returns the message's id.

    Raises NotAllowed, NotFound, Conflict for a draft that is another one by now, was thrown away, answers no longer the
    newest message or came after somebody's answer; and what send_text() raises.
    """
    require(caller, Right.ANSWER)
    thread = (await hold(conn, caller.business_id, conversation_id)).id
    key = f"draft:{seq}"
    before = await sending_store.put_before(conn, caller.business_id, f"inbox:{thread}:{key}")
    state = await _settled(conn, caller, thread, seq, text)
    if state == SENT and before is not None:
        return before[0]
    if state is not None:
        raise Conflict(GONE if state == DISCARDED else ANSWERED)
    waits = await store.draft(conn, caller.business_id, thread)
    if waits is None or waits.seq != seq:
        raise Conflict(ANSWERED if waits is None else ANOTHER)
    if waits.stale:
        raise Conflict(STALE)
    message = await send_text(conn, caller, thread, waits.body, key)
    await store.settle(conn, caller.business_id, (thread, seq), SENT, caller.name)
    settled.labels(SENT).inc()
    return message


async def discard(conn: Conn, caller: Caller, conversation_id: int, seq: int, text: str) -> None:
    """Throws a draft away; a repeat does nothing. Raises NotAllowed, NotFound, Conflict for one that was sent."""
    require(caller, Right.ANSWER)
    thread = (await hold(conn, caller.business_id, conversation_id)).id
    state = await _settled(conn, caller, thread, seq, text)
    if state == SENT:
        raise Conflict("This draft was sent already.")
    if not await store.settle(conn, caller.business_id, (thread, seq), DISCARDED, caller.name):
        return
    await _record(conn, caller, "draft.discarded", thread, None, {"place": seq})
    settled.labels(DISCARDED).inc()


async def _settled(conn: Conn, caller: Caller, thread: int, seq: int, text: str) -> str | None:
    """What somebody did with the draft. Raises NotFound, and Conflict where it does not read as it was seen."""
    found = await store.settled(conn, caller.business_id, thread, seq)
    if found is None:
        raise NotFound(NO_DRAFT)
    if _lines(found[1]) != _lines(text):
        raise Conflict(ANOTHER)
    return found[0]


def _lines(text: str) -> list[str]:
    """A text, however a browser's form sends its lines."""
    return text.strip().splitlines()


async def decisions(
    conn: Conn, caller: Caller, conversation_id: int, places: Sequence[int], limit: int = 100
) -> list[Told]:
    """What was decided on the messages at these places and between them. Raises NotAllowed."""
    require(caller, Right.SEE)
    if not places:
        return []
    between = (min(places), max(places))
    return await store.told(conn, caller.business_id, conversation_id, between, limit)


async def speaks(conn: Conn, caller: Caller, conversation_id: int, bot: Bot) -> Speaks:
    """Whether the bot speaks in a thread, and what keeps it. Raises NotAllowed and NotFound."""
    require(caller, Right.SEE)
    now = datetime.now(UTC)
    found = await store.speaks(conn, caller.business_id, conversation_id, now - responder.PERSON_STAYS)
    if found is None:
        raise NotFound("There is no such conversation.")
    active, person_at = found
    return Speaks(bot.mode, active, person_at + responder.PERSON_STAYS if person_at else None)


async def switch(conn: Conn, caller: Caller, conversation_id: int, *, active: bool) -> int:
    """Switches the bot on, also where a person spoke within the hour, or off; returns the thread's number.

    Off takes back what it said and has not left yet. Raises NotAllowed and NotFound.
    """
    require(caller, Right.ANSWER)
    thread = (await hold(conn, caller.business_id, conversation_id)).id
    now = datetime.now(UTC)
    found = await store.speaks(conn, caller.business_id, thread, now - responder.PERSON_STAYS)
    if found is None or (found[0] == active and not (active and found[1])):
        return thread
    await store.switch(conn, caller.business_id, thread, now, active=active)
    await _record(conn, caller, "bot.switched", thread, {"active": found[0]}, {"active": active})
    return thread


async def _record(
    conn: Conn, caller: Caller, action: str, thread: int, before: dict[str, bool] | None, after: dict[str, int]
) -> None:
    await audit.record_by(conn, caller, action, "conversation", str(thread), before, after)
    await wake_up(conn, TOPIC, caller.business_id)
