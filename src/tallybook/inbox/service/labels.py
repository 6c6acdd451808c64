"""Labels: kept by who leads, put on threads and taken off by who answers."""

from __future__ import annotations

from collections.abc import Sequence

from tallybook.core import audit
from tallybook.core.audit import Doer
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.core.wakeups import wake_up
from tallybook.inbox import desk_rules
from tallybook.inbox.desk_types import Label
from tallybook.inbox.store import labels as store

from . import automation_causes, threads
from .filing import TOPIC

AT_ONCE = 200  # threads of one request


async def listed(conn: Conn, caller: Caller) -> list[tuple[Label, int]]:
    """Every label by name, with the number of threads that have it. Raises NotAllowed."""
    require(caller, Right.SEE)
    return await store.listed(conn, caller.business_id)


async def names(conn: Conn, caller: Caller) -> list[Label]:
    """Every label by name. Raises NotAllowed."""
    require(caller, Right.SEE)
    return await store.names(conn, caller.business_id)


async def on(conn: Conn, caller: Caller, conversations: Sequence[int]) -> dict[int, list[Label]]:
    """The labels of threads of the caller's business; not those of threads that have none. Raises NotAllowed."""
    require(caller, Right.SEE)
    return await store.on(conn, caller.business_id, conversations) if conversations else {}


async def add(conn: Conn, caller: Caller, name: str, colour: str) -> int:
    """Makes a label; its number. Raises NotAllowed, Invalid, Conflict for a name that one has, in whatever case."""
    require(caller, Right.LEAD)
    name = desk_rules.named(name, desk_rules.LONGEST_LABEL)
    colour = desk_rules.coloured(colour)
    number = await store.add(conn, caller.business_id, name, desk_rules.folded(name), colour)
    if number is None:
        raise Conflict("There is a label of this name already.")
    await _tell(conn, caller, "label.made", number, None, {"name": name, "colour": colour})
    return number


async def change(conn: Conn, caller: Caller, number: int, name: str, colour: str) -> None:
    """Names and colours a label anew. Raises NotAllowed, Invalid, NotFound, Conflict for a name that another has."""
    require(caller, Right.LEAD)
    wanted = Label(number, desk_rules.named(name, desk_rules.LONGEST_LABEL), desk_rules.coloured(colour))
    before = (await _held(conn, caller, [number]))[number]
    if before == wanted:
        return
    if not await store.change(conn, caller.business_id, wanted, desk_rules.folded(wanted.name)):
        raise Conflict("There is a label of this name already. Join the two instead.")
    await _tell(conn, caller, "label.changed", number, _told(before), _told(wanted))


async def merge(conn: Conn, caller: Caller, number: int, into: int) -> int:
    """Puts ``into`` wherever the label stands, and takes the label away; how many threads had it.

    Raises NotAllowed, NotFound, Invalid for a label and itself.
    """
    require(caller, Right.LEAD)
    if number == into:
        raise Invalid("A label cannot be joined with itself.")
    before = (await _held(conn, caller, [number, into]))[number]
    moved = await store.move(conn, caller.business_id, number, into)
    await _tell(conn, caller, "label.joined", number, _told(before), {"into": into, "threads": moved})
    return moved


async def remove(conn: Conn, caller: Caller, number: int) -> int:
    """Takes a label away, and off every thread; how many had it. Raises NotAllowed and NotFound."""
    require(caller, Right.LEAD)
    before = (await _held(conn, caller, [number]))[number]
    used = await store.remove(conn, caller.business_id, number)
    await _tell(conn, caller, "label.removed", number, _told(before), {"threads": used})
    return used


async def put(conn: Conn, caller: Caller, conversations: Sequence[int], number: int, *, off: bool = False) -> int:
    """Puts a label on threads, or takes it off them; on how many that changed anything. Repeats change nothing.

    Threads that went into another one by a joining stand for that. Raises NotAllowed, NotFound for a thread or a label
    that is not the business's, Invalid for more than 200 threads.
    """
    require(caller, Right.ANSWER)
    if len(conversations) > AT_ONCE:
        raise Invalid("At most 200 threads at a time.", limit=AT_ONCE)
    ids = {(await threads.by_number(conn, caller, one)).id for one in conversations}
    return len(await put_on(conn, caller, sorted(ids), number, off=off))


async def put_on(
    conn: Conn, caller: Caller, conversations: Sequence[int], number: int, *, off: bool = False
) -> list[int]:
    """As ``put``, of threads that the caller found; those on which that changed anything.

    Raises NotAllowed, NotFound for a label that is not the business's.
    """
    require(caller, Right.ANSWER)
    known = {label.id for label in await store.names(conn, caller.business_id)}
    if number not in known:
        raise NotFound("There is no such label.")
    return await mark(conn, caller, conversations, number, off=off)


async def mark(conn: Conn, who: Doer, conversations: Sequence[int], number: int, *, off: bool = False) -> list[int]:
    """As ``put``, on anybody's behalf; the threads on which that changed anything, which are none without the label."""
    turn = store.take_off if off else store.put
    changed = await turn(conn, who.business_id, number, conversations)
    if changed:
        action = "conversation.label_taken_off" if off else "conversation.labelled"
        await audit.record_all(conn, who, action, "conversation", [str(one) for one in changed], {"label": number})
        await wake_up(conn, TOPIC, who.business_id)
        if not off:
            await automation_causes.labelled(conn, who.business_id, number, changed)
    return changed


async def _held(conn: Conn, caller: Caller, numbers: Sequence[int]) -> dict[int, Label]:
    found = await store.lock(conn, caller.business_id, numbers)
    if set(found) != set(numbers):
        raise NotFound("There is no such label.")
    return found


def _told(label: Label) -> dict[str, object]:
    return {"name": label.name, "colour": label.colour}


async def _tell(
    conn: Conn, caller: Caller, action: str, number: int, before: dict[str, object] | None, after: dict[str, object]
) -> None:
    await audit.record_by(conn, caller, action, "label", str(number), before, after)
    await wake_up(conn, TOPIC, caller.business_id)
