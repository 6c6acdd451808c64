"""Whose a thread is: given to somebody or to a team, taken by who wants it, and given up again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import msgspec

from tallybook.core import audit
from tallybook.core.audit import Doer
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.core.wakeups import wake_up
from tallybook.inbox.desk_types import NOBODY, Assignment, Owner
from tallybook.inbox.hook_events import Event, Kind
from tallybook.inbox.store import assigning as store
from tallybook.inbox.store import states, teams
from tallybook.inbox.thread_types import Thread

from . import hooks, threads
from .filing import TOPIC
from .teams import ANSWERING

MOST = 200  # assignments of a thread that are shown at a time


class Change(msgspec.Struct, frozen=True):
    """Whose a thread was, and whose it is to be."""

    conversation_id: int
    before: Owner
    then: Owner


class Taken(Conflict):
    """The thread is somebody else's already."""

    code = "TAKEN"


async def assign(conn: Conn, caller: Caller, conversation_id: int, owner: Owner) -> Thread:
    """Gives a thread to somebody or to a team, or (NOBODY) to nobody; of two at once the last one wins.

    Raises NotAllowed, NotFound, Invalid for both at once and for a person who may not answer.
    """
    require(caller, Right.ANSWER)
    thread = await threads.by_number(conn, caller, conversation_id)
    await give(conn, caller, thread.id, owner)
    return await threads.by_number(conn, caller, thread.id)


async def take(conn: Conn, caller: Caller, conversation_id: int) -> Thread:
    """The caller takes a thread that is nobody's; of two at once the first one has it. A repeat changes nothing.

    Raises NotAllowed, NotFound, Invalid for a caller who is no person, Taken with ``person``, whose it is.
    """
    require(caller, Right.ANSWER)
    if caller.account_id is None:
        raise Invalid("A token that belongs to no person cannot take a thread.")
    thread = await threads.by_number(conn, caller, conversation_id)
    before = await _hold(conn, caller.business_id, thread.id)
    if before.person not in {None, caller.account_id}:
        raise Taken("Somebody else has this thread already.", person=before.person)
    await give(conn, caller, thread.id, Owner(caller.account_id))
    return await threads.by_number(conn, caller, thread.id)


async def give(conn: Conn, who: Doer, conversation_id: int, owner: Owner) -> bool:
    """As ``assign``, on anybody's behalf; whether it was somebody else's before. Raises NotFound and Invalid.

    Somebody of the team that has a thread takes it as one of the team, and it stays the team's.
    """
    return bool(await give_all(conn, who, [conversation_id], owner))


async def give_all(conn: Conn, who: Doer, conversations: Collection[int], owner: Owner) -> list[int]:
    """As ``give``, of several threads, all of them or none; those that were somebody else's before."""
    if owner.person is not None and owner.team is not None:
        raise Invalid("A thread is given to a person or to a team, not to both.")
    # The team before the threads, as who takes a team away has them; these in the order in which who files has them.
    team = await _team(conn, who.business_id, owner.team)
    if len(conversations) > 1:
        await states.hold(conn, who.business_id, conversations)
    before = {one: await _hold(conn, who.business_id, one) for one in sorted(conversations)}
    names = (await _person(conn, who.business_id, owner.person), team)
    then = {one: await _as_one_of_the_team(conn, who.business_id, owner, was) for one, was in before.items()}
    changes = [Change(one, was, then[one]) for one, was in before.items() if then[one] != was]
    for change in changes:
        await _give(conn, who, change, names)
    if changes:
        # All at once: who takes the turns of threads one by one meets another who takes them in another order.
        await hooks.tell(conn, who.business_id, [_event(one) for one in changes])
        await wake_up(conn, TOPIC, who.business_id)
    return [one.conversation_id for one in changes]


async def _as_one_of_the_team(conn: Conn, business_id: int, owner: Owner, before: Owner) -> Owner:
    if owner.person is None or before.team is None:
        return owner
    keeps = await teams.has(conn, business_id, before.team, owner.person)
    return Owner(owner.person, before.team if keeps else None)


async def _give(conn: Conn, who: Doer, change: Change, names: tuple[str | None, str | None]) -> None:
    """Has a held thread be whose it is to be, and records it."""
    await store.give(conn, who, change.conversation_id, change.then, names)
    action = "conversation.unassigned" if change.then == NOBODY else "conversation.assigned"
    subject = ("conversation", str(change.conversation_id))
    await audit.record_by(conn, who, action, *subject, _told(change.before), _told(change.then))


def _told(owner: Owner) -> dict[str, object]:
    return {"person": owner.person, "team": owner.team}


def _event(change: Change) -> Event:
    now = datetime.now(UTC)
    return Event(Kind.CONVERSATION_ASSIGNED, now, change.conversation_id, details=_told(change.then))


async def history(
    conn: Conn, caller: Caller, conversation_id: int, times: tuple[datetime | None, datetime | None] = (None, None)
) -> Sequence[Assignment]:
    """Whose a thread became from one moment until another (None: from the first, until now), the oldest first."""
    require(caller, Right.SEE)
    return await store.between(conn, caller.business_id, conversation_id, times, MOST)


async def _hold(conn: Conn, business_id: int, conversation_id: int) -> Owner:
    held = await store.hold(conn, business_id, conversation_id)
    if held is None:
        raise NotFound("There is no such conversation.")
    return held


async def _team(conn: Conn, business_id: int, team_id: int | None) -> str | None:
    if team_id is None:
        return None
    name = await teams.share(conn, business_id, team_id)
    if name is None:
        raise NotFound("There is no such team.")
    return name


async def _person(conn: Conn, business_id: int, account_id: int | None) -> str | None:
    if account_id is None:
        return None
    known = await teams.members(conn, business_id, ANSWERING)
    name = next((one.name for one in known if one.account_id == account_id), None)
    if name is None:
        raise Invalid("Only who may answer customers can be given a thread.")
    return name
