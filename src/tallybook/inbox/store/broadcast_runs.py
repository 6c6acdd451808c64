"""SQL of broadcasts under way: the next recipient, taken by one worker, and what stops one at the last moment."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tallybook.core.db import Conn

MARKETING = """
select exists (select from inbox_templates t where t.business_id = %(business_id)s::int
    and t.name = %(name)s::text and t.language = %(language)s::text and t.category = 'marketing')
"""
LEAVING = """
select m.conversation_id,
    exists (select from outbox o join inbox_templates t on t.business_id = o.business_id
            and t.name = o.body #>> '{template,name}' and t.language = o.body #>> '{template,language,code}'
        where o.business_id = m.business_id and o.channel = m.channel and o.dedup_key = m.outgoing_key
            and t.category = 'marketing')
from whatsapp_message m
where m.business_id = %(business_id)s::int and m.outgoing_key = %(key)s::text
"""


class Leaving(msgspec.Struct, frozen=True):
    """A message that is about to leave: its thread, and whether its template is marketing."""

    conversation_id: int
    marketing: bool


async def is_marketing(conn: Conn, business_id: int, template: tuple[str, str]) -> bool:
    """Whether a template, by (name, language), is marketing."""
    values = {"business_id": business_id, "name": template[0], "language": template[1]}
    row = await (await conn.execute(MARKETING, values)).fetchone()
    return row is not None and row[0]


async def leaving(conn: Conn, business_id: int, key: str) -> Leaving | None:
    """What is known of a message of ours by its key."""
    row = await (await conn.execute(LEAVING, {"business_id": business_id, "key": key})).fetchone()
    return Leaving(*row) if row else None


# Whoever pauses or stops it waits for the claims under way, and is not waited for: he holds it while he takes rows of
# the outbox back, one of which is in the caller's hand.
STANDING = """
select state from broadcasts where business_id = %(business_id)s::int and id = %(id)s::bigint for share skip locked
"""


async def standing(conn: Conn, business_id: int, broadcast_id: int) -> str | None:
    """The state of a broadcast, which it keeps until the transaction ends; None while somebody changes it."""
    row = await (await conn.execute(STANDING, {"business_id": business_id, "id": broadcast_id})).fetchone()
    return row[0] if row else None


class Due(msgspec.Struct, frozen=True):
    """A broadcast that has something to do, and how many of its messages wait in the outbox."""

    id: int
    waiting: int


START = """
update broadcasts set state = 'running', started_at = coalesce(started_at, now())
where business_id = %(business_id)s::int and state::text = 'queued' and starts_at <= now()
returning id
"""
DUE = """
select b.id, (select count(*)::int from outbox o
    where o.business_id = b.business_id and o.state in ('waiting', 'sending')
        and o.dedup_key like 'broadcast:' || b.id || ':%%')
from broadcasts b where b.business_id = %(business_id)s::int and b.state::text = 'running' order by b.id
"""
BUSY = """
select distinct business_id from broadcasts
where state::text = 'running' or state::text = 'queued' and starts_at <= now() order by business_id
"""


async def busy(conn: Conn) -> list[int]:
    """The businesses that have a broadcast under way."""
    return [row[0] for row in await (await conn.execute(BUSY)).fetchall()]


async def start(conn: Conn, business_id: int) -> list[int]:
    """Begins those whose time has come."""
    return [row[0] for row in await (await conn.execute(START, {"business_id": business_id})).fetchall()]


async def due(conn: Conn, business_id: int) -> list[Due]:
    """The broadcasts that run."""
    return [Due(*row) for row in await (await conn.execute(DUE, {"business_id": business_id})).fetchall()]


class Next(msgspec.Struct, frozen=True):
    """A recipient in hand, in the transaction that writes down what became of it, and what is to be said."""

    contact_id: int
    given: dict[str, str]
    template: str
    language: str
    places: dict[str, str]
    who: int | None


# Held until the recipient is written down, so that a pause or a stop comes before it or after it.
HOLD = """
select template, language, places, account_id from broadcasts
where business_id = %(business_id)s::int and id = %(id)s::bigint and state::text = 'running' for share
"""
TAKE = """
select contact_id, given from broadcast_recipients
where business_id = %(business_id)s::int and broadcast_id = %(id)s::bigint and state::text = 'queued'
order by place limit 1 for update skip locked
"""
# Who they are by now, with their thread.
PERSON = """
with recursive up as (
    select k.id, k.merged_into from contacts k
    where k.business_id = %(business_id)s::int and k.id = %(contact_id)s::bigint
    union
    select k.id, k.merged_into from contacts k join up on k.id = up.merged_into
    where k.business_id = %(business_id)s::int
)
select c.id, coalesce(nullif(l.name, ''), p.name, p.profile_name, ''), coalesce(p.phone, ''), c.blocked_at is not null,
    exists (select from broadcast_recipients o join whatsapp_message m
            on m.business_id = o.business_id and m.id = o.message_id
        where o.business_id = %(business_id)s::int and o.broadcast_id = %(id)s::bigint
            and o.contact_id <> %(contact_id)s::bigint and m.conversation_id = c.id)
from up join contacts p on p.business_id = %(business_id)s::int and p.id = up.id and p.merged_into is null
join whatsapp_conversation c on c.business_id = p.business_id and c.contact_id = p.id
left join leads l on l.business_id = p.business_id and l.contact_id = p.id
"""


class Person(msgspec.Struct, frozen=True):
    """A recipient as they are by now. ``reached``: they have it already, under a name that was another's."""

    conversation_id: int
    name: str
    phone: str
    blocked: bool
    reached: bool


async def take(conn: Conn, business_id: int, broadcast_id: int) -> Next | None:
    """The next recipient, whom nobody else has; None where none waits, or the broadcast does not run any more."""
    values = {"business_id": business_id, "id": broadcast_id}
    held = await (await conn.execute(HOLD, values)).fetchone()
    row = await (await conn.execute(TAKE, values)).fetchone() if held else None
    return Next(row[0], row[1], *held) if held and row else None


async def person(conn: Conn, business_id: int, broadcast_id: int, contact_id: int) -> Person | None:
    """Who a recipient is by now; None where they have no thread."""
    values = {"business_id": business_id, "id": broadcast_id, "contact_id": contact_id}
    row = await (await conn.execute(PERSON, values)).fetchone()
    return Person(*row) if row else None


WRITE = """
update broadcast_recipients set state = %(state)s::text, reason = %(reason)s::text, message_id = %(message_id)s::bigint
where business_id = %(business_id)s::int and broadcast_id = %(id)s::bigint and contact_id = %(contact_id)s::bigint
    and state::text = 'queued'
"""


async def write(conn: Conn, business_id: int, whose: tuple[int, int], became: tuple[str, str, int | None]) -> None:
    """Writes down of (broadcast, contact) the (state, reason, message)."""
    values = {"business_id": business_id, "id": whose[0], "contact_id": whose[1]}
    await conn.execute(WRITE, values | {"state": became[0], "reason": became[1], "message_id": became[2]})


END = """
update broadcasts set state = %(state)s::text, ended_at = %(at)s::timestamptz
where business_id = %(business_id)s::int and id = %(id)s::bigint and state::text = 'running'
    and not exists (select from broadcast_recipients r where r.business_id = %(business_id)s::int
        and r.broadcast_id = %(id)s::bigint and r.state::text = 'queued')
"""


async def end(conn: Conn, business_id: int, broadcast_id: int, state: str, at: datetime) -> bool:
    """Ends a broadcast of which nobody waits any more; False where somebody does."""
    values = {"business_id": business_id, "id": broadcast_id, "state": state, "at": at}
    return (await conn.execute(END, values)).rowcount == 1
