"""SQL of the bot's board: how bursts ended, how long they waited, and what nobody knew an answer to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from tallybook.core.db import Conn
from tallybook.inbox.answer_types import Listed, Unknown, Waits, Why

LONGEST_WAIT = 7200  # seconds; whoever waited longer counts as that

# Read off the index alone and counted without sorting: a million decisions have few days and few waits in seconds.
DAYS = """
select day, decision, waited, count(*)::int from (
    select width_bucket(d.decided_at, %(starts)s::timestamptz[]) as day, d.decision,
        least(greatest(date_part('epoch', d.decided_at - d.asked_at), 0), %(longest)s::float8)::int as waited
    from reply_decisions d
    where d.business_id = %(business_id)s::int and d.decided_at >= %(since)s::timestamptz
        and d.decided_at < %(until)s::timestamptz and d.decision <> 'withdrawn') x
group by day, decision, waited
"""
REASONS = """
select decision, reason, count(*)::int from reply_decisions
where business_id = %(business_id)s::int and decided_at >= %(since)s::timestamptz
    and decided_at < %(until)s::timestamptz and decision in ('handed_over', 'suppressed', 'withdrawn')
group by decision, reason order by 3 desc, decision, reason limit %(limit)s::int
"""


@dataclass(frozen=True)
class Period:
    """From the first of these days to a moment. Each day begins at its own midnight."""

    days: Mapping[datetime, date]
    until: datetime

    @property
    def values(self) -> dict[str, Any]:
        return {"since": min(self.days), "until": self.until}


async def days(conn: Conn, business_id: int, period: Period) -> list[Waits]:
    """How many bursts of each day ended how, after how many seconds."""
    starts = sorted(period.days)
    values = period.values | {"business_id": business_id, "longest": LONGEST_WAIT, "starts": starts}
    rows = await (await conn.execute(DAYS, values)).fetchall()
    return [Waits(period.days[starts[number - 1]], *more) for number, *more in rows]


async def reasons(conn: Conn, business_id: int, period: Period, limit: int) -> list[Why]:
    """Why bursts were handed over, met with silence or had their answer taken back, the commonest first."""
    values = period.values | {"business_id": business_id, "limit": limit}
    return [Why(*row) for row in await (await conn.execute(REASONS, values)).fetchall()]


# The words of the whole burst: what lies behind the decision before it that still stands.
UNKNOWN = """
select d.conversation_id, d.decided_at, (
    select left(string_agg(m.body, E'\\n' order by m.seq), %(longest)s::int) from whatsapp_message m
    where m.business_id = d.business_id and m.conversation_id = d.conversation_id and m.counted
        and m.status <> 'deleted' and m.message_type = 'text' and m.seq <= d.seq and m.seq > (
            select coalesce(max(p.seq), 0) from reply_decisions p where p.business_id = d.business_id
                and p.conversation_id = d.conversation_id and p.seq < d.seq and p.decision <> 'withdrawn'))
from (
    select * from reply_decisions x
    where x.business_id = %(business_id)s::int and x.decided_at >= %(since)s::timestamptz
        and x.decided_at < %(until)s::timestamptz and x.decision = 'handed_over'
        and (x.reason like 'no known answer%%' or x.reason like '%%it does not know the answer')
    order by x.decided_at desc limit %(limit)s::int) d
order by d.decided_at desc
"""


async def unknown(conn: Conn, business_id: int, period: Period, limit: int, longest: int) -> list[Unknown]:
    """What customers asked and nobody knew an answer to, the newest first, each in so many letters at most."""
    values = period.values | {"business_id": business_id, "limit": limit, "longest": longest}
    rows = await (await conn.execute(UNKNOWN, values)).fetchall()
    return [Unknown(row[0], row[1], row[2]) for row in rows if row[2]]


LIST = """
select d.conversation_id, d.seq, d.decision, d.reason, d.decided_at, d.asked_at, d.responder, d.draft_state,
    coalesce(nullif(l.name, ''), p.name, p.profile_name, p.phone, '')
from (
    select * from reply_decisions x
    where x.business_id = %(business_id)s::int and x.decided_at >= %(since)s::timestamptz
        and x.decided_at < %(until)s::timestamptz
        and (%(decision)s::text is null or x.decision = %(decision)s::text)
        and (%(at)s::timestamptz is null or (x.decided_at, x.conversation_id, x.seq)
            < (%(at)s::timestamptz, %(conversation)s::bigint, %(seq)s::bigint))
    order by x.decided_at desc, x.conversation_id desc, x.seq desc limit %(limit)s::int) d
join whatsapp_conversation c on c.business_id = d.business_id and c.id = d.conversation_id
join contacts p on p.business_id = c.business_id and p.id = c.contact_id
left join leads l on l.business_id = c.business_id and l.contact_id = c.contact_id
order by d.decided_at desc, d.conversation_id desc, d.seq desc
"""


@dataclass(frozen=True)
class Sought:
    """Which decisions are listed: of one kind or all, those behind a place (moment, thread, place in it)."""

    decision: str | None
    after: tuple[datetime, int, int] | None
    limit: int


async def listed(conn: Conn, business_id: int, period: Period, sought: Sought) -> list[Listed]:
    """Decisions, the newest first."""
    at, conversation, seq = sought.after or (None, None, None)
    values = period.values | {
        "business_id": business_id, "decision": sought.decision, "at": at, "conversation": conversation, "seq": seq,
        "limit": sought.limit,
    }  # fmt: skip
    return [Listed(*row) for row in await (await conn.execute(LIST, values)).fetchall()]
