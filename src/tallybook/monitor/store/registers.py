"""SQL that holds the registers against the stored messages, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tallybook.core import arrays, keys
from tallybook.core.db import Conn
from tallybook.core.messages import Identity, Incoming, Stored

_MESSAGE = """m.id, m.channel, m.account, m.scope, m.external_id, m.chat, m.sender_raw, m.sender_phone, m.sender_lid,
    m.said_at, m.text, m.content_hash, m.kind, m.from_us, m.deleted"""
# What is parked waits for a person elsewhere and has not been filed.
GROUP_BATCH = f"""
select {_MESSAGE}
from messages m
where m.business_id = (select %(business_id)s::int) and m.chat = %(group)s and m.parked_reason is null
and (m.said_at, m.id) > (%(said_at)s::timestamptz, %(id)s::bigint)
order by m.said_at, m.id
limit %(limit)s
"""


class Behind(msgspec.Struct, frozen=True):
    """The last message of a batch: the next begins behind it."""

    said_at: datetime
    id: int = 0


async def group_batch(conn: Conn, business_id: int, group: str, after: Behind, limit: int) -> list[Stored]:
    """A group's messages in the order they were said, behind a place."""
    values = {"business_id": business_id, "group": group, "limit": limit, **msgspec.structs.asdict(after)}
    return [_stored(row) for row in await (await conn.execute(GROUP_BATCH, values)).fetchall()]


BY_IDS = f"""
select {_MESSAGE} from messages m
where m.business_id = %(business_id)s and m.id = any(%(ids)s::bigint[]) and m.parked_reason is null
order by m.said_at, m.id
"""


async def messages(conn: Conn, business_id: int, ids: Sequence[int]) -> list[Stored]:
    """Stored messages by their numbers; those that are parked are left out."""
    cursor = await conn.execute(BY_IDS, {"business_id": business_id, "ids": sorted(set(ids))})
    return [_stored(row) for row in await cursor.fetchall()]


def _stored(row: Sequence[Any]) -> Stored:
    number, channel, account, scope, external_id, chat, raw, phone, lid, said_at, text, content_hash, *flags = row
    kind, from_us, deleted = flags
    sender = Identity(raw, phone, lid)
    incoming = Incoming(
        channel, account, scope, external_id, chat, sender, said_at, text, content_hash, kind, from_us, deleted
    )
    return Stored(number, fresh=False, incoming=incoming)


# A project may have moved to another space since: what was filed then stands where it stood.
SPACES = """
with recursive known (space) as (
    (select space from drops where business_id = %(business_id)s order by space limit 1)
    union all
    select (select d.space from drops d where d.business_id = %(business_id)s and d.space > known.space
        order by d.space limit 1)
    from known where known.space is not null
)
select space from known where space is not null
union select drop_space from monitor_projects where business_id = %(business_id)s
"""


async def spaces(conn: Conn, business_id: int) -> list[str]:
    """Every drop space that was ever filed in."""
    return [row[0] for row in await (await conn.execute(SPACES, {"business_id": business_id})).fetchall()]


class Gap(msgspec.Struct, frozen=True, order=True):
    """A post that is not in the register where it belongs."""

    register: str
    drop_number: str
    message_id: int
    project: str


KEEP_GAPS = f"""
insert into register_gaps (business_id, register, drop_number, message_id, project, found_at, looked_at)
select %(business_id)s, u.register, u.drop_number, u.message_id, u.project, %(now)s, %(now)s
from unnest(%(register)s::text[], %(drop_number)s::text[], %(message_id)s::bigint[], %(project)s::text[])
    as u (register, drop_number, message_id, project)
on conflict {keys.REGISTER_GAP.target} do update set
    found_at = case when register_gaps.ended_at is null then register_gaps.found_at else excluded.found_at end,
    left_by = case when register_gaps.ended_at is null then register_gaps.left_by end,
    left_reason = case when register_gaps.ended_at is null then register_gaps.left_reason end,
    looked_at = excluded.looked_at, ended_at = null
"""


async def keep_gaps(conn: Conn, business_id: int, gaps: Sequence[Gap], now: datetime) -> None:
    """Writes down what is missing; what was known stays known since when it was found."""
    ordered = sorted(gaps)
    await conn.execute(
        KEEP_GAPS,
        {
            "business_id": business_id,
            "now": now,
            "register": arrays.texts([gap.register for gap in ordered]),
            "drop_number": arrays.texts([gap.drop_number for gap in ordered]),
            "message_id": arrays.numbers(gap.message_id for gap in ordered),
            "project": arrays.texts([gap.project for gap in ordered]),
        },
    )


OPEN_GAPS = """
select register, drop_number, message_id, project, found_at from register_gaps
where business_id = %(business_id)s and ended_at is null and (left_by is null or %(with_left)s::bool)
and (%(drop_number)s::text is null or drop_number = %(drop_number)s)
order by found_at desc, drop_number, register, message_id
limit %(limit)s
"""
END_GAPS = """
update register_gaps set ended_at = %(now)s, looked_at = %(now)s
where business_id = %(business_id)s and ended_at is null and message_id = any(%(ids)s::bigint[]) and looked_at < %(now)s
"""


async def open_gaps(
    conn: Conn, business_id: int, drop_number: str | None = None, limit: int = 1000, *, with_left: bool = False
) -> list[tuple[Gap, datetime]]:
    """What is missing, as the last checks found it, and since when it is known; the newest first.

    ``with_left``: what was taken out on purpose, too.
    """
    values = {"business_id": business_id, "drop_number": drop_number, "limit": limit, "with_left": with_left}
    return [(Gap(*row[:4]), row[4]) for row in await (await conn.execute(OPEN_GAPS, values)).fetchall()]


async def end_gaps(conn: Conn, business_id: int, message_ids: Sequence[int], now: datetime) -> None:
    """Ends the gaps of these messages that were not found again at ``now``."""
    await conn.execute(END_GAPS, {"business_id": business_id, "ids": sorted(set(message_ids)), "now": now})


class Run(msgspec.Struct, frozen=True):
    """One time that the registers were held against the messages. ``since`` None means all of them."""

    run: str
    whole: bool
    since: datetime | None
    began_at: datetime
    ended_at: datetime
    messages: int
    posts: int
    both_registers: int
    missing: int


KEEP_RUN = f"""
insert into register_checks
    (business_id, run, whole, since, began_at, ended_at, messages, posts, both_registers, missing)
values (%(business_id)s, %(run)s, %(whole)s, %(since)s, %(began_at)s, %(ended_at)s, %(messages)s, %(posts)s,
    %(both_registers)s, %(missing)s)
on conflict {keys.REGISTER_CHECK.target} do nothing
"""
LAST_RUN = """
select run, whole, since, began_at, ended_at, messages, posts, both_registers, missing from register_checks
where business_id = %(business_id)s and (whole or not %(whole)s::bool)
order by ended_at desc limit 1
"""
COUNT_OPEN = """
select count(distinct (register, drop_number)), min(found_at), min(drop_number) from register_gaps
where business_id = %(business_id)s and ended_at is null and left_by is null
"""
LEAVE = """
update register_gaps set left_by = %(who)s, left_reason = %(reason)s
where business_id = %(business_id)s and drop_number = %(drop_number)s and ended_at is null and left_by is null
"""


async def leave(conn: Conn, business_id: int, drop_number: str, who: str, reason: str) -> int:
    """Marks a drop's gaps as meant so; returns how many."""
    values = {"business_id": business_id, "drop_number": drop_number, "who": who[:100], "reason": reason}
    return (await conn.execute(LEAVE, values)).rowcount


LEFT_OUT = """
select distinct register from register_gaps
where business_id = %(business_id)s and drop_number = %(drop_number)s and ended_at is null and left_by is not null
order by register
"""


async def left_out(conn: Conn, business_id: int, drop_number: str) -> list[str]:
    """The registers that a drop was left out of on purpose."""
    cursor = await conn.execute(LEFT_OUT, {"business_id": business_id, "drop_number": drop_number})
    return [row[0] for row in await cursor.fetchall()]


async def keep_run(conn: Conn, business_id: int, run: Run) -> None:
    await conn.execute(KEEP_RUN, {"business_id": business_id, **msgspec.structs.asdict(run)})


async def last_run(conn: Conn, business_id: int, *, whole: bool = False) -> Run | None:
    """The newest run, or the newest that took in everything."""
    row = await (await conn.execute(LAST_RUN, {"business_id": business_id, "whole": whole})).fetchone()
    return Run(*row) if row else None


async def count_open(conn: Conn, business_id: int) -> tuple[int, datetime | None, str | None]:
    """How many drops are missing from a register now, since when, and one of them."""
    row = await (await conn.execute(COUNT_OPEN, {"business_id": business_id})).fetchone()
    return (row[0], row[1], row[2]) if row else (0, None, None)
