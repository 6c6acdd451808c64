"""Requests that somebody else be on duty, as they are told: to who decides, and to those whom the decision concerns.

In the transaction of the request or the decision, whichever door it came by. The message to who decides becomes what
was decided, so that nobody goes on looking at its buttons.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tallybook.core.db import Conn
from tallybook.triage.blocks import requests as words
from tallybook.triage.rules import Schedule
from tallybook.triage.rules_overrides import Asked, State
from tallybook.triage.store import told as store

from .doing import Actor
from .telling import Notice, audience_of, deciders, people, tell

REQUEST = "request"


class Decision(msgspec.Struct, frozen=True):
    """What became of a request, or of both halves of an exchange."""

    before: Sequence[Asked]
    after: Sequence[Asked]
    note: str = ""

    @property
    def was_in_force(self) -> bool:
        return self.before[0].state is State.APPROVED

    def group(self, actor: Actor, now: datetime) -> list[Asked]:
        """As it is told: what ran and was cut off is withdrawn, though for its time it stays approved."""
        if not self.was_in_force:
            return list(self.after)
        how = {"state": State.WITHDRAWN, "decided_by": actor.name, "decided_at": now}
        return [msgspec.structs.replace(one, **how) for one in self.after]


async def requested(conn: Conn, actor: Actor, schedule: Schedule, group: Sequence[Asked], now: datetime) -> None:
    """Asks who leads to decide."""
    to = await audience_of(conn, actor.business_id, schedule, now)
    about = str(group[0].id)
    pairs = [(to.team_id, REQUEST, about, one) for one in await deciders(conn, to)]
    new = await store.first_time(conn, actor.business_id, pairs, now) if pairs else set()
    notice = Notice(REQUEST, about, None, lambda seen: words.request(seen, group))
    await tell(conn, to, notice, sorted(recipient for *_, recipient in new))


async def decided(conn: Conn, actor: Actor, schedule: Schedule, decision: Decision, now: datetime) -> None:
    """Tells what became of a request; who did it knows. Of one that changes no duty only who asked hears."""
    to = await audience_of(conn, actor.business_id, schedule, now)
    group = decision.group(actor, now)
    first = group[0]
    about, how = str(first.id), f"{first.id}-{first.state}"
    asked = await store.recipients(conn, actor.business_id, to.team_id, REQUEST, about)
    shown = Notice(
        "decided", how, None, lambda seen: words.request(seen, group, decision.note), replaces=(REQUEST, about)
    )
    await tell(conn, to, shown, asked)
    concerned: list[str | None] = [first.requested_by]
    if decision.was_in_force or first.state is State.APPROVED:
        concerned += [person for one in group for person in (one.person, one.instead_of)]
    notice = Notice("outcome", how, None, lambda seen: words.outcome(seen, group, seen.reader, decision.note))
    await tell(conn, to, notice, [one for one in people(concerned) if one != actor.slack_id])
