"""SQL of absences and holidays. The caller holds the teams concerned (``facts.turn_all``, ``facts.turn``)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tallybook.core import arrays, triage_keys
from tallybook.core.db import Conn
from tallybook.triage.types import Absence, Holiday

LONGEST_NAME = 100
ADD = f"""
insert into triage_absences
    (business_id, slack_id, starts_at, ends_at, kind, key, made_by, made_at, source, calendar_id)
values (%(business_id)s::int, %(slack_id)s::text, %(starts_at)s::timestamptz, %(ends_at)s::timestamptz,
    %(kind)s::text, %(key)s::text, %(made_by)s::text, %(made_at)s::timestamptz, %(source)s::text,
    %(calendar_id)s::bigint)
on conflict {triage_keys.ABSENCE.target} do nothing returning id
"""
FIND = """
select id, slack_id, starts_at, ends_at, kind, source from triage_absences
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
OF_KEY = """
select id, slack_id, starts_at, ends_at, kind, source, made_by, made_at from triage_absences
where business_id = %(business_id)s::int and key = %(key)s::text
"""
END = """
update triage_absences set ends_at = %(ends_at)s::timestamptz
where business_id = %(business_id)s::int and id = %(id)s::bigint
    and starts_at < %(ends_at)s::timestamptz and ends_at > %(ends_at)s::timestamptz
"""
MOVE = """
update triage_absences set ends_at = %(ends_at)s::timestamptz
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
REMOVE = """
delete from triage_absences
where business_id = %(business_id)s::int and id = %(id)s::bigint and starts_at >= %(now)s::timestamptz
"""
PUT_HOLIDAYS = f"""
insert into triage_holidays as h (business_id, team_id, day, name)
select %(business_id)s::int, %(team_id)s::bigint, u.day, u.name
from unnest(%(days)s::date[], %(names)s::text[]) as u (day, name) order by u.day
on conflict {triage_keys.HOLIDAY.target} do update set name = excluded.name where h.name is distinct from excluded.name
"""
DROP_HOLIDAYS = """
delete from triage_holidays
where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint and day = any(%(days)s::date[])
"""


async def add(
    conn: Conn, business_id: int, absence: Absence, key: str, made_by: str, made_at: datetime, *,
    calendar: int | None = None,
) -> int | None:  # fmt: skip
    """The number of a new absence, of a ``calendar`` where it is one's; None where its key is known."""
    values = {
        "business_id": business_id,
        "slack_id": absence.person,
        "starts_at": absence.starts_at,
        "ends_at": absence.ends_at,
        "kind": absence.kind,
        "key": key,
        "made_by": made_by[:LONGEST_NAME],
        "made_at": made_at,
        "source": absence.source,
        "calendar_id": calendar,
    }
    row = await (await conn.execute(ADD, values)).fetchone()
    return row[0] if row else None


def _absence(row: tuple[object, ...] | None) -> Absence | None:
    return None if row is None else Absence(*row)  # type: ignore[arg-type]  # the columns of the statement, in order


async def find(conn: Conn, business_id: int, number: int) -> Absence | None:
    return _absence(await (await conn.execute(FIND, {"business_id": business_id, "id": number})).fetchone())


async def of_key(conn: Conn, business_id: int, key: str) -> tuple[Absence, str, datetime] | None:
    """The absence that was recorded by a key, by whom and when."""
    row = await (await conn.execute(OF_KEY, {"business_id": business_id, "key": key})).fetchone()
    return None if row is None else (Absence(*row[:6]), row[6], row[7])


async def end(conn: Conn, business_id: int, number: int, now: datetime) -> bool:
    """Ends an absence now: one that runs is cut, one that is ahead goes; False where it is over, or not there."""
    values = {"business_id": business_id, "id": number, "now": now, "ends_at": now}
    if (await conn.execute(REMOVE, values)).rowcount == 1:
        return True
    return (await conn.execute(END, values)).rowcount == 1


async def move(conn: Conn, business_id: int, number: int, ends_at: datetime) -> None:
    """Gives an absence that runs another end, which is ahead."""
    await conn.execute(MOVE, {"business_id": business_id, "id": number, "ends_at": ends_at})


async def put_holidays(conn: Conn, business_id: int, team_id: int, holidays: Sequence[Holiday]) -> int:
    """How many days are new or have another name. No day twice among them."""
    values = {
        "business_id": business_id,
        "team_id": team_id,
        "days": arrays.texts([one.day.isoformat() for one in holidays]),
        "names": arrays.texts([one.name for one in holidays]),
    }
    return (await conn.execute(PUT_HOLIDAYS, values)).rowcount


async def drop_holidays(conn: Conn, business_id: int, team_id: int, holidays: Sequence[Holiday]) -> int:
    """How many of these days are ordinary ones now."""
    days = arrays.texts([one.day.isoformat() for one in holidays])
    return (await conn.execute(DROP_HOLIDAYS, {"business_id": business_id, "team_id": team_id, "days": days})).rowcount
