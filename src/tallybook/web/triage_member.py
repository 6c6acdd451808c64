"""Somebody's joining or leaving of a discipline: what it would change, and having it done by that look."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from tallybook.app import App
from tallybook.core.db import Conn
from tallybook.triage.blocks import previews
from tallybook.triage.rules_members import belonging, is_for_good, next_sprint, takes_turns
from tallybook.triage.rules_roster import Change
from tallybook.triage.rules_turns import hand_over
from tallybook.triage.service import members
from tallybook.triage.service.doing import because, reasoned
from tallybook.triage.types import Facts, Membership, Person, Sprint

from .triage_frame import Place
from .triage_rota_form import seen
from .triage_teams import day_of


class Does(enum.StrEnum):
    """What is looked at, by the name of the form."""

    JOIN = "join"
    LEAVE = "leave"


class Found(msgspec.Struct, frozen=True):
    """What would change from ``at`` on, and by what that is known again."""

    does: Does
    disciplines: Sequence[str]
    at: datetime
    changes: Sequence[Change]
    version: int
    seen: str


class Standing(msgspec.Struct, frozen=True):
    """How somebody stands to a discipline: the time that runs or comes next, and what they can be asked to.

    ``day`` is the day on which their turns would begin, offered where they stand on the roster: the next sprint's.
    """

    time: Membership | None
    may_join: bool
    day: str
    sprint: Sprint | None


def standing(facts: Facts, code: str, slack_id: str, now: datetime) -> Standing:
    theirs = belonging(facts, code, slack_id, now)
    sprint = next_sprint(facts, now)
    day = sprint.first_day.isoformat() if sprint is not None and takes_turns(facts, code, slack_id) else ""
    is_there = bool(theirs) and theirs[0].since <= now
    may_join = not is_for_good(facts, code, slack_id, now)
    return Standing(theirs[0] if theirs else None, may_join, "" if is_there else day, sprint)


def looked(facts: Facts, does: Does, slack_id: str, codes: Sequence[str], day: str) -> Found:
    """What it would change that they join or leave at a day's hand-over, or now. Raises Invalid."""
    team, now = facts.team, datetime.now(UTC)
    at = hand_over(day_of(day), team.hand_over, team.tz) if day else now
    if does is Does.JOIN:
        members.check_joining(at, now)
        shown = previews.joined_at(facts, slack_id, codes, at, now)
    else:
        members.check_leaving(at, now)
        shown = previews.left_at(facts, slack_id, codes[0], at, now)
    return Found(does, codes, at, shown.changes, facts.version, seen(facts.version, (does, slack_id, codes, day)))


def is_so(facts: Facts, slack_id: str, found: Found) -> bool:
    """Whether it is done already, so that the form was sent before."""
    if found.does is Does.JOIN:
        return all(is_for_good(facts, code, slack_id, found.at) for code in found.disciplines)
    theirs = belonging(facts, found.disciplines[0], slack_id, datetime.now(UTC))
    return not theirs or theirs[-1].until == found.at


async def done(app: App, place: Place, person: Person, found: Found, why: str) -> None:
    """Has it done, by the facts that were looked at or not at all. Raises Conflict and Invalid."""
    team = place.facts.team.id

    async def work(conn: Conn) -> None:
        now = datetime.now(UTC)
        at, version = max(found.at, now), found.version
        if found.does is Does.JOIN:
            asked = (conn, because(place.actor, why), team, found.disciplines, person, now)
            await members.join_all(*asked, at=at, version=version)
        else:
            actor, code = because(place.actor, reasoned(why)), found.disciplines[0]
            await members.leave(conn, actor, team, code, person.slack_id, at, now=now, version=version)

    await app.db.run("change membership", work)
