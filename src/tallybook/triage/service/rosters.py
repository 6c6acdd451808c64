"""Changes of a roster: looked at before they are made, made from a date on, and taken back by one more version."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.triage.rules import prepare
from tallybook.triage.rules_roster import Change, check_rotation, difference, going_on, newly_idle, with_roster
from tallybook.triage.rules_turns import counted_on
from tallybook.triage.store import facts as facts_store
from tallybook.triage.store import rosters as store
from tallybook.triage.store.rosters import Made, Version
from tallybook.triage.types import Facts, Kind, Override, Roster, Rotation

from .doing import Actor, held, plain, reasoned, require_lead, seen, tell

AHEAD = timedelta(days=182)
MOST_PEOPLE = 100


class Plan(msgspec.Struct, frozen=True):
    """A roster that is wanted from ``since`` on. ``rotation`` is as it was where none is given.

    ``in_order``: ``people[0]`` takes the first turn; else the order is kept and goes on where the old one is.
    """

    discipline: str
    people: tuple[str, ...]
    since: datetime
    rotation: Rotation | None = None
    in_order: bool = False
    restores: int | None = None


class Preview(msgspec.Struct, frozen=True):
    """What a plan would change in the half year from now on.

    ``version`` is of the facts by which that was found; ``idle`` are overrides that would stand in for nobody.
    """

    roster: Roster
    changes: list[Change]
    idle: list[Override]
    version: int


async def preview(conn: Conn, actor: Actor, team_id: int, plan: Plan, now: datetime) -> Preview:
    """What a plan would change. Raises NotAllowed, Invalid and NotFound."""
    require_lead(actor)
    return previewed(await seen(conn, actor, team_id), plan, now)


async def apply(
    conn: Conn, actor: Actor, team_id: int, plan: Plan, now: datetime, *, reason: str, version: int | None = None
) -> Preview:
    """Makes the new version; what it changes. ``version`` is that of the preview on which somebody decided.

    Raises NotAllowed, Invalid, NotFound, and Conflict where the facts are no longer those of the preview.
    """
    require_lead(actor)
    reason = reasoned(reason)
    facts = await held(conn, actor, team_id)
    if version is not None and facts.version != version + 1:
        raise Conflict("The rota was changed meanwhile. Look at what this would change now.", version=facts.version)
    found = previewed(facts, plan, now)
    before = [one for one in facts.rosters if one.discipline == plan.discipline]
    made = Made(actor.name, now, reason, plan.restores)
    if not await store.add(conn, actor.business_id, team_id, found.roster, made):
        raise Conflict("The rota was changed meanwhile.")
    was = plain(max(before, key=lambda one: one.number)) if before else None
    await tell(conn, actor, "roster.changed", "roster", plan.discipline, was, plain(found.roster) | {"reason": reason})
    return found


async def restore(
    conn: Conn,
    actor: Actor,
    team_id: int,
    discipline: str,
    number: int,
    now: datetime,
    *,
    reason: str,
    since: datetime | None = None,
) -> Preview:
    """Brings a former version's people and rules back from a moment on, as one more version. Raises as ``apply``."""
    require_lead(actor)
    facts = await seen(conn, actor, team_id)
    former = next((one for one in facts.rosters if (one.discipline, one.number) == (discipline, number)), None)
    if former is None:
        raise NotFound("There is no such version.")
    plan = Plan(discipline, former.people, since or now, counted_on(former), restores=number)
    return await apply(conn, actor, team_id, plan, now, reason=reason)


async def history(conn: Conn, actor: Actor, team_id: int, discipline: str) -> list[Version]:
    """All versions of a discipline's roster, newest first."""
    return await store.history(conn, actor.business_id, team_id, discipline)


def previewed(facts: Facts, plan: Plan, now: datetime) -> Preview:
    """What a plan would change, by these facts. Pure. Raises Invalid and NotFound."""
    schedule = prepare(facts)
    rota = schedule.rota(plan.discipline)
    versions = [one for one in facts.rosters if one.discipline == plan.discipline]
    _check(facts, plan, now, is_first=not versions)
    if not all(rota.belongs(one, max(plan.since, now), max(plan.since, now)) for one in plan.people):
        raise Invalid("Only who belongs to the discipline can take turns.")
    newest = max(versions, key=lambda one: one.number, default=None)
    people = plan.people if plan.in_order else going_on(schedule, plan.discipline, plan.people, plan.since)
    rotation = plan.rotation or (counted_on(newest) if newest is not None else _usual(facts))
    roster = Roster(plan.discipline, newest.number + 1 if newest else 1, plan.since, people, rotation)
    after = prepare(with_roster(facts, roster))
    idle = newly_idle(schedule, after, now, plan.discipline)
    return Preview(roster, difference(schedule, after, now, now + AHEAD, [plan.discipline]), idle, facts.version)


def _check(facts: Facts, plan: Plan, now: datetime, *, is_first: bool) -> None:
    if len(set(plan.people)) != len(plan.people) or len(plan.people) > MOST_PEOPLE:
        raise Invalid(f"A roster has everybody once, and at most {MOST_PEOPLE} people.")
    # The first roster may begin with the sprint that runs: nobody was on duty yet.
    running = next((one.starts_at for one in facts.sprints if one.starts_at <= now < one.ends_at), now)
    if plan.since < (running if is_first else now):
        raise Invalid("A roster begins now or later: who was on duty is not changed any more.")
    if plan.rotation is not None:
        check_rotation(plan.rotation)


def _usual(facts: Facts) -> Rotation:
    return Rotation(Kind.SPRINT, facts.team.zone, facts.team.hand_over)


async def version_of(conn: Conn, actor: Actor, team_id: int) -> int:
    """The version of the team's facts now. Raises NotFound."""
    facts = await facts_store.read(conn, actor.business_id, team_id)
    if facts is None:
        raise NotFound("There is no such team.")
    return facts.version
