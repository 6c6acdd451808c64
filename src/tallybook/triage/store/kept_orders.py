"""SQL of what was sent in and decided late, and of whether who leads was told of it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tallybook.core import triage_keys
from tallybook.core.db import Conn


class KeptOrder(msgspec.Struct, frozen=True):
    """Something that somebody sent in; ``because`` says why it could not be done, "" where it was."""

    key: str
    sent_by: str
    sent_at: datetime
    because: str = ""


ADD = f"""
insert into triage_kept_orders (business_id, key, team_id, sent_by, sent_at, because, decided_at)
values (%(business_id)s::int, %(key)s::text, %(team_id)s::bigint, %(sent_by)s::text, %(sent_at)s::timestamptz,
    %(because)s::text, %(now)s::timestamptz)
on conflict {triage_keys.KEPT_ORDER.target} do nothing
"""
# Those of which the last was decided before a moment, so that an outage is told as one.
UNREPORTED = """
select business_id, team_id from triage_kept_orders where reported_at is null
group by business_id, team_id having max(decided_at) <= %(before)s::timestamptz order by business_id, team_id
"""
REPORT = """
update triage_kept_orders set reported_at = %(now)s::timestamptz
where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint and reported_at is null
returning key, sent_by, sent_at, because
"""


async def add(conn: Conn, business_id: int, team_id: int, order: KeptOrder, now: datetime) -> None:
    """Keeps what became of it, once."""
    values = msgspec.structs.asdict(order) | {"business_id": business_id, "team_id": team_id, "now": now}
    values |= {"key": order.key[:250], "because": order.because[:500]}
    await conn.execute(ADD, values)


async def unreported(conn: Conn, before: datetime) -> list[tuple[int, int]]:
    """The teams, with their businesses, of whose orders nobody was told."""
    return [(row[0], row[1]) for row in await (await conn.execute(UNREPORTED, {"before": before})).fetchall()]


async def report(conn: Conn, business_id: int, team_id: int, now: datetime) -> list[KeptOrder]:
    """Takes the orders of which nobody was told, in the order in which they were sent in; each once."""
    values = {"business_id": business_id, "team_id": team_id, "now": now}
    rows = await (await conn.execute(REPORT, values)).fetchall()
    return sorted((KeptOrder(*row) for row in rows), key=lambda one: (one.sent_at, one.key))
