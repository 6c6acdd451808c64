"""SQL of teams and who is in them."""

from __future__ import annotations

from collections.abc import Sequence

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox.desk_types import Member, Team

from .taken import unless_taken

# Who has a role by which threads may be answered; the table of rights says which those are.
MEMBERS = """
select a.id, a.login, a.display_name from account_roles r join accounts a on a.id = r.account_id and a.active
where r.business_id = %(business_id)s::int and r.role = any(%(roles)s::text[])
order by a.display_name, a.id
"""


async def members(conn: Conn, business_id: int, roles: Sequence[str]) -> list[Member]:
    """Everybody active in the business with one of these roles, by name."""
    values = {"business_id": business_id, "roles": arrays.texts(roles)}
    return [Member(*row) for row in await (await conn.execute(MEMBERS, values)).fetchall()]


LISTED = """
select t.id, t.name, coalesce(m.ids, '{}'),
    (select count(*)::int from whatsapp_conversation c where c.business_id = t.business_id and c.team_id = t.id)
from inbox_teams t
left join lateral (
    select array_agg(m.account_id order by m.account_id) as ids from inbox_team_members m
    where m.business_id = t.business_id and m.team_id = t.id) m on true
where t.business_id = %(business_id)s::int
order by t.folded
"""


async def listed(conn: Conn, business_id: int, people: Sequence[Member]) -> list[Team]:
    """All teams, by name, with those of ``people`` who are in them."""
    rows = await (await conn.execute(LISTED, {"business_id": business_id})).fetchall()
    return [Team(row[0], row[1], [one for one in people if one.account_id in row[2]], row[3]) for row in rows]


NAMES = "select id, name from inbox_teams where business_id = %(business_id)s::int order by folded"
# Whoever gives threads to a team shares it; whoever takes the team away waits for them, and they for him.
SHARE = """
select name from inbox_teams where business_id = %(business_id)s::int and id = %(id)s::bigint for key share
"""
LOCK = "select name from inbox_teams where business_id = %(business_id)s::int and id = %(id)s::bigint for update"
STANDING = """
select id from inbox_teams where business_id = %(business_id)s::int and id = any(%(ids)s::bigint[])
order by id for key share
"""
HAS = """
select exists (select from inbox_team_members
where business_id = %(business_id)s::int and team_id = %(id)s::bigint and account_id = %(account_id)s::int)
"""


async def names(conn: Conn, business_id: int) -> list[tuple[int, str]]:
    """The number and name of every team, by name."""
    return [(row[0], row[1]) for row in await (await conn.execute(NAMES, {"business_id": business_id})).fetchall()]


async def share(conn: Conn, business_id: int, team_id: int) -> str | None:
    """The team's name, and that it stays until the transaction ends; None where there is no such team."""
    row = await (await conn.execute(SHARE, {"business_id": business_id, "id": team_id})).fetchone()
    return row[0] if row else None


async def lock(conn: Conn, business_id: int, team_id: int) -> str | None:
    """As ``share``, against everybody else."""
    row = await (await conn.execute(LOCK, {"business_id": business_id, "id": team_id})).fetchone()
    return row[0] if row else None


async def standing(conn: Conn, business_id: int, ids: Sequence[int]) -> set[int]:
    """Which of these teams there are, and stay until the transaction ends."""
    values = {"business_id": business_id, "ids": arrays.numbers(ids)}
    return {row[0] for row in await (await conn.execute(STANDING, values)).fetchall()}


async def has(conn: Conn, business_id: int, team_id: int, account_id: int) -> bool:
    """Whether somebody is in a team."""
    values = {"business_id": business_id, "id": team_id, "account_id": account_id}
    row = await (await conn.execute(HAS, values)).fetchone()
    return row is not None and row[0]


ADD = f"""
insert into inbox_teams (business_id, name, folded) values (%(business_id)s::int, %(name)s, %(folded)s)
on conflict {inbox_keys.INBOX_TEAM.target} do nothing returning id
"""
RENAME = """
update inbox_teams set name = %(name)s, folded = %(folded)s
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
FREE = """
with freed as (
    select id from whatsapp_conversation
    where business_id = %(business_id)s::int and team_id = %(id)s::bigint order by canonical_key for update)
update whatsapp_conversation c set team_id = null, updated_at = now()
from freed where c.business_id = %(business_id)s::int and c.id = freed.id
"""
REMOVE = "delete from inbox_teams where business_id = %(business_id)s::int and id = %(id)s::bigint"
LEAVE = """
delete from inbox_team_members
where business_id = %(business_id)s::int and team_id = %(id)s::bigint and account_id <> all(%(accounts)s::int[])
"""
ENTER = f"""
insert into inbox_team_members (business_id, team_id, account_id)
select %(business_id)s::int, %(id)s::bigint, u.account_id from unnest(%(accounts)s::int[]) as u (account_id)
order by 3
on conflict {inbox_keys.INBOX_TEAM_MEMBER.target} do nothing
"""


async def add(conn: Conn, business_id: int, name: str, folded: str) -> int | None:
    """The number of a new team; None where one has this name."""
    values = {"business_id": business_id, "name": name, "folded": folded}
    row = await (await conn.execute(ADD, values)).fetchone()
    return row[0] if row else None


async def rename(conn: Conn, business_id: int, team_id: int, name: str, folded: str) -> bool:
    """Whether it has the name now; another one may have it already. The caller holds the team."""
    values = {"business_id": business_id, "id": team_id, "name": name, "folded": folded}
    return await unless_taken(conn, RENAME, values, inbox_keys.INBOX_TEAM)


async def remove(conn: Conn, business_id: int, team_id: int) -> int:
    """Takes a team away, which the caller holds; how many threads are nobody's team's by that."""
    values = {"business_id": business_id, "id": team_id}
    freed = (await conn.execute(FREE, values)).rowcount
    await conn.execute(REMOVE, values)
    return freed


async def set_members(conn: Conn, business_id: int, team_id: int, accounts: Sequence[int]) -> None:
    """Has just these people be in a team, which the caller holds."""
    values = {"business_id": business_id, "id": team_id, "accounts": arrays.numbers(accounts)}
    await conn.execute(LEAVE, values)
    await conn.execute(ENTER, values)
