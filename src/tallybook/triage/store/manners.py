"""SQL of how a team is told of its rota."""

from __future__ import annotations

import msgspec

from tallybook.core.db import Conn
from tallybook.triage.types import Manner

READ = """
select channel, admin_channel, user_group, topic, language, heads_up, late_after from triage_teams
where business_id = %(business_id)s::int and id = %(team_id)s::bigint
"""
CHANGE = """
update triage_teams set channel = %(channel)s::text, admin_channel = %(admin_channel)s::text,
    user_group = %(user_group)s::text, topic = %(topic)s::text, language = %(language)s::text,
    heads_up = %(heads_up)s::time, late_after = %(late_after)s::int
where business_id = %(business_id)s::int and id = %(team_id)s::bigint
"""
# No fact of who is on duty is another by it; but it is shown at the next look, which is made at once.
LOOK_ANEW = """
update triage_looks set facts_version = 0 where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint
"""
# In one order. Of two teams that want one channel's topic at once, the second sees the first.
HOLD_ALL = """
select id from triage_teams where business_id = %(business_id)s::int order by id for no key update
"""
HAS_TOPIC = """
select exists (select from triage_teams
    where business_id = %(business_id)s::int and id <> %(team_id)s::bigint and channel = %(channel)s::text
        and topic::text <> '')
"""
# Those whose user group it is, whose members are whoever is on duty in any of them.
OF_GROUP = """
select s.on_duty from triage_states s
join triage_teams t on t.business_id = s.business_id and t.id = s.team_id
where s.business_id = %(business_id)s::int and t.user_group = %(user_group)s::text
"""
# By which of the business's workspaces is spoken, and in which language where a team has not said.
WORKSPACE = """
select coalesce((select min(a.account) from channel_accounts a
    where a.business_id = b.id and a.channel = %(channel)s::text), ''), b.locale
from businesses b where b.id = %(business_id)s::int
"""


async def read(conn: Conn, business_id: int, team_id: int) -> Manner | None:
    """None where there is no such team."""
    row = await (await conn.execute(READ, {"business_id": business_id, "team_id": team_id})).fetchone()
    return Manner(*row) if row else None


async def change(conn: Conn, business_id: int, team_id: int, manner: Manner) -> None:
    """Has a team, which the caller holds, be told in this way."""
    await conn.execute(CHANGE, msgspec.structs.asdict(manner) | {"business_id": business_id, "team_id": team_id})


async def look_anew(conn: Conn, business_id: int, team_id: int) -> None:
    """Has a team be looked at next."""
    await conn.execute(LOOK_ANEW, {"business_id": business_id, "team_id": team_id})


async def hold_all(conn: Conn, business_id: int) -> None:
    """Holds all teams of a business until the transaction ends."""
    await conn.execute(HOLD_ALL, {"business_id": business_id})


async def has_topic(conn: Conn, business_id: int, team_id: int, channel: str) -> bool:
    """Whether another team than this one writes a channel's topic."""
    values = {"business_id": business_id, "team_id": team_id, "channel": channel}
    row = await (await conn.execute(HAS_TOPIC, values)).fetchone()
    return row is not None and bool(row[0])


async def on_duty_of_group(conn: Conn, business_id: int, user_group: str) -> list[dict[str, str | None]]:
    """The states of all teams with this user group."""
    rows = await (await conn.execute(OF_GROUP, {"business_id": business_id, "user_group": user_group})).fetchall()
    return [row[0] for row in rows]


async def workspace(conn: Conn, business_id: int, channel: str) -> tuple[str, str]:
    """The business's account on a channel, "" where it has none of its own, and its language."""
    row = await (await conn.execute(WORKSPACE, {"business_id": business_id, "channel": channel})).fetchone()
    return (row[0], row[1]) if row else ("", "en")
