"""Absences and holidays. An absence counts from now on at the earliest: nobody was away afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache

import holidays as known_holidays
import msgspec

from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotAllowed, NotFound
from tallybook.triage.rules_overrides import OTHERWISE
from tallybook.triage.store import absences as store
from tallybook.triage.store import facts as facts_store
from tallybook.triage.store import people as people_store
from tallybook.triage.types import Absence, Holiday

from .doing import Actor, held_as_is, plain, require_lead, tell, turned

KINDS = ("leave", "sick", "training", "other")
LONGEST = timedelta(days=731)
FOLLOWS = "This absence follows a calendar or a status in Slack. Change it there."


async def record(conn: Conn, actor: Actor, absence: Absence, now: datetime, *, key: str) -> Absence:
    """Records that somebody cannot be on duty; by a ``key`` that was used it is the absence that was made by it.

    Everybody may for themselves, who leads for anybody. Raises NotAllowed, Invalid and NotFound, and Conflict where
    something else, or somebody else, was behind the key.
    """
    if actor.slack_id != absence.person:
        require_lead(actor)
    if await people_store.named(conn, actor.business_id, absence.person) is None:
        raise NotFound("This person is not known here.")
    since = max(absence.starts_at, now)
    if absence.ends_at <= since or absence.ends_at - since > LONGEST or absence.kind not in KINDS:
        raise Invalid("An absence ends after now, and lasts at most two years.")
    await facts_store.turn_all(conn, actor.business_id, [absence.person])
    kept = msgspec.structs.replace(absence, starts_at=since)
    number = await store.add(conn, actor.business_id, kept, key, actor.name, now)
    if number is None:
        return await _again(conn, actor, absence, key)
    kept = msgspec.structs.replace(kept, id=number)
    await tell(conn, actor, "absence.recorded", "absence", number, None, plain(kept))
    return kept


async def _again(conn: Conn, actor: Actor, absence: Absence, key: str) -> Absence:
    found = await store.of_key(conn, actor.business_id, key)
    if found is None:
        raise Conflict(OTHERWISE)
    made, made_by, made_at = found
    same = msgspec.structs.replace(absence, id=made.id, starts_at=max(absence.starts_at, made_at))
    if made != same or made_by != actor.name[: store.LONGEST_NAME]:
        raise Conflict(OTHERWISE)
    return made


async def end(conn: Conn, actor: Actor, number: int, now: datetime) -> Absence:
    """Takes back an absence that is ahead, or ends one that runs; as it was. Raises NotAllowed, NotFound, Conflict."""
    was = await store.find(conn, actor.business_id, number)
    if was is None:
        raise NotFound("There is no such absence.")
    if actor.slack_id != was.person and not actor.leads:
        raise NotAllowed("Only the absent person, or who leads the team, may do this.")
    if was.source != "hand":
        raise Conflict(FOLLOWS)
    await facts_store.turn_all(conn, actor.business_id, [was.person])
    if not await store.end(conn, actor.business_id, number, now):
        raise Conflict("This absence is over already.")
    await tell(conn, actor, "absence.ended", "absence", number, plain(was), {"ended_at": now.isoformat()})
    return was


async def put_holidays(conn: Conn, actor: Actor, team_id: int, holidays: Sequence[Holiday], today: date) -> int:
    """Has these days be the team's holidays; how many were not. Raises NotAllowed, Invalid and NotFound."""
    require_lead(actor)
    if any(one.day <= today for one in holidays):
        raise Invalid("A holiday is planned for a day ahead: who was on duty is not changed any more.")
    facts = await held_as_is(conn, actor, team_id)
    once = {one.day: one for one in holidays}
    count = await store.put_holidays(conn, actor.business_id, team_id, list(once.values()))
    if count:
        await turned(conn, actor, team_id)
        named = {one.day: one.name for one in facts.holidays}
        new = [one for one in once.values() if named.get(one.day) != one.name]
        before = {one.day.isoformat(): named[one.day] for one in new if one.day in named}
        after = {one.day.isoformat(): one.name for one in new}
        await tell(conn, actor, "holidays.changed", "triage team", team_id, before or None, after)
    return count


async def drop_holidays(conn: Conn, actor: Actor, team_id: int, days: Sequence[date], today: date) -> int:
    """Has these days ahead be ordinary ones; how many were not. Raises as ``put_holidays``."""
    require_lead(actor)
    facts = await held_as_is(conn, actor, team_id)
    going = {day for day in days if day > today}
    ahead = [one for one in facts.holidays if one.day in going]
    count = await store.drop_holidays(conn, actor.business_id, team_id, ahead)
    if count:
        await turned(conn, actor, team_id)
        before = {one.day.isoformat(): one.name for one in ahead}
        await tell(conn, actor, "holidays.changed", "triage team", team_id, before, {})
    return count


@lru_cache(maxsize=1)
def countries() -> frozenset[str]:
    """The countries whose public holidays are known, by their two letters."""
    return frozenset(known_holidays.list_supported_countries(include_aliases=False))


def public(country: str, years: Sequence[int]) -> list[Holiday]:
    """The public holidays of a country, by its two letters; none for no country. Raises Invalid."""
    if not country:
        return []
    try:
        found = known_holidays.country_holidays(country, years=list(years))
    except NotImplementedError:
        raise Invalid("The public holidays of this country are not known.") from None
    return [Holiday(day, name) for day, name in sorted(found.items())]
