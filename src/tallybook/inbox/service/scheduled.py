"""Messages for later: somebody of ours writes one now, and it leaves once, at its time.

It leaves in the transaction that marks it as sent, under a key of its own, by whoever holds its thread. Where nobody
worked at its time it still leaves within a limit; later it would answer nobody, and is marked as missed, and told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import msgspec
import structlog

from tallybook.core import audit, wall_clock
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn, Database, is_transient
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.core.health import Check
from tallybook.core.wakeups import wake_up
from tallybook.inbox.contents import Content, Text
from tallybook.inbox.store import answers
from tallybook.inbox.store import scheduled as store
from tallybook.inbox.store import sending as sending_store
from tallybook.inbox.store.dropped import TOO_LATE, WRITTEN
from tallybook.inbox.store.scheduled import End, Later, NewLater, Said
from tallybook.inbox.store.sending import Held
from tallybook.inbox.types import Source

from . import leaving, sending, template_choices
from .filing import TOPIC
from .leaving import Why

__all__ = ["TOO_LATE", "Later", "Said", "Wanted", "cancel", "change", "dismiss", "schedule", "send_due", "waiting"]

AT_ONCE = 200
LIMIT = timedelta(hours=1)  # by which it may be late
FARTHEST = timedelta(days=366)
LONGEST_KEY = 200  # characters
OPEN_STATES = ("waiting", "missed")
BROKE = "It could not be sent: something failed inside the program."
SENT_ALREADY = "This message was sent, or cancelled, meanwhile."
CHANGED = "Somebody else changed this message meanwhile. Look at it again."

log = structlog.get_logger()


@dataclass(frozen=True)
class Wanted:
    """What is to be said, and at which time on the business's wall; not at all if the customer writes before.

    ``key`` is given by who asks, so that a repeat asks for nothing; ``seen`` is how often it was changed when somebody
    looked at it.
    """

    said: Said
    local_at: datetime
    unless_written: bool = False
    key: str = ""
    seen: int = 0


async def schedule(conn: Conn, caller: Caller, conversation_id: int, wanted: Wanted, now: datetime) -> Later:
    """Leaves a message for later; a repeat of its key in the thread leaves nothing and returns the first.

    Raises NotAllowed, NotFound, Invalid for a content or time of no use, Conflict for a number that cannot send.
    """
    require(caller, Right.ANSWER)
    key = wanted.key
    if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Invalid(f"A message needs a key of 1 to {LONGEST_KEY} letters, digits or signs.")
    held = await sending.hold(conn, caller.business_id, conversation_id)
    new = await _checked(conn, caller, held, wanted, now)
    new = msgspec.structs.replace(new, key=f"{conversation_id}:{key}")
    later, is_new = await store.add(conn, caller.business_id, new)
    if is_new:
        await _told(conn, caller, later, "scheduled.made")
    return later


async def _checked(conn: Conn, caller: Caller, held: Held, wanted: Wanted, now: datetime) -> NewLater:
    due = due_at(caller.business, wanted.local_at, now)
    content = await _content(conn, caller.business_id, held, wanted.said)
    why = await leaving.may_leave(conn, caller.business_id, held, content, now)
    # The customer may write before; that it would not leave else is said where it waits.
    if why is not None and why is not Why.WINDOW:
        raise leaving.refuse(why)
    return NewLater(
        held.id, wanted.said, content.words, due, wanted.local_at, wanted.unless_written, caller.account_id,
        caller.name[:100], "",
    )  # fmt: skip


def due_at(business: Business, local_at: datetime, now: datetime) -> datetime:
    """When the business's clocks show a time; where they jump over it, when they jump. Raises Invalid."""
    due = wall_clock.instant(local_at.replace(tzinfo=None, second=0, microsecond=0), business.zone)
    if due <= now:
        raise Invalid("Choose a time that is still to come.")
    if due > now + FARTHEST:
        raise Invalid("Choose a time within a year.")
    return due


async def _content(conn: Conn, business_id: int, held: Held, said: Said) -> Content:
    if said.template is not None:
        return await template_choices.made_ready(conn, business_id, held, said.template)
    return Text(said.text).checked()


async def change(conn: Conn, caller: Caller, number: int, wanted: Wanted, now: datetime) -> Later:
    """Has a message that waits say something else, or at another time.

    Raises NotAllowed, NotFound, Invalid, Conflict where it does not wait any more, or somebody else changed it.
    """
    held, later = await _waiting(conn, caller, number)
    if later.changed != wanted.seen:
        raise Conflict(CHANGED)
    new = await _checked(conn, caller, held, wanted, now)
    await store.change(conn, caller.business_id, number, new)
    await _told(conn, caller, later, "scheduled.changed")
    return await _one(conn, caller, number)


async def cancel(conn: Conn, caller: Caller, number: int, now: datetime) -> Later:
    """Has a message never be sent; a second time changes nothing. Raises NotAllowed, NotFound, Conflict."""
    require(caller, Right.ANSWER)
    if (await _one(conn, caller, number)).state != "cancelled":
        _, later = await _waiting(conn, caller, number)
        await store.end(conn, caller.business_id, number, End("cancelled", ""), now)
        await _told(conn, caller, later, "scheduled.cancelled")
    return await _one(conn, caller, number)


async def dismiss(conn: Conn, caller: Caller, number: int, now: datetime) -> Later:
    """Somebody has seen that a message was missed. Raises NotAllowed, NotFound."""
    require(caller, Right.ANSWER)
    later = await _one(conn, caller, number)
    await sending.hold(conn, caller.business_id, later.conversation_id)
    held = await store.hold(conn, caller.business_id, number)
    if held is not None and held.state == "missed":
        await store.end(conn, caller.business_id, number, End("seen", held.reason), now)
        await _told(conn, caller, held, "scheduled.seen")
    return await _one(conn, caller, number)


async def waiting(conn: Conn, caller: Caller, conversation_id: int) -> list[Later]:
    """What waits in a thread, and what was missed and is not told yet. Raises NotAllowed."""
    require(caller, Right.SEE)
    return await store.of_thread(conn, caller.business_id, conversation_id, OPEN_STATES)


async def everything(conn: Conn, caller: Caller, conversation_id: int) -> list[Later]:
    """All that was ever left for later in a thread. Raises NotAllowed."""
    require(caller, Right.SEE)
    return await store.of_thread(conn, caller.business_id, conversation_id, ())


async def _one(conn: Conn, caller: Caller, number: int) -> Later:
    later = await store.one(conn, caller.business_id, number)
    if later is None:
        raise NotFound("There is no such message.")
    return later


async def _waiting(conn: Conn, caller: Caller, number: int) -> tuple[Held, Later]:
    """One that waits, held behind its thread, as everybody takes them."""
    require(caller, Right.ANSWER)
    seen = await _one(conn, caller, number)
    held = await sending.hold(conn, caller.business_id, seen.conversation_id)
    later = await store.hold(conn, caller.business_id, number)
    if later is None or later.state != "waiting":
        raise Conflict(SENT_ALREADY)
    return held, later


async def _told(conn: Conn, caller: Caller, later: Later, action: str) -> None:
    after = {"scheduled": later.id}
    subject = ("conversation", str(later.conversation_id))
    await audit.record_by(conn, caller, action, *subject, None, after)
    await wake_up(conn, TOPIC, caller.business_id)


async def send_due(db: Database, business: Business, now: datetime) -> dict[str, int]:
    """Sends what has come to its time; how many became what. May be repeated, and run by several at once."""
    made: dict[str, int] = {}
    while found := await db.run(
        "find later messages", partial(store.due, business_id=business.id, now=now, limit=AT_ONCE)
    ):
        before = sum(made.values())
        await _send_each(db, business, found, made, now)
        # What somebody else holds is sent by them, or at the next look.
        if len(found) < AT_ONCE or sum(made.values()) == before:
            break
    return made


async def _send_each(
    db: Database, business: Business, found: Sequence[tuple[int, int]], made: dict[str, int], now: datetime
) -> None:
    for number, thread in found:
        try:
            became = await db.run(
                "send later", partial(_send, business=business, number=number, thread=thread, now=now)
            )
        except Exception as error:
            if is_transient(error):
                raise
            log.exception("A message for later could not be sent", scheduled=number)
            became = await db.run("miss later", partial(_miss, business=business, number=number, now=now))
        if became is not None:
            made[became] = made.get(became, 0) + 1


async def _send(conn: Conn, business: Business, number: int, thread: int, now: datetime) -> str | None:
    """None where somebody else is at it, or was."""
    if not await answers.hold(conn, business.id, [thread]):
        return None
    held = await sending_store.hold(conn, business.id, thread)
    later = await store.hold(conn, business.id, number)
    if held is None or later is None or later.state != "waiting" or later.due_at > now:
        return None
    became = await _became(conn, business, held, later, now)
    await store.end(conn, business.id, number, became, now)
    told = {"scheduled": number, "became": became.state}
    await audit.record(
        conn, business.id, later.who, later.account_id, "scheduled.done", "conversation", str(thread), None, told
    )
    await wake_up(conn, TOPIC, business.id)
    return became.state


async def _became(conn: Conn, business: Business, held: Held, later: Later, now: datetime) -> End:
    if later.unless_written and await store.wrote(conn, business.id, held.id, later.made_at):
        return End("cancelled", WRITTEN)
    if now - later.due_at > LIMIT:
        return End("missed", TOO_LATE)
    try:
        content = await _content(conn, business.id, held, later.said)
    except (Conflict, Invalid, NotFound) as error:
        return End("missed", error.message)
    why = await leaving.may_leave(conn, business.id, held, content, now)
    if why is not None:
        return End("missed", why)
    key = f"scheduled:{later.id}"
    message_id = await leaving.leave(
        conn, business.id, held, content, source=Source.HUMAN, key=key, now=now, by=later.account_id,
        until=later.due_at + LIMIT, pressed=True,
    )  # fmt: skip
    return End("sent", message_id=message_id)


async def _miss(conn: Conn, business: Business, number: int, now: datetime) -> str | None:
    later = await store.hold(conn, business.id, number)
    if later is None or later.state != "waiting":
        return None
    await store.end(conn, business.id, number, End("missed", BROKE), now)
    return "missed"


async def checks(conn: Conn, business: Business, now: datetime) -> list[Check]:  # noqa: ARG001 - as every look
    """Whether messages for later were missed, and nobody has seen it yet."""
    count, since = await store.missed(conn, business.id)
    facts: dict[str, str | int | float] = {"missed": count}
    if not count:
        return [Check("scheduled", "ok", "What was to be said later was sent at its time.", None, facts)]
    says = f"{count} messages for later were not sent. Open their threads."
    says = "1 message for later was not sent. Open its thread." if count == 1 else says
    return [Check("scheduled", "late", says, since, facts)]
