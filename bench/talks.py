"""The inbox behind the door: how fast what was kept is filed, and what a list of threads costs with a long history.

``python bench/talks.py``. Filing stands beside a bare upsert of the same conversations and messages, set-wise, into
tables with the same keys; the list beside the seeds' own way to count what is unread.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics as numbers
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import webhook_load
from figures import Figure, as_shipped, as_table, say
from inbox_place import opened

from tallybook.app import App
from tallybook.core import deliveries, people, receive
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller
from tallybook.core.receive import Received
from tallybook.inbox.service import threads
from tallybook.inbox.thread_types import Filter

A_BODY, A_SECOND, SHARE, BAR_MS = 100, 6_000, 1 / 3, 10.0
ROUNDS, WARM = 300, 20
A_TALK = 10  # messages of a conversation
# The floor: no contact, no clock that only moves on, no foreign key.
BARE_TABLES = """
drop table if exists bare_message, bare_conversation;
create table bare_conversation (like whatsapp_conversation including defaults including indexes);
create table bare_message (like whatsapp_message including defaults including indexes);
checkpoint;
"""
BARE_CONVERSATIONS = """
insert into bare_conversation as c (business_id, id, canonical_key, contact_id, customer_number, last_seq, inbound,
    last_message_at, last_customer_message_at, last_body, last_type, last_source)
select u.* from unnest(%(businesses)s::int[], %(ids)s::bigint[], %(keys)s::text[], %(ids)s::bigint[],
    %(numbers)s::text[], %(counts)s::bigint[], %(counts)s::bigint[], %(at)s::timestamptz[], %(at)s::timestamptz[],
    %(bodies)s::text[], %(types)s::text[], %(sources)s::text[]) u
on conflict (business_id, canonical_key) do update set last_seq = c.last_seq + excluded.last_seq,
    inbound = c.inbound + excluded.inbound, last_message_at = excluded.last_message_at,
    last_customer_message_at = excluded.last_customer_message_at, last_body = excluded.last_body
"""
BARE_MESSAGES = """
insert into bare_message (business_id, id, conversation_id, to_number, direction, body, status, provider_message_id,
    source, seq, said_at, counted)
select u.*, true from unnest(%(businesses)s::int[], %(ids)s::bigint[], %(conversations)s::bigint[], %(numbers)s::text[],
    %(directions)s::text[], %(bodies)s::text[], %(statuses)s::text[], %(external)s::text[], %(sources)s::text[],
    %(seqs)s::bigint[], %(at)s::timestamptz[]) u
"""
WRITTEN = """
select business_id, id, conversation_id, to_number, direction, body, status, provider_message_id, source, seq, said_at
from whatsapp_message order by id
"""
# A history: conversations of ten messages each, the newest last; one in twenty waits to be read.
PAST_CONTACTS = """
insert into contacts (business_id, id, thread_key, phone, profile_name)
select 1, n, 'phone:1:+999' || lpad(n::text, 8, '0'), '+999' || lpad(n::text, 8, '0'), 'Customer ' || n
from generate_series(%(first)s::bigint, %(last)s::bigint) n
"""
PAST_CONVERSATIONS = """
insert into whatsapp_conversation (business_id, id, canonical_key, contact_id, customer_number, last_seq, inbound,
    read_seq, read_inbound, decided_inbound, last_message_at, last_customer_message_at, last_read_at, started_at,
    last_body, last_type, last_source)
select 1, n, 'phone:1:+999' || lpad(n::text, 8, '0'), n, '+999' || lpad(n::text, 8, '0'), 10, 5,
    case when n %% 20 = 0 then 8 else 10 end, case when n %% 20 = 0 then 4 else 5 end, 5, t.at, t.at,
    case when n %% 20 = 0 then t.at - interval '90 seconds' else t.at end, t.at - interval '1 day', 'See you then',
    'text', 'customer'
from generate_series(%(first)s::bigint, %(last)s::bigint) n
cross join lateral (select now() - make_interval(secs => (%(all)s - n) * 20.0)) as t (at)
"""
PAST_MESSAGES = """
insert into whatsapp_message (business_id, conversation_id, to_number, direction, body, status, provider_message_id,
    source, seq, said_at, created_at, counted, decided)
select 1, n, '+999' || lpad(n::text, 8, '0'), case when k %% 2 = 1 then 'in' else 'out' end, 'Message number ' || k,
    case when k %% 2 = 1 then 'received' else 'read' end, 'wamid.' || n || '.' || k,
    case when k %% 2 = 1 then 'customer' else 'human' end, k, t.at, t.at, k %% 2 = 1, k %% 2 = 1
from generate_series(%(first)s::bigint, %(last)s::bigint) n cross join generate_series(1, 10) k
cross join lateral (select now() - make_interval(secs => (%(all)s - n) * 20.0 + (10 - k) * 60)) as t (at)
"""
# The seeds' own: every message of every conversation is looked at.
COUNTED_BY_ROWS = """
select c.id, count(*) filter (where m.direction = 'in' and m.status != 'deleted' and (
    c.last_read_at is null and m.created_at >= c.started_at or c.last_read_at is not null
    and m.created_at > c.last_read_at)) as unread
from whatsapp_conversation c join whatsapp_message m on m.conversation_id = c.id
where c.business_id = 1
group by c.id order by max(m.created_at) desc limit 50
"""
SAID = """\
- **filing** takes waiting bodies of a hundred messages of 20,000 customers through all that follows from them, in one
  process; beside it the same rows of two tables, set-wise, without foreign keys or customers. Then each message comes
  in a body of its own, as WhatsApp sends them all day; see `bench/talks.py`.
- **the threads** are asked for 300 times, in conversations of ten messages; beside stands the seeds' query, which
  counts the messages of each.
"""


async def filing(count: int) -> list[Figure]:
    """So many waiting messages, a hundred in a body, and all their effects; then as many bodies of one message."""
    with tempfile.TemporaryDirectory(prefix="tallybook-bench-") as place:
        async with opened(Path(place)) as (app, _, superuser):
            whole, cpu = await filed(app, count, A_BODY)
            say("the same rows, bare")
            bare = await asyncio.to_thread(bare_upsert, superuser, count)
    with tempfile.TemporaryDirectory(prefix="tallybook-bench-") as place:
        async with opened(Path(place)) as (app, _, _):
            alone, _ = await filed(app, count, 1)
    ours, floor = count / whole, count / bare
    return [
        Figure(f"messages filed in a second, {A_BODY} a body", f"{ours:,.0f} ({cpu:.1f} s CPU of {whole:.1f} s)",
               f"{floor:,.0f} a bare upsert into two tables", ours / floor, f"≥ {A_SECOND:,} and ≥ {SHARE:.2f}",
               ours >= A_SECOND and ours / floor >= SHARE),
        Figure("the same, one a body", f"{count / alone:,.0f}", "", None, "", None),
        Figure("a burst of a minute, 3,300 such a second, is filed in", f"{60 * 3300 * alone / count:.0f} s", "",
               None, "", None),
    ]  # fmt: skip


async def filed(app: App, count: int, a_body: int) -> tuple[float, float]:
    """Seconds, and those of this process's CPU, for so many messages that wait, so many in a body."""
    some = [
        Received("whatsapp", webhook_load.body(first, a_body), datetime.now(UTC)) for first in range(0, count, a_body)
    ]
    for first in range(0, len(some), 200):
        await app.db.run("keep", lambda conn, first=first: receive.store(conn, some[first : first + 200]))
    say(f"filing {count:,} messages, {a_body} a body")
    began, cpu = time.perf_counter(), time.process_time()
    await deliveries.process(app.db, app.channels, asyncio.Event())
    return time.perf_counter() - began, time.process_time() - cpu


def bare_upsert(superuser: str, count: int) -> float:
    """Seconds for the rows that the product wrote, in batches of as many as it takes at a time."""
    with psycopg.connect(superuser) as conn:
        rows = conn.execute(WRITTEN).fetchall()
        conn.execute(BARE_TABLES)
        conn.commit()
        if len(rows) != count:
            raise AssertionError(f"{len(rows)} messages were filed, {count} should be")
        given = [_bare_values(rows[first : first + 3_000]) for first in range(0, count, 3_000)]
        began = time.perf_counter()
        for conversations, messages in given:
            conn.execute(BARE_CONVERSATIONS, conversations)
            conn.execute(BARE_MESSAGES, messages)
            conn.commit()
        return time.perf_counter() - began


Columns = dict[str, list[object]]


def _bare_values(rows: list[tuple[object, ...]]) -> tuple[Columns, Columns]:
    names = (
        "businesses", "ids", "conversations", "numbers", "directions", "bodies", "statuses", "external", "sources",
        "seqs", "at",
    )  # fmt: skip
    messages: Columns = {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    last = {row[2]: row for row in rows}
    conversations: Columns = {
        "businesses": [1] * len(last), "ids": list(last), "keys": [f"phone:1:{row[3]}" for row in last.values()],
        "numbers": [row[3] for row in last.values()], "counts": [1] * len(last), "at": [r[10] for r in last.values()],
        "bodies": [row[5] for row in last.values()], "types": ["text"] * len(last), "sources": ["customer"] * len(last),
    }  # fmt: skip
    return conversations, messages


async def lists(count: int) -> list[Figure]:
    """The list and its unread ones with so many messages behind them, and with a hundredth of them."""
    with tempfile.TemporaryDirectory(prefix="tallybook-bench-") as place:
        async with opened(Path(place)) as (app, business, superuser):
            small, whole = count // A_TALK // 100, count // A_TALK
            fill(superuser, 1, small, whole)
            few = await asked(app, business)
            say(f"writing {count:,} messages")
            fill(superuser, small + 1, whole, whole)
            many = await asked(app, business)
            say("the seeds' count")
            theirs = await asyncio.to_thread(timed, superuser, COUNTED_BY_ROWS)
    figures = []
    for name, before, after in (("all threads", few[0], many[0]), ("unread threads", few[1], many[1])):
        p50, p99 = numbers.median(after), after[int(len(after) * 0.99)]
        figures.append(
            Figure(f"{name}, {count:,} messages", f"{p50:.1f} ms, p99 {p99:.1f} ms",
                   f"{theirs:,.0f} ms the seeds' count; {numbers.median(before):.1f} ms with a hundredth",
                   theirs / p50, f"p99 < {BAR_MS:g} ms", p99 < BAR_MS)
        )  # fmt: skip
    return figures


def fill(superuser: str, first: int, last: int, whole: int) -> None:
    """Conversations of those numbers, and what a server of some age knows of its tables."""
    with psycopg.connect(superuser, autocommit=True) as conn:
        conn.execute("set session_replication_role = replica")  # their foreign keys hold: they are made so
        for statement in (PAST_CONTACTS, PAST_CONVERSATIONS, PAST_MESSAGES):
            for start in range(first, last + 1, 100_000):
                part = {"first": start, "last": min(start + 99_999, last), "all": whole}
                conn.execute(statement, part)
        conn.execute("vacuum analyze contacts, whatsapp_conversation, whatsapp_message")
        conn.execute("checkpoint")


async def asked(app: App, business: Business) -> tuple[list[float], list[float]]:
    """Milliseconds of a page of all threads and of the unread ones with their number, ascending."""
    team: Caller = people.command_line(business.id)
    found = []
    for shown in (Filter.ALL, Filter.UNREAD):
        took = []
        for place in range(ROUNDS + WARM):
            began = time.perf_counter()
            async with app.db.transaction() as conn:
                rows = await threads.threads(conn, team, shown, "", None, 51)
                await threads.count(conn, team, Filter.UNREAD, "")
            took.append((time.perf_counter() - began) * 1000)
            assert rows
            if place < WARM:
                took.clear()
        found.append(sorted(took))
    return found[0], found[1]


def timed(superuser: str, statement: str) -> float:
    """Milliseconds of a statement, its better of two."""
    took = []
    with psycopg.connect(superuser) as conn:
        for _ in range(2):
            began = time.perf_counter()
            conn.execute(statement).fetchall()
            took.append((time.perf_counter() - began) * 1000)
    return min(took)


async def measured(count: int) -> list[Figure]:
    """Every figure, with a history of so many messages."""
    return [*await filing(max(count // 50 // A_BODY, 5) * A_BODY), *await lists(count)]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000_000)
    count = parser.parse_args().messages
    as_shipped()
    print(as_table(await measured(count)))


if __name__ == "__main__":
    asyncio.run(main())
