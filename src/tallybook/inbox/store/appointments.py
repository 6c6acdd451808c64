"""SQL of meetings with customers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tallybook.core import inbox_keys
from tallybook.core.db import Conn

SHOWN = 100


class Appointment(msgspec.Struct, frozen=True):
    """A meeting with a customer. ``moves`` is how often its time was changed.

    ``status`` is booked, confirmed, cancelled or done.
    """

    id: int
    contact_id: int
    title: str
    starts_at: datetime
    ends_at: datetime
    place: str
    status: str
    moves: int
    updated_at: datetime


class Meeting(msgspec.Struct, frozen=True):
    """What is met for, and when and where."""

    title: str
    starts_at: datetime
    ends_at: datetime
    place: str


_COLUMNS = "a.id, a.contact_id, a.title, a.starts_at, a.ends_at, a.place, a.status, a.moves, a.updated_at"
ADD = f"""
insert into appointments as a (business_id, contact_id, title, starts_at, ends_at, place, key, planned_at)
values (%(business_id)s::int, %(contact_id)s::bigint, %(title)s, %(starts_at)s::timestamptz, %(ends_at)s::timestamptz,
    %(place)s, %(key)s, %(now)s::timestamptz)
on conflict {inbox_keys.APPOINTMENT.target} do nothing returning {_COLUMNS}
"""
BY_KEY = f"select {_COLUMNS} from appointments a where a.business_id = %(business_id)s::int and a.key = %(key)s"
ONE = f"select {_COLUMNS} from appointments a where a.business_id = %(business_id)s::int and a.id = %(id)s::bigint"
HELD = f"{ONE} for update"
# A meeting that is moved is planned anew from that moment on: what was to be said of the old time never is.
CHANGE = """
update appointments set title = %(title)s, place = %(place)s, ends_at = %(ends_at)s::timestamptz,
    moves = moves + (starts_at <> %(starts_at)s::timestamptz)::int,
    planned_at = case when starts_at <> %(starts_at)s::timestamptz then %(now)s::timestamptz else planned_at end,
    status = case when status = 'confirmed' and starts_at <> %(starts_at)s::timestamptz then 'booked' else status end,
    starts_at = %(starts_at)s::timestamptz, updated_at = now()
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
STATUS = """
update appointments set status = %(status)s, updated_at = now(),
    planned_at = case when status in ('cancelled', 'done') and %(status)s::text in ('booked', 'confirmed')
        then %(now)s::timestamptz else planned_at end
where business_id = %(business_id)s::int and id = %(id)s::bigint and status <> %(status)s
"""
LISTED = f"""
select {_COLUMNS} from appointments a
where a.business_id = %(business_id)s::int and (%(contact_id)s::bigint is null or a.contact_id = %(contact_id)s::bigint)
    and a.starts_at >= %(since)s::timestamptz and a.starts_at < %(until)s::timestamptz
order by a.starts_at, a.id limit %(limit)s::int
"""
THREAD_OF = """
select id from whatsapp_conversation where business_id = %(business_id)s::int and contact_id = %(contact_id)s::bigint
"""
CONTENT_OF = """
select m.content::text from whatsapp_message w
join messages m on m.business_id = w.business_id and m.id = w.message_id
where w.business_id = %(business_id)s::int and w.id = %(id)s::bigint and w.status <> 'deleted'
"""


async def add(
    conn: Conn, business_id: int, contact_id: int, meeting: Meeting, asked: tuple[str, datetime]
) -> tuple[Appointment, bool]:
    """Books it, or finds what was booked under its key; whether it is new. ``asked``: the key, and the present."""
    key, now = asked
    values = msgspec.structs.asdict(meeting) | {"business_id": business_id, "contact_id": contact_id, "key": key}
    row = await (await conn.execute(ADD, values | {"now": now})).fetchone()
    if row is not None:
        return Appointment(*row), True
    (before,) = await (await conn.execute(BY_KEY, values)).fetchall()
    return Appointment(*before), False


async def one(conn: Conn, business_id: int, number: int) -> Appointment | None:
    row = await (await conn.execute(ONE, {"business_id": business_id, "id": number})).fetchone()
    return Appointment(*row) if row else None


async def hold(conn: Conn, business_id: int, number: int) -> Appointment | None:
    """One, held until the transaction ends."""
    row = await (await conn.execute(HELD, {"business_id": business_id, "id": number})).fetchone()
    return Appointment(*row) if row else None


async def change(conn: Conn, business_id: int, number: int, meeting: Meeting, now: datetime) -> None:
    """Has a meeting be another one. Where its time is another one, it is confirmed by nobody."""
    values = msgspec.structs.asdict(meeting) | {"business_id": business_id, "id": number, "now": now}
    await conn.execute(CHANGE, values)


async def set_status(conn: Conn, business_id: int, number: int, status: str, now: datetime) -> bool:
    """Whether it was another one before."""
    values = {"business_id": business_id, "id": number, "status": status, "now": now}
    return (await conn.execute(STATUS, values)).rowcount == 1


async def listed(
    conn: Conn, business_id: int, contact_id: int | None, between: tuple[datetime, datetime]
) -> Sequence[Appointment]:
    """The meetings of a customer, or of everybody, that begin between two moments."""
    values: dict[str, Any] = {"business_id": business_id, "contact_id": contact_id, "limit": SHOWN}
    rows = await (await conn.execute(LISTED, values | {"since": between[0], "until": between[1]})).fetchall()
    return [Appointment(*row) for row in rows]


async def thread_of(conn: Conn, business_id: int, contact_id: int) -> int | None:
    """The thread of a contact."""
    row = await (await conn.execute(THREAD_OF, {"business_id": business_id, "contact_id": contact_id})).fetchone()
    return row[0] if row else None


async def content_of(conn: Conn, business_id: int, message_id: int) -> str | None:
    """What a message of a thread says beyond its text, as it came."""
    row = await (await conn.execute(CONTENT_OF, {"business_id": business_id, "id": message_id})).fetchone()
    return row[0] if row else None
