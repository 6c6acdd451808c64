"""All facts of a team, in one round trip; and its version, by which what was concluded from them is kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time

import msgspec

from tallybook.core import arrays, triage_keys
from tallybook.core.db import Conn
from tallybook.triage.types import Facts, Team

# One statement, so that all of it is of one moment. Times in UTC whatever the session's zone.
READ = """
select t.version, json_build_object(
    'version', t.version,
    'team', json_build_object('id', t.id, 'name', t.name, 'zone', t.zone, 'hand_over', t.hand_over,
        'weekend', t.weekend, 'country', t.country),
    'disciplines', (select coalesce(json_agg(json_build_object(
            'code', d.code, 'name', d.name, 'place', d.place, 'unused', (
                select coalesce(json_agg(json_build_object('since', (lower(r) at time zone 'UTC')::text || 'Z',
                    'until', (upper(r) at time zone 'UTC')::text || 'Z') order by r), '[]')
                from unnest(d.unused) as u (r))) order by d.place, d.code), '[]')
        from triage_disciplines d where d.business_id = t.business_id and d.team_id = t.id),
    'people', (select coalesce(json_agg(json_build_object('slack_id', p.slack_id, 'name', p.name)
            order by p.name, p.slack_id), '[]')
        from triage_people p where p.business_id = t.business_id and exists (select from triage_memberships m
            where m.business_id = t.business_id and m.team_id = t.id and m.slack_id = p.slack_id)),
    'memberships', (select coalesce(json_agg(json_build_object(
            'discipline', m.discipline, 'person', m.slack_id, 'since', (m.since at time zone 'UTC')::text || 'Z',
            'until', (m.until at time zone 'UTC')::text || 'Z') order by m.id), '[]')
        from triage_memberships m where m.business_id = t.business_id and m.team_id = t.id),
    'rosters', (select coalesce(json_agg(json_build_object(
            'discipline', r.discipline, 'number', r.number, 'since', (r.since at time zone 'UTC')::text || 'Z',
            'people', r.people, 'rotation', json_build_object('kind', r.kind, 'zone', r.zone, 'hand_over', r.hand_over,
                'days', r.days, 'through', r.through, 'weeks', r.weeks, 'counted_from', r.counted_from, 'rest', r.rest,
                'when_absent', r.when_absent)) order by r.discipline, r.number), '[]')
        from triage_rosters r where r.business_id = t.business_id and r.team_id = t.id),
    'sprints', (select coalesce(json_agg(json_build_object(
            'id', s.id, 'number', s.sprint_index, 'name', s.sprint_name, 'first_day', s.start_date,
            'last_day', s.end_date, 'starts_at', (s.starts_at at time zone 'UTC')::text || 'Z',
            'ends_at', (s.ends_at at time zone 'UTC')::text || 'Z') order by s.starts_at), '[]')
        from sprints s where s.business_id = t.business_id and s.team_id = t.id),
    'absences', (select coalesce(json_agg(json_build_object(
            'id', a.id, 'person', a.slack_id, 'kind', a.kind, 'source', a.source,
            'starts_at', (a.starts_at at time zone 'UTC')::text || 'Z',
            'ends_at', (a.ends_at at time zone 'UTC')::text || 'Z') order by a.starts_at, a.id), '[]')
        from triage_absences a where a.business_id = t.business_id and exists (select from triage_memberships m
            where m.business_id = t.business_id and m.team_id = t.id and m.slack_id = a.slack_id)),
    'holidays', (select coalesce(json_agg(json_build_object('day', h.day, 'name', h.name) order by h.day), '[]')
        from triage_holidays h where h.business_id = t.business_id and h.team_id = t.id),
    'overrides', (select coalesce(json_agg(json_build_object(
            'id', o.id, 'discipline', o.role, 'person', case when not o.nobody then o.replacement_slack_id end,
            'reason', case when o.nobody then o.reason else '' end, 'instead_of', o.original_slack_id,
            'swap', o.swap_id, 'starts_at', (o.starts_at at time zone 'UTC')::text || 'Z',
            'ends_at', (o.ends_at at time zone 'UTC')::text || 'Z') order by o.starts_at, o.id), '[]')
        from overrides o where o.business_id = t.business_id and o.team_id = t.id and o.state::text = 'approved')
    )::text
from triage_teams t
where t.business_id = %(business_id)s::int and t.id = %(team_id)s::bigint
    and t.version is distinct from %(known)s::bigint
"""
_decoder = msgspec.json.Decoder(Facts)


async def read(conn: Conn, business_id: int, team_id: int, known: int | None = None) -> Facts | None:
    """The team's facts; None where there is no such team, or where its version is still the ``known`` one."""
    values = {"business_id": business_id, "team_id": team_id, "known": known}
    row = await (await conn.execute(READ, values)).fetchone()
    return None if row is None else _decoder.decode(row[1])


# Whoever changes a fact of a team changes its version first, and so waits for whoever is changing another.
TURN = """
update triage_teams set version = version + 1
where business_id = %(business_id)s::int and id = %(team_id)s::bigint
"""
# For who may find that there is nothing to change.
HOLD = """
select version from triage_teams
where business_id = %(business_id)s::int and id = %(team_id)s::bigint for no key update
"""
# In one order, so that two who need several teams do not wait for each other.
TURN_ALL = """
with held as (
    select t.business_id, t.id from triage_teams t
    where t.business_id = %(business_id)s::int and exists (
        select from triage_memberships m
        where m.business_id = t.business_id and m.team_id = t.id and m.slack_id = any(%(slack_ids)s::text[]))
    order by t.id for no key update)
update triage_teams t set version = t.version + 1 from held h where t.business_id = h.business_id and t.id = h.id
"""
SHARING = """
select distinct o.team_id from triage_memberships m
join triage_memberships o on o.business_id = m.business_id and o.slack_id = m.slack_id and o.team_id <> m.team_id
where m.business_id = %(business_id)s::int and m.team_id = %(team_id)s::bigint
    and coalesce(m.until > %(since)s::timestamptz, true) and coalesce(o.until > %(since)s::timestamptz, true)
order by o.team_id
"""
TEAMS = """
select id, name, zone, hand_over, weekend, country from triage_teams
where business_id = %(business_id)s::int order by folded
"""
ADD_TEAM = f"""
insert into triage_teams (business_id, name, folded, zone, hand_over, weekend, country)
values (%(business_id)s::int, %(name)s::text, %(folded)s::text, %(zone)s::text, %(hand_over)s::time,
    %(weekend)s::smallint[], %(country)s::text)
on conflict {triage_keys.TRIAGE_TEAM.target} do nothing returning id
"""


async def turn(conn: Conn, business_id: int, team_id: int) -> bool:
    """Holds a team until the transaction ends, with a new version of its facts; False where there is none."""
    values = {"business_id": business_id, "team_id": team_id}
    return (await conn.execute(TURN, values)).rowcount == 1


async def sharing(conn: Conn, business_id: int, team_id: int, since: datetime) -> list[int]:
    """The other teams, in order, to which somebody of this one belongs at a moment or later."""
    values = {"business_id": business_id, "team_id": team_id, "since": since}
    return [row[0] for row in await (await conn.execute(SHARING, values)).fetchall()]


async def hold(conn: Conn, business_id: int, team_id: int) -> bool:
    """Holds a team until the transaction ends, its version as it is; False where there is none."""
    values = {"business_id": business_id, "team_id": team_id}
    return await (await conn.execute(HOLD, values)).fetchone() is not None


async def turn_all(conn: Conn, business_id: int, slack_ids: Sequence[str]) -> int:
    """The same for every team of these people; how many those are."""
    values = {"business_id": business_id, "slack_ids": arrays.texts(slack_ids)}
    return (await conn.execute(TURN_ALL, values)).rowcount


CHANGE_TEAM = """
update triage_teams set zone = %(zone)s::text, hand_over = %(hand_over)s::time, weekend = %(weekend)s::smallint[],
    country = %(country)s::text
where business_id = %(business_id)s::int and id = %(team_id)s::bigint
"""


async def change_team(conn: Conn, business_id: int, team: Team) -> None:
    """Gives a team, which the caller holds, another clock and other free days. Its name stays."""
    values = {
        "business_id": business_id,
        "team_id": team.id,
        "zone": team.zone,
        "hand_over": team.hand_over,
        "weekend": sorted(team.weekend),
        "country": team.country,
    }
    await conn.execute(CHANGE_TEAM, values)


async def teams(conn: Conn, business_id: int) -> list[Team]:
    """All teams of a business, by name."""
    rows = await (await conn.execute(TEAMS, {"business_id": business_id})).fetchall()
    return [Team(row[0], row[1], row[2], row[3], frozenset(row[4]), row[5]) for row in rows]


async def add_team(  # noqa: PLR0917 - a team's own columns
    conn: Conn, business_id: int, name: str, zone: str, hand_over: time, weekend: frozenset[int], country: str = ""
) -> int | None:
    """The number of a new team; None where one of the business has this name."""
    values = {
        "business_id": business_id,
        "name": name,
        "folded": name.casefold(),
        "zone": zone,
        "hand_over": hand_over,
        "weekend": sorted(weekend),
        "country": country,
    }
    row = await (await conn.execute(ADD_TEAM, values)).fetchone()
    return row[0] if row else None
