"""SQL of holding a number, so that what is told of one message meets the message, whichever comes first."""

from __future__ import annotations

from collections.abc import Iterable

from tallybook.core import arrays
from tallybook.core.db import Conn
from tallybook.inbox.types import Number

# A report that does not find its message and a message that does not find its report would miss each other, each in a
# transaction that does not see the other's. In one order, so that two batches cannot deadlock.
HOLD = """
select pg_advisory_xact_lock(n) from (
    select distinct hashtextextended(u.channel || chr(31) || u.account, %(business_id)s::int) as n
    from unnest(%(channels)s::text[], %(accounts)s::text[]) as u (channel, account) order by 1) l
"""


async def hold(conn: Conn, business_id: int, numbers: Iterable[Number]) -> None:
    """Until the transaction ends, nobody else files messages of these numbers, or what was told of them."""
    ordered = sorted(set(numbers))
    values = {
        "channels": arrays.texts([one[0] for one in ordered]),
        "accounts": arrays.texts([one[1] for one in ordered]),
    }
    await conn.execute(HOLD, {"business_id": business_id, **values})
