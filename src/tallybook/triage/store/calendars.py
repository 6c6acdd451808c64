"""SQL of calendars whose events are somebody's absences. Whoever changes one's absences holds its row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tallybook.core import triage_keys
from tallybook.core.db import Conn
from tallybook.triage.types import Absence, Calendar

LONGEST_NAME = 100


class Due(msgspec.Struct, frozen=True):
    """A calendar that is to be read now."""

    business_id: int
    id: int
    person: str
    address: bytes
    away: bool

    def __repr__(self) -> str:
        return f"Due({self.business_id}, {self.id})"


SHOWN = "id, slack_id, host, away, made_by, made_at, read_at, failed, failing_since, told_at"
ADD = f"""
insert into triage_calendars as c
    (business_id, slack_id, address_hash, address, host, away, made_by, made_at, next_at)
values (%(business_id)s::int, %(slack_id)s::text, %(hash)s::bytea, %(address)s::bytea, %(host)s::text,
    %(away)s::bool, %(made_by)s::text, %(now)s::timestamptz, %(now)s::timestamptz)
on conflict {triage_keys.TRIAGE_CALENDAR.target} do update
    set away = excluded.away, next_at = excluded.next_at, address = excluded.address
returning id, xmax = 0
"""
LISTED = f"""
select {SHOWN} from triage_calendars
where business_id = %(business_id)s::int and slack_id = %(slack_id)s::text order by id
"""
HOLD = f"""
select {SHOWN} from triage_calendars where business_id = %(business_id)s::int and id = %(id)s::bigint for update
"""
REMOVE = "delete from triage_calendars where business_id = %(business_id)s::int and id = %(id)s::bigint"
# Whoever claims one has until then to read it; after that it is another's.
CLAIM = """
update triage_calendars c set next_at = %(until)s::timestamptz
from (select business_id, id from triage_calendars where next_at <= %(now)s::timestamptz
    order by next_at, business_id, id limit 1 for update skip locked) d
where c.business_id = d.business_id and c.id = d.id
returning c.business_id, c.id, c.slack_id, c.address, c.away
"""
READ = """
update triage_calendars set read_at = %(now)s::timestamptz, next_at = %(next_at)s::timestamptz, failed = '',
    failing_since = null, told_at = null
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
FAILED = """
update triage_calendars set failed = %(why)s::text, next_at = %(next_at)s::timestamptz,
    failing_since = coalesce(failing_since, %(now)s::timestamptz), told_at = %(told_at)s::timestamptz
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
ABSENCES = """
select id, slack_id, starts_at, ends_at, kind, source from triage_absences
where business_id = %(business_id)s::int and calendar_id = %(id)s::bigint and ends_at > %(now)s::timestamptz
order by starts_at
"""
TEAMS = """
select distinct team_id from triage_memberships
where business_id = %(business_id)s::int and slack_id = %(slack_id)s::text
    and coalesce(until > %(now)s::timestamptz, true) order by team_id
"""


async def add(
    conn: Conn, business_id: int, person: str, address: tuple[bytes, bytes, str], *, away: bool, made_by: str,
    now: datetime,
) -> tuple[int, bool]:  # fmt: skip
    """A calendar by its address (hash, sealed, host), to be read at once; its number, and whether it is new."""
    values = {
        "business_id": business_id,
        "slack_id": person,
        "hash": address[0],
        "address": address[1],
        "host": address[2],
        "away": away,
        "made_by": made_by[:LONGEST_NAME],
        "now": now,
    }
    row = await (await conn.execute(ADD, values)).fetchone()
    if row is None:
        raise LookupError("an insert with returning returned nothing")
    return row[0], row[1]


async def listed(conn: Conn, business_id: int, person: str) -> list[Calendar]:
    """Somebody's, the oldest first."""
    rows = await (await conn.execute(LISTED, {"business_id": business_id, "slack_id": person})).fetchall()
    return [Calendar(*row) for row in rows]


async def hold(conn: Conn, business_id: int, number: int) -> Calendar | None:
    """A calendar, held until the transaction ends; None where there is none."""
    row = await (await conn.execute(HOLD, {"business_id": business_id, "id": number})).fetchone()
    return Calendar(*row) if row else None


async def remove(conn: Conn, business_id: int, number: int) -> None:
    await conn.execute(REMOVE, {"business_id": business_id, "id": number})


async def claim(conn: Conn, now: datetime, until: datetime) -> Due | None:
    """A calendar of any business that is due, for this reader alone until then; None where none is."""
    row = await (await conn.execute(CLAIM, {"now": now, "until": until})).fetchone()
    return Due(*row) if row else None


async def was_read(conn: Conn, due: Due, now: datetime, next_at: datetime) -> None:
    values = {"business_id": due.business_id, "id": due.id, "now": now, "next_at": next_at}
    await conn.execute(READ, values)


async def was_not(conn: Conn, due: Due, why: str, now: datetime, *, next_at: datetime, told: datetime | None) -> None:
    """That it could not be read, by a word, and when people were told, if they were."""
    values = {"business_id": due.business_id, "id": due.id, "why": why, "now": now}
    await conn.execute(FAILED, values | {"next_at": next_at, "told_at": told})


async def absences(conn: Conn, business_id: int, number: int, now: datetime) -> list[Absence]:
    """Those of a calendar that are not over."""
    values = {"business_id": business_id, "id": number, "now": now}
    return [Absence(*row) for row in await (await conn.execute(ABSENCES, values)).fetchall()]


async def teams(conn: Conn, business_id: int, person: str, now: datetime) -> Sequence[int]:
    """The teams to which somebody belongs, or will."""
    values = {"business_id": business_id, "slack_id": person, "now": now}
    return [row[0] for row in await (await conn.execute(TEAMS, values)).fetchall()]
