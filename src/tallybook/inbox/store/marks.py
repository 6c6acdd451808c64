"""SQL of how far a thread is read: by the team, and by each person. The thread's row is locked first, by everybody."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tallybook.core import inbox_keys
from tallybook.core.db import Conn

_HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007


class Mark(msgspec.Struct, frozen=True):
    """How far somebody has read: the last message, and how many inbound ones there were up to it."""

    seq: int
    inbound: int


class Counters(msgspec.Struct, frozen=True):
    """A locked thread's counters: where it stands, where the team has read to, and where one person has."""

    last: Mark
    team: Mark
    own: Mark | None


LOCK = f"""
select c.last_seq, c.inbound, c.read_seq, c.read_inbound
from whatsapp_conversation c where c.business_id = {_HIDDEN} and c.id = %(id)s::bigint for update
"""
# Asked once the lock is held: in one statement with it, a row of the moment before the wait would be seen.
OWN = f"""
select r.seq, r.inbound from conversation_reads r
where r.business_id = {_HIDDEN} and r.conversation_id = %(id)s::bigint and r.account_id = %(person)s::int
"""


async def lock(conn: Conn, business_id: int, conversation_id: int, person: int | None) -> Counters | None:
    """Locks a thread until the transaction ends, so that nothing arrives in it meanwhile; None: there is none."""
    values = {"business_id": business_id, "id": conversation_id, "person": person}
    row = await (await conn.execute(LOCK, values)).fetchone()
    if row is None:
        return None
    own = None if person is None else await (await conn.execute(OWN, values)).fetchone()
    return Counters(Mark(*row[:2]), Mark(*row[2:]), Mark(*own) if own else None)


# The moment is that of the lock and not of the transaction's beginning, before which something may have been filed
# since: whoever counts by the two clocks then counts the same.
MARK_TEAM = f"""
update whatsapp_conversation c set read_seq = %(seq)s::bigint, read_inbound = %(inbound)s::bigint,
    last_read_at = coalesce(%(at)s::timestamptz, clock_timestamp())
where c.business_id = {_HIDDEN} and c.id = %(id)s::bigint
"""
MARK_OWN = f"""
insert into conversation_reads (business_id, conversation_id, account_id, seq, inbound)
values (%(business_id)s::int, %(id)s::bigint, %(person)s::int, %(seq)s::bigint, %(inbound)s::bigint)
on conflict {inbox_keys.CONVERSATION_READ.target} do update set
    seq = excluded.seq, inbound = excluded.inbound, read_at = excluded.read_at
"""


async def mark_team(conn: Conn, business_id: int, conversation_id: int, mark: Mark, at: datetime | None = None) -> None:
    """Has the team have read to there, now or as of a moment. The caller holds the lock."""
    values = {"business_id": business_id, "id": conversation_id, "seq": mark.seq, "inbound": mark.inbound, "at": at}
    await conn.execute(MARK_TEAM, values)


async def mark_own(conn: Conn, business_id: int, conversation_id: int, person: int, mark: Mark) -> None:
    """Has one person have read to there. The caller holds the lock."""
    values = {"business_id": business_id, "id": conversation_id, "seq": mark.seq, "inbound": mark.inbound}
    await conn.execute(MARK_OWN, values | {"person": person})


# The moment before it came, for whoever counts by the two clocks.
NEWEST = f"""
select m.seq, m.created_at - interval '1 microsecond' from whatsapp_message m
where m.business_id = {_HIDDEN} and m.conversation_id = %(id)s::bigint and m.counted and m.status <> 'deleted'
order by m.seq desc limit 1
"""


async def newest(conn: Conn, business_id: int, conversation_id: int) -> tuple[int, datetime] | None:
    """The place of the newest message that was ever counted, and the moment before it came."""
    row = await (await conn.execute(NEWEST, {"business_id": business_id, "id": conversation_id})).fetchone()
    return (row[0], row[1]) if row else None
