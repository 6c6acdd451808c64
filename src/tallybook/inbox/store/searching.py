"""SQL of finding what was said, and of reading messages for it. The filing of messages does none of this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox import naming
from tallybook.inbox.search_rules import Slice

_HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007
BATCH = 2000  # messages read for this at a time
# How long a transaction may take to begin writing after it was given the number of its message: microseconds.
GRACE = timedelta(seconds=10)


@dataclass(frozen=True)
class Narrowed:
    """Whose words are sought, and in threads of which label; all of them where it is empty or None."""

    sources: tuple[str, ...] = ()
    label: int | None = None


class Hit(msgspec.Struct, frozen=True):
    """A message that was found, and whose thread it is in by now. ``name`` as the list of threads has it."""

    id: int
    conversation_id: int
    said_at: datetime
    source: str
    body: str
    name: str
    phone: str | None


FIND = f"""
select m.id, m.conversation_id, f.said_at, m.source, m.body, l.name, t.name, coalesce(t.profile_name, c.customer_name),
    t.phone, t.username
from (
    select w.message_id, w.said_at from message_words w
    where w.business_id = {_HIDDEN} and w.words @@ to_tsquery('simple', %(query)s::text)
    and w.said_at < %(until)s::timestamptz and (%(since)s::timestamptz is null or w.said_at >= %(since)s::timestamptz)
    and (w.said_at, w.message_id) < (
        coalesce(%(at)s::timestamptz, 'infinity'), coalesce(%(id)s::bigint, 9223372036854775807))
    and (%(sources)s::text[] is null or w.source = any(%(sources)s::text[]))
    and (%(label)s::bigint is null or exists (
        select from whatsapp_message x
        join conversation_labels y on y.business_id = x.business_id and y.conversation_id = x.conversation_id
        where x.business_id = {_HIDDEN} and x.id = w.message_id and y.label_id = %(label)s::bigint))
    and exists (
        select from whatsapp_message x
        where x.business_id = {_HIDDEN} and x.id = w.message_id and x.status <> 'deleted' offset 0)
    order by w.said_at desc, w.message_id desc limit %(limit)s::int) f
cross join lateral (
    select * from whatsapp_message x where x.business_id = {_HIDDEN} and x.id = f.message_id offset 0) m
cross join lateral (
    select * from whatsapp_conversation x where x.business_id = {_HIDDEN} and x.id = m.conversation_id offset 0) c
left join lateral (
    select * from contacts x where x.business_id = {_HIDDEN} and x.id = c.contact_id offset 0) t on true
left join lateral (
    select * from leads x where x.business_id = {_HIDDEN} and x.contact_id = c.contact_id offset 0) l on true
order by f.said_at desc, f.message_id desc
"""


async def find(  # noqa: PLR0917 - what is sought, where, and how much of it
    conn: Conn, business_id: int, query: str, within: Slice, narrowed: Narrowed, after: tuple[datetime, int] | None,
    limit: int,
) -> list[Hit]:  # fmt: skip
    """The newest ``limit`` messages of a stretch of time that have the words, or those after a place."""
    values = {
        "business_id": business_id, "query": f"{within.key} & {query}", "until": within.until, "since": within.since,
        "at": after and after[0], "id": after and after[1], "limit": limit, "label": narrowed.label,
        "sources": arrays.texts(narrowed.sources) if narrowed.sources else None,
    }  # fmt: skip
    return [_hit(row) for row in await (await conn.execute(FIND, values)).fetchall()]


def _hit(row: tuple[Any, ...]) -> Hit:
    number, conversation, said_at, source, body, *called = row
    names = naming.Names(*called)
    return Hit(number, conversation, said_at, source, body, naming.shown(names), names.phone)


# What is drawn above a message that was found, and below it: so many that were said after it are shown too.
PLACE = f"""
select m.conversation_id, n.said_at, n.seq from whatsapp_message m
left join lateral (
    select x.said_at, x.seq from whatsapp_message x where x.business_id = {_HIDDEN}
    and x.conversation_id = m.conversation_id and (x.said_at, x.seq) > (m.said_at, m.seq)
    order by x.said_at, x.seq offset %(below)s::int limit 1) n on true
where m.business_id = {_HIDDEN} and m.id = %(id)s::bigint
"""


async def place(
    conn: Conn, business_id: int, message_id: int, below: int
) -> tuple[int, tuple[datetime, int] | None] | None:
    """Which thread a message is in, and the place before which it and ``below`` later ones stand; None: at its end."""
    values = {"business_id": business_id, "id": message_id, "below": below}
    row = await (await conn.execute(PLACE, values)).fetchone()
    if row is None:
        return None
    return row[0], None if row[1] is None else (row[1], row[2])


class Marks(msgspec.Struct, frozen=True):
    """How far messages have been read for this. ``is_over``: whoever may write before ``next_whole_to`` is done."""

    read_to: int
    whole_to: int
    next_whole_to: int
    at: datetime
    is_over: bool


# Asked of every business at every turn: it writes nothing where there is nothing to do.
WAITS = f"""
select coalesce(k.read_to, 0) <> coalesce(k.whole_to, 0)
    or exists (select from whatsapp_message m where m.business_id = {_HIDDEN} and m.id > coalesce(k.read_to, 0))
    or exists (select from message_words_due d where d.business_id = {_HIDDEN})
from (select) one left join message_words_marks k on k.business_id = {_HIDDEN}
"""
BEGIN = f"""
insert into message_words_marks (business_id) values (%(business_id)s::int)
on conflict {inbox_keys.SEARCH_MARK.target} do nothing
"""
HOLD = f"""
select k.read_to, k.whole_to, k.next_whole_to, k.at, pg_snapshot_xmin(pg_current_snapshot()) >= k.next_xid
from message_words_marks k where k.business_id = {_HIDDEN} for update skip locked
"""
_READ = "%(business_id)s::int, m.id, m.said_at, m.source, said_words(%(business_id)s::int, m.said_at, m.body)"
_INTO = "message_words (business_id, message_id, said_at, source, words)"
_ANEW = (
    f"on conflict {inbox_keys.MESSAGE_WORDS.target} do update set words = excluded.words, said_at = excluded.said_at"
)
READ_NEW = f"""
with m as materialized (
    select x.id, x.said_at, x.source, x.body from whatsapp_message x
    where x.business_id = {_HIDDEN} and x.id > %(above)s::bigint order by x.id limit {BATCH}
), put as (insert into {_INTO} select {_READ} from m where m.body <> '' {_ANEW})
select count(*), max(m.id) from m
"""
# What was given its number before and committed after what was read already.
READ_LATE = f"""
insert into {_INTO} select {_READ} from whatsapp_message m
where m.business_id = {_HIDDEN} and m.id > %(above)s::bigint and m.id <= %(upto)s::bigint and m.body <> ''
    and not exists (select from message_words w where w.business_id = {_HIDDEN} and w.message_id = m.id)
{_ANEW}
"""
# Whoever read a message before it was taken back may have written its words down after they were taken away.
READ_DUE = f"""
with due as (
    delete from message_words_due d where d.business_id = {_HIDDEN} and d.message_id in (
        select x.message_id from message_words_due x where x.business_id = {_HIDDEN}
        order by x.message_id limit {BATCH} for update skip locked)
    returning d.message_id
), m as materialized (
    select x.* from due join whatsapp_message x on x.business_id = {_HIDDEN} and x.id = due.message_id
), gone as (
    delete from message_words w using m where w.business_id = {_HIDDEN} and w.message_id = m.id
        and (m.body = '' or m.status = 'deleted')
)
insert into {_INTO} select {_READ} from m where m.body <> '' and m.status <> 'deleted'
{_ANEW}
"""
MOVE = f"""
update message_words_marks k set read_to = %(read_to)s::bigint, whole_to = %(whole_to)s::bigint,
    next_whole_to = %(next)s::bigint,
    next_xid = case when %(next)s::bigint = k.next_whole_to then k.next_xid
        else pg_snapshot_xmax(pg_current_snapshot()) end,
    at = case when %(next)s::bigint = k.next_whole_to then k.at else clock_timestamp() end
where k.business_id = {_HIDDEN}
"""


async def waits(conn: Conn, business_id: int) -> bool:
    """Whether there is anything that was not read for this yet."""
    row = await (await conn.execute(WAITS, {"business_id": business_id})).fetchone()
    return row is not None and bool(row[0])


async def hold(conn: Conn, business_id: int) -> Marks | None:
    """The marks, held; None where somebody else is at it."""
    await conn.execute(BEGIN, {"business_id": business_id})
    row = await (await conn.execute(HOLD, {"business_id": business_id})).fetchone()
    return Marks(*row) if row else None


async def read_new(conn: Conn, business_id: int, above: int) -> tuple[int, int]:
    """Reads the next messages; how many they were, and the last one's number."""
    row = await (await conn.execute(READ_NEW, {"business_id": business_id, "above": above})).fetchone()
    return (row[0], row[1] or above) if row else (0, above)


async def read_late(conn: Conn, business_id: int, above: int, upto: int) -> int:
    """Reads what came between after all; how many."""
    values = {"business_id": business_id, "above": above, "upto": upto}
    return (await conn.execute(READ_LATE, values)).rowcount


async def read_due(conn: Conn, business_id: int) -> int:
    """Reads again what says something else by now; how many."""
    return (await conn.execute(READ_DUE, {"business_id": business_id})).rowcount


async def move(conn: Conn, business_id: int, read_to: int, whole_to: int, next_whole_to: int) -> None:
    """Moves the marks, which the caller holds."""
    values = {"business_id": business_id, "read_to": read_to, "whole_to": whole_to, "next": next_whole_to}
    await conn.execute(MOVE, values)


SAID_ANEW = f"""
insert into message_words_due (business_id, message_id)
select m.business_id, m.id from whatsapp_message m
where m.business_id = {_HIDDEN} and m.channel = %(channel)s and m.account = %(account)s
    and m.provider_message_id = any(%(external)s::text[])
on conflict {inbox_keys.MESSAGE_WORDS_DUE.target} do nothing
"""


# Nobody finds them by what they said, however long the reading takes.
FORGET_WORDS = f"""
delete from message_words w using whatsapp_message m
where m.business_id = {_HIDDEN} and m.channel = %(channel)s and m.account = %(account)s
    and m.provider_message_id = any(%(external)s::text[])
    and w.business_id = {_HIDDEN} and w.message_id = m.id
"""


async def said_anew(conn: Conn, business_id: int, number: tuple[str, str], external: Sequence[str]) -> None:
    """Has messages of one number, by the provider's ids, be read again, since they say something else now."""
    values = {"channel": number[0], "account": number[1], "external": arrays.texts(external)}
    await conn.execute(SAID_ANEW, {"business_id": business_id, **values})
    await conn.execute(FORGET_WORDS, {"business_id": business_id, **values})
