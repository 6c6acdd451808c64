"""SQL of whose App Home shows which team, and of what has changed since it was made."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from tallybook.core import triage_keys
from tallybook.core.db import Conn

# Slack tells that a home is opened, and never that it is closed: a weekend and the evening before it.
OPEN_FOR = timedelta(days=3)


class Opened(msgspec.Struct, frozen=True):
    """A home that may be open: in which workspace, whose, and the number of what it is to show."""

    account: str
    slack_id: str
    number: int


# What moves with everything that a home shows; a request that expires moves no version.
_SHOWS = """t.version || '-' || coalesce((
        select s.version from triage_states s where s.business_id = t.business_id and s.team_id = t.id
    ), 0) || '-' || (
        select count(*) from overrides o where o.business_id = t.business_id and o.team_id = t.id
            and o.state::text = 'pending' and o.requested_by::text = {reader})"""
# The first number is higher than any that was used before the row was swept.
OPENED = f"""
insert into triage_homes as h (business_id, account, slack_id, team_id, opened_at, number, shows)
select t.business_id, %(account)s::text, %(slack_id)s::text, t.id, %(now)s::timestamptz,
    (extract(epoch from %(now)s::timestamptz) * 1000)::bigint, {_SHOWS.format(reader="%(slack_id)s::text")}
from triage_teams t where t.business_id = %(business_id)s::int and t.id = %(team_id)s::bigint
on conflict {triage_keys.TRIAGE_HOME.target} do update set team_id = excluded.team_id, opened_at = excluded.opened_at,
    number = h.number + 1, shows = excluded.shows
returning number
"""
_STALE = f"h.opened_at > %(since)s::timestamptz and h.shows::text <> {_SHOWS.format(reader='h.slack_id::text')}"
STALE = f"""
select distinct h.business_id, h.team_id from triage_homes h
join triage_teams t on t.business_id = h.business_id and t.id = h.team_id
where {_STALE}
order by h.business_id, h.team_id
"""
# Of two workers the second finds nothing left.
TAKE = f"""
with stale as (
    select h.account, h.slack_id, {_SHOWS.format(reader="h.slack_id::text")} as shows from triage_homes h
    join triage_teams t on t.business_id = h.business_id and t.id = h.team_id
    where h.business_id = %(business_id)s::int and h.team_id = %(team_id)s::bigint and {_STALE}
    order by h.account, h.slack_id for update of h
)
update triage_homes h set number = h.number + 1, shows = stale.shows from stale
where h.business_id = %(business_id)s::int and h.account = stale.account and h.slack_id = stale.slack_id
    and h.shows::text <> stale.shows
returning h.account, h.slack_id, h.number
"""
NUMBER = """
select number from triage_homes
where business_id = %(business_id)s::int and account = %(account)s::text and slack_id = %(slack_id)s::text
"""
FORGET = """
delete from triage_homes
where business_id = %(business_id)s::int and slack_id = %(slack_id)s::text and number = %(number)s::bigint
"""


async def opened(conn: Conn, business_id: int, account: str, slack_id: str, team_id: int, now: datetime) -> int:
    """Writes down that somebody looks at a team in their home; the number of what they are shown."""
    values = {"business_id": business_id, "account": account, "slack_id": slack_id, "team_id": team_id, "now": now}
    (row,) = await (await conn.execute(OPENED, values)).fetchall()
    return int(row[0])


async def stale(conn: Conn, now: datetime) -> list[tuple[int, int]]:
    """The teams, with their businesses, of which homes that may be open say what is no longer so."""
    return [(row[0], row[1]) for row in await (await conn.execute(STALE, {"since": now - OPEN_FOR})).fetchall()]


async def take(conn: Conn, business_id: int, team_id: int, now: datetime) -> list[Opened]:
    """Takes the homes of a team that are to be made anew, each by one worker."""
    values = {"business_id": business_id, "team_id": team_id, "since": now - OPEN_FOR}
    return sorted(
        (Opened(*row) for row in await (await conn.execute(TAKE, values)).fetchall()),
        key=lambda one: (one.account, one.slack_id),
    )


async def number(conn: Conn, business_id: int, account: str, slack_id: str) -> int | None:
    """The number of what somebody's home is to show; None where nobody knows of it any more."""
    values = {"business_id": business_id, "account": account, "slack_id": slack_id}
    row = await (await conn.execute(NUMBER, values)).fetchone()
    return int(row[0]) if row else None


async def forget(conn: Conn, business_id: int, slack_id: str, number: int) -> None:
    """Leaves a home alone that could not be shown, until it is opened again."""
    await conn.execute(FORGET, {"business_id": business_id, "slack_id": slack_id, "number": number})
