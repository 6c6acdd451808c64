"""SQL of what may make rules fire: written where it happens, found by the clock, and taken by whoever decides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox import naming
from tallybook.inbox.automation_types import BY_MESSAGE, Booked, Cause, Facts, Heard, Kind, Rule, Silence
from tallybook.inbox.naming import Names
from tallybook.inbox.thread_types import Place

BUTTONS = frozenset({"button", "interactive"})  # what a customer presses may be about an appointment
LOOKED_BACK = timedelta(days=1)  # for what the clock says; what is too old by then is told so
LOOKED_AT = 500  # threads in one statement that seeks who is silent
_HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007

STARTS = """
select exists (select from automation_rules where business_id = %(business_id)s::int and active
    and starts = any(%(starts)s::text[]))
"""
PUT = f"""
insert into automation_causes (business_id, key, rule_id, kind, conversation_id, at, about, message_id, appointment_id)
values (%(business_id)s::int, %(key)s, %(rule_id)s::bigint, %(kind)s, %(conversation_id)s::bigint,
    %(at)s::timestamptz, %(about)s, %(message_id)s::bigint, %(appointment_id)s::bigint)
on conflict {inbox_keys.AUTOMATION_CAUSE.target} do nothing
"""
PUT_MESSAGES = f"""
insert into automation_causes (business_id, key, kind, conversation_id, at, message_id)
select business_id, 'message:' || id, 'message', conversation_id, said_at, id from whatsapp_message
where business_id = %(business_id)s::int and id = any(%(ids)s::bigint[]) and counted order by id
on conflict {inbox_keys.AUTOMATION_CAUSE.target} do nothing
"""


async def anything_starts(conn: Conn, business_id: int, starts: Sequence[str]) -> bool:
    """Whether a rule that is on starts so."""
    row = await (await conn.execute(STARTS, {"business_id": business_id, "starts": list(starts)})).fetchone()
    return row is not None and row[0]


async def put(conn: Conn, business_id: int, cause: Cause) -> bool:
    """Leaves a cause for the rules; False where it is there."""
    values = msgspec.structs.asdict(cause) | {"business_id": business_id}
    return (await conn.execute(PUT, values)).rowcount == 1


async def put_messages(conn: Conn, business_id: int, saved: Sequence[tuple[int, str]]) -> bool:
    """Leaves messages of customers (number, type) for the rules, where there are any, and what was pressed always."""
    wanted = saved if await anything_starts(conn, business_id, sorted(BY_MESSAGE)) else [
        one for one in saved if one[1] in BUTTONS
    ]  # fmt: skip
    if not wanted:
        return False
    values = {"business_id": business_id, "ids": arrays.numbers(one[0] for one in wanted)}
    return (await conn.execute(PUT_MESSAGES, values)).rowcount > 0


WAITING = """
select id, key, rule_id, conversation_id from automation_causes
where business_id = %(business_id)s::int and id > %(after)s::bigint order by id limit %(limit)s::int
"""
TAKE = """
delete from automation_causes
where business_id = %(business_id)s::int and key = %(key)s and rule_id = %(rule_id)s::bigint
returning kind, key, conversation_id, at, about, message_id, appointment_id, rule_id
"""


async def waiting(conn: Conn, business_id: int, after: int, limit: int) -> list[tuple[int, str, int, int]]:
    """The oldest causes after a number: number, key, rule, thread."""
    values = {"business_id": business_id, "after": after, "limit": limit}
    return [(row[0], row[1], row[2], row[3]) for row in await (await conn.execute(WAITING, values)).fetchall()]


async def take(conn: Conn, business_id: int, key: str, rule_id: int) -> Cause | None:
    """Takes a cause away, whose thread the caller holds; None where somebody has decided on it already."""
    row = await (await conn.execute(TAKE, {"business_id": business_id, "key": key, "rule_id": rule_id})).fetchone()
    return Cause(Kind(row[0]), *row[1:]) if row else None


IS_THERE = """
select exists (select from whatsapp_conversation where business_id = %(business_id)s::int and id = %(id)s::bigint)
    or exists (select from contact_merges where business_id = %(business_id)s::int and undone_at is null
        and (gone #>> '{thread,id}')::bigint = %(id)s::bigint)
"""


async def is_there(conn: Conn, business_id: int, conversation_id: int) -> bool:
    """Whether a thread is there, or went into another one."""
    row = await (await conn.execute(IS_THERE, {"business_id": business_id, "id": conversation_id})).fetchone()
    return row is not None and row[0]


# Silence: the last message of the customer that waited for somebody, and whether somebody of ours spoke since. What
# automation says is no answer, and nothing to be answered.
_LAST = f"""
(select m.id, m.said_at, m.seq from whatsapp_message m
    where m.business_id = {_HIDDEN} and m.conversation_id = c.id and m.direction = 'in' and m.counted
        and m.status <> 'deleted'
    order by m.said_at desc, m.seq desc limit 1)
"""
_ANSWER = f"""
(select max(m.said_at) as at from whatsapp_message m
    where m.business_id = {_HIDDEN} and m.conversation_id = c.id and m.direction = 'out'
        and m.source in ('human', 'bot') and (m.said_at, m.seq) > (i.said_at, i.seq))
"""
# So many threads at a time, the longest unmoved first, whatever becomes of them: with a million threads and a rule of a
# year one statement would else go through them all. Who waits for us has written within the time asked for.
SILENT = f"""
with c as materialized (
    select x.business_id, x.id, x.is_open, x.last_message_at, x.last_customer_message_at from whatsapp_conversation x
    where x.business_id = {_HIDDEN} and (x.last_message_at, x.id) > (%(at)s::timestamptz, %(id)s::bigint)
    order by x.last_message_at, x.id limit {LOOKED_AT}
), put as (
    insert into automation_causes (business_id, key, rule_id, kind, conversation_id, at, message_id)
    select c.business_id, 'silence:' || i.id, %(rule_id)s::bigint, 'silence', c.id,
        coalesce(o.at, i.said_at) + %(hours)s::interval, i.id
    from c cross join lateral {_LAST} i cross join lateral {_ANSWER} o
    where c.is_open and (o.at is not null) = %(answered)s::bool
        and c.last_customer_message_at <= %(now)s::timestamptz - %(hours)s::interval
        and (%(answered)s::bool or c.last_customer_message_at > %(since)s::timestamptz - %(hours)s::interval)
        and coalesce(o.at, i.said_at) + %(hours)s::interval <= %(now)s::timestamptz
        and coalesce(o.at, i.said_at) + %(hours)s::interval > %(since)s::timestamptz
        and not exists (select from automation_runs n where n.business_id = c.business_id
            and n.rule_id = %(rule_id)s::bigint and n.cause = 'silence:' || i.id)
    order by c.id
    on conflict {inbox_keys.AUTOMATION_CAUSE.target} do nothing returning 1
)
select (select count(*)::int from put), l.last_message_at, l.id
from (select) one left join lateral (
    select c.last_message_at, c.id from c order by c.last_message_at, c.id offset {LOOKED_AT - 1}) l on true
"""
REMIND = f"""
insert into automation_causes (business_id, key, rule_id, kind, conversation_id, at, about, appointment_id)
select a.business_id, 'appointment:' || a.id || ':' || a.moves || ':' || f.minutes, %(rule_id)s::bigint, 'appointment',
    c.id, a.starts_at - make_interval(mins => f.minutes), a.moves::text, a.id
from appointments a cross join unnest(%(minutes)s::int[]) as f (minutes)
join whatsapp_conversation c on c.business_id = a.business_id and c.contact_id = a.contact_id
where a.business_id = {_HIDDEN} and a.status in ('booked', 'confirmed')
    and a.starts_at > %(since)s::timestamptz
    and a.starts_at - make_interval(mins => f.minutes) <= %(now)s::timestamptz
    and a.starts_at - make_interval(mins => f.minutes) > greatest(%(since)s::timestamptz, a.planned_at)
    and not exists (select from automation_runs n where n.business_id = a.business_id
        and n.rule_id = %(rule_id)s::bigint
        and n.cause = 'appointment:' || a.id || ':' || a.moves || ':' || f.minutes)
order by a.id, f.minutes
on conflict {inbox_keys.AUTOMATION_CAUSE.target} do nothing
"""
BEGIN_DAY = """
update automation_rules set day = %(day)s::date
where business_id = %(business_id)s::int and id = %(rule_id)s::bigint and active and coalesce(day < %(day)s::date, true)
"""
DAY = f"""
insert into automation_causes (business_id, key, rule_id, kind, conversation_id, at)
select c.business_id, 'day:' || %(day)s::date || ':' || c.id, %(rule_id)s::bigint, 'day', c.id, %(at)s::timestamptz
from whatsapp_conversation c
where c.business_id = {_HIDDEN} and c.is_open
    and (%(labels)s::bigint[] = '{{}}' or exists (select from conversation_labels k where k.business_id = c.business_id
        and k.conversation_id = c.id and k.label_id = any(%(labels)s::bigint[])))
    and (%(statuses)s::text[] = '{{}}' or exists (select from leads l where l.business_id = c.business_id
        and l.contact_id = c.contact_id and l.status = any(%(statuses)s::text[])))
order by c.id
on conflict {inbox_keys.AUTOMATION_CAUSE.target} do nothing
"""


def _since(rule: Rule, now: datetime) -> datetime:
    return max(rule.active_since or now, now - LOOKED_BACK)


class SilenceRule(msgspec.Struct, frozen=True):
    """A rule of a business, and the silence of which it speaks."""

    business_id: int
    rule: Rule
    silence: Silence


async def find_silent(conn: Conn, of: SilenceRule, now: datetime, after: Place | None) -> tuple[int, Place | None]:
    """Leaves the threads after a place in which we or the customer have been silent for so long.

    How many are new, and from where to go on; None where it was the last.
    """
    rule, silence = of.rule, of.silence
    hours, since = timedelta(hours=silence.hours), _since(rule, now)
    begin = after or Place(since - hours, 0)
    values = {
        "business_id": of.business_id, "rule_id": rule.id, "hours": hours, "answered": silence.of == "customer",
        "now": now, "since": since, "at": begin.at, "id": begin.id,
    }  # fmt: skip
    row = await (await conn.execute(SILENT, values)).fetchone()
    found, at, number = row or (0, None, None)
    return found, Place(at, number) if number is not None else None


async def find_reminders(conn: Conn, business_id: int, rule: Rule, minutes: Sequence[int], now: datetime) -> int:
    """Leaves the appointments of which somebody is to be reminded; how many are new."""
    values = {"business_id": business_id, "rule_id": rule.id, "minutes": sorted(set(minutes)), "now": now}
    return (await conn.execute(REMIND, values | {"since": _since(rule, now)})).rowcount


async def begin_day(conn: Conn, business_id: int, rule: Rule, day: date, at: datetime) -> int:
    """Leaves each open thread that may fit, once for a day, whoever begins it; how many they are."""
    values = {"business_id": business_id, "rule_id": rule.id, "day": day, "at": at}
    if (await conn.execute(BEGIN_DAY, values)).rowcount != 1:
        return 0
    wanted = {"labels": list(rule.conditions.labels), "statuses": list(rule.conditions.statuses)}
    return (await conn.execute(DAY, values | wanted)).rowcount


FACTS = f"""
select l.name, p.name, coalesce(p.profile_name, c.customer_name), c.canonical_key, c.account, c.is_open,
    c.blocked_at is not null,
    array(select k.label_id from conversation_labels k
        where k.business_id = c.business_id and k.conversation_id = c.id),
    l.status,
    (select count(*)::int from (select from whatsapp_message m where m.business_id = c.business_id
        and m.conversation_id = c.id and m.said_at > %(since)s::timestamptz and m.source = 'automation'
        and m.direction = 'out' limit 100) x),
    i.id, o.at is not null
from whatsapp_conversation c
join contacts p on p.business_id = c.business_id and p.id = c.contact_id
left join leads l on l.business_id = c.business_id and l.contact_id = c.contact_id
left join lateral {_LAST} i on true
left join lateral {_ANSWER} o on true
where c.business_id = {_HIDDEN} and c.id = %(id)s::bigint
"""
HEARD = """
select m.body, m.message_type, m.said_at, m.late and m.created_at - m.said_at > interval '2 minutes',
    not exists (select from whatsapp_message b where b.business_id = m.business_id
        and b.conversation_id = m.conversation_id and b.seq < m.seq and b.source <> 'system')
from whatsapp_message m
where m.business_id = %(business_id)s::int and m.id = %(id)s::bigint and m.status <> 'deleted'
"""
BOOKED = """
select id, title, starts_at, place, status, moves from appointments
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""


async def facts(conn: Conn, business_id: int, cause: Cause, now: datetime, *, free: bool) -> Facts | None:
    """All that is to be known of a cause's thread; None where there is no such thread."""
    values: dict[str, Any] = {
        "business_id": business_id,
        "id": cause.conversation_id,
        "since": now - timedelta(hours=1),
    }
    row = await (await conn.execute(FACTS, values)).fetchone()
    if row is None:
        return None
    last, answered = row[10], row[11]
    return Facts(
        name=naming.shown(Names(*row[:3])),
        key=row[3], account=row[4], is_open=row[5], blocked=row[6], free=free, labels=frozenset(row[7]),
        status=row[8], sent=row[9],
        heard=await _heard(conn, business_id, cause.message_id) if cause.kind is Kind.MESSAGE else None,
        booked=await booked(conn, business_id, cause.appointment_id) if cause.appointment_id is not None else None,
        quiet_us=None if answered else last, quiet_customer=last if answered else None,
    )  # fmt: skip


async def _heard(conn: Conn, business_id: int, message_id: int | None) -> Heard | None:
    row = await (await conn.execute(HEARD, {"business_id": business_id, "id": message_id})).fetchone()
    return Heard(*row) if row else None


async def booked(conn: Conn, business_id: int, appointment_id: int) -> Booked | None:
    """An appointment as it stands."""
    row = await (await conn.execute(BOOKED, {"business_id": business_id, "id": appointment_id})).fetchone()
    return Booked(*row) if row else None
