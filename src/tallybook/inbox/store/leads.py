"""SQL of leads: what they can be, what they are, and how they became so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox import naming
from tallybook.inbox.lead_rules import Facts, Status, containing
from tallybook.inbox.naming import Names


class Lead(msgspec.Struct, frozen=True):
    """A lead. ``name`` is what to call them, ``given`` the lead's own; ``conversation_id`` None where there is none."""

    id: int
    conversation_id: int | None
    name: str
    given: str
    phone: str | None
    status: str
    status_entered_at: datetime
    email: str
    notes: str
    created_at: datetime


class Change(msgspec.Struct, frozen=True):
    """That a lead came from one status to another."""

    id: int
    at: datetime
    who: str
    was: str
    became: str


STATUSES = """
select s.status, s.name, s.colour from lead_statuses s
where s.business_id = %(business_id)s::int order by s.place, s.status
"""
LOCK_STATUSES = f"{STATUSES} for update"
WRITE_STATUSES = f"""
insert into lead_statuses as s (business_id, status, name, colour, place)
select %(business_id)s::int, u.* from unnest(%(statuses)s::text[], %(names)s::text[], %(colours)s::text[])
    with ordinality as u (status, name, colour, place)
order by u.status
on conflict {inbox_keys.LEAD_STATUS.target} do update set
    name = excluded.name, colour = excluded.colour, place = excluded.place
where (s.name, s.colour, s.place) is distinct from (excluded.name, excluded.colour, excluded.place)
"""
DROP_STATUSES = """
delete from lead_statuses where business_id = %(business_id)s::int and status <> all(%(statuses)s::text[])
"""


async def statuses(conn: Conn, business_id: int) -> list[Status]:
    """What a business keeps, in its order; nothing where it keeps those with which everybody begins."""
    return [Status(*row) for row in await (await conn.execute(STATUSES, {"business_id": business_id})).fetchall()]


async def lock_statuses(conn: Conn, business_id: int) -> list[Status]:
    """As ``statuses``, held until the transaction ends."""
    return [Status(*row) for row in await (await conn.execute(LOCK_STATUSES, {"business_id": business_id})).fetchall()]


async def write_statuses(conn: Conn, business_id: int, kept: Sequence[Status]) -> None:
    """Has a business keep just these, in this order."""
    values = {
        "business_id": business_id, "statuses": arrays.texts([one.status for one in kept]),
        "names": arrays.texts([one.name for one in kept]), "colours": arrays.texts([one.colour for one in kept]),
    }  # fmt: skip
    await conn.execute(WRITE_STATUSES, values)
    await conn.execute(DROP_STATUSES, values)


_HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007
_COLUMNS = """
l.id, t.id, l.name, p.name, coalesce(p.profile_name, t.customer_name), p.username, p.phone, l.status,
    l.status_entered_at, coalesce(l.email, ''), l.notes, l.created_at
"""
# Who turned out to be somebody else is that one's lead.
_FROM = """
from leads l
join contacts p on p.business_id = l.business_id and p.id = l.contact_id and p.merged_into is null
left join whatsapp_conversation t on t.business_id = l.business_id and t.contact_id = l.contact_id
"""
PAGE = f"""
select {_COLUMNS} {_FROM}
where l.business_id = {_HIDDEN} and (%(status)s::text is null or l.status = %(status)s::text)
and (%(words)s::text is null or l.name ilike %(words)s::text or l.email ilike %(words)s::text
    or p.name ilike %(words)s::text or p.profile_name ilike %(words)s::text or p.phone like %(digits)s::text)
and (l.status_entered_at, l.id) < (
    coalesce(%(at)s::timestamptz, 'infinity'), coalesce(%(id)s::bigint, 9223372036854775807))
order by l.status_entered_at desc, l.id desc limit %(limit)s
"""
COUNTS = f"""
select l.status, count(*)::int {_FROM}
where l.business_id = {_HIDDEN} group by l.status
"""
ONE = f"select {_COLUMNS} {_FROM} where l.business_id = {_HIDDEN} and l.id = %(id)s::bigint"
OF_THREAD = f"select {_COLUMNS} {_FROM} where l.business_id = {_HIDDEN} and t.id = %(id)s::bigint"
LOCK = "select status from leads where business_id = %(business_id)s::int and id = %(id)s::bigint for update"


class Sought(msgspec.Struct, frozen=True):
    """Which leads are meant: at a status, by a part of a name, an address or a phone; all where it is empty."""

    status: str | None = None
    search: str = ""


async def page(
    conn: Conn, business_id: int, sought: Sought, after: tuple[datetime, int] | None, limit: int
) -> list[Lead]:
    """Leads, who came to their status last first, or those after a place."""
    search = sought.search.strip()
    digits = naming.digits_of(search).lstrip("0")
    values: dict[str, Any] = {
        "business_id": business_id, "status": sought.status, "limit": limit,
        "words": containing(search) if search else None,
        "digits": containing(digits) if digits else None,
        "at": after and after[0], "id": after and after[1],
    }  # fmt: skip
    return [_lead(row) for row in await (await conn.execute(PAGE, values)).fetchall()]


async def counts(conn: Conn, business_id: int) -> dict[str, int]:
    """How many leads are at each status."""
    return dict(await (await conn.execute(COUNTS, {"business_id": business_id})).fetchall())


async def one(conn: Conn, business_id: int, lead_id: int) -> Lead | None:
    row = await (await conn.execute(ONE, {"business_id": business_id, "id": lead_id})).fetchone()
    return _lead(row) if row else None


async def of_thread(conn: Conn, business_id: int, conversation_id: int) -> Lead | None:
    """The lead that a thread's customer is; None where they are none."""
    row = await (await conn.execute(OF_THREAD, {"business_id": business_id, "id": conversation_id})).fetchone()
    return _lead(row) if row else None


async def lock(conn: Conn, business_id: int, lead_id: int) -> str | None:
    """At which status a lead is, held until the transaction ends; None where the business has no such lead."""
    row = await (await conn.execute(LOCK, {"business_id": business_id, "id": lead_id})).fetchone()
    return row[0] if row else None


def _lead(row: tuple[Any, ...]) -> Lead:
    number, thread, given, name, profile, username, phone, *more = row
    shown = naming.shown(Names(given or None, name, profile, phone, username))
    return Lead(number, thread, shown, given, phone, *more)


ASKED = """
select c.id, c.at, c.who, c.was, c.became from lead_changes c
where c.business_id = %(business_id)s::int and c.lead_id = %(id)s::bigint and c.key = %(key)s
"""
ADD_CHANGE = f"""
insert into lead_changes (business_id, lead_id, at, who, account_id, was, became, key)
values (%(business_id)s::int, %(id)s::bigint, now(), %(who)s, %(account_id)s::int, %(was)s, %(became)s, %(key)s)
on conflict {inbox_keys.LEAD_CHANGE.target} do nothing
returning id, at, who, was, became
"""
MOVE = """
update leads set status = %(became)s, status_entered_at = now(), updated_at = now()
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
HISTORY = """
select c.id, c.at, c.who, c.was, c.became from lead_changes c
where c.business_id = %(business_id)s::int and c.lead_id = %(id)s::bigint order by c.id desc limit %(limit)s
"""
EDIT = """
update leads set name = %(name)s, email = nullif(%(email)s, ''), notes = %(notes)s, updated_at = now()
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
AT = """
select id from leads where business_id = %(business_id)s::int and status = %(status)s order by id for update
"""


async def asked(conn: Conn, business_id: int, lead_id: int, key: str) -> Change | None:
    """The change that was made under a key."""
    row = await (await conn.execute(ASKED, {"business_id": business_id, "id": lead_id, "key": key})).fetchone()
    return Change(*row) if row else None


class Moved(msgspec.Struct, frozen=True):
    """A lead that is to come to a status, by whom, under which key."""

    id: int
    was: str
    became: str
    key: str
    who: str
    account_id: int | None


async def move(conn: Conn, business_id: int, moved: Moved) -> Change:
    """Has a lead, which the caller holds, be at another status."""
    values = msgspec.structs.asdict(moved) | {"business_id": business_id, "who": moved.who[:100]}
    (row,) = await (await conn.execute(ADD_CHANGE, values)).fetchall()
    await conn.execute(MOVE, values)
    return Change(*row)


async def history(conn: Conn, business_id: int, lead_id: int, limit: int) -> list[Change]:
    """The latest changes of a lead, the newest first."""
    values = {"business_id": business_id, "id": lead_id, "limit": limit}
    return [Change(*row) for row in await (await conn.execute(HISTORY, values)).fetchall()]


async def edit(conn: Conn, business_id: int, lead_id: int, facts: Facts) -> None:
    await conn.execute(EDIT, msgspec.structs.asdict(facts) | {"business_id": business_id, "id": lead_id})


async def at(conn: Conn, business_id: int, status: str) -> list[int]:
    """The leads at a status, held until the transaction ends."""
    values = {"business_id": business_id, "status": status}
    return [row[0] for row in await (await conn.execute(AT, values)).fetchall()]
