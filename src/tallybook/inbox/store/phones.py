"""SQL of phones that were left: whose they were one after the other, and the end of a stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn

_HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007


class Stay(msgspec.Struct, frozen=True):
    """One row of a phone: who holds it now and since when they are gone from it, and one of those who had it before."""

    phone: str
    holder: int | None
    left_at: datetime | None
    before: int | None
    before_left_at: datetime | None
    until: datetime | None


# Nearly always none, by two small indexes. Whoever goes by a phone has not left it, whatever was said of it.
LEFT = f"""
with told as (
    select i.value as phone from contact_identities i
    where i.business_id = {_HIDDEN} and i.left_at is not null and i.kind = 'phone'
        and i.value = any(%(phones)s::text[])
    union
    select l.phone from left_phones l where l.business_id = {_HIDDEN} and l.phone = any(%(phones)s::text[]))
select t.phone, i.contact_id, case when c.phone is distinct from t.phone then i.left_at end,
    l.contact_id, l.left_at, l.until
from told t
left join contact_identities i on i.business_id = {_HIDDEN} and i.kind = 'phone' and i.value = t.phone
left join contacts c on c.business_id = {_HIDDEN} and c.id = i.contact_id
left join left_phones l on l.business_id = {_HIDDEN} and l.phone = t.phone
order by t.phone, l.until, l.left_at
"""


async def left(conn: Conn, business_id: int, phones: Sequence[str]) -> list[Stay]:
    """What is known of those of these phones that somebody ever left."""
    cursor = await conn.execute(LEFT, {"business_id": business_id, "phones": arrays.texts(phones)})
    return [Stay(*row) for row in await cursor.fetchall()]


# What was said before a stay that is over is of that stay; and who came back since has not left.
LEAVE = f"""
update contact_identities i set left_at = greatest(i.left_at, %(at)s::timestamptz)
where i.business_id = {_HIDDEN} and i.kind = 'phone' and i.value = %(phone)s::text
    and i.contact_id = %(contact_id)s::bigint and not exists (select from left_phones l
        where l.business_id = {_HIDDEN} and l.phone = i.value and l.until > %(at)s::timestamptz)
    and not exists (select from contacts c where c.business_id = {_HIDDEN} and c.id = i.contact_id
        and c.phone = i.value and c.phone_at >= %(at)s::timestamptz)
"""


async def leave(conn: Conn, business_id: int, contact_id: int, phone: str, at: datetime) -> None:
    """Keeps that a contact left a phone that they are known by. Of several times the last holds."""
    values = {"business_id": business_id, "contact_id": contact_id, "phone": phone, "at": at}
    await conn.execute(LEAVE, values)


# Else it would hold again as soon as they go by another phone, whatever the reason.
COME_BACK = f"""
update contact_identities i set left_at = null from contacts c
where c.business_id = {_HIDDEN} and c.id = any(%(contacts)s::bigint[])
    and i.business_id = {_HIDDEN} and i.kind = 'phone' and i.value = c.phone and i.contact_id = c.id
    and (i.left_at <= c.phone_at or c.phone_at is null and i.left_at is not null)
"""


async def come_back(conn: Conn, business_id: int, contacts: Sequence[int]) -> None:
    """Forgets that contacts ever left the phones that they go by now. The caller holds them."""
    await conn.execute(COME_BACK, {"business_id": business_id, "contacts": arrays.numbers(contacts)})


# Two that meet somebody new at once: the second waits for the contact, finds the phone gone from it, and finds the new
# holder then. The caller holds the contacts; the rows are held against whoever claims the phone meanwhile.
END = f"""
with held as (
    select i.value, i.contact_id, i.left_at, u.since from unnest(%(phones)s::text[], %(since)s::timestamptz[])
        as u (phone, since)
    join contact_identities i on i.business_id = {_HIDDEN} and i.kind = 'phone' and i.value = u.phone
        and i.left_at < u.since
    join contacts c on c.business_id = {_HIDDEN} and c.id = i.contact_id and c.phone is distinct from i.value
    order by i.value for update of i
), gone as (
    delete from contact_identities i using held
    where i.business_id = {_HIDDEN} and i.kind = 'phone' and i.value = held.value and i.contact_id = held.contact_id
    returning held.value, held.contact_id, held.left_at, held.since
)
insert into left_phones as l (business_id, phone, left_at, until, contact_id)
select %(business_id)s::int, value, left_at, since, contact_id from gone
on conflict {inbox_keys.LEFT_PHONE.target} do update set until = least(l.until, excluded.until)
returning phone, contact_id
"""
# Somebody who came after was there earlier than was known.
EARLIER = f"""
update left_phones l set until = u.since
from unnest(%(phones)s::text[], %(since)s::timestamptz[]) as u (phone, since)
where l.business_id = {_HIDDEN} and l.phone = u.phone and l.left_at < u.since and l.until > u.since
"""


async def end(conn: Conn, business_id: int, since: Mapping[str, datetime]) -> dict[str, int]:
    """Has phones be nobody's whom somebody left, from these moments on; whose each of them was until then."""
    phones = sorted(since)
    values = {
        "business_id": business_id, "phones": arrays.texts(phones),
        "since": arrays.times([since[one] for one in phones]),
    }  # fmt: skip
    found = {row[0]: row[1] for row in await (await conn.execute(END, values)).fetchall()}
    await conn.execute(EARLIER, values)
    return found
