"""SQL of who is who: found by what they are known by, made where nobody is known by any of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox.types import CONTACT, Known

_HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007


class Contact(msgspec.Struct, frozen=True):
    """A contact as its thread needs it."""

    id: int
    thread_key: str
    name: str | None
    phone: str | None
    lead_id: int | None


FIND = f"""
select u.kind, u.value, i.contact_id
from unnest(%(kinds)s::text[], %(values)s::text[]) as u (kind, value)
join contact_identities i on i.business_id = {_HIDDEN} and i.kind = u.kind and i.value = u.value
"""


async def find(conn: Conn, business_id: int, known: Sequence[Known]) -> dict[Known, int]:
    """Whose each of these is, of those that are anybody's."""
    cursor = await conn.execute(FIND, {"business_id": business_id, **_columns(known)})
    found = {Known(row[0], row[1]): row[2] for row in await cursor.fetchall()}
    return found | {one: int(one.value) for one in known if one.kind == CONTACT}


NUMBERS = """
select nextval((select pg_get_serial_sequence('contacts', 'id')::regclass)) from generate_series(1, %(count)s::int)
"""


async def numbers(conn: Conn, count: int) -> list[int]:
    """Numbers for contacts that are about to be made."""
    return [row[0] for row in await (await conn.execute(NUMBERS, {"count": count})).fetchall()]


MAKE = """
insert into contacts (business_id, id, thread_key, profile_name, username, phone)
select %(business_id)s::int, u.* from unnest(%(ids)s::bigint[], %(keys)s::text[], %(names)s::text[],
    %(usernames)s::text[], %(phones)s::text[]) as u
"""


class NewContact(msgspec.Struct, frozen=True):
    """Somebody who wrote for the first time."""

    id: int
    thread_key: str
    profile_name: str | None
    username: str | None
    phone: str | None


async def make(conn: Conn, business_id: int, new: Sequence[NewContact]) -> None:
    """Makes contacts; whether they stay is decided by ``claim``."""
    await conn.execute(
        MAKE,
        {
            "business_id": business_id,
            "ids": arrays.numbers(one.id for one in new),
            "keys": arrays.texts([one.thread_key for one in new]),
            "names": arrays.texts([one.profile_name for one in new]),
            "usernames": arrays.texts([one.username for one in new]),
            "phones": arrays.texts([one.phone for one in new]),
        },
    )


# Two that meet somebody at once both make a contact; whose claim is first has it, and the other is told so. In the
# order of the keys, so that two batches cannot deadlock.
CLAIM = f"""
insert into contact_identities as i (business_id, kind, value, contact_id)
select %(business_id)s::int, u.* from unnest(%(kinds)s::text[], %(values)s::text[], %(contacts)s::bigint[]) as u
on conflict {inbox_keys.CONTACT_IDENTITY.target} do update set contact_id = i.contact_id
returning i.kind, i.value, i.contact_id
"""
FORGET = "delete from contacts where business_id = %(business_id)s::int and id = any(%(ids)s::bigint[])"


async def claim(conn: Conn, business_id: int, wanted: Mapping[Known, int]) -> dict[Known, int]:
    """Says that each of these is a contact's; returns whose it is, which may be somebody else's."""
    known = sorted(wanted)
    values = {"business_id": business_id, **_columns(known), "contacts": arrays.numbers(wanted[one] for one in known)}
    cursor = await conn.execute(CLAIM, values)
    return {Known(row[0], row[1]): row[2] for row in await cursor.fetchall()}


# In the order of the ids, so that two batches cannot deadlock.
SPARE = f"""
with found as (
    select i.kind, i.value from contact_identities i
    where i.business_id = {_HIDDEN} and i.kind = 'user_id' and i.value = any(%(ids)s::text[]) and not i.is_spare
    order by i.value for update)
update contact_identities i set is_spare = true
from found f where i.business_id = {_HIDDEN} and i.kind = f.kind and i.value = f.value
"""


async def spare(conn: Conn, business_id: int, ids: Sequence[str]) -> None:
    """Says of ids that nobody is written to by them while another is known."""
    if ids:
        await conn.execute(SPARE, {"business_id": business_id, "ids": list(ids)})


async def forget(conn: Conn, business_id: int, ids: Sequence[int]) -> None:
    """Takes away contacts that nothing points at: somebody else's claim was first."""
    await conn.execute(FORGET, {"business_id": business_id, "ids": arrays.numbers(ids)})


ABOUT = f"""
select c.id, c.thread_key, coalesce(c.name, nullif(l.name, ''), c.profile_name), c.phone, l.id
from contacts c left join leads l on l.business_id = c.business_id and l.contact_id = c.id
where c.business_id = {_HIDDEN} and c.id = any(%(ids)s::bigint[])
"""


async def about(conn: Conn, business_id: int, ids: Sequence[int]) -> dict[int, Contact]:
    """What a thread needs to know of its contact."""
    cursor = await conn.execute(ABOUT, {"business_id": business_id, "ids": arrays.numbers(ids)})
    return {row[0]: Contact(*row) for row in await cursor.fetchall()}


# What they call themselves is theirs to change; a phone, once known, is changed by news of it alone.
TELL = f"""
update contacts c set profile_name = coalesce(u.name, c.profile_name), username = coalesce(u.username, c.username),
    phone = coalesce(c.phone, u.phone), updated_at = now()
from unnest(%(ids)s::bigint[], %(names)s::text[], %(usernames)s::text[], %(phones)s::text[])
    as u (id, name, username, phone)
where c.business_id = {_HIDDEN} and c.id = u.id and c.id = any(%(ids)s::bigint[])
    and (c.profile_name is distinct from coalesce(u.name, c.profile_name)
        or c.username is distinct from coalesce(u.username, c.username) or c.phone is null and u.phone is not null)
returning c.id, c.phone is not null and not starts_with(c.thread_key, 'phone:')
    and not starts_with(c.thread_key, 'lead:')
"""


async def tell(
    conn: Conn, business_id: int, told: Mapping[int, tuple[str | None, str | None, str | None]]
) -> list[int]:
    """Keeps what contacts say of themselves now: profile name, user name, phone.

    Returns those whose thread is not called by the phone that is known of them.
    """
    ids = sorted(told)
    cursor = await conn.execute(
        TELL,
        {
            "business_id": business_id,
            "ids": arrays.numbers(ids),
            "names": arrays.texts([told[one][0] for one in ids]),
            "usernames": arrays.texts([told[one][1] for one in ids]),
            "phones": arrays.texts([told[one][2] for one in ids]),
        },
    )
    return sorted(row[0] for row in await cursor.fetchall() if row[1])


def _columns(known: Sequence[Known]) -> dict[str, str]:
    return {"kinds": arrays.texts([one.kind for one in known]), "values": arrays.texts([one.value for one in known])}
