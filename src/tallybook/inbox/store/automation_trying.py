"""SQL of what happened in the last days that a rule would have fired for: of each of the newest threads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tallybook.core import wall_clock
from tallybook.core.db import Conn
from tallybook.inbox.automation_types import Cause, Daily, Kind, LabelPut, Reminder, Silence, StatusEntered, Trigger

THREADS = 500  # the newest, of which is looked at what happened
EACH = 20  # messages of a thread
MOST = 1000  # causes
_HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007
_NEWEST = f"""
(select c.id, c.business_id, c.contact_id, c.is_open from whatsapp_conversation c
    where c.business_id = {_HIDDEN} and c.last_message_at >= %(since)s::timestamptz
    order by c.last_message_at desc, c.id desc limit {THREADS}) c
"""
_AFTER = f"""exists (
select from whatsapp_message o where o.business_id = {_HIDDEN} and o.conversation_id = c.id
    and (o.said_at, o.seq) > (m.said_at, m.seq) and o.said_at <= m.said_at + %(hours)s::interval
    and (o.counted or o.direction = 'out' and o.source in ('human', 'bot')))
"""
MESSAGES = f"""
select c.id, m.said_at, '', m.id, null::bigint, 'message:' || m.id
from {_NEWEST} cross join lateral (
    select m.id, m.said_at from whatsapp_message m where m.business_id = {_HIDDEN} and m.conversation_id = c.id
        and m.said_at >= %(since)s::timestamptz and m.counted and m.status <> 'deleted'
    order by m.said_at desc, m.seq desc limit {EACH}) m
order by m.said_at desc limit {MOST}
"""
SILENT_US = f"""
select c.id, m.said_at + %(hours)s::interval, '', m.id, null::bigint, 'silence:' || m.id
from {_NEWEST} join whatsapp_message m on m.business_id = c.business_id and m.conversation_id = c.id
where m.counted and m.status <> 'deleted' and c.is_open
    and m.said_at + %(hours)s::interval between %(since)s::timestamptz and %(now)s::timestamptz
    and not {_AFTER}
order by 2 desc limit {MOST}
"""
SILENT_CUSTOMER = f"""
select c.id, m.said_at + %(hours)s::interval, '', i.id, null::bigint, 'silence:' || i.id
from {_NEWEST} join whatsapp_message m on m.business_id = c.business_id and m.conversation_id = c.id
cross join lateral (select b.id from whatsapp_message b where b.business_id = {_HIDDEN} and b.conversation_id = c.id
    and b.counted and b.status <> 'deleted' and (b.said_at, b.seq) < (m.said_at, m.seq)
    order by b.said_at desc, b.seq desc limit 1) i
where m.direction = 'out' and m.source in ('human', 'bot') and c.is_open
    and m.said_at + %(hours)s::interval between %(since)s::timestamptz and %(now)s::timestamptz
    and not {_AFTER}
order by 2 desc limit {MOST}
"""
# Of a label the record alone knows when it was put on a thread.
LABELS = f"""
select c.id, a.at, %(label)s::bigint::text, null::bigint, null::bigint, 'label:' || a.id
from audit_log a join whatsapp_conversation c on c.business_id = a.business_id and c.id::text = a.subject_id
where a.business_id = {_HIDDEN} and a.at >= %(since)s::timestamptz and a.action = 'conversation.labelled'
    and a.subject = 'conversation' and a.after ->> 'label' = %(label)s::bigint::text
order by 2 desc limit {MOST}
"""
STATUSES = f"""
select c.id, g.at, g.became, null::bigint, null::bigint, 'status:' || g.id
from lead_changes g join leads l on l.business_id = g.business_id and l.id = g.lead_id
join whatsapp_conversation c on c.business_id = l.business_id and c.contact_id = l.contact_id
where g.business_id = {_HIDDEN} and g.became = %(status)s and g.at >= %(since)s::timestamptz
order by 2 desc limit {MOST}
"""
REMINDERS = f"""
select c.id, a.starts_at - make_interval(mins => f.minutes), a.moves::text, null::bigint, a.id,
    'appointment:' || a.id || ':' || a.moves || ':' || f.minutes
from appointments a cross join unnest(%(minutes)s::int[]) as f (minutes)
join whatsapp_conversation c on c.business_id = a.business_id and c.contact_id = a.contact_id
where a.business_id = {_HIDDEN} and a.starts_at >= %(since)s::timestamptz
    and a.starts_at - make_interval(mins => f.minutes) between %(since)s::timestamptz and %(now)s::timestamptz
    and a.starts_at - make_interval(mins => f.minutes) > a.planned_at
order by 2 desc limit {MOST}
"""
OPEN = f"select c.id from {_NEWEST} where c.is_open order by c.id"
FREE = f"""
select exists (select from conversation_windows w where w.business_id = {_HIDDEN}
    and w.conversation_id = %(id)s::bigint and w.last_inbound_at > %(at)s::timestamptz - interval '24 hours')
"""


async def happened(
    conn: Conn, business_id: int, trigger: Trigger, between: tuple[datetime, datetime], zone: ZoneInfo
) -> list[Cause]:
    """What a rule that starts so would have looked at between two moments, the newest first."""
    since, now = between
    values = {"business_id": business_id, "since": since, "now": now}
    match trigger:
        case Daily():
            rows = await (await conn.execute(OPEN, values)).fetchall()
            return _days(trigger, [row[0] for row in rows], between, zone)
        case Silence():
            kind, statement = Kind.SILENCE, SILENT_US if trigger.of == "us" else SILENT_CUSTOMER
            more: dict[str, object] = {"hours": timedelta(hours=trigger.hours)}
        case LabelPut():
            kind, statement, more = Kind.LABEL, LABELS, {"label": trigger.label}
        case StatusEntered():
            kind, statement, more = Kind.STATUS, STATUSES, {"status": trigger.status}
        case Reminder():
            kind, statement, more = Kind.APPOINTMENT, REMINDERS, {"minutes": sorted(set(trigger.minutes))}
        case _:
            kind, statement, more = Kind.MESSAGE, MESSAGES, {}
    found = await (await conn.execute(statement, values | more)).fetchall()
    return [Cause(kind, row[5], *row[:2], *row[2:5]) for row in found]


def _days(trigger: Daily, threads: Sequence[int], between: tuple[datetime, datetime], zone: ZoneInfo) -> list[Cause]:
    since, now = between
    first: date = since.astimezone(zone).date()
    found = []
    for number in range((now.astimezone(zone).date() - first).days + 1):
        day = first + timedelta(days=number)
        at = wall_clock.instant(datetime.combine(day, time.fromisoformat(trigger.at)), zone)
        if day.weekday() in trigger.weekdays and since <= at <= now:
            found += [Cause(Kind.DAY, f"day:{day}:{one}", one, at) for one in threads]
    return list(reversed(found))[:MOST]


async def was_free(conn: Conn, business_id: int, conversation_id: int, at: datetime) -> bool:
    """Whether the customer had written within the day before a moment, as far as that can still be told."""
    row = await (await conn.execute(FREE, {"business_id": business_id, "id": conversation_id, "at": at})).fetchone()
    return row is not None and row[0]
