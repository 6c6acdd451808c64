"""Sprints: planned, changed and taken away, each with what that changes ahead."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, NotFound
from tallybook.triage import rules_sprints
from tallybook.triage.rules import prepare
from tallybook.triage.rules_overrides import Asked
from tallybook.triage.rules_roster import Change, difference, newly_idle
from tallybook.triage.store import sprints as store
from tallybook.triage.types import Facts, Override, Sprint

from . import overrides
from .doing import Actor, held, held_as_is, plain, reasoned, require_lead, seen, tell, turned
from .rosters import AHEAD

GONE = "The sprint was taken away."


class Outcome(msgspec.Struct, frozen=True):
    """A sprint, and what its change changes in the half year ahead.

    ``moved`` are the overrides that went along with it, ``dropped`` the numbers of those that went with it. ``idle``
    are parts of turns that stay at their times, and stand in for nobody then.
    """

    sprint: Sprint
    changes: list[Change]
    moved: int = 0
    dropped: list[int] = []
    idle: list[Override] = []


async def preview_new(
    conn: Conn, actor: Actor, team_id: int, name: str, days: tuple[date, date], now: datetime
) -> Outcome:
    """What a sprint that is planned would change. Raises as ``plan``."""
    require_lead(actor)
    facts = await seen(conn, actor, team_id)
    sprint = _planned(facts, name, days, now)
    return Outcome(sprint, _changes(facts, rules_sprints.with_sprint(facts, sprint), now))


async def preview_removal(conn: Conn, actor: Actor, team_id: int, number: int, now: datetime) -> Outcome:
    """What taking a sprint away would change; ``dropped`` are those of its approved overrides. Raises as ``remove``."""
    require_lead(actor)
    facts = await seen(conn, actor, team_id)
    was = _found(facts, number)
    rules_sprints.check_removable(was, now)
    going = rules_sprints.going_with(facts, await store.overrides_of(conn, actor.business_id, team_id, was))
    return Outcome(was, _changes(facts, rules_sprints.without_sprint(facts, number, going), now), 0, going)


async def plan(conn: Conn, actor: Actor, team_id: int, name: str, days: tuple[date, date], now: datetime) -> Outcome:
    """Plans a sprint, numbered after the last one. Raises NotAllowed, Invalid, NotFound and Conflict."""
    require_lead(actor)
    facts = await held(conn, actor, team_id)
    found = _planned(facts, name, days, now)
    sprint = msgspec.structs.replace(found, number=await store.next_number(conn, actor.business_id, team_id))
    new = await store.add(conn, actor.business_id, team_id, sprint)
    if new is None:
        raise Conflict("This would lie over another sprint.")
    sprint = msgspec.structs.replace(sprint, id=new)
    await tell(conn, actor, "sprint.planned", "sprint", new, None, plain(sprint))
    return Outcome(sprint, _changes(facts, rules_sprints.with_sprint(facts, sprint), now))


async def preview(  # noqa: PLR0917 - as change
    conn: Conn, actor: Actor, team_id: int, number: int, name: str, days: tuple[date, date], now: datetime
) -> Outcome:
    """What a change would change. Raises as ``change``."""
    require_lead(actor)
    facts = await seen(conn, actor, team_id)
    sprint = _changed(facts, number, name, days, now)
    whole = await store.whole_of(conn, actor.business_id, team_id, sprint)
    return _outcome(facts, sprint, rules_sprints.moved(sprint, whole, now), now)


async def change(  # noqa: PLR0917 - who changes which one into what
    conn: Conn,
    actor: Actor,
    team_id: int,
    number: int,
    name: str,
    days: tuple[date, date],
    now: datetime,
    *,
    reason: str,
) -> Outcome:
    """Gives the sprint of this id another name or other days; overrides of all of it move along.

    Where it has them already nothing is changed, and nothing stands in the record.
    Raises NotAllowed, Invalid, NotFound and Conflict.
    """
    require_lead(actor)
    reason = reasoned(reason)
    facts = await held_as_is(conn, actor, team_id)
    was = _found(facts, number)
    sprint = _changed(facts, number, name, days, now)
    if sprint == was:
        return Outcome(was, [])
    await turned(conn, actor, team_id)
    if not await store.change(conn, actor.business_id, team_id, sprint):
        raise Conflict("This would lie over another sprint.")
    await tell(conn, actor, "sprint.changed", "sprint", number, plain(was), plain(sprint) | {"reason": reason})
    return _outcome(facts, sprint, await _moved(conn, actor, team_id, sprint, now, reason), now)


def _outcome(facts: Facts, sprint: Sprint, moved: list[Asked], now: datetime) -> Outcome:
    before, after = prepare(facts), prepare(rules_sprints.with_sprint(facts, sprint, moved))
    changes, idle = difference(before, after, now, now + AHEAD), newly_idle(before, after, now)
    return Outcome(sprint, changes, len(moved), idle=idle)


async def _moved(conn: Conn, actor: Actor, team_id: int, sprint: Sprint, now: datetime, reason: str) -> list[Asked]:
    """Moves what is of all of a sprint to where it is now. Raises Conflict."""
    whole = await store.whole_of(conn, actor.business_id, team_id, sprint)
    moved = rules_sprints.moved(sprint, whole, now)
    if not await store.move(conn, actor.business_id, team_id, moved):
        raise Conflict("An override of a part of this time is in the way. Take that away first.")
    before = {one.id: one for one in whole}
    for one in moved:
        says = plain(one) | {"reason": reason}
        await tell(conn, actor, "override.moved", "override", one.id, plain(before[one.id]), says)
    return moved


async def remove(conn: Conn, actor: Actor, team_id: int, number: int, now: datetime, *, reason: str) -> Outcome:
    """Takes away a sprint that has not begun, with what was asked for it, of which those concerned are told.

    Raises as ``change``.
    """
    require_lead(actor)
    reason = reasoned(reason)
    facts = await held(conn, actor, team_id)
    was = _found(facts, number)
    rules_sprints.check_removable(was, now)
    for_it = await store.overrides_of(conn, actor.business_id, team_id, was)
    await store.remove(conn, actor.business_id, team_id, was)
    dropped = await overrides.drop(conn, actor, for_it, now, note=GONE)
    await tell(conn, actor, "sprint.removed", "sprint", number, plain(was), {"reason": reason, "overrides": dropped})
    return Outcome(was, _changes(facts, rules_sprints.without_sprint(facts, number, dropped), now), 0, dropped)


def _found(facts: Facts, number: int) -> Sprint:
    found = next((one for one in facts.sprints if one.id == number), None)
    if found is None:
        raise NotFound("There is no such sprint.")
    return found


def _planned(facts: Facts, name: str, days: tuple[date, date], now: datetime) -> Sprint:
    """A new sprint, unnumbered."""
    sprint = rules_sprints.joined(facts, rules_sprints.planned(facts.team, name, *days))
    rules_sprints.check(facts, sprint, now)
    return sprint


def _changed(facts: Facts, number: int, name: str, days: tuple[date, date], now: datetime) -> Sprint:
    """The sprint as it would be. A day that stays keeps its moment, even where the team's clock is another by now."""
    was = _found(facts, number)
    planned = msgspec.structs.replace(rules_sprints.planned(facts.team, name, *days), id=number)
    new = rules_sprints.joined(facts, planned)
    sprint = msgspec.structs.replace(
        new,
        id=was.id,
        number=was.number,
        starts_at=was.starts_at if new.first_day == was.first_day else new.starts_at,
        ends_at=was.ends_at if new.last_day == was.last_day else new.ends_at,
    )
    rules_sprints.check(facts, sprint, now)
    return sprint


def _changes(before: Facts, after: Facts, now: datetime) -> list[Change]:
    return difference(prepare(before), prepare(after), now, now + AHEAD)
