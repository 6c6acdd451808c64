"""Telling other programs: events are written in the transaction of what caused them, and delivered after it.

Where no hook of the business wants an event, one look-up is all that a batch costs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.health import Check
from tallybook.core.wakeups import wake_up
from tallybook.inbox.hook_events import Event, Kind
from tallybook.inbox.store import hooks as store
from tallybook.inbox.store.hooks import State
from tallybook.inbox.types import Place, Said

TOPIC = "hooks"
OF_MESSAGES = (Kind.MESSAGE_RECEIVED, Kind.MESSAGE_SENT, Kind.CONVERSATION_CREATED)


@dataclass(frozen=True)
class _Gathered:
    """What is told when its block ends; of messages that came further only which they are."""

    events: list[Event] = field(default_factory=list)
    places: set[Place] = field(default_factory=set)
    outgoing_keys: set[str] = field(default_factory=set)


_gathered: ContextVar[_Gathered | None] = ContextVar("hooks_gathered", default=None)


@asynccontextmanager
async def at_its_end(conn: Conn, business_id: int) -> AsyncIterator[None]:
    """What is told inside is written down when the block ends, all in one turn, and nothing where it fails.

    For who locks other rows after the first that is told: one who holds those may wait for that turn. Of a message that
    came further twice inside, the last is told.
    """
    gathered = _Gathered()
    outside = _gathered.set(gathered)
    try:
        yield
    finally:
        _gathered.reset(outside)
    states: list[State] = []
    if gathered.places:
        states += await store.states_at(conn, business_id, sorted(gathered.places))
    if gathered.outgoing_keys:
        states += await store.states_of(conn, business_id, sorted(gathered.outgoing_keys))
    once = {one.message_id: one for one in states}
    events = [*gathered.events, *_of_states(list(once.values()))]
    if events:
        await _written(conn, business_id, events)


async def tell(conn: Conn, business_id: int, events: Sequence[Event]) -> None:
    """Writes events down for every hook that wants them, in the caller's transaction.

    At its end, since those that write take turns. An event of a key that was told before is told to nobody twice.
    """
    kinds = sorted({one.kind for one in events})
    if kinds and await store.is_anybody(conn, business_id, kinds):
        await _written(conn, business_id, events)


async def happened(
    conn: Conn, business_id: int, kind: Kind, conversation_id: int | None, details: dict[str, object] | None = None
) -> None:
    """Tells of one thing that happened just now to a thread, or to its customer."""
    event = Event(kind, datetime.now(UTC), conversation_id, details=details or {})
    await tell(conn, business_id, [event])


async def handed_over(
    conn: Conn, business_id: int, threads: Sequence[tuple[int, str]], failed: str | None = None
) -> None:
    """Tells that customers were left to people: (thread, reason) of each; ``failed`` is who could think out nothing."""
    now = datetime.now(UTC)
    details = {"failed": failed} if failed else {}
    await tell(
        conn, business_id,
        [Event(Kind.HANDED_OVER, now, number, details={"reason": reason} | details) for number, reason in threads],
    )  # fmt: skip


async def contact_changed(conn: Conn, business_id: int, contacts: Sequence[int], what: str) -> None:
    """Tells that what is known of these contacts is not what it was; ``what`` says how, in one word."""
    kind = Kind.CONTACT_CHANGED
    if not await store.is_anybody(conn, business_id, [kind]):
        return
    now = datetime.now(UTC)
    threads = await store.threads_of(conn, business_id, contacts)
    await tell(conn, business_id, [Event(kind, now, number, details={"what": what}) for number in threads])


async def sent(conn: Conn, business_id: int, message_id: int, conversation_id: int) -> None:
    """Tells that a message of ours took its place in its thread."""
    key = f"{Kind.MESSAGE_SENT}:{message_id}"
    await tell(conn, business_id, [Event(Kind.MESSAGE_SENT, datetime.now(UTC), conversation_id, message_id, key=key)])


async def filed(
    conn: Conn, business_id: int, created: Collection[int], saved: Sequence[tuple[int, int, int]], said: Sequence[Said]
) -> None:
    """Tells of the messages of a batch and of the threads that they began; of what was imported nobody is told.

    ``saved`` are (message, thread, core's row); ``said`` is what was saved.
    """
    if not saved or not await store.is_anybody(conn, business_id, OF_MESSAGES):
        return
    live = {one.message_id: one for one in said if not one.past}
    told = [(row, live[row[2]]) for row in sorted(saved) if row[2] in live]
    began = {row[1]: one for row, one in reversed(told) if row[1] in created}
    events = [
        Event(Kind.CONVERSATION_CREATED, one.said_at, number, key=f"{Kind.CONVERSATION_CREATED}:{number}")
        for number, one in sorted(began.items())
    ]
    events += [_of_message(row, one) for row, one in told]
    if events:
        await _written(conn, business_id, events)


def _of_message(row: tuple[int, int, int], said: Said) -> Event:
    kind = Kind.MESSAGE_RECEIVED if said.inbound else Kind.MESSAGE_SENT
    return Event(kind, said.said_at, row[1], row[0], key=f"{kind}:{row[0]}")


async def raised(conn: Conn, business_id: int, places: Collection[Place]) -> None:
    """Tells how far messages came, which their provider just told. The caller wrote it down, and holds them by that."""
    if not places or not await store.is_anybody(conn, business_id, [Kind.MESSAGE_STATUS]):
        return
    if (gathered := _gathered.get()) is not None:
        gathered.places.update(places)
        return
    await _states(conn, business_id, await store.states_at(conn, business_id, sorted(places)))


async def heard(conn: Conn, business_id: int, outgoing_keys: Sequence[str]) -> None:
    """Tells what became of messages, which the outbox just told. The caller wrote it down, and holds them by that."""
    if not outgoing_keys or not await store.is_anybody(conn, business_id, [Kind.MESSAGE_STATUS]):
        return
    if (gathered := _gathered.get()) is not None:
        gathered.outgoing_keys.update(outgoing_keys)
        return
    await _states(conn, business_id, await store.states_of(conn, business_id, outgoing_keys))


async def _states(conn: Conn, business_id: int, states: Sequence[State]) -> None:
    if states:
        await _written(conn, business_id, _of_states(states))


def _of_states(states: Sequence[State]) -> list[Event]:
    """What was failed may be sent later and fail again: a state's key holds what was told before it."""
    now = datetime.now(UTC)
    kind = Kind.MESSAGE_STATUS
    return [
        Event(
            kind, now, one.conversation_id, one.message_id, key=f"{kind}:{one.message_id}:{one.status}:{one.told or 0}"
        )
        for one in states
    ]


async def _written(conn: Conn, business_id: int, events: Sequence[Event]) -> None:
    if (gathered := _gathered.get()) is not None:
        gathered.events.extend(events)
        return
    if await store.tell(conn, business_id, events):
        await wake_up(conn, TOPIC, business_id)


async def follow(conn: Conn, business_id: int, merge_id: int, kept: int, gone: int) -> None:
    """What is told of a thread that goes into another is told in the order of the other from now on."""
    await store.follow(conn, business_id, merge_id, kept, gone)
    if (gathered := _gathered.get()) is not None:
        gathered.events[:] = [
            msgspec.structs.replace(one, conversation_id=kept, moved_by=(*one.moved_by, merge_id))
            if one.conversation_id == gone
            else one
            for one in gathered.events
        ]


async def go_back(conn: Conn, business_id: int, merge_id: int, kept: int, gone: int) -> None:
    """What followed into a joined thread is the other's again."""
    await store.go_back(conn, business_id, merge_id, kept, gone)


async def checks(conn: Conn, business: Business, _: datetime) -> list[Check]:
    """Whether what is told arrives: wrong where a hook was switched off by itself, late where one fails for an hour."""
    return [judge(*await store.health(conn, business.id))]


def judge(off: int, off_since: datetime | None, failing: int, failing_since: datetime | None) -> Check:
    """Pure."""
    facts: dict[str, str | int | float] = {"off": off, "failing": failing}
    if off:
        says = (
            "1 webhook was switched off: it only failed."
            if off == 1
            else f"{off} webhooks were switched off: they only failed."
        )
        return Check("hooks", "wrong", says, off_since, facts)
    if failing:
        says = "1 webhook has failed for an hour." if failing == 1 else f"{failing} webhooks have failed for an hour."
        return Check("hooks", "late", says, failing_since, facts)
    return Check("hooks", "ok", "What other programs are told arrives.", None, facts)
