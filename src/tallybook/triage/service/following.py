"""Absences become what somebody else says of them by now: a calendar, or a status in Slack."""

from __future__ import annotations

import secrets
from datetime import datetime

import msgspec

from tallybook.core.db import Conn
from tallybook.triage.rules import Schedule, prepare
from tallybook.triage.rules_away import Steps
from tallybook.triage.store import absences as absence_store
from tallybook.triage.store import calendars as store
from tallybook.triage.store import facts as facts_store
from tallybook.triage.types import Absence

from .doing import Actor, plain, tell


class Source(msgspec.Struct, frozen=True):
    """Whose absences say what: by a ``calendar``, with its number, or by the status in ``slack``."""

    person: str
    name: str
    kind: str = "leave"
    calendar: int | None = None


async def step(conn: Conn, actor: Actor, of: Source, steps: Steps, now: datetime) -> None:
    """Does and records each step; nothing turns where there is none. The caller holds what says so."""
    if not steps.any:
        return
    business_id = actor.business_id
    await facts_store.turn_all(conn, business_id, [of.person])
    for since, until in steps.new:
        one = Absence(0, of.person, since, until, of.kind, of.name)
        key = f"{of.name} {secrets.token_urlsafe(16)}"
        made = await absence_store.add(conn, business_id, one, key, actor.name, now, calendar=of.calendar)
        await tell(conn, actor, "absence.recorded", "absence", made, None, plain(one) | {"id": made})
    for was, until in steps.moved:
        await absence_store.move(conn, business_id, was.id, until)
        await tell(conn, actor, "absence.moved", "absence", was.id, plain(was), {"ends_at": until.isoformat()})
    for was in steps.gone:
        await absence_store.end(conn, business_id, was.id, now)
        await tell(conn, actor, "absence.ended", "absence", was.id, plain(was), {"ended_at": now.isoformat()})


async def schedules_of(conn: Conn, business_id: int, person: str, now: datetime) -> list[Schedule]:
    """Those of the teams to which somebody belongs, or will."""
    teams = await store.teams(conn, business_id, person, now)
    found = [await facts_store.read(conn, business_id, team) for team in teams]
    return [prepare(one) for one in found if one is not None]
