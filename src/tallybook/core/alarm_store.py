"""SQL of the alarms. A step is taken by whoever still finds the version that he read, and by nobody else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from . import keys, outbox
from .alarms import Alarm, Refusal, Step
from .db import Conn
from .messages import Outgoing
from .violations import Kind, kind_of, meaning

# Gives the messages by which people are told of a step.
Letters = Callable[[Step], Sequence[Outgoing]]

ALARMS = """
select name, state, number, version, says, seen_at, told_at, well_since, is_grave from alarms
where business_id = %(business_id)s::int order by name
"""
NOW = "select now()"
REFUSALS = """
select table_name, constraint_name, sqlstate, declared, sum(times)::bigint, max(at) from constraint_violations
where at > now() - interval '7 days' and not answered group by 1, 2, 3, 4 order by 1, 2, 3, 4
"""


async def alarms(conn: Conn, business_id: int) -> list[Alarm]:
    """Every alarm of a business, those that are over included, by name."""
    return [Alarm(*row) for row in await (await conn.execute(ALARMS, {"business_id": business_id})).fetchall()]


async def now(conn: Conn) -> datetime:
    """The database's clock: the only one on which several machines agree."""
    row = await (await conn.execute(NOW)).fetchone()
    if row is None:
        raise AssertionError("a select without a row")
    at: datetime = row[0]
    return at


async def refusals(conn: Conn) -> list[Refusal]:
    """The rules of the database that were hit unexpectedly in the last week, which is what health counts too."""
    found: dict[tuple[str, str], Refusal] = {}
    for table, constraint, sqlstate, declared, times, last_at in await (await conn.execute(REFUSALS)).fetchall():
        blocks = kind_of(sqlstate, declared=declared) is Kind.BLOCKS
        one = Refusal(table or "?", constraint or sqlstate, times, last_at, blocks,
                      meaning(sqlstate, table, constraint, declared=declared))  # fmt: skip
        known = found.get((one.table, one.constraint))
        found[one.table, one.constraint] = one if known is None else _both(known, one)
    return list(found.values())


def _both(one: Refusal, other: Refusal) -> Refusal:
    """Two sorts of refusals by one constraint as one: what blocks is told."""
    worse = one if one.blocks else other
    return msgspec.structs.replace(worse, count=one.count + other.count, last_at=max(one.last_at, other.last_at))


# Two processes that read the same version both come here; the second waits for the first, then finds another version.
TAKE = f"""
insert into alarms as a (business_id, name, state, number, version, says, seen_at, told_at, well_since, is_grave)
values (%(business_id)s::int, %(name)s, %(state)s, %(number)s::int, %(version)s::bigint, %(says)s,
    %(seen_at)s::timestamptz, %(told_at)s::timestamptz, %(well_since)s::timestamptz, %(is_grave)s::bool)
on conflict {keys.ALARM.target} do update set
    state = excluded.state, number = excluded.number, version = excluded.version, says = excluded.says,
    seen_at = excluded.seen_at, told_at = excluded.told_at, well_since = excluded.well_since,
    is_grave = excluded.is_grave
where a.version = excluded.version - 1
"""
BEGIN = f"""
insert into alarm_episodes (business_id, name, number, says, begun_at, told_at)
values (%(business_id)s::int, %(name)s, %(number)s::int, %(says)s, %(seen_at)s::timestamptz, %(told_at)s::timestamptz)
on conflict {keys.ALARM_EPISODE.target} do nothing
"""
# What was late and is now wrong is told anew: what was told before is over.
SUPERSEDE = """
update alarm_episodes set ended_at = greatest(begun_at, %(told_at)s::timestamptz)
where business_id = %(business_id)s::int and name = %(name)s and number < %(number)s::int and ended_at is null
"""
END = """
update alarm_episodes set ended_at = greatest(begun_at, %(well_since)s::timestamptz)
where business_id = %(business_id)s::int and name = %(name)s and number = %(number)s::int and ended_at is null
"""


async def take(conn: Conn, business_id: int, step: Step, letters: Letters) -> bool:
    """Takes a step in the caller's transaction, with its letters. False: somebody else took it, nothing was done."""
    values: dict[str, Any] = msgspec.structs.asdict(step.alarm) | {"business_id": business_id}
    if (await conn.execute(TAKE, values)).rowcount != 1:
        return False
    if step.tell == "begun":
        await conn.execute(SUPERSEDE, values)
        await conn.execute(BEGIN, values)
    elif step.tell == "ended":
        await conn.execute(END, values)
    if step.tell:
        for letter in letters(step):
            await outbox.put(conn, business_id, letter)
    return True


class Episode(msgspec.Struct, frozen=True):
    """One time that people were told: what of, from when to when."""

    name: str
    number: int
    says: str
    begun_at: datetime
    told_at: datetime
    ended_at: datetime | None


class Told(msgspec.Struct, frozen=True):
    """A message by which somebody is told: its key, its channel, to whom, and what became of it."""

    dedup_key: str
    channel: str
    recipient: str
    state: str
    at: datetime
    reason: str | None


HISTORY = """
select name, number, says, begun_at, told_at, ended_at from alarm_episodes
where business_id = %(business_id)s::int and ended_at is not null
    and (%(below)s::timestamptz is null or told_at < %(below)s::timestamptz
        or told_at = %(below)s::timestamptz and name > %(name)s::text)
order by told_at desc, name limit %(limit)s::int
"""
TOLD = """
select dedup_key, channel, recipient, state, coalesce(done_at, created_at), reason from outbox
where business_id = %(business_id)s::int and channel = any(%(channels)s::text[])
    and dedup_key like any(%(patterns)s::text[])
order by id
"""
OUTAGE = f"""
insert into alarm_episodes (business_id, name, number, says, begun_at, told_at, ended_at)
select %(business_id)s::int, 'database', 1 + coalesce(max(number), 0), %(says)s, %(begun_at)s::timestamptz,
    %(told_at)s::timestamptz, greatest(%(begun_at)s::timestamptz, %(ended_at)s::timestamptz)
from alarm_episodes where business_id = %(business_id)s::int and name = 'database'
having not coalesce(bool_or(begun_at = %(begun_at)s::timestamptz), false)
on conflict {keys.ALARM_EPISODE.target} do nothing
"""


async def history(conn: Conn, business_id: int, limit: int, below: tuple[datetime, str] | None = None) -> list[Episode]:
    """The times that people were told and that are over, the newest first.

    The next page begins below the last one's ``told_at`` and name: several may be told at one moment.
    """
    at, name = below or (None, "")
    asked = {"business_id": business_id, "limit": limit, "below": at, "name": name}
    return [Episode(*row) for row in await (await conn.execute(HISTORY, asked)).fetchall()]


async def told(conn: Conn, business_id: int, prefixes: Sequence[str], channels: Sequence[str]) -> list[Told]:
    """The messages whose keys begin with one of these, in the order in which they were put."""
    literal = (prefix.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") for prefix in prefixes)
    asked = {"business_id": business_id, "channels": list(channels), "patterns": [f"{one}%" for one in literal]}
    return [Told(*row) for row in await (await conn.execute(TOLD, asked)).fetchall()]


async def outage(conn: Conn, business_id: int, episode: Episode) -> None:
    """Adds to the history an outage of the database that is over and was told directly; twice changes nothing."""
    await conn.execute(OUTAGE, msgspec.structs.asdict(episode) | {"business_id": business_id})
