"""SQL of the import of an older rota: its tables as they are, what is written of them, and how that is taken back.

The caller holds the team. What is written may lie in the past, which the service of people never allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString

import msgspec
from psycopg.types.json import Jsonb

from tallybook.core import arrays, triage_keys
from tallybook.core.db import Conn
from tallybook.triage.types import Membership

# Whatever columns a table has: they differ from one old installation to the next. Each in the order in which the old
# system looked through it.
READ: Mapping[str, LiteralString] = {
    "users": "select to_jsonb(t) from users t "
    "order by t.discipline, coalesce((to_jsonb(t) ->> 'rotation_order')::int, 0), t.name, t.id",
    "sprints": "select to_jsonb(t) from sprints t order by t.sprint_index, t.id",
    "current_state": "select to_jsonb(t) from current_state t order by t.id",
    "overrides": "select to_jsonb(t) from overrides t order by to_jsonb(t) ->> 'created_at' desc, t.id desc",
    "discipline": "select to_jsonb(t) from discipline t order by t.id",
    "audit_logs": "select to_jsonb(t) from audit_logs t order by t.id",
}
SIGN = "business_id"  # a column that none of the old tables has
IS_EMPTY = """
select not exists (select from triage_rosters r where r.business_id = t.business_id and r.team_id = t.id)
    and not exists (select from triage_memberships m where m.business_id = t.business_id and m.team_id = t.id)
    and not exists (select from sprints s where s.business_id = t.business_id and s.team_id = t.id)
    and not exists (select from overrides o where o.business_id = t.business_id and o.team_id = t.id)
from triage_teams t where t.business_id = %(business_id)s::int and t.id = %(team_id)s::bigint
"""
KNOWN = """
select slack_id from triage_people
where business_id = %(business_id)s::int and slack_id = any(%(slack_ids)s::text[])
"""
BELONG = f"""
insert into triage_memberships (business_id, team_id, discipline, slack_id, since, until)
select %(business_id)s::int, %(team_id)s::bigint, u.discipline, u.slack_id, u.since, u.until
from unnest(%(codes)s::text[], %(people)s::text[], %(since)s::timestamptz[], %(until)s::timestamptz[])
    as u (discipline, slack_id, since, until)
order by u.discipline, u.slack_id, u.since
on conflict {triage_keys.MEMBERSHIP.target} do nothing
"""
ASK = f"""
insert into overrides (business_id, team_id, role, sprint_index, original_slack_id, replacement_slack_id,
    replacement_name, requested_by, approved, approved_by, approval_timestamp, created_at, starts_at, ends_at, whole,
    state, decided_by, decided_at, reason, note, key)
select %(business_id)s::int, %(team_id)s::bigint, %(role)s::text, %(sprint_index)s::int, %(instead_of)s::text,
    %(person)s::text, p.name, %(asked_by)s::text, %(state)s::text = 'approved',
    case when %(state)s::text = 'approved' then %(decided_by)s::text end,
    case when %(state)s::text = 'approved' then %(decided_at)s::timestamptz end,
    coalesce(%(made_at)s::timestamptz, now()), %(starts_at)s::timestamptz, %(ends_at)s::timestamptz, true,
    %(state)s::text, %(decided_by)s::text, %(decided_at)s::timestamptz, %(reason)s::text, %(note)s::text, %(key)s::text
from triage_people p where p.business_id = %(business_id)s::int and p.slack_id = %(person)s::text
on conflict {triage_keys.OVERRIDE.target} do nothing
"""
LAST = """
select number, fingerprint, version, outcome, people, disciplines, made_by, made_at, undone_at is not null
from triage_imports where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint
order by number desc limit 1
"""
REMEMBER = f"""
insert into triage_imports (business_id, team_id, number, source, fingerprint, version, outcome, people, disciplines,
    made_by, made_at)
values (%(business_id)s::int, %(team_id)s::bigint, %(number)s::int, %(source)s::text, %(fingerprint)s::bytea,
    %(version)s::bigint, %(outcome)s::jsonb, %(people)s::text[], %(disciplines)s::text[], %(made_by)s::text,
    %(made_at)s::timestamptz)
on conflict {triage_keys.TRIAGE_IMPORT.target} do nothing
"""
KEEP = f"""
insert into triage_import_rows (business_id, team_id, number, source, place, content, becomes, why)
select %(business_id)s::int, %(team_id)s::bigint, %(number)s::int, %(source)s::text, u.place, u.content, u.becomes,
    u.why
from unnest(%(places)s::int[], %(contents)s::jsonb[], %(becomes)s::text[], %(whys)s::text[])
    as u (place, content, becomes, why)
order by u.place
on conflict {triage_keys.TRIAGE_IMPORT_ROW.target} do nothing
"""
UNDONE = """
update triage_imports set undone_by = %(by)s::text, undone_at = %(now)s::timestamptz
where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint and number = %(number)s::int
"""
# Of the team alone, in which nothing else is: whoever came later changed its facts, and then nothing is taken back.
TAKE_OVERRIDES = "delete from overrides where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint"
TAKE_ROSTERS = "delete from triage_rosters where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint"
TAKE_SPRINTS = "delete from sprints where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint"
TAKE_MEMBERSHIPS = """
delete from triage_memberships where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint
"""
# Of what people were told. Without them nobody is told of all their turns as if those were news.
TAKE_STATES = "delete from triage_states where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint"
TAKE_LOOKS = "delete from triage_looks where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint"
TAKE_DISCIPLINES = """
delete from triage_disciplines d
where d.business_id = %(business_id)s::int and d.team_id = %(team_id)s::bigint and d.code = any(%(codes)s::text[])
    and not exists (select from triage_feeds f
        where f.business_id = d.business_id and f.team_id = d.team_id and f.discipline = d.code)
"""
TAKE_PEOPLE = """
delete from triage_people p
where p.business_id = %(business_id)s::int and p.slack_id = any(%(people)s::text[]) and p.account_id is null
    and not exists (select from triage_memberships m
        where m.business_id = p.business_id and m.slack_id = p.slack_id)
    and not exists (select from triage_absences a where a.business_id = p.business_id and a.slack_id = p.slack_id)
    and not exists (select from overrides o
        where o.business_id = p.business_id and o.replacement_slack_id = p.slack_id)
    and not exists (select from triage_feeds f where f.business_id = p.business_id and f.slack_id = p.slack_id)
"""


class Last(msgspec.Struct, frozen=True):
    """A team's last import. ``version`` is of the team's facts behind it."""

    number: int
    fingerprint: bytes
    version: int
    outcome: dict[str, Any]
    people: list[str]
    disciplines: list[str]
    made_by: str
    made_at: datetime
    undone: bool


class Kept(msgspec.Struct, frozen=True):
    """A row as it was, and what became of it."""

    place: int
    content: Any
    becomes: str
    why: str


async def is_empty(conn: Conn, business_id: int, team_id: int) -> bool:
    """Whether nobody was ever on a team's rota."""
    row = await (await conn.execute(IS_EMPTY, {"business_id": business_id, "team_id": team_id})).fetchone()
    return bool(row and row[0])


async def known(conn: Conn, business_id: int, people: Sequence[str]) -> set[str]:
    """Who of these is known already."""
    values = {"business_id": business_id, "slack_ids": arrays.texts(people)}
    return {row[0] for row in await (await conn.execute(KNOWN, values)).fetchall()}


async def belong(conn: Conn, business_id: int, team_id: int, some: Sequence[Membership]) -> None:
    values = {
        "business_id": business_id,
        "team_id": team_id,
        "codes": arrays.texts([one.discipline for one in some]),
        "people": arrays.texts([one.person for one in some]),
        "since": arrays.times([one.since for one in some]),
        "until": arrays.texts([one.until.isoformat() if one.until is not None else None for one in some]),
    }
    await conn.execute(BELONG, values)


async def ask(conn: Conn, business_id: int, team_id: int, values: Mapping[str, Any]) -> bool:
    """Whether the request is written; its fields are those of the statement."""
    given = dict(values) | {"business_id": business_id, "team_id": team_id}
    return (await conn.execute(ASK, given)).rowcount == 1


async def last(conn: Conn, business_id: int, team_id: int) -> Last | None:
    row = await (await conn.execute(LAST, {"business_id": business_id, "team_id": team_id})).fetchone()
    return Last(*row) if row else None


async def remember(
    conn: Conn, business_id: int, team_id: int, import_: Last, source: str, rows: Mapping[str, Sequence[Kept]]
) -> None:
    """Keeps what an import did, and every row as it was."""
    whose = {"business_id": business_id, "team_id": team_id, "number": import_.number}
    values = msgspec.structs.asdict(import_) | whose | {
        "source": source,
        "outcome": Jsonb(import_.outcome),
        "people": arrays.texts(import_.people),
        "disciplines": arrays.texts(import_.disciplines),
    }  # fmt: skip
    await conn.execute(REMEMBER, values)
    for table, some in rows.items():
        for start in range(0, len(some), 1000):
            await _keep(conn, whose | {"source": table}, some[start : start + 1000])


async def _keep(conn: Conn, whose: Mapping[str, Any], some: Sequence[Kept]) -> None:
    values = dict(whose) | {
        "places": arrays.numbers([one.place for one in some]),
        "contents": arrays.texts([msgspec.json.encode(one.content).decode().replace("\\u0000", "") for one in some]),
        "becomes": arrays.texts([one.becomes for one in some]),
        "whys": arrays.texts([one.why[:1000] for one in some]),
    }
    await conn.execute(KEEP, values)


async def undo(conn: Conn, business_id: int, team_id: int, import_: Last, by: str, now: datetime) -> None:
    """Takes back all that an import wrote; its rows stay as they were kept."""
    values = {
        "business_id": business_id,
        "team_id": team_id,
        "number": import_.number,
        "codes": arrays.texts(import_.disciplines),
        "people": arrays.texts(import_.people),
        "by": by[:100],
        "now": now,
    }
    taken = (TAKE_OVERRIDES, TAKE_ROSTERS, TAKE_SPRINTS, TAKE_MEMBERSHIPS, TAKE_DISCIPLINES, TAKE_PEOPLE)
    for statement in (*taken, UNDONE):
        await conn.execute(statement, values)
    await look_anew(conn, business_id, team_id)


async def look_anew(conn: Conn, business_id: int, team_id: int) -> None:
    """Has a team be looked at as if it were new: of what is so by then nobody is told."""
    for statement in (TAKE_STATES, TAKE_LOOKS):
        await conn.execute(statement, {"business_id": business_id, "team_id": team_id})
