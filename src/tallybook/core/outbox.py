"""Outgoing messages: put in the transaction of what caused them, sent once, and never silently sent twice.

core/sending.py does the sending. A provider's report raises a message's state and never lowers it; a person replays
what was parked. docs/states.md draws the states.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from . import keys
from .db import Conn, Database
from .messages import Outgoing, Status
from .outcomes import Became, Tell, tell_nobody
from .sending import Post, deliver
from .standing import Rhythm, again_and_again
from .turns import Turns
from .wakeups import wake_up

TOPIC = "outbox"
TURN_SECONDS = 2.0  # for which one business is sent for before the next has its turn
# From which states a report raises a message to each. What a provider gave up on (PARKED) was at most sent.
RISES: Mapping[Status, tuple[Status, ...]] = {
    Status.SENT: (Status.WAITING, Status.SENDING, Status.UNKNOWN, Status.PARKED),
    Status.DELIVERED: (Status.WAITING, Status.SENDING, Status.UNKNOWN, Status.PARKED, Status.SENT),
    Status.READ: (Status.WAITING, Status.SENDING, Status.UNKNOWN, Status.PARKED, Status.SENT, Status.DELIVERED),
    Status.PARKED: (Status.SENDING, Status.UNKNOWN, Status.SENT),
}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider says became of a message of ours, named by our key or by the provider's id.

    ``status`` is SENT, DELIVERED, READ, or PARKED with a ``reason`` where the provider gave up on it.
    """

    channel: str
    status: Status
    dedup_key: str | None = None
    external_id: str | None = None
    reason: str | None = None


class Aside(msgspec.Struct, frozen=True):
    """A message that waits for a person, or for a report. Its recipient and text stay in the table."""

    id: int
    channel: str
    state: Status
    attempts: int
    resent: bool
    reason: str


PUT = f"""
insert into outbox (business_id, channel, account, recipient, dedup_key, body, topic, expires_at, priority)
values (%(business_id)s::int, %(channel)s, %(account)s, %(to)s, %(dedup_key)s, %(body)s::jsonb, %(topic)s::text,
    %(expires_at)s::timestamptz, %(pressed)s::bool::int - %(in_bulk)s::bool::int)
on conflict {keys.OUTGOING.target} do nothing
"""


async def put(conn: Conn, business_id: int, outgoing: Outgoing) -> bool:
    """Leaves a message to be sent, in the caller's transaction. False: its key was put before, nothing was done."""
    values = msgspec.structs.asdict(outgoing) | {"business_id": business_id}
    created = (await conn.execute(PUT, values | {"body": msgspec.json.encode(outgoing.body).decode()})).rowcount == 1
    if created:
        await wake_up(conn, TOPIC, business_id)
    return created


# The provider's id of what was sent is kept even where nothing rises: some tell it with no answer, only later.
SETTLE = """
with ours as (
    select id, state = any(%(below)s::text[]) as rises from outbox
    where business_id = %(business_id)s::int and channel = %(channel)s::text
        and (dedup_key = %(dedup_key)s::text or external_id = %(external_id)s::text)
    for update
), changed as (
    update outbox o set external_id = coalesce(o.external_id, %(external_id)s::text),
        state = case when ours.rises then %(status)s::text else o.state end,
        lease_until = case when not ours.rises then o.lease_until end,
        done_at = case when ours.rises then coalesce(o.done_at, now()) else o.done_at end,
        reason = case when ours.rises then %(reason)s::text else o.reason end
    from ours where o.business_id = %(business_id)s::int and o.id = ours.id and (ours.rises
        or o.state in ('sent', 'delivered', 'read') and o.external_id is null and %(external_id)s::text is not null)
    returning o.id, o.dedup_key, o.state
)
select changed.dedup_key, changed.state from ours left join changed using (id)
"""


async def settle(conn: Conn, business_id: int, report: Report, tell: Tell = tell_nobody) -> bool:
    """Raises a message to what its provider reports, of which ``tell`` hears; a late or repeated one changes nothing.

    False: we know no such message. A report may overtake our own record of the provider's id: have it tried later.
    """
    reason = (report.reason or "the provider gave up on it") if report.status is Status.PARKED else None
    values = msgspec.structs.asdict(report) | {
        "business_id": business_id, "reason": reason, "below": list(RISES[report.status]),
    }  # fmt: skip
    found = await (await conn.execute(SETTLE, values)).fetchall()
    changed = [Became(report.channel, key, Status(state)) for key, state in found if key is not None]
    if changed:
        await tell(conn, business_id, changed)
    return bool(found)


SENT_AS = """
select external_id, state not in ('waiting', 'sending', 'unknown') from outbox
where business_id = %(business_id)s::int and channel = %(channel)s::text and dedup_key = %(key)s::text
"""


async def sent_as(conn: Conn, business_id: int, channel: str, key: str) -> tuple[str | None, bool]:
    """The provider's id of what was put under a key, None where it has none; and whether that is its end."""
    asked = {"business_id": business_id, "channel": channel, "key": key}
    row = await (await conn.execute(SENT_AS, asked)).fetchone()
    return (row[0], row[1]) if row else (None, True)


ASIDE = """
select id, channel, state, attempts, resent, reason from outbox
where business_id = %(business_id)s::int and state in ('unknown', 'parked') and id > %(after)s::bigint
order by id limit %(limit)s::int
"""
REPLAY = """
update outbox set state = 'waiting', attempts = 0, resent = false, claimed_by = null, not_before = now(),
    done_at = null, expires_at = null, faults = 0
where business_id = %(business_id)s::int and state = 'parked' and id = any(%(ids)s::bigint[])
returning id
"""


async def aside(conn: Conn, business_id: int, limit: int = 100, after: int = 0) -> list[Aside]:
    """Messages of one business that are unknown or parked, in the order of their ids, beginning after ``after``."""
    asked = {"business_id": business_id, "limit": limit, "after": after}
    rows = await (await conn.execute(ASIDE, asked)).fetchall()
    return [Aside(row[0], row[1], Status(row[2]), *row[3:]) for row in rows]


async def replay(conn: Conn, business_id: int, ids: Sequence[int]) -> set[int]:
    """Parked messages wait again, since a person says so. Returns those that were parked."""
    rows = await (await conn.execute(REPLAY, {"business_id": business_id, "ids": list(ids)})).fetchall()
    if rows:
        await wake_up(conn, TOPIC, business_id)
    return {row[0] for row in rows}


# The lease of one that is being sent may have run out: it too is work for its business.
BUSY = """
select distinct business_id from outbox
where state in ('waiting', 'unknown') and (not_before <= now() or expires_at <= now())
    or state = 'sending' and lease_until <= clock_timestamp()
order by business_id
"""


async def busy(conn: Conn) -> list[int]:
    """The businesses for which something is due."""
    return [row[0] for row in await (await conn.execute(BUSY)).fetchall()]


async def run_outbox(db: Database, post: Post, stop: asyncio.Event, wake: asyncio.Event, idle: float = 5.0) -> None:
    """Delivers for every business until ``stop`` is set, at each ``wake`` and every ``idle`` seconds.

    Businesses are served side by side and in turns, so that none waits for the flood of another. A stop lets the sends
    under way come to their end. While the database is away it keeps asking.
    """
    turns = Turns(wake)

    async def send() -> None:
        for business_id in await db.run("look into the outbox", busy):
            turns.begin(business_id, partial(deliver, db, business_id, post, stop, TURN_SECONDS))

    try:
        await again_and_again(db, Rhythm(stop, idle, wake), partial(turns.look, send), "Nothing is sent")
    except asyncio.CancelledError:
        turns.cancel()
        raise
    finally:
        await turns.end()
