"""Teams, disciplines, people, and who belongs to what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from zoneinfo import available_timezones

import msgspec

from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid
from tallybook.triage.store import facts as facts_store
from tallybook.triage.store import people as store
from tallybook.triage.store.people import Listed
from tallybook.triage.types import EVERY_DAY, Discipline, Person, Team

from .doing import Actor, held_as_is, plain, require_lead, tell, turned

SLACK_ID = re.compile(r"[A-Z0-9]{2,50}")
COUNTRY = re.compile(r"([A-Z]{2})?")
LONGEST_CODE, LONGEST_NAME, LAST_PLACE = 20, 60, 1000


async def add_team(conn: Conn, actor: Actor, team: Team) -> int:
    """Makes a team; its number. The id of ``team`` is not looked at. Raises NotAllowed, Invalid and Conflict."""
    require_lead(actor)
    check_team(team)
    name = team.name.strip()
    number = await facts_store.add_team(
        conn, actor.business_id, name, team.zone, team.hand_over, weekend=team.weekend, country=team.country
    )
    if number is None:
        raise Conflict("There is a team of this name already.")
    await tell(conn, actor, "team.made", "triage team", number, None, plain(team))
    return number


def check_team(team: Team) -> None:
    """Whether a team may be called this and have this clock. Raises Invalid."""
    if not 0 < len(team.name.strip()) <= LONGEST_NAME:
        raise Invalid(f"A team needs a name of at most {LONGEST_NAME} characters.")
    _check_clock(team)


async def change_team(conn: Conn, actor: Actor, team: Team) -> None:
    """Gives a team another clock and other free days, for the rosters and sprints that are made from now on.

    Those that stand keep theirs: nothing that is planned moves by it. Raises NotAllowed, Invalid and NotFound.
    """
    require_lead(actor)
    _check_clock(team)
    facts = await held_as_is(conn, actor, team.id)
    team = msgspec.structs.replace(team, name=facts.team.name)
    if team != facts.team:
        await turned(conn, actor, team.id)
        await facts_store.change_team(conn, actor.business_id, team)
        await tell(conn, actor, "team.changed", "triage team", team.id, plain(facts.team), plain(team))


async def teams(conn: Conn, actor: Actor) -> list[Team]:
    """All teams of the business, by name."""
    return await facts_store.teams(conn, actor.business_id)


def _check_clock(team: Team) -> None:
    if team.zone not in available_timezones():
        raise Invalid(f"“{team.zone}” is not a time zone. Give a name such as America/Los_Angeles.")
    if not COUNTRY.fullmatch(team.country) or not team.weekend <= EVERY_DAY:
        raise Invalid("A country is given by its two letters, and free days are days of the week.")


async def put_discipline(conn: Conn, actor: Actor, team_id: int, discipline: Discipline) -> bool:
    """Has a discipline have this name and place; whether that changed anything. When it is in use is not looked at.

    Raises NotAllowed, Invalid and NotFound.
    """
    require_lead(actor)
    if not discipline.code.strip() or len(discipline.code) > LONGEST_CODE or not discipline.name.strip():
        raise Invalid(f"A discipline needs a name, and a code of at most {LONGEST_CODE} characters.")
    if len(discipline.name) > LONGEST_NAME or not 0 <= discipline.place <= LAST_PLACE:
        raise Invalid("A discipline has a name of at most 60 characters, and a place in lists from 0 to 1000.")
    facts = await held_as_is(conn, actor, team_id)
    before = next((one for one in facts.disciplines if one.code == discipline.code), None)
    changed = await store.put_discipline(conn, actor.business_id, team_id, discipline)
    if changed:
        await turned(conn, actor, team_id)
        was = plain(before) if before is not None else None
        kept = msgspec.structs.replace(discipline, unused=before.unused if before is not None else ())
        await tell(conn, actor, "discipline.changed", "discipline", discipline.code, was, plain(kept))
    return changed


async def put_people(conn: Conn, actor: Actor, people: Sequence[Person]) -> int:
    """Has these people be known by these names, as Slack has them; how many were not. Raises Invalid."""
    if wrong := next((one for one in people if not SLACK_ID.fullmatch(one.slack_id)), None):
        raise Invalid(f"“{wrong.slack_id[:50]}” is not the id of somebody in Slack, such as U012AB3CD.")
    once = {one.slack_id: Person(one.slack_id, one.name.strip()[:100]) for one in people if one.name.strip()}
    before = await store.held(conn, actor.business_id, list(once))
    changed = await store.put_people(conn, actor.business_id, list(once.values()))
    if changed:
        await facts_store.turn_all(conn, actor.business_id, changed)
    for one in changed:
        was = {"name": before[one].name} if one in before else None
        await tell(conn, actor, "person.named", "triage person", one, was, {"name": once[one].name})
    return len(changed)


async def known(conn: Conn, actor: Actor) -> list[Listed]:
    """Everybody of Slack who is known in the business, by name, also who belongs to nothing."""
    return await store.listed(conn, actor.business_id)
