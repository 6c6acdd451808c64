"""What may make rules fire is left for them in the transaction in which it happens, by whoever makes it happen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from tallybook.core.db import Conn
from tallybook.core.wakeups import wake_up
from tallybook.inbox.automation_types import BY_MESSAGE, Cause, Kind, Starts
from tallybook.inbox.store import automation_causes as store

TOPIC = "automation"
# How a rule starts that may fire for a kind of cause.
STARTS: Mapping[Kind, Sequence[str]] = {
    Kind.MESSAGE: sorted(BY_MESSAGE), Kind.LABEL: [Starts.LABEL], Kind.STATUS: [Starts.STATUS],
    Kind.DAY: [Starts.DAILY], Kind.SILENCE: [Starts.SILENCE], Kind.APPOINTMENT: [Starts.APPOINTMENT],
}  # fmt: skip
_acting: ContextVar[bool] = ContextVar("automation_acts", default=False)


@contextmanager
def acting() -> Iterator[None]:
    """What happens inside is done by automation, and is no cause of anything."""
    token = _acting.set(True)
    try:
        yield
    finally:
        _acting.reset(token)


async def caused(conn: Conn, business_id: int, cause: Cause) -> None:
    """Leaves something that happened for the rules, in the transaction in which it happened.

    ``cause.key`` is what makes it this one and no other. What automation itself does is no cause. Does nothing where no
    rule waits for its kind.
    """
    if _acting.get() or not await store.anything_starts(conn, business_id, STARTS[cause.kind]):
        return
    if await store.put(conn, business_id, cause):
        await wake_up(conn, TOPIC, business_id)


async def labelled(conn: Conn, business_id: int, label: int, conversations: Sequence[int]) -> None:
    """A label was put on threads that had it not."""
    now = datetime.now(UTC)
    for number in conversations:
        key = f"label:{number}:{label}:{now.isoformat()}"
        await caused(conn, business_id, Cause(Kind.LABEL, key, number, now, str(label)))


async def status_entered(conn: Conn, business_id: int, conversation_id: int, status: str, change: int) -> None:
    """The customer of a thread, a lead, came to a status; ``change`` is the number of that change."""
    key = f"status:{change}"
    await caused(conn, business_id, Cause(Kind.STATUS, key, conversation_id, datetime.now(UTC), status))


async def heard(conn: Conn, business_id: int, saved: Sequence[tuple[int, str]]) -> None:
    """Leaves customers' messages, told by number and type, in the transaction that files them."""
    if saved and await store.put_messages(conn, business_id, saved):
        await wake_up(conn, TOPIC, business_id)
