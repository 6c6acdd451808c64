"""SQL of runs of conversation whose thread goes into another, and comes back. The caller holds both threads.

What was the other thread's stands behind all of the kept one's. Where none of its runs is over, the run that goes on in
either goes on in both, as if the customer had had one thread; else that of the kept one ended before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallybook.core.db import Conn

Row = Mapping[str, Any]
STANDING = ("session_number", "session_open", "session_seq")

MOVE = """
update conversation_sessions set conversation_id = %(kept)s::bigint, number = number + %(number)s::int,
    first_seq = first_seq + %(last_seq)s::bigint, last_seq = last_seq + %(last_seq)s::bigint
where business_id = %(business_id)s::int and conversation_id = %(gone)s::bigint
"""
# Put away is what is put away in both, and it comes back by the earlier moment. A run that goes on has no summary yet.
JOIN = """
update whatsapp_conversation k set
    session_number = k.session_number + case when k.session_open then 0 else g.session_number end,
    session_open = k.session_open or g.session_open,
    session_seq = case when g.session_seq = 0 then k.session_seq else %(last_seq)s::bigint + g.session_seq end,
    summary_created = (k.summary_created or g.summary_created) and not (k.session_open or g.session_open),
    wrote_at = greatest(k.wrote_at, g.wrote_at), back_at = greatest(k.back_at, g.back_at),
    closed_at = case when k.is_open or g.is_open then null else greatest(k.closed_at, g.closed_at) end,
    snoozed_at = case when s.both then greatest(k.snoozed_at, g.snoozed_at) end,
    snoozed_until = case when s.both then least(k.snoozed_until, g.snoozed_until) end
from whatsapp_conversation g
cross join lateral (select (not g.is_open or g.snoozed_at is not null) and exists (
    select from whatsapp_conversation x where x.business_id = g.business_id and x.id = %(kept)s::bigint
        and (not x.is_open or x.snoozed_at is not null)) as both) s
where k.business_id = %(business_id)s::int and k.id = %(kept)s::bigint
    and g.business_id = k.business_id and g.id = %(gone)s::bigint
"""


async def join(conn: Conn, business_id: int, kept: Row, gone: Row) -> None:
    """Before the messages move: has the runs of the other thread follow, and says how the one thread stands."""
    values = {
        "business_id": business_id, "kept": kept["id"], "gone": gone["id"], "number": kept["session_number"],
        "last_seq": kept["last_seq"],
    }  # fmt: skip
    await conn.execute(MOVE, values)
    await conn.execute(JOIN, values)


FORGET = """
delete from conversation_sessions where business_id = %(business_id)s::int and conversation_id = %(kept)s::bigint
    and number = %(number)s::int and ended_by = 'joined'
"""
GO_BACK = """
update conversation_sessions set conversation_id = %(gone)s::bigint, number = number - %(number)s::int,
    first_seq = first_seq - %(before)s::bigint, last_seq = last_seq - %(before)s::bigint
where business_id = %(business_id)s::int and conversation_id = %(kept)s::bigint
    and first_seq > %(before)s::bigint and last_seq <= %(last_seq)s::bigint
"""
# Of a run that went on after the joining, what came since stays.
CLIP = """
update conversation_sessions set first_seq = %(last_seq)s::bigint + 1
where business_id = %(business_id)s::int and conversation_id = %(kept)s::bigint
    and first_seq <= %(last_seq)s::bigint and last_seq > %(last_seq)s::bigint and first_seq > %(before)s::bigint
"""
# A run of its own that ended since has ended there too.
OTHER = """
update whatsapp_conversation g set session_open = false, session_seq = s.last_seq
from conversation_sessions s
where g.business_id = %(business_id)s::int and g.id = %(gone)s::bigint and g.session_open
    and s.business_id = g.business_id and s.conversation_id = g.id and s.number = g.session_number
"""
# As it was, where nothing began or ended since; a run that is of what came since alone is one of its own.
KEPT = """
update whatsapp_conversation k set session_number = %(session_number)s::int + n.begins::int,
    session_open = %(session_open)s::bool or n.begins,
    session_seq = case when n.begins then %(last_seq)s::bigint else %(session_seq)s::bigint end
from (select not %(session_open)s::bool and not %(stays)s::bool and exists (
    select from whatsapp_message m where m.business_id = %(business_id)s::int
        and m.conversation_id = %(kept)s::bigint and m.seq > %(last_seq)s::bigint and m.counted) as begins) n
where k.business_id = %(business_id)s::int and k.id = %(kept)s::bigint
"""


async def part(conn: Conn, business_id: int, sides: tuple[Row, Row], joined: Row, now: Row) -> None:
    """Once both threads are there again: gives each its runs. ``sides`` are both as they were before the joining."""
    kept, gone = sides
    stays = any(now[column] != joined.get(column) for column in STANDING)
    before = joined["last_seq"] - gone["last_seq"]
    values = {
        "business_id": business_id, "kept": kept["id"], "gone": gone["id"], "number": kept.get("session_number", 0),
        "before": before, "last_seq": joined["last_seq"], "stays": stays,
    }  # fmt: skip
    if not stays and kept.get("session_open"):
        await conn.execute(FORGET, values)
    await conn.execute(GO_BACK, values)
    await conn.execute(CLIP, values)
    await conn.execute(OTHER, values)
    of = now if stays else kept
    await conn.execute(KEPT, values | {column: of.get(column, 0) for column in STANDING})
