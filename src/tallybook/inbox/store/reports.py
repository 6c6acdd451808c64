"""SQL of what providers tell of messages of ours, whichever comes first, the report or the message."""

from __future__ import annotations

from collections.abc import Sequence

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox.types import Delivery, Place, Report

_HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007

# States only rise, by their rank: what reached somebody did not fail, and what failed was not merely sent. Read implies
# delivered. Each moment is the earliest that was told.
RAISE = f"""
with told as (
    select u.* from unnest(%(channels)s::text[], %(accounts)s::text[], %(external)s::text[], %(statuses)s::text[],
        %(at)s::timestamptz[], %(reasons)s::text[]) as u (channel, account, external, status, at, reason)
), ranked as (
    select channel, account, external,
        max(array_position(array['sent', 'failed', 'delivered', 'read'], status)) as rank,
        min(at) filter (where status in ('sent', 'delivered', 'read')) as sent_at,
        min(at) filter (where status in ('delivered', 'read')) as delivered_at,
        min(at) filter (where status = 'read') as read_at, max(nullif(reason, '')) as reason
    from told group by 1, 2, 3
)
update whatsapp_message m set
    status = case
        when m.status = 'deleted' then m.status
        when r.rank > coalesce(array_position(array['sent', 'failed', 'delivered', 'read'], m.status::text), 0)
            then (array['sent', 'failed', 'delivered', 'read'])[r.rank]
        else m.status end,
    failed_reason = case when r.rank = 2 then coalesce(r.reason, m.failed_reason) else m.failed_reason end,
    sent_at = least(m.sent_at, r.sent_at), delivered_at = least(m.delivered_at, r.delivered_at),
    read_at = least(m.read_at, r.read_at)
from ranked r
where m.business_id = {_HIDDEN} and m.channel = r.channel and m.account = r.account
    and m.provider_message_id = r.external and m.provider_message_id = any(%(external)s::text[])
    and m.direction = 'out'
returning m.channel, m.account, m.provider_message_id
"""


async def raise_to(conn: Conn, business_id: int, reports: Sequence[Report]) -> set[Place]:
    """Raises messages to what is told of them; returns whose message was found."""
    cursor = await conn.execute(RAISE, {"business_id": business_id, **_report_columns(reports)})
    return {(row[0], row[1], row[2]) for row in await cursor.fetchall()}


AWAIT = f"""
insert into waiting_reports as w (business_id, channel, account, provider_message_id, status, at, reason)
select distinct on (channel, account, external, status) %(business_id)s::int, u.channel, u.account, u.external,
    u.status, u.at, nullif(u.reason, '')
from unnest(%(channels)s::text[], %(accounts)s::text[], %(external)s::text[], %(statuses)s::text[],
    %(at)s::timestamptz[], %(reasons)s::text[]) as u (channel, account, external, status, at, reason)
order by channel, account, external, status, at
on conflict {inbox_keys.WAITING_REPORT.target} do update set at = least(w.at, excluded.at)
"""


async def wait(conn: Conn, business_id: int, reports: Sequence[Report]) -> None:
    """Keeps reports until their message comes."""
    await conn.execute(AWAIT, {"business_id": business_id, **_report_columns(reports)})


TAKE = f"""
delete from waiting_reports w
using unnest(%(channels)s::text[], %(accounts)s::text[], %(external)s::text[]) as u (channel, account, external)
where w.business_id = {_HIDDEN} and w.channel = u.channel and w.account = u.account
    and w.provider_message_id = u.external
returning w.channel, w.account, w.provider_message_id, w.status, w.at, coalesce(w.reason, '')
"""


async def take(conn: Conn, business_id: int, places: Sequence[Place]) -> list[Report]:
    """Takes away what waited for these messages."""
    rows = await (await conn.execute(TAKE, {"business_id": business_id, **_columns(places)})).fetchall()
    return [Report(row[0], row[1], row[2], Delivery(row[3]), row[4], reason=row[5]) for row in rows]


def _columns(places: Sequence[Place]) -> dict[str, str]:
    return {
        "channels": arrays.texts([place[0] for place in places]),
        "accounts": arrays.texts([place[1] for place in places]),
        "external": arrays.texts([place[2] for place in places]),
    }


def _report_columns(reports: Sequence[Report]) -> dict[str, str]:
    return {
        **_columns([(one.channel, one.account, one.about) for one in reports]),
        "statuses": arrays.texts([one.status for one in reports]),
        "at": arrays.times([one.at for one in reports]),
        "reasons": arrays.texts([one.reason for one in reports]),
    }
