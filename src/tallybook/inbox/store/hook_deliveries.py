"""SQL of delivering: events are claimed with a lease, told outside any transaction, and written down.

A sender that dies leaves its claim behind; when the lease has run out the event is told once more, before whatever is
behind it in its thread.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from tallybook.core.db import Conn
from tallybook.inbox.hook_events import Tried


class Claimed(msgspec.Struct, frozen=True):
    """An event in hand, and how to tell it. ``old_secret`` is None where one secret signs."""

    id: int
    key: str
    body: str
    attempts: int
    first_tried_at: datetime
    url: bytes
    secret: bytes
    old_secret: bytes | None

    def __repr__(self) -> str:
        return f"Claimed({self.id})"


BUSY = """
select h.business_id, h.id from hooks h
where h.state::text = 'on' and (h.resume_at is null or h.resume_at <= now()) and exists (
    select from hook_events e where e.business_id = h.business_id and e.hook_id = h.id
        and e.state::text in ('waiting', 'sending') and e.not_before <= now()
        and (e.state::text = 'waiting' or e.lease_until <= clock_timestamp()))
order by h.business_id, h.id
"""


async def busy(conn: Conn) -> list[tuple[int, int]]:
    """The hooks for which something is due: (business, hook)."""
    return [(row[0], row[1]) for row in await (await conn.execute(BUSY)).fetchall()]


# Who holds the hook's row alone counts what is in flight and takes the next.
LOCK = """
select url_sealed, secret_sealed, case when old_until > now() then old_secret_sealed end from hooks
where business_id = %(business_id)s::int and id = %(hook_id)s::bigint and state::text = 'on'
    and (resume_at is null or resume_at <= clock_timestamp())
for no key update
"""
_OF_HOOK = "{0}.business_id = %(business_id)s::int and {0}.hook_id = %(hook_id)s::bigint"
_OPEN = _OF_HOOK + " and {0}.state::text in ('waiting', 'sending')"
_DUE = """{0}.not_before <= clock_timestamp()
        and ({0}.state::text = 'waiting' or {0}.lease_until <= clock_timestamp())"""
# Without statistics any index looks as good as the one that has the order: conditions below are ranges, and not
# equalities, so that no other index has it, and nothing may be sorted. What that seems to cost would be compiled.
BY_INDEX = "set local jit to off; set local enable_sort to off"
FIRST = 100  # that are due, and were so for longest
# What is of one thread leaves in its order; an event that fails holds back its own thread alone. What waits behind it
# is due all the while, and may be the most of what is: the few first are looked at one by one, and where none of them
# may go, one step is taken for each thread, however much waits in it.
CLAIM = f"""
with recursive flying as materialized (
    select count(*) as these from hook_events f
    where {_OF_HOOK.format("f")} and f.state::text = 'sending' and f.lease_until > clock_timestamp()
), heads as (
    (select h.id, h.conversation_id, h.not_before, h.state, h.lease_until from hook_events h
    where {_OPEN.format("h")} and h.conversation_id > 0 order by h.conversation_id, h.id limit 1)
    union all
    select n.* from heads p cross join lateral (
        select h.id, h.conversation_id, h.not_before, h.state, h.lease_until from hook_events h
        where {_OPEN.format("h")} and h.conversation_id > p.conversation_id order by h.conversation_id, h.id limit 1) n
), chosen as materialized (
    (select o.id from (
        select o.id, o.conversation_id from hook_events o where {_OPEN.format("o")} and {_DUE.format("o")}
        order by o.not_before, o.id limit {FIRST}) o
    where o.conversation_id = 0 or o.id = (
        select e.id from hook_events e
        where {_OPEN.format("e")} and (e.conversation_id, e.id) > (o.conversation_id, 0)
        order by e.conversation_id, e.id limit 1)
    limit 1)
    union all
    (select o.id from hook_events o where {_OPEN.format("o")} and o.conversation_id <= 0 and {_DUE.format("o")}
    order by o.conversation_id, o.id limit 1)
    union all
    (select h.id from (select * from heads h where {_DUE.format("h")} limit {FIRST}) h
    order by h.not_before, h.id limit 1)
    limit 1
), next as (
    select o.id from hook_events o
    where o.business_id = %(business_id)s::int and o.id = (select c.id from chosen c)
        and {_OPEN.format("o")} and {_DUE.format("o")} and (select these from flying) < %(at_once)s::int
    for update skip locked
)
update hook_events o set state = 'sending', attempts = o.attempts + 1, claimed_by = %(worker)s::uuid,
    lease_until = clock_timestamp() + make_interval(secs => %(lease)s::float8),
    first_tried_at = coalesce(o.first_tried_at, clock_timestamp())
from next where o.business_id = %(business_id)s::int and o.id = next.id
returning o.id, o.event_key, o.body::text, o.attempts, o.first_tried_at
"""


async def claim(conn: Conn, hook: tuple[int, int], worker: UUID, at_once: int, lease: float) -> Claimed | None:
    """The next event of (business, hook), where fewer than ``at_once`` are in flight, by whatever worker."""
    values = {"business_id": hook[0], "hook_id": hook[1], "worker": worker, "at_once": at_once, "lease": lease}
    held = await (await conn.execute(LOCK, values)).fetchone()
    if held is None:
        return None
    await conn.execute(BY_INDEX)
    row = await (await conn.execute(CLAIM, values)).fetchone()
    if row is None:
        return None
    old_secret = bytes(held[2]) if held[2] is not None else None
    return Claimed(row[0], row[1], row[2], row[3], row[4], bytes(held[0]), bytes(held[1]), old_secret)


WELL = """
update hooks set failing_since = null, failures = 0, resume_at = null
where business_id = %(business_id)s::int and id = %(hook_id)s::bigint
    and (failing_since is not null or failures > 0 or resume_at is not null)
"""
ILL = """
update hooks set failures = failures + 1, failing_since = coalesce(failing_since, now()),
    resume_at = case when %(pause)s::float8 > 0
        then clock_timestamp() + make_interval(secs => %(pause)s::float8) else resume_at end
where business_id = %(business_id)s::int and id = %(hook_id)s::bigint
returning failures, failing_since
"""
GIVE_UP_HOOK = """
update hooks set state = 'failed', off_at = now()
where business_id = %(business_id)s::int and id = %(hook_id)s::bigint and state::text = 'on'
returning name
"""
RECORD = """
update hook_events set state = %(state)s::text, lease_until = null, claimed_by = null, status = %(status)s::int,
    says = %(says)s::text, done_at = case when %(state)s::text = 'waiting' then null else now() end,
    not_before = clock_timestamp() + make_interval(secs => %(delay)s::float8)
where business_id = %(business_id)s::int and id = %(id)s::bigint and claimed_by = %(worker)s::uuid
"""


async def record(conn: Conn, hook: tuple[int, int], worker: UUID, event: tuple[int, str, float], how: Tried) -> bool:
    """Writes down a try of (event, its state from now on, seconds until the next); False once it is another's."""
    values = {
        "business_id": hook[0], "worker": worker, "id": event[0], "state": event[1], "delay": event[2],
        "status": how.status, "says": how.says,
    }  # fmt: skip
    return (await conn.execute(RECORD, values)).rowcount == 1


async def well(conn: Conn, hook: tuple[int, int]) -> None:
    """Something arrived: the next failure counts as the first again."""
    await conn.execute(WELL, {"business_id": hook[0], "hook_id": hook[1]})


async def ill(conn: Conn, hook: tuple[int, int], pause: float) -> tuple[int, datetime] | None:
    """Something failed: how often in a row, and since when. None where the hook is gone."""
    values = {"business_id": hook[0], "hook_id": hook[1], "pause": pause}
    row = await (await conn.execute(ILL, values)).fetchone()
    return (row[0], row[1]) if row else None


async def switch_off(conn: Conn, hook: tuple[int, int]) -> str | None:
    """Switches a hook off, as it only fails; its name, None where it is off already."""
    row = await (await conn.execute(GIVE_UP_HOOK, {"business_id": hook[0], "hook_id": hook[1]})).fetchone()
    return row[0] if row else None


CAPTURE = """
update hook_events set state = 'captured', done_at = now()
where state::text = 'waiting' and business_id = %(business_id)s::int and hook_id = %(hook_id)s::bigint
"""


async def capture(conn: Conn, hook: tuple[int, int]) -> None:
    """Keeps what waits without telling it, as every environment but prod does."""
    await conn.execute(CAPTURE, {"business_id": hook[0], "hook_id": hook[1]})
