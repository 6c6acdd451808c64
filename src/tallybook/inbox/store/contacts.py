"""SQL of one contact at a time: held against everybody else, re-keyed with its thread, made a lead."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn


class Held(msgspec.Struct, frozen=True):
    """A contact whose row this transaction holds. ``phone_at``: since when the phone is said to be theirs."""

    id: int
    thread_key: str
    phone: str | None
    phone_at: datetime | None
    lead_id: int | None


ROOTS = """
with recursive up as (
    select c.id as asked, c.id, c.merged_into from contacts c
    where c.business_id = %(business_id)s::int and c.id = any(%(ids)s::bigint[])
    union all
    select up.asked, c.id, c.merged_into from up
    join contacts c on c.business_id = %(business_id)s::int and c.id = up.merged_into)
select asked, id from up where merged_into is null
"""
LOCK = """
select c.id, c.merged_into from contacts c
where c.business_id = %(business_id)s::int and c.id = any(%(ids)s::bigint[]) order by c.id for update
"""
# Weaker than the above: many may file messages for one contact at once, and none while it is re-keyed or joined.
SHARE = """
select c.id, c.merged_into from contacts c
where c.business_id = %(business_id)s::int and c.id = any(%(ids)s::bigint[]) order by c.id for key share
"""
HELD = """
select c.id, c.thread_key, c.phone, c.phone_at, l.id
from contacts c left join leads l on l.business_id = c.business_id and l.contact_id = c.id
where c.business_id = %(business_id)s::int and c.id = any(%(ids)s::bigint[])
"""


async def roots(conn: Conn, business_id: int, ids: Sequence[int]) -> dict[int, int]:
    """Who each of these contacts is by now; not those that there are none of."""
    cursor = await conn.execute(ROOTS, {"business_id": business_id, "ids": arrays.numbers(ids)})
    return {row[0]: row[1] for row in await cursor.fetchall()}


async def lock(conn: Conn, business_id: int, ids: Sequence[int]) -> dict[int, int | None]:
    """Holds contacts, in the order of their numbers; who each of them turned out to be meanwhile."""
    cursor = await conn.execute(LOCK, {"business_id": business_id, "ids": arrays.numbers(ids)})
    return {row[0]: row[1] for row in await cursor.fetchall()}


async def share(conn: Conn, business_id: int, ids: Sequence[int]) -> dict[int, int | None]:
    """As ``lock``, but only against whoever re-keys or joins them."""
    cursor = await conn.execute(SHARE, {"business_id": business_id, "ids": arrays.numbers(ids)})
    return {row[0]: row[1] for row in await cursor.fetchall()}


async def held(conn: Conn, business_id: int, ids: Sequence[int]) -> dict[int, Held]:
    """Contacts that the caller holds, as they are."""
    cursor = await conn.execute(HELD, {"business_id": business_id, "ids": arrays.numbers(ids)})
    return {row[0]: Held(*row) for row in await cursor.fetchall()}


# The thread's canonical key follows by its foreign key.
REKEY = """
update contacts set thread_key = %(key)s, phone = %(phone)s, phone_at = %(phone_at)s::timestamptz, updated_at = now()
where business_id = %(business_id)s::int and id = %(id)s::bigint
    and (thread_key, phone, phone_at) is distinct from (%(key)s, %(phone)s, %(phone_at)s::timestamptz)
"""
NUMBERED = """
update whatsapp_conversation set customer_number = %(phone)s, updated_at = now()
where business_id = %(business_id)s::int and contact_id = %(id)s::bigint and customer_number <> %(phone)s
"""


async def rekey(conn: Conn, business_id: int, contact: Held) -> None:
    """Has a contact, and its thread with it, bear this key and this phone."""
    values: dict[str, Any] = {"business_id": business_id, "id": contact.id, "key": contact.thread_key}
    await conn.execute(REKEY, values | {"phone": contact.phone, "phone_at": contact.phone_at})
    if contact.phone is not None:
        await conn.execute(NUMBERED, values | {"phone": contact.phone})


OF_THREAD = """
select contact_id from whatsapp_conversation
where business_id = %(business_id)s::int and id = %(conversation_id)s::bigint
"""


async def of_thread(conn: Conn, business_id: int, conversation_id: int) -> int | None:
    """Whose thread it is; None where there is no such thread in the business."""
    values = {"business_id": business_id, "conversation_id": conversation_id}
    row = await (await conn.execute(OF_THREAD, values)).fetchone()
    return row[0] if row else None


ADD_LEAD = f"""
insert into leads (business_id, contact_id, name)
select c.business_id, c.id, coalesce(nullif(%(name)s::text, ''), c.name, c.profile_name, '')
from contacts c where c.business_id = %(business_id)s::int and c.id = %(id)s::bigint
on conflict {inbox_keys.LEAD.target} do nothing
returning id
"""
LEAD_OF = "select id from leads where business_id = %(business_id)s::int and contact_id = %(id)s::bigint"
MARK_THREAD = """
update whatsapp_conversation set lead_id = %(lead_id)s::bigint, updated_at = now()
where business_id = %(business_id)s::int and contact_id = %(id)s::bigint
"""
MARK_MESSAGES = """
update whatsapp_message m set lead_id = %(lead_id)s::bigint
from whatsapp_conversation c
where c.business_id = %(business_id)s::int and c.contact_id = %(id)s::bigint
    and m.business_id = c.business_id and m.conversation_id = c.id
"""


async def add_lead(conn: Conn, business_id: int, contact_id: int, name: str) -> tuple[int, bool]:
    """The lead of a contact that the caller holds, and whether it is new."""
    values = {"business_id": business_id, "id": contact_id, "name": name}
    made = await (await conn.execute(ADD_LEAD, values)).fetchone()
    if made is not None:
        return made[0], True
    ((lead_id,),) = await (await conn.execute(LEAD_OF, values)).fetchall()
    return lead_id, False


async def mark_lead(conn: Conn, business_id: int, contact_id: int, lead_id: int) -> None:
    """Says on the contact's thread, and on what was said in it, whose lead it is."""
    values = {"business_id": business_id, "id": contact_id, "lead_id": lead_id}
    await conn.execute(MARK_THREAD, values)
    await conn.execute(MARK_MESSAGES, values)
