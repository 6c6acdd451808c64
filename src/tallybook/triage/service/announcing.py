"""The team's state, moved on by compare-and-swap, with what is to be told of it in the same transaction.

Any number of workers may look at any time. Whoever moves the state on is the one who tells; what is told goes through
the outbox in this transaction, so that there is never one without the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta

import msgspec

from tallybook.core.db import Conn
from tallybook.core.wakeups import wake_up
from tallybook.triage.rules_announce import HEADS_UP, LATE, Boundary, HeadsUp, Standing, boundary, heads_up, standing
from tallybook.triage.store import states as store
from tallybook.triage.store.states import State

from .doing import TOPIC
from .schedules import Schedules


class Moved(msgspec.Struct, frozen=True):
    """That the state moved on.

    ``boundary`` is None where nothing is told: the first time, where a discipline went out of use in which nobody was
    on duty, and where another sprint begins with the same people. ``was`` is whom people were last told of.
    """

    was: Mapping[str, str | None]
    now: Standing
    boundary: Boundary | None


async def advance(
    conn: Conn, schedules: Schedules, business_id: int, team_id: int, now: datetime, *, late_after: timedelta = LATE
) -> Moved | None:
    """Moves the state to who is on duty now; None where it is that already, or another worker was first.

    A process that was down over several hand-overs tells of the last one, once, and that it is late. One whose clock is
    behind moves nothing back. Raises NotFound.
    """
    before = await store.read(conn, business_id, team_id)
    if before.at is not None and now < before.at:
        return None
    found = standing(await schedules.of(conn, business_id, team_id), now)
    change = boundary(before.on_duty, found, late_after)
    stays = before.on_duty.keys() == found.on_duty.keys() and before.sprint_number == found.sprint_number
    if change is None and stays:
        return None
    after = State(0, found.on_duty, found.sprint_number, now)
    if not await store.advance(conn, business_id, team_id, before, after):
        return None
    await wake_up(conn, TOPIC, business_id)
    if before.version == 0 or change is None:
        return Moved(before.on_duty, found, None)
    return Moved(before.on_duty, found, await _written(conn, business_id, team_id, before, found, change))


async def _written(
    conn: Conn, business_id: int, team_id: int, before: State, found: Standing, change: Boundary
) -> Boundary:
    """Writes down what is told. What began with a boundary that was told without it is a change of now."""
    for one in (change, Boundary(found.at, "change", change.codes, late=False)):
        says = {"was": before.on_duty, "now": found.on_duty, "late": one.late}
        if await store.announce(conn, business_id, team_id, one.kind, one.at, found.at, says=says):
            change = one
            break
    return change


async def warn(
    conn: Conn, schedules: Schedules, business_id: int, team_id: int, now: datetime, *, clock: time = HEADS_UP
) -> HeadsUp | None:
    """What is to be told this evening of the next hand-over, to whoever asks first; else None. Raises NotFound."""
    due = heads_up(await schedules.of(conn, business_id, team_id), now, clock)
    if due is None:
        return None
    says = {code: [due.ends[code].person, due.begins[code].person] for code in due.ends}
    first = await store.announce(conn, business_id, team_id, "heads_up", due.boundary, now, says=says)
    return due if first else None
