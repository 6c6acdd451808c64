"""Somebody's leaving of a discipline: what it would change, and having them leave by that look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from tallybook.app import App
from tallybook.core.db import Conn
from tallybook.triage.blocks import previews
from tallybook.triage.rules_roster import Change
from tallybook.triage.rules_turns import hand_over
from tallybook.triage.service import people
from tallybook.triage.service.doing import reasoned
from tallybook.triage.types import Facts

from .triage_frame import Place
from .triage_rota_form import seen
from .triage_teams import day_of


class Found(msgspec.Struct, frozen=True):
    """What would change from ``at`` on, and by what that is known again."""

    discipline: str
    at: datetime
    changes: Sequence[Change]
    version: int
    seen: str


def belongs(facts: Facts, discipline: str, slack_id: str) -> bool:
    """Whether somebody belongs to a discipline, with no end yet; they do not where the form was sent before."""
    return any((one.discipline, one.person, one.until) == (discipline, slack_id, None) for one in facts.memberships)


def looked(facts: Facts, slack_id: str, given: Mapping[str, str]) -> Found:
    """What it would change that they leave at a day's hand-over, or now. Raises Invalid."""
    code, day, team, now = given.get("discipline", ""), given.get("day", ""), facts.team, datetime.now(UTC)
    at = hand_over(day_of(day), team.hand_over, team.tz) if day else now
    people.check_leaving(at, now)
    shown = previews.left_at(facts, slack_id, code, at, now)
    return Found(code, at, shown.changes, facts.version, seen(facts.version, (slack_id, code, day)))


async def leave(app: App, place: Place, slack_id: str, found: Found, why: str) -> None:
    """Has them leave, by the facts that were looked at or not at all. Raises Conflict and Invalid."""
    actor, team, reason = place.actor, place.facts.team.id, reasoned(why)

    async def work(conn: Conn) -> None:
        now = datetime.now(UTC)
        asked = (conn, actor, team, found.discipline, slack_id, max(found.at, now))
        await people.leave(*asked, now=now, reason=reason, version=found.version)

    await app.db.run("leave discipline", work)
