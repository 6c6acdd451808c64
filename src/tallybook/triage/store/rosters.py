"""SQL of the versions of rosters. The caller holds the team (``facts.turn``)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tallybook.core import arrays, triage_keys
from tallybook.core.db import Conn
from tallybook.triage.types import Roster

ADD = f"""
insert into triage_rosters (business_id, team_id, discipline, number, since, people, kind, zone, hand_over, days,
    through, weeks, counted_from, rest, when_absent, restores, made_by, made_at, reason)
values (%(business_id)s::int, %(team_id)s::bigint, %(discipline)s::text, %(number)s::int, %(since)s::timestamptz,
    %(people)s::text[], %(kind)s::text, %(zone)s::text, %(hand_over)s::time, %(days)s::smallint[], %(through)s::bool,
    %(weeks)s::int, %(counted_from)s::date, %(rest)s::bool, %(when_absent)s::text, %(restores)s::int, %(made_by)s::text,
    %(made_at)s::timestamptz, %(reason)s::text)
on conflict {triage_keys.ROSTER.target} do nothing
"""
HISTORY = """
select number, since, people, made_by, made_at, reason, restores from triage_rosters
where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint and discipline = %(discipline)s::text
order by number desc
"""


class Made(msgspec.Struct, frozen=True):
    """By whom, when and why a version was made; ``restores`` is the number of the one that it brings back."""

    by: str
    at: datetime
    reason: str
    restores: int | None = None


class Version(msgspec.Struct, frozen=True):
    """One version of a roster, as its history tells it."""

    number: int
    since: datetime
    people: tuple[str, ...]
    made: Made


async def add(conn: Conn, business_id: int, team_id: int, roster: Roster, made: Made) -> bool:
    """Whether the version is there now by this; False where its number is taken."""
    rule = roster.rotation
    values = {
        "business_id": business_id,
        "team_id": team_id,
        "discipline": roster.discipline,
        "number": roster.number,
        "since": roster.since,
        "people": arrays.texts(roster.people),
        "kind": rule.kind.value,
        "zone": rule.zone,
        "hand_over": rule.hand_over,
        "days": arrays.numbers(sorted(rule.days)),
        "through": rule.through,
        "weeks": rule.weeks,
        "counted_from": rule.counted_from,
        "rest": rule.rest,
        "when_absent": rule.when_absent.value,
        "restores": made.restores,
        "made_by": made.by[:100],
        "made_at": made.at,
        "reason": made.reason,
    }
    return (await conn.execute(ADD, values)).rowcount == 1


async def history(conn: Conn, business_id: int, team_id: int, discipline: str) -> list[Version]:
    """All versions of a discipline's roster, newest first."""
    values = {"business_id": business_id, "team_id": team_id, "discipline": discipline}
    rows = await (await conn.execute(HISTORY, values)).fetchall()
    return [Version(row[0], row[1], tuple(row[2]), Made(*row[3:])) for row in rows]
