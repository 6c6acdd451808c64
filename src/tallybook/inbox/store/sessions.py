"""SQL of runs of conversation: ending them, reading them, and their summaries. Who ends one holds its thread."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox import lead_rules
from tallybook.inbox.session_types import By, Counts, Ended, Facts, Findings, Gist, Session, Spoken, Topic

_HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007
TOLD = 200  # messages of a conversation that a model is told, the newest

# Threads in which the customer has not written for so long. Who holds one writes in it just now: it is not silent.
SILENT = f"""
select c.id from whatsapp_conversation c
where c.business_id = {_HIDDEN} and c.session_open and c.wrote_at < %(before)s::timestamptz
order by c.wrote_at limit %(limit)s::int for update skip locked
"""


async def hold_silent(conn: Conn, business_id: int, before: datetime, limit: int) -> list[int]:
    """Holds threads whose customer last wrote before a moment, in conversations that go on; waits for nobody."""
    values = {"business_id": business_id, "before": before, "limit": limit}
    return [row[0] for row in await (await conn.execute(SILENT, values)).fetchall()]


# All that is in the thread and in no run before. Who holds the thread sees it all, since each writer held it too.
FACTS = f"""
select c.id, c.session_number, s.first_seq, c.last_seq, s.started_at, s.ended_at, s.customer, s.bot, s.automation,
    s.human, coalesce(q.body, ''), coalesce(l.source, ''), coalesce(n.names, '{{}}'), e.status,
    coalesce(a.bodies, '{{}}')
from whatsapp_conversation c
cross join lateral (
    select min(m.seq) as first_seq, min(m.said_at) as started_at, max(m.said_at) as ended_at,
        count(*) filter (where m.source = 'customer' and m.status <> 'deleted')::int as customer,
        count(*) filter (where m.source = 'bot' and m.status <> 'deleted')::int as bot,
        count(*) filter (where m.source = 'automation' and m.status <> 'deleted')::int as automation,
        count(*) filter (where m.source = 'human' and m.status <> 'deleted')::int as human
    from whatsapp_message m
    where m.business_id = {_HIDDEN} and m.conversation_id = c.id and m.seq > c.session_seq) s
left join lateral (
    select left(m.body, 400) as body from whatsapp_message m
    where m.business_id = {_HIDDEN} and m.conversation_id = c.id and m.seq > c.session_seq
        and m.source = 'customer' and m.status <> 'deleted' and m.body <> ''
    order by strpos(m.body, '?') = 0, m.said_at, m.seq limit 1) q on true
left join lateral (
    select m.source from whatsapp_message m
    where m.business_id = {_HIDDEN} and m.conversation_id = c.id and m.seq > c.session_seq and m.source <> 'system'
    order by m.said_at desc, m.seq desc limit 1) l on true
left join leads e on e.business_id = c.business_id and e.contact_id = c.contact_id
left join lateral (
    select array_agg(x.body order by x.said_at desc, x.seq desc) as bodies from (
        select left(m.body, 4096) as body, m.said_at, m.seq from whatsapp_message m
        where m.business_id = {_HIDDEN} and m.conversation_id = c.id and m.seq > c.session_seq
            and m.source = 'customer' and m.status <> 'deleted' and strpos(m.body, '@') > 0
        order by m.said_at desc, m.seq desc limit 5) x) a on true
left join lateral (
    select array_agg(i.name order by i.name) as names from conversation_labels x
    join inbox_labels i on i.business_id = x.business_id and i.id = x.label_id
    where x.business_id = {_HIDDEN} and x.conversation_id = c.id) n on true
where c.business_id = {_HIDDEN} and c.id = any(%(ids)s::bigint[]) and c.session_open and s.first_seq is not null
"""


async def facts(conn: Conn, business_id: int, conversations: Collection[int]) -> list[Facts]:
    """What is known of the conversations that go on in these threads, which the caller holds."""
    values = {"business_id": business_id, "ids": arrays.numbers(conversations)}
    rows = await (await conn.execute(FACTS, values)).fetchall()
    return [_facts(row) for row in rows]


def _facts(row: tuple[Any, ...]) -> Facts:
    asked, last, labels, status, bodies = row[10:]
    email = next((found for one in bodies if (found := lead_rules.email_in(one))), "")
    counts = Counts(*row[6:10])
    return Facts(row[0], row[1], row[2], row[3], row[4], row[5], counts, asked, last, labels, status, email)


END = f"""
insert into conversation_sessions (business_id, conversation_id, number, first_seq, last_seq, started_at, ended_at,
    closed_at, ended_by, who, customer, bot, automation, human, summary, summary_at, topic, topic_id, topic_confidence,
    topic_source, suggested_status, suggested_by, found_email)
select %(business_id)s::int, u.id, u.number, u.first_seq, u.last_seq, u.started_at, u.ended_at, %(now)s::timestamptz,
    %(ended_by)s::text, %(who)s::text, u.customer, u.bot, u.automation, u.human, u.summary, %(now)s::timestamptz,
    u.topic, u.topic_id, u.confidence, u.topic_source, u.status, u.status_by, u.email
from unnest(%(ids)s::bigint[], %(numbers)s::int[], %(first)s::bigint[], %(last)s::bigint[],
    %(started_at)s::timestamptz[], %(ended_at)s::timestamptz[], %(customer)s::int[], %(bot)s::int[],
    %(automation)s::int[], %(human)s::int[], %(summaries)s::text[], %(topics)s::text[], %(topic_ids)s::bigint[],
    %(confidences)s::float8[], %(topic_sources)s::text[], %(statuses)s::text[], %(status_bys)s::text[],
    %(emails)s::text[]) as u (id, number, first_seq, last_seq, started_at, ended_at, customer, bot, automation, human,
    summary, topic, topic_id, confidence, topic_source, status, status_by, email)
on conflict {inbox_keys.CONVERSATION_SESSION.target} do nothing
"""
# What somebody wrote over the thread's summary stays: it is replaced only where it is what we wrote of the run before.
CLOSE = f"""
update whatsapp_conversation c set session_open = false, session_seq = greatest(c.session_seq, u.last_seq),
    summary_created = true, summary = case when c.summary is null or c.summary = '' or exists (
        select from conversation_sessions p where p.business_id = {_HIDDEN} and p.conversation_id = c.id
            and p.number < u.number and p.summary = c.summary) then u.summary else c.summary end,
    detected_topic_id = u.topic_id, detected_topic_confidence = u.confidence, detected_topic_source = u.topic_source
from unnest(%(ids)s::bigint[], %(numbers)s::int[], %(last)s::bigint[], %(summaries)s::text[], %(topic_ids)s::bigint[],
    %(confidences)s::float8[], %(topic_sources)s::text[])
    as u (id, number, last_seq, summary, topic_id, confidence, topic_source)
where c.business_id = {_HIDDEN} and c.id = u.id
"""
STOP = f"""
update whatsapp_conversation c set session_open = false
where c.business_id = {_HIDDEN} and c.id = any(%(ids)s::bigint[]) and c.session_open
"""


class End(msgspec.Struct, frozen=True):
    """When, why and by whom conversations are ended."""

    now: datetime
    by: Ended
    who: str = ""


async def end(conn: Conn, business_id: int, told: Mapping[int, tuple[Facts, str, Findings]], of: End) -> None:
    """Writes down that conversations are over, by thread: the facts, the summary, and what came to light.

    The caller holds the threads.
    """
    some = [facts for facts, _, _ in told.values()]
    found = [findings for _, _, findings in told.values()]
    topics = [one.topic for one in found]
    values = {
        "business_id": business_id, "now": of.now, "ended_by": of.by, "who": of.who[:100],
        "ids": arrays.numbers(one.id for one in some), "numbers": arrays.numbers(one.number for one in some),
        "first": arrays.numbers(one.first_seq for one in some), "last": arrays.numbers(one.last_seq for one in some),
        "started_at": [one.started_at for one in some], "ended_at": [one.ended_at for one in some],
        "customer": arrays.numbers(one.counts.customer for one in some),
        "bot": arrays.numbers(one.counts.bot for one in some),
        "automation": arrays.numbers(one.counts.automation for one in some),
        "human": arrays.numbers(one.counts.human for one in some),
        "summaries": arrays.texts([summary for _, summary, _ in told.values()]),
        "topics": arrays.texts([one.words if one else "" for one in topics]),
        "topic_ids": arrays.numbers(one.answer_id if one else None for one in topics),
        "confidences": [one.confidence if one else None for one in topics],
        "topic_sources": arrays.texts([one.source if one else None for one in topics]),
        "statuses": arrays.texts([one.status for one in found]),
        "status_bys": arrays.texts([one.status_by for one in found]),
        "emails": arrays.texts([one.email for one in found]),
    }  # fmt: skip
    await conn.execute(END, values)
    await conn.execute(CLOSE, values)


async def stop(conn: Conn, business_id: int, conversations: Collection[int]) -> None:
    """Has no conversation go on in these threads, which the caller holds, where nothing is said in it any more."""
    await conn.execute(STOP, {"business_id": business_id, "ids": arrays.numbers(conversations)})


_COLUMNS = """s.id, s.number, s.first_seq, s.last_seq, s.started_at, s.ended_at, s.closed_at, s.ended_by, s.who,
    s.customer, s.bot, s.automation, s.human, s.summary, s.summary_source, s.summary_by, s.summary_at,
    s.topic, s.topic_confidence, s.topic_source, s.topic_id, s.suggested_status, s.suggested_by, s.found_name,
    s.found_email"""
OVER = f"""
select {_COLUMNS} from conversation_sessions s
where s.business_id = {_HIDDEN} and s.conversation_id = %(id)s::bigint order by s.number desc limit %(limit)s::int
"""
CURRENT = f"""
select c.session_number, c.session_open, c.started_at, c.session_seq, c.summary, c.summary_created,
    c.detected_topic_id, c.detected_topic_confidence, c.detected_topic_source
from whatsapp_conversation c where c.business_id = {_HIDDEN} and c.id = %(id)s::bigint
"""


async def over(conn: Conn, business_id: int, conversation_id: int, limit: int) -> list[Session]:
    """The runs of conversation of a thread that are over, the latest first."""
    values = {"business_id": business_id, "id": conversation_id, "limit": limit}
    return [_session(row) for row in await (await conn.execute(OVER, values)).fetchall()]


def _session(row: tuple[Any, ...]) -> Session:
    number, count, first, last, started_at, ended_at, closed_at, ended_by, who = row[:9]
    summary, source, by, at = row[13:17]
    status, status_by, name, email = row[21:]
    topic = Topic(*row[17:21]) if row[17] else None
    return Session(
        id=number,
        number=count,
        first_seq=first,
        last_seq=last,
        started_at=started_at,
        ended_at=ended_at,
        closed_at=closed_at,
        ended_by=Ended(ended_by),
        who=who,
        counts=Counts(*row[9:13]),
        summary=summary,
        summary_by=By(source),
        summary_who=by,
        summary_at=at,
        findings=Findings(topic, status, By(status_by) if status_by else None, name, email),
    )


class Current(msgspec.Struct, frozen=True):
    """What the thread itself says: of the run that goes on, or of the last one."""

    number: int
    is_open: bool
    started_at: datetime
    seq: int
    summary: str | None
    summary_created: bool
    topic_id: int | None
    topic_confidence: float | None
    topic_source: str | None


async def current(conn: Conn, business_id: int, conversation_id: int) -> Current | None:
    row = await (await conn.execute(CURRENT, {"business_id": business_id, "id": conversation_id})).fetchone()
    return Current(*row) if row else None


# The thread shows the summary of its latest run, unless somebody wrote over it.
WRITE = f"""
with was as (
    select s.id, s.conversation_id, s.number, s.summary from conversation_sessions s
    where s.business_id = {_HIDDEN} and s.id = %(id)s::bigint
        and (s.summary_source <> 'person' or %(by)s::text = 'person')
    for update
), written as (
    update conversation_sessions s set summary = %(text)s::text, summary_source = %(by)s::text,
        summary_by = %(who)s::text, summary_at = %(now)s::timestamptz, summary_wanted = false
    from was where s.business_id = {_HIDDEN} and s.id = was.id
    returning s.conversation_id, s.number
), shown as (
    update whatsapp_conversation c set summary = %(text)s::text
    from was where c.business_id = {_HIDDEN} and c.id = was.conversation_id
        and (%(by)s::text = 'person' or c.summary is null or c.summary = '' or c.summary = was.summary)
        and not exists (select from conversation_sessions l where l.business_id = {_HIDDEN}
            and l.conversation_id = c.id and l.number > was.number)
)
select conversation_id from written
"""


async def write(conn: Conn, business_id: int, session_id: int, text: str, by: tuple[By, str], now: datetime) -> bool:
    """Writes a summary over another one, but nothing over what a person wrote except a person. Whether it did."""
    values = {"business_id": business_id, "id": session_id, "text": text, "by": by[0], "who": by[1][:100], "now": now}
    return await (await conn.execute(WRITE, values)).fetchone() is not None


# A known answer's question stays the topic, and what was found before stays found. The thread has its latest run's.
FIND = f"""
with found as (
    update conversation_sessions s set
        topic = case when s.topic = '' then %(topic)s::text else s.topic end,
        topic_confidence = coalesce(s.topic_confidence, %(confidence)s::float8),
        topic_source = coalesce(s.topic_source, %(source)s::text),
        suggested_status = coalesce(%(status)s::text, s.suggested_status),
        suggested_by = case when %(status)s::text is null then s.suggested_by else 'model' end,
        found_name = coalesce(s.found_name, %(name)s::text), found_email = coalesce(s.found_email, %(email)s::text)
    where s.business_id = {_HIDDEN} and s.id = %(id)s::bigint
    returning s.conversation_id, s.number, s.topic_id, s.topic_confidence, s.topic_source
)
update whatsapp_conversation c set detected_topic_id = f.topic_id, detected_topic_confidence = f.topic_confidence,
    detected_topic_source = f.topic_source
from found f where c.business_id = {_HIDDEN} and c.id = f.conversation_id
    and not exists (select from conversation_sessions l where l.business_id = {_HIDDEN}
        and l.conversation_id = c.id and l.number > f.number)
"""


async def find(conn: Conn, business_id: int, session_id: int, gist: Gist) -> None:
    """Adds what a model found to what is known of a run of conversation."""
    topic = gist.topic
    values = {
        "business_id": business_id, "id": session_id, "topic": topic.words if topic else "",
        "confidence": topic.confidence if topic else None, "source": topic.source if topic else None,
        "status": gist.status, "name": gist.name, "email": gist.email,
    }  # fmt: skip
    await conn.execute(FIND, values)


WANTED = f"""
select s.id from conversation_sessions s where s.business_id = {_HIDDEN} and s.summary_wanted
order by s.id limit %(limit)s::int for update skip locked
"""
ASKED = f"""
update conversation_sessions s set summary_wanted = false
where s.business_id = {_HIDDEN} and s.id = any(%(ids)s::bigint[])
"""
SPOKEN = f"""
select x.source, x.body, x.message_type, x.said_at from conversation_sessions s
cross join lateral (
    select m.source, m.body, m.message_type, m.said_at, m.seq from whatsapp_message m
    where m.business_id = {_HIDDEN} and m.conversation_id = s.conversation_id and m.seq >= s.first_seq
        and m.seq <= s.last_seq and m.status <> 'deleted' and m.source <> 'system'
    order by m.said_at desc, m.seq desc limit {TOLD}) x
where s.business_id = {_HIDDEN} and s.id = %(id)s::bigint and s.summary_source = 'local'
order by x.said_at, x.seq
"""


async def take_wanted(conn: Conn, business_id: int, limit: int) -> list[int]:
    """Runs of conversation of which a model has not been asked for a summary; they count as asked from now on."""
    values: dict[str, Any] = {"business_id": business_id, "limit": limit}
    found = [row[0] for row in await (await conn.execute(WANTED, values)).fetchall()]
    if found:
        await conn.execute(ASKED, {"business_id": business_id, "ids": arrays.numbers(found)})
    return found


OF_A_LEAD = f"""
select from conversation_sessions s
join whatsapp_conversation c on c.business_id = s.business_id and c.id = s.conversation_id
join leads l on l.business_id = c.business_id and l.contact_id = c.contact_id
where s.business_id = {_HIDDEN} and s.id = %(id)s::bigint
"""


async def is_of_a_lead(conn: Conn, business_id: int, session_id: int) -> bool:
    """Whether the customer of a run of conversation is a lead."""
    cursor = await conn.execute(OF_A_LEAD, {"business_id": business_id, "id": session_id})
    return await cursor.fetchone() is not None


async def spoken(conn: Conn, business_id: int, session_id: int) -> list[Spoken]:
    """What was said in a run of conversation, in order; empty where somebody wrote its summary already."""
    cursor = await conn.execute(SPOKEN, {"business_id": business_id, "id": session_id})
    return [Spoken(*row) for row in await cursor.fetchall()]
