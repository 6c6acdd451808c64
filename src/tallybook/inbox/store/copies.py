"""SQL of what copies for other environments still have to forget, and of whom they have."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tallybook.core import arrays
from tallybook.core.db import Conn

COPIED, FORGOT, SUBJECT = "environment.copied", "environment.forgot", "environment"


class Behind(msgspec.Struct, frozen=True):
    """A copy that was made readable, and how many were forgotten since it last forgot."""

    environment: str
    waiting: int


# A masked copy holds nothing of anybody. The record is kept by production, which can look into no other environment.
# By how many they are and not by their numbers: one that began earlier may be committed later.
BEHIND = """
with copies as (
    select a.subject_id as environment,
        bool_or(a.action = 'environment.copied' and a.after->>'masked' = 'false') as readable,
        coalesce(max((a.after->>'erasures')::int) filter (where a.action = 'environment.forgot'), 0) as done
    from audit_log a where a.business_id = %(business_id)s::int and a.subject = 'environment'
        and a.action in ('environment.copied', 'environment.forgot')
    group by a.subject_id
)
select c.environment, greatest(0, (select count(*) from erasures e
    where e.business_id = %(business_id)s::int and e.contacts <> '{}')::int - c.done)
from copies c where c.readable order by c.environment
"""
ERASED = """
select count(distinct e.id), coalesce(array_agg(distinct x.contact), '{}')
from erasures e cross join lateral unnest(e.contacts) as x (contact)
where e.business_id = %(business_id)s::int
"""
WAS_COPIED = """
select exists (select from audit_log a where a.business_id = %(business_id)s::int and a.subject = 'environment'
    and a.subject_id = %(environment)s::text and a.action = 'environment.copied')
"""
THREADS = """
select t.id from whatsapp_conversation t
where t.business_id = %(business_id)s::int and t.contact_id = any(%(contacts)s::bigint[]) order by t.id
"""


async def behind(conn: Conn, business_id: int) -> list[Behind]:
    """Every readable copy, with how many it has to forget; 0 where it is through."""
    rows = await (await conn.execute(BEHIND, {"business_id": business_id})).fetchall()
    return [Behind(*row) for row in rows]


async def erased(conn: Conn, business_id: int) -> tuple[int, list[int]]:
    """How many erasures there are, and the numbers of all contacts that were forgotten."""
    ((count, contacts),) = await (await conn.execute(ERASED, {"business_id": business_id})).fetchall()
    return int(count), list(contacts)


async def was_copied(conn: Conn, business_id: int, environment: str) -> bool:
    """Whether production's record has a copy to that environment. Without one, its numbers are its own."""
    values = {"business_id": business_id, "environment": environment}
    return await (await conn.execute(WAS_COPIED, values)).fetchone() == (True,)


async def threads(conn: Conn, business_id: int, contacts: Sequence[int]) -> list[int]:
    """The threads of those contacts."""
    values = {"business_id": business_id, "contacts": arrays.numbers(contacts)}
    return [row[0] for row in await (await conn.execute(THREADS, values)).fetchall()]
