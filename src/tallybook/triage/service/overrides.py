"""Requests that somebody else be on duty: asked for, approved, declined, withdrawn, expired.

The team is held from its facts' version on, so that of many clicks at once one is first; the database's exclusions hold
whatever this file gets wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.core.wakeups import wake_up
from tallybook.triage.rules import prepare
from tallybook.triage.rules_overrides import (
    Asked,
    Part,
    State,
    check_decidable,
    check_exchange,
    check_may_ask,
    check_same,
    check_still_so,
    looked_up,
)
from tallybook.triage.store import asked as asked_store
from tallybook.triage.store import overrides as store
from tallybook.triage.store.asked import Listed

from .doing import TOPIC, Actor, held, plain, reasoned, require_lead, seen, tell
from .telling_requests import Decision, decided, requested


async def request(
    conn: Conn, actor: Actor, team_id: int, part: Part, now: datetime, *, key: str, reason: str = ""
) -> Asked:
    """Asks that somebody else be on duty. By a ``key`` that was used it is the request that was made by it.

    Raises NotAllowed, Invalid, NotFound, and Conflict where a request waits for a part of this time, whoever asked, or
    where something else, or somebody else, was behind the key.
    """
    if part.person is None:
        raise Invalid("Say who should be on duty instead.")
    (asked,) = await _ask(conn, actor, team_id, [part], now, (key, reason))
    return asked


async def unassign(
    conn: Conn, actor: Actor, team_id: int, part: Part, now: datetime, *, key: str, reason: str
) -> Asked:
    """Has nobody be on duty in a turn, or a part of it, from now on at the earliest; ``withdraw`` undoes it.

    By a ``key`` that was used it is what was made by it. Raises NotAllowed, Invalid, NotFound, and Conflict, which
    tells of whoever has an approved override in this time already, or has asked for one: that is decided first.
    """
    require_lead(actor)
    nobody = msgspec.structs.replace(part, person=None)
    (asked,) = await _ask(conn, actor, team_id, [nobody], now, (key, reasoned(reason)))
    if asked.state is State.PENDING:
        (asked,) = await approve(conn, actor, asked.id, now)
    return asked


async def request_swap(
    conn: Conn, actor: Actor, team_id: int, parts: tuple[Part, Part], now: datetime, *, key: str, reason: str = ""
) -> tuple[Asked, Asked]:
    """Asks that two exchange their turns: approved or declined together.

    Errors as of ``request``, and Conflict where one of the turns is not, or no more, that of who gives it.
    """
    one, other = await _ask(conn, actor, team_id, parts, now, (key, reason))
    return one, other


async def _ask(
    conn: Conn, actor: Actor, team_id: int, parts: Sequence[Part], now: datetime, how: tuple[str, str]
) -> list[Asked]:
    key, reason = how
    schedule = prepare(await held(conn, actor, team_id))
    again = await store.of_key(conn, actor.business_id, key)
    if again is not None:
        group = await store.group(conn, actor.business_id, again.id)
        check_same(group, actor.key, team_id, parts)
        return group
    turns = [looked_up(schedule, part, now) for part in parts]
    check_may_ask(turns, actor.slack_id, leads=actor.leads)
    if len(turns) > 1:
        check_exchange(turns)
    number: int | None = None
    for place, turn in enumerate(turns):
        keyed = key if place == 0 else f"{key} {place}"
        added = await store.add(
            conn, actor.business_id, team_id, turn, actor.key, key=keyed, reason=reason.strip()[:500], swap=number
        )
        if added is None:
            raise _waits(actor, await asked_store.in_the_way(conn, actor.business_id, team_id, turn.part))
        number = added if number is None else number
    if number is None:
        raise NotFound("Nothing was asked for.")
    if len(turns) > 1:
        await store.pair(conn, actor.business_id, number)
    group = await store.group(conn, actor.business_id, number)
    for one in group:
        await tell(conn, actor, "override.requested", "override", one.id, None, plain(one))
    if group[0].person is not None:
        await requested(conn, actor, schedule, group, now)
    return group


async def approve(conn: Conn, actor: Actor, number: int, now: datetime) -> list[Asked]:
    """Has the other be on duty, from now on at the earliest; both, where it is an exchange.

    Raises NotAllowed and NotFound, and Conflict, which tells who was first, or that the rota is otherwise by now.
    """
    require_lead(actor)
    team_id = (await _group(conn, actor, number))[0].team_id
    facts = await held(conn, actor, team_id)
    group = await _group(conn, actor, number)  # by now it may be decided
    schedule = prepare(facts)
    for one in group:
        check_decidable(one, State.APPROVED, now)
        other = await store.in_the_way(conn, actor.business_id, one, State.APPROVED)
        if other is not None:
            raise _was_first(other)
        check_still_so(schedule, one, now)
    if not await store.approve(conn, actor.business_id, [one.id for one in group], actor.name, now):
        for one in await _group(conn, actor, number):  # it may have expired, for which nobody holds the team
            check_decidable(one, State.APPROVED, now)
        raise Conflict("Another one was approved for a part of this time.")
    return await _told(conn, actor, "override.approved", Decision(group, group), now)


async def decline(conn: Conn, actor: Actor, number: int, now: datetime, *, note: str = "") -> list[Asked]:
    """Lets things be as they are; it may be asked for again. Raises as ``approve`` does."""
    require_lead(actor)
    group = await _settled(conn, actor, number, State.DECLINED, now, note)
    return await _told(conn, actor, "override.declined", Decision(group, group, note), now)


async def withdraw(conn: Conn, actor: Actor, number: int, now: datetime, *, note: str = "") -> list[Asked]:
    """Takes a request back, or an approved override away; one that runs ends now, and what was stays.

    Who asked may, and who leads. Raises NotAllowed, NotFound, and Conflict where there is nothing left of it.
    """
    group = await _group(conn, actor, number)
    if actor.key != group[0].requested_by:
        require_lead(actor)
    group = await _settled(conn, actor, number, State.WITHDRAWN, now, note)
    return await _told(conn, actor, "override.withdrawn", Decision(group, group, note), now)


async def drop(conn: Conn, actor: Actor, numbers: Sequence[int], now: datetime, *, note: str) -> list[int]:
    """Takes away what has nothing to be for any more, each with the other one of its exchange, and tells so.

    The caller holds the team. The numbers of all that went.
    """
    dropped: list[int] = []
    for number in numbers:
        if number in dropped:
            continue
        group = await _group(conn, actor, number)
        ids = [one.id for one in group]
        if await store.settle(conn, actor.business_id, ids, State.WITHDRAWN, actor.name, now, note=note):
            after = await _told(conn, actor, "override.withdrawn", Decision(group, group, note), now)
            dropped += [one.id for one in after if one not in group]
    return dropped


async def expire(conn: Conn, business_id: int, now: datetime) -> list[Asked]:
    """Ends the requests of a business whose time is over, and tells who asked."""
    ended = await store.expire(conn, business_id, now)
    product = Actor(business_id, "tallybook")
    for one in ended:
        await tell(conn, product, "override.expired", "override", one.id, {"state": "pending"}, {"state": "expired"})
    for number in sorted({one.swap or one.id for one in ended}):
        group = [one for one in ended if (one.swap or one.id) == number]
        schedule = prepare(await seen(conn, product, group[0].team_id))
        before = [msgspec.structs.replace(one, state=State.PENDING) for one in group]
        await decided(conn, product, schedule, Decision(before, group), now)
    if ended:
        await wake_up(conn, TOPIC, business_id)
    return ended


async def _settled(conn: Conn, actor: Actor, number: int, state: State, now: datetime, note: str) -> list[Asked]:
    team_id = (await _group(conn, actor, number))[0].team_id
    await held(conn, actor, team_id)
    group = await _group(conn, actor, number)
    if state is State.DECLINED or group[0].state is not State.APPROVED:
        for one in group:
            check_decidable(one, state, now)
    ids = [one.id for one in group]
    if not await store.settle(conn, actor.business_id, ids, state, actor.name, now, note=note.strip()[:500]):
        raise Conflict("The time that was asked for is over.")
    return group


async def _group(conn: Conn, actor: Actor, number: int) -> list[Asked]:
    group = await store.group(conn, actor.business_id, number)
    if not group:
        raise NotFound("There is no such request.")
    return group


def _waits(actor: Actor, other: Listed | None) -> Conflict:
    if other is None or other.asked.requested_by == actor.key:
        return Conflict("You have asked for this time already, and it waits for a decision.")
    return Conflict(
        f"{other.asker} has asked for this time already, and it waits for a decision.",
        state=State.PENDING.value, asked_by=other.asker, override=other.asked.id,
    )  # fmt: skip


def _was_first(other: Asked) -> Conflict:
    return Conflict(
        f"{other.decided_by} has approved another one for this time already.",
        state=other.state.value, decided_by=other.decided_by, person=other.person, override=other.id,
    )  # fmt: skip


async def _told(conn: Conn, actor: Actor, action: str, decision: Decision, now: datetime) -> list[Asked]:
    before = decision.before
    after = await store.group(conn, actor.business_id, before[0].id)
    for was, now_is in zip(before, after, strict=True):
        await tell(conn, actor, action, "override", now_is.id, plain(was), plain(now_is))
    schedule = prepare(await seen(conn, actor, before[0].team_id))
    await decided(conn, actor, schedule, Decision(before, after, decision.note), now)
    return after
