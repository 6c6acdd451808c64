"""SQL of who came by an advertisement: the moment stands at the window that their message opened."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from tallybook.core import arrays
from tallybook.core.db import Conn

REFER = """
update conversation_windows w set referred_at = greatest(w.referred_at, u.at)
from unnest(%(ids)s::bigint[], %(channels)s::text[], %(accounts)s::text[], %(at)s::timestamptz[])
    as u (id, channel, account, at)
where w.business_id = %(business_id)s::int and w.conversation_id = u.id and w.channel = u.channel
    and w.account = u.account
"""


async def refer(conn: Conn, business_id: int, newest: Mapping[tuple[int, str, str], datetime]) -> None:
    """Keeps when the customer of a thread last came to a number by an advertisement: (thread, channel, account)."""
    places = sorted(newest)
    values = {
        "business_id": business_id,
        "ids": arrays.numbers(place[0] for place in places),
        "channels": arrays.texts([place[1] for place in places]),
        "accounts": arrays.texts([place[2] for place in places]),
        "at": arrays.times(newest[place] for place in places),
    }
    await conn.execute(REFER, values)
