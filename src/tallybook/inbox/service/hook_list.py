"""The hooks of a business, as its admins have them: added, tried, given another secret, switched, taken away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from tallybook.core import audit, secret_tokens
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.core.sealing import Seal
from tallybook.core.wakeups import wake_up
from tallybook.inbox.hook_events import OFFERED, Delivery, Event, Hook, Kind, host_of, mistake
from tallybook.inbox.store import hook_list as store
from tallybook.inbox.store import hooks as events_store

from .hooks import TOPIC

__all__ = ["OFFERED", "Delivery", "Hook", "Made", "New", "Shown"]

PREFIX = "tbh_"
BOTH_VALID = timedelta(days=1)
LAST = 2**63 - 1
NOWHERE = "There is no such webhook."


class New(msgspec.Struct, frozen=True):
    """A hook to be: what it is called, where it is, what it wants."""

    name: str
    url: str
    events: list[str]

    def __repr__(self) -> str:
        return "New(…)"


class Made(msgspec.Struct, frozen=True):
    """A hook's number, and its secret for the only time."""

    id: int
    secret: str

    def __repr__(self) -> str:
        return f"Made({self.id})"


class Shown(msgspec.Struct, frozen=True):
    """A hook with a page of its events, the newest first; ``before`` leads to the older ones, None on the last page."""

    hook: Hook
    events: list[Delivery]
    before: int | None


async def listed(conn: Conn, caller: Caller) -> list[Hook]:
    """The hooks of the caller's business. Raises NotAllowed for who is no admin, as everything here does."""
    require(caller, Right.ADMINISTER)
    return await store.listed(conn, caller.business_id)


async def shown(
    conn: Conn, caller: Caller, hook_id: int, states: Sequence[str] | None, before: int | None, limit: int
) -> Shown:
    """One hook, with those of its events that are in these states, or with None all. Raises NotFound."""
    require(caller, Right.ADMINISTER)
    hook = await one(conn, caller, hook_id)
    below = before if before and 0 < before <= LAST else LAST
    found = await store.events(conn, caller.business_id, hook_id, (states, below, limit + 1))
    following = found[limit - 1].id if len(found) > limit else None
    return Shown(hook, found[:limit], following)


async def one(conn: Conn, caller: Caller, hook_id: int) -> Hook:
    """Raises NotFound."""
    found = await store.listed(conn, caller.business_id, _number(hook_id))
    if not found:
        raise NotFound(NOWHERE)
    return found[0]


async def add(conn: Conn, caller: Caller, seal: Seal, new: New) -> Made:
    """Has an address be told from now on. Raises Invalid, and Conflict for a name that is taken or too many of them."""
    require(caller, Right.ADMINISTER)
    name, url = new.name.strip(), new.url.strip()
    wanted = [kind.value for kind in OFFERED if kind in new.events]
    wrong = mistake(name, url, new.events)
    if wrong is not None:
        raise Invalid(wrong)
    if await store.count(conn, caller.business_id) >= store.MOST:
        raise Conflict("There are 50 webhooks already. Take one away first.")
    secret = PREFIX + secret_tokens.new()
    sealed = (seal.seal(url), seal.seal(secret))
    number = await store.add(conn, caller.business_id, (name, host_of(url)[:300], wanted), sealed)
    if number is None:
        raise Conflict("There is a webhook of this name already.")
    await _note(conn, caller, "hook.added", number, {"name": name, "host": host_of(url), "events": wanted})
    return Made(number, secret)


async def rotate(conn: Conn, caller: Caller, seal: Seal, hook_id: int) -> Made:
    """Gives a hook another secret; for a day the one before signs too. Raises NotFound."""
    require(caller, Right.ADMINISTER)
    await _held(conn, caller, hook_id)
    secret = PREFIX + secret_tokens.new()
    await store.rotate(conn, caller.business_id, hook_id, seal.seal(secret), datetime.now(UTC) + BOTH_VALID)
    await _note(conn, caller, "hook.rotated", hook_id, {})
    return Made(hook_id, secret)


async def switch(conn: Conn, caller: Caller, hook_id: int, *, on: bool) -> None:
    """Switches a hook on or off; what waits for one that was off by itself is told at once. Raises NotFound."""
    require(caller, Right.ADMINISTER)
    await _held(conn, caller, hook_id)
    if await store.switch(conn, caller.business_id, hook_id, "on" if on else "off"):
        await _note(conn, caller, "hook.switched_on" if on else "hook.switched_off", hook_id, {})
        await wake_up(conn, TOPIC, caller.business_id)


async def remove(conn: Conn, caller: Caller, hook_id: int) -> None:
    """Takes a hook away, with all that it was told and would be told. Raises NotFound."""
    require(caller, Right.ADMINISTER)
    name = await store.remove(conn, caller.business_id, _number(hook_id))
    if name is None:
        raise NotFound(NOWHERE)
    await _note(conn, caller, "hook.removed", hook_id, {"name": name})


async def test(conn: Conn, caller: Caller, hook_id: int) -> None:
    """Tells a hook that this is a test, the way of every event. Raises NotFound, Conflict for one that is off."""
    require(caller, Right.ADMINISTER)
    if await _held(conn, caller, hook_id) != "on":
        raise Conflict("This webhook is switched off. Switch it on first.")
    await events_store.tell_one(conn, caller.business_id, hook_id, Event(Kind.TEST, datetime.now(UTC)))
    await _note(conn, caller, "hook.tested", hook_id, {})
    await wake_up(conn, TOPIC, caller.business_id)


async def again(conn: Conn, caller: Caller, hook_id: int, event_id: int | None) -> int:
    """Tells one event again, or with None all that were given up; how many. Raises NotFound."""
    require(caller, Right.ADMINISTER)
    await _held(conn, caller, hook_id)
    count = await store.again(conn, caller.business_id, hook_id, None if event_id is None else _number(event_id))
    if count:
        await _note(conn, caller, "hook.told_again", hook_id, {"events": count})
        await wake_up(conn, TOPIC, caller.business_id)
    return count


async def _held(conn: Conn, caller: Caller, hook_id: int) -> str:
    held = await store.hold(conn, caller.business_id, _number(hook_id))
    if held is None:
        raise NotFound(NOWHERE)
    return held[1]


def _number(number: int) -> int:
    """Raises NotFound for what nothing can be numbered."""
    if not 0 < number <= LAST:
        raise NotFound(NOWHERE)
    return number


async def _note(conn: Conn, caller: Caller, action: str, hook_id: int, after: dict[str, object]) -> None:
    await audit.record_by(conn, caller, action, "hook", str(hook_id), None, after)
