"""SQL of disciplines, people, and who belongs to what. The caller holds the team (``facts.turn``)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from psycopg.errors import UniqueViolation

from tallybook.core import arrays, triage_keys, violations
from tallybook.core.db import Conn
from tallybook.triage.types import Discipline, Person

PUT_DISCIPLINE = f"""
insert into triage_disciplines as d (business_id, team_id, code, name, place)
values (%(business_id)s::int, %(team_id)s::bigint, %(code)s::text, %(name)s::text, %(place)s::int)
on conflict {triage_keys.DISCIPLINE.target} do update set name = excluded.name, place = excluded.place
where (d.name, d.place) is distinct from (excluded.name, excluded.place)
"""
# ``active`` is for a release that does not know since when.
PUT_USE = """
update triage_disciplines set unused = coalesce((select range_agg(tstzrange(u.since, u.until))
        from unnest(%(since)s::timestamptz[], %(until)s::timestamptz[]) as u (since, until)), '{}'),
    active = array_position(%(until)s::timestamptz[], null) is null
where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint and code = %(code)s::text
"""
# As they are until this transaction ends.
HELD = """
select slack_id, name, account_id from triage_people
where business_id = %(business_id)s::int and slack_id = any(%(slack_ids)s::text[]) order by slack_id for no key update
"""
# In key order, so that two who bring the same people do not wait for each other.
PUT_PEOPLE = f"""
insert into triage_people as p (business_id, slack_id, name)
select %(business_id)s::int, u.slack_id, u.name
from unnest(%(slack_ids)s::text[], %(names)s::text[]) as u (slack_id, name) order by u.slack_id
on conflict {triage_keys.TRIAGE_PERSON.target} do update set name = excluded.name, updated_at = now()
where p.name is distinct from excluded.name
returning slack_id
"""
NAMED = "select name from triage_people where business_id = %(business_id)s::int and slack_id = %(slack_id)s::text"
# Who joins at a moment belongs for good from then on: what was planned for later goes, and an end with it.
NOT_LATER = """
delete from triage_memberships
where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint
    and discipline = %(discipline)s::text and slack_id = %(slack_id)s::text and since > %(since)s::timestamptz
"""
STAY = """
update triage_memberships set until = null, updated_at = now()
where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint
    and discipline = %(discipline)s::text and slack_id = %(slack_id)s::text
    and since <= %(since)s::timestamptz and until > %(since)s::timestamptz
"""
# Who belongs to it already at that moment is left as they are; one who comes back gets a row of their own.
JOIN = f"""
insert into triage_memberships (business_id, team_id, discipline, slack_id, since)
select %(business_id)s::int, %(team_id)s::bigint, %(discipline)s::text, %(slack_id)s::text, %(since)s::timestamptz
where not exists (
    select from triage_memberships m
    where m.business_id = %(business_id)s::int and m.team_id = %(team_id)s::bigint
        and m.discipline = %(discipline)s::text and m.slack_id = %(slack_id)s::text
        and coalesce(m.until > %(since)s::timestamptz, true))
on conflict {triage_keys.MEMBERSHIP.target} do nothing
"""
# An end that is planned is put off only where the discipline is named; what is over stays so.
LEAVE = """
update triage_memberships m set until = %(until)s::timestamptz, updated_at = now()
where m.business_id = %(business_id)s::int and m.team_id = %(team_id)s::bigint and m.slack_id = %(slack_id)s::text
    and (%(discipline)s::text is null or m.discipline = %(discipline)s::text) and m.since < %(until)s::timestamptz
    and (coalesce(m.until > %(until)s::timestamptz, true)
        or (m.discipline = %(discipline)s::text and m.until > %(now)s::timestamptz
            and m.until < %(until)s::timestamptz and not exists (
                select from triage_memberships o
                where o.business_id = m.business_id and o.team_id = m.team_id and o.discipline = m.discipline
                    and o.slack_id = m.slack_id and o.since > m.since and o.since < %(until)s::timestamptz)))
returning m.discipline
"""
# One that has not begun by then never does.
FORGET = """
delete from triage_memberships
where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint and slack_id = %(slack_id)s::text
    and (%(discipline)s::text is null or discipline = %(discipline)s::text) and since >= %(until)s::timestamptz
returning discipline
"""


async def put_discipline(conn: Conn, business_id: int, team_id: int, one: Discipline) -> bool:
    """Whether its name or place is new or otherwise than it was."""
    values = {
        "business_id": business_id,
        "team_id": team_id,
        "code": one.code,
        "name": one.name,
        "place": one.place,
    }
    return (await conn.execute(PUT_DISCIPLINE, values)).rowcount == 1


async def put_use(conn: Conn, business_id: int, team_id: int, one: Discipline) -> None:
    """Has a discipline be out of use at the times that it says."""
    values = {
        "business_id": business_id,
        "team_id": team_id,
        "code": one.code,
        "since": [each.since for each in one.unused],
        "until": [each.until for each in one.unused],
    }
    await conn.execute(PUT_USE, values)


async def put_people(conn: Conn, business_id: int, people: Sequence[Person]) -> list[str]:
    """Who is new or has another name now. Nobody twice among them."""
    values = {
        "business_id": business_id,
        "slack_ids": arrays.texts([one.slack_id for one in people]),
        "names": arrays.texts([one.name for one in people]),
    }
    return [row[0] for row in await (await conn.execute(PUT_PEOPLE, values)).fetchall()]


# By what role somebody of Slack, or of an account, may do what they do now.
BY_SLACK = """
select p.name, a.id, r.role
from triage_people p
left join accounts a on a.id = p.account_id and a.active
left join account_roles r on r.business_id = p.business_id and r.account_id = a.id
where p.business_id = %(business_id)s::int and p.slack_id = %(slack_id)s::text
"""
BY_ACCOUNT = """
select slack_id from triage_people
where business_id = %(business_id)s::int and account_id = %(account_id)s::int
"""
LINK = """
update triage_people set account_id = %(account_id)s::int, updated_at = now()
where business_id = %(business_id)s::int and slack_id = %(slack_id)s::text
"""

# The first by name of the teams to which somebody belongs.
OWN_TEAM = """
select m.team_id from triage_memberships m
join triage_teams t on t.business_id = m.business_id and t.id = m.team_id
where m.business_id = (select %(business_id)s::int) and m.slack_id = %(slack_id)s::text and m.until is null
order by t.folded limit 1
"""
LISTED = """
select slack_id, name, account_id from triage_people
where business_id = %(business_id)s::int order by name, slack_id
"""


class Known(msgspec.Struct, frozen=True):
    """Somebody of Slack; their account, if they have one that is in use, and its role in this business."""

    name: str
    account_id: int | None
    role: str | None


class Listed(msgspec.Struct, frozen=True):
    """Somebody of Slack, and their account if they have one."""

    slack_id: str
    name: str
    account_id: int | None


async def listed(conn: Conn, business_id: int) -> list[Listed]:
    """Everybody, by name."""
    rows = await (await conn.execute(LISTED, {"business_id": business_id})).fetchall()
    return [Listed(*row) for row in rows]


async def held(conn: Conn, business_id: int, slack_ids: Sequence[str]) -> dict[str, Listed]:
    """Those of them who are known, by their ids, held until the transaction ends."""
    values = {"business_id": business_id, "slack_ids": arrays.texts(slack_ids)}
    return {row[0]: Listed(*row) for row in await (await conn.execute(HELD, values)).fetchall()}


async def by_slack(conn: Conn, business_id: int, slack_id: str) -> Known | None:
    """Who somebody of Slack is; None where they are not known."""
    row = await (await conn.execute(BY_SLACK, {"business_id": business_id, "slack_id": slack_id})).fetchone()
    return Known(*row) if row else None


async def own_team(conn: Conn, business_id: int, slack_id: str) -> int | None:
    """The first by name of the teams to which somebody of Slack belongs; None where there is none."""
    row = await (await conn.execute(OWN_TEAM, {"business_id": business_id, "slack_id": slack_id})).fetchone()
    return row[0] if row else None


async def by_account(conn: Conn, business_id: int, account_id: int) -> str | None:
    """The Slack id of an account; None where it has none."""
    row = await (await conn.execute(BY_ACCOUNT, {"business_id": business_id, "account_id": account_id})).fetchone()
    return row[0] if row else None


async def link(conn: Conn, business_id: int, slack_id: str, account_id: int | None) -> bool:
    """Whether the account is this person's now, or with None nobody's; another's already, or no such person: False."""
    values = {"business_id": business_id, "slack_id": slack_id, "account_id": account_id}
    try:
        async with conn.transaction():
            return (await conn.execute(LINK, values)).rowcount == 1
    except UniqueViolation as error:
        if not violations.answers(error, triage_keys.TRIAGE_ACCOUNT):
            raise
        return False


async def named(conn: Conn, business_id: int, slack_id: str) -> str | None:
    """How somebody is called; None where they are not known."""
    row = await (await conn.execute(NAMED, {"business_id": business_id, "slack_id": slack_id})).fetchone()
    return row[0] if row else None


async def join(conn: Conn, business_id: int, team_id: int, discipline: str, slack_id: str, since: datetime) -> bool:
    """Has somebody belong to a discipline from a moment on for good; whether they did not."""
    values = {
        "business_id": business_id,
        "team_id": team_id,
        "discipline": discipline,
        "slack_id": slack_id,
        "since": since,
    }
    counts = [(await conn.execute(statement, values)).rowcount for statement in (NOT_LATER, STAY, JOIN)]
    return any(counts)


async def leave(  # noqa: PLR0917 - whose, of what, and when
    conn: Conn, business_id: int, team_id: int, discipline: str | None, slack_id: str, until: datetime, now: datetime
) -> list[str]:
    """Ends a membership at a moment, or all of them in the team (None); the disciplines that it was."""
    values = {
        "business_id": business_id,
        "team_id": team_id,
        "discipline": discipline,
        "slack_id": slack_id,
        "until": until,
        "now": now,
    }
    left = await (await conn.execute(LEAVE, values)).fetchall()
    forgotten = await (await conn.execute(FORGET, values)).fetchall()
    return sorted({row[0] for row in (*left, *forgotten)})
