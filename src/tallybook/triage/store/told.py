"""SQL of what was told ahead already, to whom; and of whom to tell who leads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tallybook.core import arrays, triage_keys
from tallybook.core.db import Conn

# In key order, so that two who tell the same do not wait for each other.
TELL = f"""
insert into triage_told (business_id, team_id, kind, what, recipient, told_at)
select %(business_id)s::int, u.team_id, u.kind, u.what, u.recipient, %(now)s::timestamptz
from unnest(%(teams)s::bigint[], %(kinds)s::text[], %(whats)s::text[], %(recipients)s::text[])
    as u (team_id, kind, what, recipient)
order by u.team_id, u.kind, u.what, u.recipient
on conflict {triage_keys.TRIAGE_TOLD.target} do nothing
returning team_id, kind, what, recipient
"""
WHO = """
select recipient from triage_told
where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint and kind = %(kind)s::text
    and what = %(what)s::text order by recipient
"""
LEADS = """
select p.slack_id from triage_people p
join accounts a on a.id = p.account_id and a.active
join account_roles r on r.business_id = p.business_id and r.account_id = a.id
where p.business_id = %(business_id)s::int and r.role = any(%(roles)s::text[]) order by p.slack_id
"""


async def first_time(
    conn: Conn, business_id: int, told: Sequence[tuple[int, str, str, str]], now: datetime
) -> set[tuple[int, str, str, str]]:
    """Which of these (team, kind, what, recipient) were never told before; none is twice among them."""
    values = {
        "business_id": business_id,
        "teams": arrays.numbers([one[0] for one in told]),
        "kinds": arrays.texts([one[1] for one in told]),
        "whats": arrays.texts([one[2] for one in told]),
        "recipients": arrays.texts([one[3] for one in told]),
        "now": now,
    }
    return {(row[0], row[1], row[2], row[3]) for row in await (await conn.execute(TELL, values)).fetchall()}


async def recipients(conn: Conn, business_id: int, team_id: int, kind: str, what: str) -> list[str]:
    """Who was told of something."""
    values = {"business_id": business_id, "team_id": team_id, "kind": kind, "what": what}
    return [row[0] for row in await (await conn.execute(WHO, values)).fetchall()]


async def leads(conn: Conn, business_id: int, roles: Sequence[str]) -> list[str]:
    """Who of Slack has an account with one of the roles."""
    values = {"business_id": business_id, "roles": arrays.texts(roles)}
    return [row[0] for row in await (await conn.execute(LEADS, values)).fetchall()]


SAID = """
select coalesce(body ->> 'text', body -> 'topic' ->> 'text', '') from outbox
where business_id = %(business_id)s::int and channel = %(channel)s::text and dedup_key = %(key)s::text
"""


async def said(conn: Conn, business_id: int, channel: str, key: str) -> str:
    """What a message or a topic says that was put under a key; "" where there is none any more."""
    values = {"business_id": business_id, "channel": channel, "key": key}
    row = await (await conn.execute(SAID, values)).fetchone()
    return str(row[0]) if row else ""
