"""SQL of calendars by secret link. A link is found by the hash of its secret alone, within its business."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tallybook.core import arrays, triage_keys
from tallybook.core.db import Conn
from tallybook.triage.ics import Event


class Scope(msgspec.Struct, frozen=True):
    """Whose shifts a link shows. A person's are those of all teams; a discipline is one of its team."""

    kind: str
    team_id: int | None = None
    discipline: str | None = None
    slack_id: str | None = None


class Feed(msgspec.Struct, frozen=True):
    """A link as it is listed: everything but its secret. ``name`` is of the person, the discipline or the team."""

    id: int
    scope: Scope
    name: str
    made_by: str
    account_id: int | None
    made_at: datetime
    read_at: datetime | None


class Opened(msgspec.Struct, frozen=True):
    """A link that holds. ``stamp`` is of the facts that are, ``fed`` of those that were last told."""

    id: int
    scope: Scope
    name: str
    locale: str
    stamp: str
    fed: str
    teams: list[int]


NAMES = """
left join triage_teams t on t.business_id = f.business_id and t.id = f.team_id
left join triage_disciplines d
    on d.business_id = f.business_id and d.team_id = f.team_id and d.code = f.discipline
left join triage_people p on p.business_id = f.business_id and p.slack_id = f.slack_id
"""
NAME = "coalesce(p.name, t.name || ' · ' || d.name, t.name)"
# The teams of which a link shows something, and their versions.
TEAMS = """
cross join lateral (
    select string_agg(o.id || '.' || o.version, '-' order by o.id) as stamp, array_agg(o.id order by o.id) as teams
    from triage_teams o
    where o.business_id = f.business_id and (o.id = f.team_id or f.slack_id is not null and exists (
        select from triage_memberships m
        where m.business_id = f.business_id and m.team_id = o.id and m.slack_id = f.slack_id))) s
"""
# Whoever made it must still be somebody here; what was made by nobody's account is ended by hand.
HOLDS = """f.revoked_at is null and (f.account_id is null or exists (
    select from accounts a join account_roles r on r.account_id = a.id and r.business_id = f.business_id
    where a.id = f.account_id and a.active))"""
OPEN = f"""
select f.id, f.kind, f.team_id, f.discipline, f.slack_id, {NAME},
    b.locale, f.fed, coalesce(s.stamp, ''), coalesce(s.teams, '{{}}'::bigint[])
from triage_feeds f
join businesses b on b.id = f.business_id
{NAMES} {TEAMS}
where f.business_id = %(business_id)s::int and f.token_hash = %(token_hash)s::bytea and {HOLDS}
"""
# Once in a while is enough to say whether anybody reads it.
READ_AT = """
update triage_feeds set read_at = %(now)s::timestamptz
where business_id = %(business_id)s::int and id = %(id)s::bigint
    and (read_at is null or read_at < %(now)s::timestamptz - interval '1 hour')
"""
HOLD = """
select fed from triage_feeds
where business_id = %(business_id)s::int and id = %(id)s::bigint and revoked_at is null for no key update
"""
EVENTS = """
select uid, starts_at, ends_at, summary, description, sequence, changed_at, cancelled from triage_feed_events
where business_id = %(business_id)s::int and feed_id = %(id)s::bigint order by starts_at, uid
"""
TELL = f"""
insert into triage_feed_events as e (business_id, feed_id, uid, starts_at, ends_at, summary, description, sequence,
    changed_at, cancelled)
select %(business_id)s::int, %(id)s::bigint, u.uid, u.starts_at, u.ends_at, u.summary, u.description, u.sequence,
    u.changed_at, u.cancelled
from unnest(%(uids)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(summaries)s::text[],
    %(descriptions)s::text[], %(sequences)s::int[], %(changed)s::timestamptz[], %(cancelled)s::bool[])
    as u (uid, starts_at, ends_at, summary, description, sequence, changed_at, cancelled)
order by u.uid
on conflict {triage_keys.TRIAGE_FEED_EVENT.target} do update set starts_at = excluded.starts_at,
    ends_at = excluded.ends_at, summary = excluded.summary, description = excluded.description,
    sequence = excluded.sequence, changed_at = excluded.changed_at, cancelled = excluded.cancelled
where e.sequence < excluded.sequence
"""
DROP = """
delete from triage_feed_events
where business_id = %(business_id)s::int and feed_id = %(id)s::bigint and uid = any(%(uids)s::text[])
"""
FED = """
update triage_feeds set fed = %(fed)s::text where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
# Whoever makes one counts those that are there first; two at once must not both find room for the last.
TAKE_TURN = "select pg_advisory_xact_lock(hashtext('triage links'), %(business_id)s::int)"
MAKE = f"""
insert into triage_feeds (business_id, token_hash, kind, team_id, discipline, slack_id, made_by, account_id, made_at)
values (%(business_id)s::int, %(token_hash)s::bytea, %(kind)s::text, %(team_id)s::bigint, %(discipline)s::text,
    %(slack_id)s::text, %(made_by)s::text, %(account_id)s::int, %(made_at)s::timestamptz)
on conflict {triage_keys.TRIAGE_FEED.target} do nothing returning id
"""
LISTED = f"""
select f.id, f.kind, f.team_id, f.discipline, f.slack_id, {NAME},
    f.made_by, f.account_id, f.made_at, f.read_at
from triage_feeds f
{NAMES}
where f.business_id = %(business_id)s::int and f.revoked_at is null
order by f.id desc
"""
REVOKE = """
update triage_feeds set revoked_at = %(now)s::timestamptz, revoked_by = %(by)s::text, fed = ''
where business_id = %(business_id)s::int and id = %(id)s::bigint and revoked_at is null
returning id
"""
EMPTY = "delete from triage_feed_events where business_id = %(business_id)s::int and feed_id = %(id)s::bigint"
TAKEN_BACK = """
select count(*)::int from triage_feeds
where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint and made_by = %(by)s::text
    and account_id is null and kind::text = 'team' and revoked_at is not null
"""


async def open_(conn: Conn, business_id: int, token_hash: bytes) -> Opened | None:
    """The link of a secret; None where there is none, where it was taken back, or its maker may not log in any more."""
    values = {"business_id": business_id, "token_hash": token_hash}
    row = await (await conn.execute(OPEN, values)).fetchone()
    return None if row is None else Opened(row[0], Scope(*row[1:5]), row[5], row[6], row[8], row[7], list(row[9]))


async def note_read(conn: Conn, business_id: int, feed_id: int, now: datetime) -> None:
    await conn.execute(READ_AT, {"business_id": business_id, "id": feed_id, "now": now})


async def hold(conn: Conn, business_id: int, feed_id: int) -> str | None:
    """Holds a link until the transaction ends; of what facts its events are. None where it was taken back meanwhile."""
    row = await (await conn.execute(HOLD, {"business_id": business_id, "id": feed_id})).fetchone()
    return row[0] if row else None


async def events(conn: Conn, business_id: int, feed_id: int) -> list[Event]:
    """What was last told, in order of time."""
    rows = await (await conn.execute(EVENTS, {"business_id": business_id, "id": feed_id})).fetchall()
    return [Event(*row) for row in rows]


async def tell(
    conn: Conn, business_id: int, feed_id: int, changed: Sequence[Event], gone: Sequence[Event], fed: str
) -> None:
    """Keeps what is told from now on, of a link that the caller holds."""
    values: dict[str, Any] = {
        "business_id": business_id,
        "id": feed_id,
        "uids": arrays.texts([one.uid for one in changed]),
        "starts": arrays.times([one.starts_at for one in changed]),
        "ends": arrays.times([one.ends_at for one in changed]),
        "summaries": arrays.texts([one.summary for one in changed]),
        "descriptions": arrays.texts([one.description for one in changed]),
        "sequences": arrays.numbers([one.sequence for one in changed]),
        "changed": arrays.times([one.changed_at or one.starts_at for one in changed]),
        "cancelled": arrays.truths([one.cancelled for one in changed]),
    }
    if changed:
        await conn.execute(TELL, values)
    if gone:
        uids = arrays.texts([one.uid for one in gone])
        await conn.execute(DROP, {"business_id": business_id, "id": feed_id, "uids": uids})
    await conn.execute(FED, {"business_id": business_id, "id": feed_id, "fed": fed})


async def take_turn(conn: Conn, business_id: int) -> None:
    """Waits for whoever else makes a link in the business; the turn ends with the transaction."""
    await conn.execute(TAKE_TURN, {"business_id": business_id})


async def make(
    conn: Conn, business_id: int, token_hash: bytes, scope: Scope, made: tuple[str, int | None, datetime]
) -> int | None:
    """The number of a new link, ``made`` by whom, with which account and when; None where its secret is known."""
    values = {
        "business_id": business_id,
        "token_hash": token_hash,
        "made_by": made[0][:100],
        "account_id": made[1],
        "made_at": made[2],
    } | msgspec.structs.asdict(scope)
    row = await (await conn.execute(MAKE, values)).fetchone()
    return row[0] if row else None


async def listed(conn: Conn, business_id: int) -> list[Feed]:
    """The links that hold, newest first."""
    rows = await (await conn.execute(LISTED, {"business_id": business_id})).fetchall()
    return [Feed(row[0], Scope(*row[1:5]), *row[5:]) for row in rows]


async def revoke(conn: Conn, business_id: int, feed_id: int, by: str, now: datetime) -> bool:
    """Whether the link held until now. What it told is forgotten."""
    values = {"business_id": business_id, "id": feed_id, "by": by[:100], "now": now}
    if await (await conn.execute(REVOKE, values)).fetchone() is None:
        return False
    await conn.execute(EMPTY, values)
    return True


async def taken_back(conn: Conn, business_id: int, team_id: int, by: str) -> int:
    """How many links of a team that the product made for itself were taken back."""
    values = {"business_id": business_id, "team_id": team_id, "by": by}
    row = await (await conn.execute(TAKEN_BACK, values)).fetchone()
    return row[0] if row else 0
