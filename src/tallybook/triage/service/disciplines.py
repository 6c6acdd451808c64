"""When a discipline is in use: looked at before it is changed, changed from a moment on, and changed back."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from tallybook.core.db import Conn
from tallybook.core.errors import Conflict
from tallybook.triage import rules_use
from tallybook.triage.rules import prepare
from tallybook.triage.rules_roster import Change, difference, newly_idle
from tallybook.triage.rules_use import Use
from tallybook.triage.store import people as store
from tallybook.triage.types import Facts, Override

from .doing import Actor, held_as_is, plain, reasoned, require_lead, seen, tell, turned

AHEAD = timedelta(days=182)


class Preview(msgspec.Struct, frozen=True):
    """What it would change in the half year ahead. ``version`` is of the facts by which that was found.

    ``idle`` are overrides that would stand in for nobody.
    """

    changes: list[Change]
    idle: list[Override]
    version: int


def previewed(facts: Facts, use: Use, now: datetime) -> Preview:
    """By these facts. Pure. Raises Invalid and NotFound."""
    rules_use.check(use, now)
    before, after = prepare(facts), prepare(rules_use.with_use(facts, use))
    idle = newly_idle(before, after, now, use.discipline)
    return Preview(difference(before, after, now, now + AHEAD, [use.discipline]), idle, facts.version)


async def preview(conn: Conn, actor: Actor, team_id: int, use: Use, now: datetime) -> Preview:
    """What a change would change. Raises NotAllowed, Invalid and NotFound."""
    require_lead(actor)
    return previewed(await seen(conn, actor, team_id), use, now)


async def change(
    conn: Conn, actor: Actor, team_id: int, use: Use, now: datetime, *, reason: str, version: int | None = None
) -> bool:
    """Has a discipline be in use from a moment on, or not; whether that changes anything.

    ``version`` is that of the preview on which somebody decided. Raises NotAllowed, Invalid and NotFound, and Conflict
    where the rota is another by now.
    """
    require_lead(actor)
    reason = reasoned(reason)
    facts = await held_as_is(conn, actor, team_id)
    rules_use.check(use, now)
    before = rules_use.found(facts, use.discipline)
    after = rules_use.used(before, use)
    if after == before:
        return False
    if version not in {None, facts.version}:
        raise Conflict("The rota was changed meanwhile. Look at what this would change now.", version=facts.version)
    await turned(conn, actor, team_id)
    await store.put_use(conn, actor.business_id, team_id, after)
    says = plain(after) | {"reason": reason}
    await tell(conn, actor, "discipline.changed", "discipline", use.discipline, plain(before), says)
    return True
