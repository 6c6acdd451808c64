"""SQL of who thinks out answers: who has failed since it last gave one."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tallybook.core.db import Conn

COUNTED = 100
_HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007


class Failing(msgspec.Struct, frozen=True):
    """A responder that has given nothing since ``since``, and how often it should have; 100 at most are counted."""

    responder: str
    count: int
    since: datetime


# What it gave between two failures makes the second the first again. Where nobody failed nothing else is read.
FAILING = f"""
with failed as materialized (
    select d.failed as who, d.decided_at from reply_decisions d
    where d.business_id = {_HIDDEN} and d.failed is not null and d.decided_at > %(since)s::timestamptz
    order by d.decided_at desc limit %(most)s::int
), gave as (
    select f.who, (
        select max(d.decided_at) from reply_decisions d
        where d.business_id = {_HIDDEN} and d.decided_at > f.first_at and d.responder = f.who and d.failed is null
            and d.decision in ('answered', 'drafted', 'handed_over')) as at
    from (select who, min(decided_at) as first_at from failed group by who) f
)
select f.who, count(*), min(f.decided_at) from failed f join gave g on g.who = f.who
where g.at is null or f.decided_at > g.at group by f.who order by f.who
"""


async def failing(conn: Conn, business_id: int, since: datetime) -> list[Failing]:
    """Who failed after ``since`` and has given nothing after it."""
    values = {"business_id": business_id, "since": since, "most": COUNTED}
    return [Failing(*row) for row in await (await conn.execute(FAILING, values)).fetchall()]
