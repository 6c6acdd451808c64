"""SQL of answering: which bursts are to be decided, what the business knows, and what was decided."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox.answer_types import Answer, Burst, Choice, Decision, Heard, Sought

COUNTED = 1000  # customers that wait; more are not counted
_HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007

# What a thread ``c`` holds that nobody has decided on, and nobody has taken back.
_UNDECIDED = f"""
from whatsapp_message m
where m.business_id = {_HIDDEN} and m.conversation_id = c.id and m.counted and not m.decided
    and m.status <> 'deleted'
"""
# A counter that stands off without a message to decide on is due as well, so that it is caught up with; and so is a
# message on which nobody has decided, whatever the counter says.
_OPEN = f"""
c.id in (
    select x.id from whatsapp_conversation x where x.business_id = {_HIDDEN} and x.inbound <> x.decided_inbound
    union
    select m.conversation_id from whatsapp_message m
    where m.business_id = {_HIDDEN} and m.counted and not m.decided and m.status <> 'deleted')
"""
DUE = f"""
select c.id from whatsapp_conversation c
cross join lateral (select min(m.created_at) as first_at, max(m.created_at) as last_at {_UNDECIDED}) b
where c.business_id = {_HIDDEN} and {_OPEN} and c.id > %(after)s::bigint
    and (b.last_at is null or b.last_at <= %(quiet_since)s::timestamptz or b.first_at <= %(begun_by)s::timestamptz)
order by c.id limit %(limit)s::int
"""


@dataclass(frozen=True)
class Due:
    """Which bursts are over: those quiet since one moment, or begun by another; by thread, beginning after one."""

    quiet_since: datetime
    begun_by: datetime
    after: int
    limit: int


async def due(conn: Conn, business_id: int, asked: Due) -> list[int]:
    """The threads with a burst that is over, in the order of their ids."""
    values = {
        "business_id": business_id, "quiet_since": asked.quiet_since, "begun_by": asked.begun_by,
        "after": asked.after, "limit": asked.limit,
    }  # fmt: skip
    return [row[0] for row in await (await conn.execute(DUE, values)).fetchall()]


HOLD = """
select id from whatsapp_conversation where business_id = %(business_id)s::int and id = any(%(ids)s::bigint[])
order by id for update skip locked
"""


async def hold(conn: Conn, business_id: int, conversations: Collection[int]) -> list[int]:
    """Holds those of these threads that nobody else holds, and waits for none, so that nobody can deadlock."""
    values = {"business_id": business_id, "ids": arrays.numbers(conversations)}
    return [row[0] for row in await (await conn.execute(HOLD, values)).fetchall()]


# What automation says is no answer: a rule that welcomes everybody would silence the bot for ever.
THREAD = f"""
select c.canonical_key, c.bot_active,
    exists (select from whatsapp_message m where m.business_id = {_HIDDEN} and m.conversation_id = c.id
        and m.direction = 'out' and m.seq > u.seq and m.source in ('human', 'bot') and m.status <> 'failed'),
    (select max(m.said_at) from whatsapp_message m where m.business_id = {_HIDDEN} and m.conversation_id = c.id
        and m.said_at > greatest(%(since)s::timestamptz, c.bot_called_at) and m.source = 'human'),
    (select count(*) from whatsapp_message m where m.business_id = {_HIDDEN} and m.conversation_id = c.id
        and m.said_at > %(hour)s::timestamptz and m.source = 'bot' and m.status <> 'failed'),
    (select coalesce(max(d.withdrawn), 0) from reply_decisions d
        where d.business_id = {_HIDDEN} and d.conversation_id = c.id and d.seq = u.seq)
from whatsapp_conversation c cross join lateral (select max(m.seq) as seq {_UNDECIDED}) u
where c.business_id = %(business_id)s::int and c.id = %(id)s::bigint
"""
# What is pressed under a reminder is for the appointment: inbox/service/appointment_replies.py.
HEARD = f"""
select m.seq, m.body, m.message_type, m.said_at, m.created_at, m.late,
    m.message_type in ('button', 'interactive') and exists (
        select from messages o where o.business_id = {_HIDDEN} and o.id = m.message_id
            and starts_with(coalesce(o.content->'as_sent'->'button'->>'payload',
                o.content->'as_sent'->'interactive'->'button_reply'->>'id', ''), 'appointment:'))
{_UNDECIDED.replace("c.id", "%(id)s::bigint")}
order by m.seq
"""


async def burst(conn: Conn, business_id: int, conversation_id: int, since: datetime, hour: datetime) -> Burst | None:
    """What waits for a decision in a thread; None where nothing does.

    People's own words are sought after ``since``, and the bot's are counted after ``hour``.
    """
    values = {"business_id": business_id, "id": conversation_id, "since": since, "hour": hour}
    heard = [Heard(*row) for row in await (await conn.execute(HEARD, values)).fetchall()]
    thread = await (await conn.execute(THREAD, values)).fetchone()
    if not heard or thread is None:
        return None
    return Burst(conversation_id, thread[0], thread[1], heard, *thread[2:])


KNOWN = f"""
select a.id, a.question, a.answer from inbox_answers a, to_tsquery('simple', %(query)s::text) q
where a.business_id = {_HIDDEN} and a.active and a.language = %(language)s::text
    and to_tsvector('simple', a.question) @@ q
order by ts_rank(to_tsvector('simple', a.question), q) desc, a.id limit 50
"""


# By trigrams: a word of the question that is at least half like one that was asked, wherever the slip is. What has more
# of the words comes first.
SPELT = f"""
select a.id, a.question, a.answer
from unnest(%(words)s::text[], %(spellings)s::text[]) as u (word, spelling)
join inbox_answers a on a.question %%>> u.spelling
where a.business_id = {_HIDDEN} and a.active and a.language = %(language)s::text
group by a.id, a.question, a.answer
order by count(distinct u.word) desc, max(strict_word_similarity(u.spelling, a.question)) desc, a.id limit 50
"""


async def known(conn: Conn, business_id: int, sought: Sought) -> list[Answer]:
    """The business's own answers whose questions have any of the words, the likeliest first.

    50 at most that have them as they were written, and 50 that have them spelt in another way.
    """
    values = values_of(business_id, sought)
    found = await (await conn.execute(KNOWN, values)).fetchall()
    if sought.spellings:
        found += await (await conn.execute(SPELT, values)).fetchall()
    return list({row[0]: Answer(*row) for row in found}.values())


def values_of(business_id: int, sought: Sought) -> dict[str, Any]:
    return {
        "business_id": business_id, "language": sought.language, "query": sought.query,
        "words": arrays.texts([word for word, _ in sought.spellings]),
        "spellings": arrays.texts([spelling for _, spelling in sought.spellings]),
    }  # fmt: skip


DECIDE = f"""
insert into reply_decisions as d (business_id, conversation_id, seq, decision, reason, body, outgoing_key, decided_at,
    asked_at, responder, failed)
values (%(business_id)s::int, %(id)s::bigint, %(seq)s::bigint, %(choice)s::text, %(reason)s::text, %(body)s::text,
    %(outgoing_key)s::text, %(now)s::timestamptz, %(asked_at)s::timestamptz, %(responder)s::text,
    %(failed)s::text)
on conflict {inbox_keys.REPLY_DECISION.target} do update set decision = excluded.decision, reason = excluded.reason,
    body = excluded.body, outgoing_key = excluded.outgoing_key, decided_at = excluded.decided_at,
    responder = excluded.responder, failed = excluded.failed
where d.decision = 'withdrawn'
"""


@dataclass(frozen=True)
class Made:
    """When a decision was made, on what was seen first when, and under which key its answer leaves, if one does."""

    now: datetime
    asked_at: datetime
    outgoing_key: str | None = None


async def decide(conn: Conn, business_id: int, decision: Decision, made: Made) -> bool:
    """Writes a decision down; False where the burst had one, which stands."""
    values = {
        "business_id": business_id, "id": decision.conversation_id, "seq": decision.seq, "choice": decision.choice,
        "reason": decision.reason, "body": decision.body, "outgoing_key": made.outgoing_key, "now": made.now,
        "asked_at": made.asked_at, "responder": decision.responder,
        "failed": decision.failed,
    }  # fmt: skip
    return (await conn.execute(DECIDE, values)).rowcount == 1


@dataclass(frozen=True)
class Lost:
    """Answers that may not have left, by their keys, and why; those that were ``overtaken`` are no loss."""

    keys: Sequence[str]
    channels: Collection[str]
    reason: str
    overtaken: Collection[str]


HAND_OVER = """
update reply_decisions d set decision = 'handed_over', reason = %(reason)s::text || coalesce(': ' || o.reason, '')
from outbox o
where d.business_id = %(business_id)s::int and d.outgoing_key = any(%(keys)s::text[]) and d.decision = 'answered'
    and o.business_id = %(business_id)s::int and o.channel = any(%(channels)s::text[])
    and o.dedup_key = d.outgoing_key and o.state in ('dropped', 'parked')
    and coalesce(o.reason, '') not like all(%(overtaken)s::text[])
returning d.conversation_id, d.reason
"""


async def hand_over(conn: Conn, business_id: int, lost: Lost) -> list[tuple[int, str]]:
    """Has bursts be a person's whose answers did not leave; (thread, reason) of each.

    The caller holds the outbox's rows.
    """
    values = {
        "business_id": business_id, "keys": arrays.texts(lost.keys), "channels": sorted(lost.channels),
        "overtaken": [f"%{one}" for one in lost.overtaken], "reason": lost.reason,
    }  # fmt: skip
    return [(row[0], row[1]) for row in await (await conn.execute(HAND_OVER, values)).fetchall()]


# By a person who had it sent again, or by a report that came late.
SENT_AFTER_ALL = """
update reply_decisions set decision = 'answered', reason = %(after)s::text
where business_id = %(business_id)s::int and outgoing_key = any(%(keys)s::text[]) and decision = 'handed_over'
    and starts_with(reason, %(before)s::text)
"""


async def sent_after_all(conn: Conn, business_id: int, outgoing_keys: Sequence[str], why: tuple[str, str]) -> int:
    """Has bursts be answered that were handed over since their answers had not left; how many.

    ``why`` is how that reason began, and the one from now on. The caller holds the outbox's rows.
    """
    values = {
        "business_id": business_id, "keys": arrays.texts(outgoing_keys), "before": why[0], "after": why[1],
    }  # fmt: skip
    return (await conn.execute(SENT_AFTER_ALL, values)).rowcount


SUPPRESS = f"""
insert into reply_decisions as d (business_id, conversation_id, seq, decision, reason, decided_at, asked_at)
select %(business_id)s::int, c.id, b.seq, %(choice)s::text, %(reason)s::text, %(now)s::timestamptz, b.seen_at
from whatsapp_conversation c
cross join lateral (select max(m.seq) as seq, min(m.created_at) as seen_at {_UNDECIDED}) b
where c.business_id = %(business_id)s::int and c.id = any(%(ids)s::bigint[]) and b.seq is not null
on conflict {inbox_keys.REPLY_DECISION.target} do update set decision = excluded.decision, reason = excluded.reason,
    decided_at = excluded.decided_at
where d.decision = 'withdrawn'
"""


async def suppress(conn: Conn, business_id: int, conversations: Collection[int], reason: str, now: datetime) -> int:
    """Ends all bursts of these threads, which the caller holds, for one reason; returns how many."""
    values = {
        "business_id": business_id, "ids": arrays.numbers(conversations), "choice": Choice.SUPPRESSED,
        "reason": reason, "now": now,
    }  # fmt: skip
    return (await conn.execute(SUPPRESS, values)).rowcount


# A fact of the message and not of its place: two threads that become one, or are parted, take it along.
MARK = f"""
update whatsapp_message m set decided = true
where m.business_id = {_HIDDEN} and m.conversation_id = any(%(ids)s::bigint[]) and m.counted and not m.decided
"""
CATCH_UP = """
update whatsapp_conversation set decided_inbound = inbound
where business_id = %(business_id)s::int and id = any(%(ids)s::bigint[])
"""
SILENCE_BOT = """
update whatsapp_conversation set bot_active = false, updated_at = now()
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""


async def catch_up(conn: Conn, business_id: int, conversations: Collection[int]) -> None:
    """Nothing waits for a decision any more in these threads, which the caller holds."""
    values = {"business_id": business_id, "ids": arrays.numbers(conversations)}
    await conn.execute(MARK, values)
    await conn.execute(CATCH_UP, values)


async def silence_bot(conn: Conn, business_id: int, conversation_id: int) -> None:
    """The bot says no more in the thread until somebody calls it back."""
    await conn.execute(SILENCE_BOT, {"business_id": business_id, "id": conversation_id})


WAITING = f"""
select count(*), min(w.first_at) from (
    select b.first_at from whatsapp_conversation c
    cross join lateral (select min(m.created_at) as first_at {_UNDECIDED}) b
    where c.business_id = {_HIDDEN} and {_OPEN} and b.first_at < %(before)s::timestamptz
    limit %(limit)s::int) w
"""


async def waiting(conn: Conn, business_id: int, before: datetime) -> tuple[int, datetime | None]:
    """How many customers wrote before that moment and wait for a decision, 1,000 at most, and since when one does."""
    values = {"business_id": business_id, "before": before, "limit": COUNTED}
    row = await (await conn.execute(WAITING, values)).fetchone()
    return (row[0], row[1]) if row else (0, None)
