"""SQL of the hooks themselves: who is told of what, switched on and off, and what became of each event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox.hook_events import Delivery, Hook

MOST = 50  # hooks of one business

ADD = f"""
insert into hooks (business_id, name, host, url_sealed, secret_sealed, events)
values (%(business_id)s::int, %(name)s, %(host)s, %(url)s::bytea, %(secret)s::bytea, %(events)s::text[])
on conflict {inbox_keys.HOOK.target} do nothing returning id
"""
COUNT = "select count(*)::int from hooks where business_id = %(business_id)s::int"


async def add(
    conn: Conn, business_id: int, hook: tuple[str, str, list[str]], sealed: tuple[bytes, bytes]
) -> int | None:
    """Adds a hook by (name, host, events), with its address and secret sealed; None where the name is taken."""
    name, host, events = hook
    values = {"business_id": business_id, "name": name, "host": host, "events": arrays.texts(events)}
    row = await (await conn.execute(ADD, values | {"url": sealed[0], "secret": sealed[1]})).fetchone()
    return row[0] if row else None


async def count(conn: Conn, business_id: int) -> int:
    ((number,),) = await (await conn.execute(COUNT, {"business_id": business_id})).fetchall()
    return int(number)


LISTED = """
select h.id, h.name, h.host, h.events, h.state, h.failing_since, h.off_at, h.created_at,
    case when h.old_until > now() then h.old_until end,
    (select count(*) from hook_events e where e.business_id = h.business_id and e.hook_id = h.id
        and e.state::text in ('waiting', 'sending')),
    (select count(*) from hook_events e where e.business_id = h.business_id and e.hook_id = h.id
        and e.state::text = 'parked'),
    (select max(e.done_at) from hook_events e where e.business_id = h.business_id and e.hook_id = h.id
        and e.state::text = 'delivered')
from hooks h
where h.business_id = %(business_id)s::int and (%(id)s::bigint is null or h.id = %(id)s::bigint)
order by h.name, h.id
"""


async def listed(conn: Conn, business_id: int, hook_id: int | None = None) -> list[Hook]:
    """The hooks of a business, or the one of this number."""
    rows = await (await conn.execute(LISTED, {"business_id": business_id, "id": hook_id})).fetchall()
    return [Hook(*row) for row in rows]


EVENTS = """
select id, event_key, kind, conversation_id, at, state, attempts, not_before, done_at, status, says from hook_events
where business_id = %(business_id)s::int and hook_id = %(hook_id)s::bigint and id < %(before)s::bigint
    and (%(states)s::text[] is null or state::text = any(%(states)s::text[]))
order by id desc limit %(limit)s::int
"""


async def events(
    conn: Conn, business_id: int, hook_id: int, asked: tuple[Sequence[str] | None, int, int]
) -> list[Delivery]:
    """The newest events of a hook, by (states or all, before which number, how many at most)."""
    states, before, limit = asked
    values = {
        "business_id": business_id, "hook_id": hook_id, "before": before, "limit": limit,
        "states": arrays.texts(states) if states is not None else None,
    }  # fmt: skip
    return [Delivery(*row) for row in await (await conn.execute(EVENTS, values)).fetchall()]


SEALED = """
select secret_sealed, state from hooks
where business_id = %(business_id)s::int and id = %(id)s::bigint for no key update
"""
ROTATE = """
update hooks set old_secret_sealed = secret_sealed, old_until = %(until)s::timestamptz,
    secret_sealed = %(secret)s::bytea
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
SWITCH = """
update hooks set state = %(state)s::text, off_at = case when %(state)s::text = 'on' then null else now() end,
    failing_since = null, failures = 0, resume_at = null
where business_id = %(business_id)s::int and id = %(id)s::bigint and state::text <> %(state)s::text
"""
REMOVE = "delete from hooks where business_id = %(business_id)s::int and id = %(id)s::bigint returning name"
AGAIN = """
update hook_events set state = 'waiting', attempts = 0, first_tried_at = null, not_before = now(), claimed_by = null,
    done_at = null
where business_id = %(business_id)s::int and hook_id = %(hook_id)s::bigint
    and (%(id)s::bigint is null and state::text = 'parked'
        or id = %(id)s::bigint and state::text in ('parked', 'delivered', 'captured'))
"""
# What waits for its next try is tried now.
HURRY = """
update hook_events set not_before = now(), first_tried_at = null
where business_id = %(business_id)s::int and hook_id = %(hook_id)s::bigint and state::text = 'waiting'
"""


async def hold(conn: Conn, business_id: int, hook_id: int) -> tuple[bytes, str] | None:
    """Holds a hook until the transaction ends; its sealed secret and its state, None where there is no such."""
    row = await (await conn.execute(SEALED, {"business_id": business_id, "id": hook_id})).fetchone()
    return (bytes(row[0]), row[1]) if row else None


async def rotate(conn: Conn, business_id: int, hook_id: int, secret: bytes, until: datetime) -> None:
    """Gives a hook another secret; the one before signs too until then."""
    await conn.execute(ROTATE, {"business_id": business_id, "id": hook_id, "secret": secret, "until": until})


async def switch(conn: Conn, business_id: int, hook_id: int, state: str) -> bool:
    """Switches a hook; False where it is so already. What waits for one that is switched on is tried at once."""
    changed = (await conn.execute(SWITCH, {"business_id": business_id, "id": hook_id, "state": state})).rowcount == 1
    if changed and state == "on":
        await conn.execute(HURRY, {"business_id": business_id, "hook_id": hook_id})
    return changed


async def remove(conn: Conn, business_id: int, hook_id: int) -> str | None:
    """Takes a hook away with all its events; its name, None where there is none."""
    row = await (await conn.execute(REMOVE, {"business_id": business_id, "id": hook_id})).fetchone()
    return row[0] if row else None


async def again(conn: Conn, business_id: int, hook_id: int, event_id: int | None) -> int:
    """One event is delivered again, or with None all that were given up; how many."""
    values = {"business_id": business_id, "hook_id": hook_id, "id": event_id}
    return (await conn.execute(AGAIN, values)).rowcount
