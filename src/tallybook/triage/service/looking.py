"""A look at one team: who is on duty now, what was not told yet of now and of the weeks ahead, when to look again.

All of it in one transaction with the messages that it causes, and by one worker at a time. What only one worker may do
is held by the state's version, the keys of what was told and those of the outbox; the lock saves the others the work.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tallybook.core.db import Conn
from tallybook.triage.rules_announce import look_again, standing
from tallybook.triage.rules_notices import AHEAD, Plan, moves, planned, troubles
from tallybook.triage.rules_turns import DAY
from tallybook.triage.store import looks as store
from tallybook.triage.store import states
from tallybook.triage.store.looks import Look

from . import across, surfaces, telling
from .announcing import advance, warn
from .schedules import Schedules
from .telling import Audience

# Several changes of the rota within it are told those concerned as one.
SETTLE = timedelta(minutes=1)


async def look(
    conn: Conn, schedules: Schedules, business_id: int, team_id: int, now: datetime, *, always: bool = False
) -> bool:
    """Tells what is to be told of a team now; whether this worker looked. Raises NotFound.

    Where another worker has just looked it is not done again, unless ``always``.
    """
    before = await store.take(conn, business_id, team_id)
    to = await telling.audience(conn, schedules, business_id, team_id, now)
    if before is not None and not always and before.is_fresh(to.schedule.facts.version, now):
        return False
    state = await states.read(conn, business_id, team_id)
    if state.at is not None and now < state.at:
        return False  # a clock that is behind
    if before is None:
        first = _look(to, planned(to.schedule, now), None)
        if not await store.begin(conn, business_id, team_id, first):
            return False
    await _now(conn, schedules, to)
    plan, settles_at = await _ahead(conn, schedules, to, before)
    await store.keep(conn, business_id, team_id, _look(to, plan, settles_at))
    return True


async def _now(conn: Conn, schedules: Schedules, to: Audience) -> None:
    """Moves the state on and tells it, tells the evening before, and has Slack show it."""
    late_after = timedelta(minutes=to.manner.late_after)
    moved = await advance(conn, schedules, to.business_id, to.team_id, to.now, late_after=late_after)
    if moved is not None:
        await telling.handed(conn, to, moved)
    due = await warn(conn, schedules, to.business_id, to.team_id, to.now, clock=to.manner.heads_up)
    if due is not None:
        await telling.warned(conn, to, due)
    await surfaces.show(conn, to, moved.now if moved is not None else standing(to.schedule, to.now))


async def _ahead(conn: Conn, schedules: Schedules, to: Audience, before: Look | None) -> tuple[Plan, datetime | None]:
    """Tells what changed ahead once it has settled, and what will go wrong; also once a day, since the weeks go on."""
    now = to.now
    if before is None:
        await _foresee(conn, schedules, to)
        return planned(to.schedule, now), None
    settles_at = before.settles_at
    if settles_at is None and before.facts_version != to.schedule.facts.version:
        settles_at = now + SETTLE
    if settles_at is not None and settles_at > now:
        return before.plan, settles_at
    if settles_at is None and before.plan.until - AHEAD + DAY > now:
        return before.plan, None
    after = planned(to.schedule, now)
    await telling.moved_ahead(conn, to, moves(before.plan, after))
    await _foresee(conn, schedules, to)
    return after, None


async def _foresee(conn: Conn, schedules: Schedules, to: Audience) -> None:
    await telling.foreseen(conn, to, troubles(to.schedule, to.now))
    await across.foresee(conn, schedules, to)


def _look(to: Audience, plan: Plan, settles_at: datetime | None) -> Look:
    again = look_again(to.schedule, to.now, to.manner.heads_up)
    next_at = min(again, settles_at) if settles_at is not None else again
    return Look(to.schedule.facts.version, next_at, plan, settles_at)
