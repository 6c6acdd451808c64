"""A message that is about to be sent, and taken back or held at the last moment since it is not to leave.

Core knows no module: who sends is given a question to ask of each message that it has claimed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec
from prometheus_client import Counter

from .db import Conn
from .messages import Outgoing, Status
from .outcomes import Became

withdrawn = Counter(
    "tallybook_outgoing_withdrawn_total", "Messages that no longer stood when they were to be sent.", ["channel"]
)


class Claimed(msgspec.Struct, frozen=True):
    """A message in hand. ``resent``: an earlier send had no answer, and this is the one time that it is sent again.

    ``faults``: how often it failed before, by no fault of its line. ``tried_at``: when it was last tried before.
    """

    id: int
    attempts: int
    resent: bool
    faults: int
    tried_at: datetime | None
    outgoing: Outgoing


class NotNow(msgspec.Struct, frozen=True):
    """It stands, and is not to leave now. ``seconds``: it is looked at again after so many; None: see UNTIL_LET_GO."""

    seconds: float | None


class Moot(msgspec.Struct, frozen=True):
    """It no longer stands, and it makes no difference whether an earlier send of it came: something newer is due."""

    reason: str


UNTIL_LET_GO = NotNow(None)  # nothing looks at it again before somebody lets it go


# Says of a claimed message why it no longer stands, or that it waits; None where it leaves. It is called in the
# transaction that claims, so that what it locks stays as it is until the message is in hand. It locks the last of all,
# and of one message only.
Stands: TypeAlias = Callable[[Conn, int, Claimed], Awaitable[str | NotNow | Moot | None]]


async def stands_always(_conn: Conn, _business_id: int, _claimed: Claimed) -> str | None:
    """For messages that nothing makes untrue."""
    return None


# Of one that was sent before nobody knows whether it came: it is not sent again, and nobody says that it was not.
# Where that is moot, nobody is asked either.
WITHDRAW = """
update outbox set state = case when %(in_doubt)s::bool then 'parked' else 'dropped' end, lease_until = null,
    done_at = case when %(in_doubt)s::bool then done_at else now() end, claimed_by = null,
    reason = case when %(in_doubt)s::bool then 'nobody knows whether it was sent, and it is not sent again: '
        else '' end || %(reason)s::text
where business_id = %(business_id)s::int and id = %(id)s::bigint and claimed_by = %(worker)s::uuid
"""


async def withdraw(conn: Conn, business_id: int, worker: UUID, claimed: Claimed, why: str | Moot) -> Became:
    """Takes back what this worker has just claimed, and says what became of it."""
    out, in_doubt = claimed.outgoing, claimed.resent and not isinstance(why, Moot)
    reason = why.reason if isinstance(why, Moot) else why
    values = {"business_id": business_id, "id": claimed.id, "worker": worker, "reason": reason, "in_doubt": in_doubt}
    await conn.execute(WITHDRAW, values)
    withdrawn.labels(out.channel).inc()
    return Became(out.channel, out.dedup_key, Status.PARKED if in_doubt else Status.DROPPED)


UNKNOWN_AND_HELD = "nobody knows whether it was sent, and what it belongs to is held"
# Held at the end of time, where no claim sees it and nobody waits behind it; what was of use only for a while is so
# again from when it is let go. What may have been sent stays unknown, and may be sent again once as before.
HOLD = """
update outbox set state = case when resent then 'unknown' else 'waiting' end,
    reason = case when resent then %(reason)s::text end, resent = false, claimed_by = null, lease_until = null,
    attempts = attempts - 1, tried_at = %(tried_at)s::timestamptz,
    expires_at = case when %(seconds)s::float8 is not null then expires_at end,
    not_before = coalesce(clock_timestamp() + make_interval(secs => %(seconds)s::float8), 'infinity')
where business_id = %(business_id)s::int and id = %(id)s::bigint and claimed_by = %(worker)s::uuid
"""
# What no claim can reach, since its line is closed or its channel stopped, would outlive its moment. What is in hand,
# or nobody knows whether it was sent, keeps its time: a report may come yet.
HOLD_ALL = """
with ours as (
    select id from outbox
    where business_id = %(business_id)s::int and state in ('waiting', 'sending', 'unknown')
        and starts_with(dedup_key, %(prefix)s::text)
    order by id for update
)
update outbox o set expires_at = null, not_before = case when o.state = 'waiting' then 'infinity' else o.not_before end
from ours where o.business_id = %(business_id)s::int and o.id = ours.id
"""
# At its own time again, so that what is let go leaves in the order in which it was put.
LET_GO = """
with ours as (
    select id from outbox
    where business_id = %(business_id)s::int and state in ('waiting', 'sending', 'unknown')
        and (not_before = 'infinity' or expires_at is null) and starts_with(dedup_key, %(prefix)s::text)
    order by id for update
)
update outbox o set expires_at = %(until)s::timestamptz,
    not_before = case when o.not_before = 'infinity' then o.created_at else o.not_before end
from ours where o.business_id = %(business_id)s::int and o.id = ours.id
"""


async def hold(conn: Conn, business_id: int, worker: UUID, claimed: Claimed, not_now: NotNow) -> None:
    """Puts back what this worker has just claimed, as if it had not been."""
    values = {
        "business_id": business_id, "id": claimed.id, "worker": worker, "tried_at": claimed.tried_at,
        "seconds": not_now.seconds, "reason": UNKNOWN_AND_HELD,
    }  # fmt: skip
    await conn.execute(HOLD, values)


async def hold_all(conn: Conn, business_id: int, prefix: str) -> None:
    """Holds until they are let go what waits under keys of this beginning; what is in hand by then may still leave."""
    await conn.execute(HOLD_ALL, {"business_id": business_id, "prefix": prefix})


async def let_go(conn: Conn, business_id: int, prefix: str, until: datetime) -> int:
    """Lets what is held under keys of this beginning leave until then; returns how many."""
    values = {"business_id": business_id, "prefix": prefix, "until": until}
    return (await conn.execute(LET_GO, values)).rowcount
