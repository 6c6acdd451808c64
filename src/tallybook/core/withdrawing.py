"""A message that is about to be sent, and taken back at the last moment since it no longer stands.

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


# Says of a claimed message why it no longer stands; None where it does. It is called in the transaction that claims, so
# that what it locks stays as it is until the message is in hand. It locks the last of all, and of one message only.
Stands: TypeAlias = Callable[[Conn, int, Claimed], Awaitable[str | None]]


async def stands_always(_conn: Conn, _business_id: int, _claimed: Claimed) -> str | None:
    """For messages that nothing makes untrue."""
    return None


# Of one that was sent before nobody knows whether it came: it is not sent again, and nobody says that it was not.
WITHDRAW = """
update outbox set state = case when resent then 'parked' else 'dropped' end, lease_until = null,
    done_at = case when resent then done_at else now() end, claimed_by = null,
    reason = case when resent then 'nobody knows whether it was sent, and it is not sent again: ' else '' end
        || %(reason)s::text
where business_id = %(business_id)s::int and id = %(id)s::bigint and claimed_by = %(worker)s::uuid
"""


async def withdraw(conn: Conn, business_id: int, worker: UUID, claimed: Claimed, reason: str) -> Became:
    """Takes back what this worker has just claimed, and says what became of it."""
    out = claimed.outgoing
    values = {"business_id": business_id, "id": claimed.id, "worker": worker, "reason": reason}
    await conn.execute(WITHDRAW, values)
    withdrawn.labels(out.channel).inc()
    return Became(out.channel, out.dedup_key, Status.PARKED if claimed.resent else Status.DROPPED)
