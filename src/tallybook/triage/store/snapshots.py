"""SQL of all that a snapshot holds beside the teams' facts."""

from __future__ import annotations

from tallybook.core.db import Conn
from tallybook.triage.snapshot import Link

from . import feeds

# Of every business, in the order in which they are listed.
TEAMS = """
select t.business_id, t.id, t.version, coalesce(nullif(t.language, ''), b.locale),
    coalesce((select min(a.account) from channel_accounts a
        where a.business_id = t.business_id and a.channel = %(channel)s::text), ''), t.admin_channel
from triage_teams t join businesses b on b.id = t.business_id order by t.business_id, t.folded
"""
WORKSPACES = "select account, business_id from channel_accounts where channel = %(channel)s::text order by account"


async def teams(conn: Conn, channel: str) -> list[tuple[int, int, int, str, str, str]]:
    """Of every team: business, number, version of its facts, language, account and channel of who leads."""
    found = await (await conn.execute(TEAMS, {"channel": channel})).fetchall()
    return [(row[0], row[1], row[2], row[3], row[4], row[5]) for row in found]


async def workspaces(conn: Conn, channel: str) -> dict[str, int]:
    """The businesses by their accounts."""
    rows = await (await conn.execute(WORKSPACES, {"channel": channel})).fetchall()
    return {row[0]: row[1] for row in rows}


TOKENLESS = """
select account from channel_accounts where channel = %(channel)s::text and token_sealed is null order by account
"""


async def tokenless(conn: Conn, channel: str) -> list[str]:
    """The accounts that were given no token of their own."""
    return [row[0] for row in await (await conn.execute(TOKENLESS, {"channel": channel})).fetchall()]


# As whoever opens a link finds it.
LINKS = f"""
select encode(f.token_hash, 'hex'), f.business_id, f.id, {feeds.NAME}, b.locale,
    coalesce(s.teams, '{{}}'::bigint[]), f.discipline, f.slack_id
from triage_feeds f
join businesses b on b.id = f.business_id
{feeds.NAMES} {feeds.TEAMS}
where {feeds.HOLDS}
"""
# Every scope and every role may see; a password that waits to be changed allows nothing.
READERS = """
select encode(t.token_hash, 'hex'), t.business_id from api_tokens t
where t.revoked_at is null and exists (select from triage_teams o where o.business_id = t.business_id)
    and (t.account_id is null or exists (
        select from accounts a join account_roles r on r.account_id = a.id and r.business_id = t.business_id
        where a.id = t.account_id and a.active and not a.must_change))
"""


async def links(conn: Conn) -> dict[str, Link]:
    """The calendars' links that hold, by the hashes of their secrets."""
    rows = await (await conn.execute(LINKS)).fetchall()
    return {row[0]: Link(row[1], row[2], row[3], row[4], list(row[5]), row[6], row[7]) for row in rows}


async def readers(conn: Conn) -> dict[str, int]:
    """The businesses of API tokens that hold, by the hashes of these."""
    return {row[0]: row[1] for row in await (await conn.execute(READERS)).fetchall()}
