"""How fast a channel may send by one number, kept by any number of workers together.

A line is a business's number on a channel. Each send takes a moment of it, under a lock on the line's row; a limit is
counted over the moments of exactly its window, so that no stretch of that length ever holds more. What is over a limit
waits. Where the account has a pace of its own, it stands for the channel's limit of one second. A line whose provider
refuses to work is closed for a while, so that an outage costs a try now and then instead of one for each message.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

import msgspec

from . import gates, keys
from .db import Conn
from .work import LONGEST_WAIT


@dataclass(frozen=True)
class Limit:
    """At most ``count`` sends within any ``seconds``."""

    count: int
    seconds: float


@dataclass(frozen=True)
class Limits:
    """What holds for one line.

    ``cooldown``: seconds between two messages of one topic. ``grace``: seconds after its start in which a worker sends
    nothing, so that one that starts again and again floods nobody. ``most_faults``: tries of one message, failed by no
    fault of the line, after which a person is asked. ``longest_pause``: seconds between two of them at most, unless the
    provider asks for more.
    """

    windows: tuple[Limit, ...] = ()
    cooldown: float = 0.0
    grace: float = 0.0
    most_faults: int = 12
    longest_pause: float = LONGEST_WAIT


@runtime_checkable
class Limited(Protocol):
    """A sender that may send only so fast."""

    limits: Limits


class Line(msgspec.Struct, frozen=True):
    """A number that a business sends by; ``account`` is the channel's own name for it."""

    business_id: int
    channel: str
    account: str


class Asked(msgspec.Struct, frozen=True):
    """A message that wants to be sent now. What somebody ``pressed`` for need not cool down."""

    line: Line
    outgoing_id: int
    topic: str | None
    pressed: bool = False


class Wait(msgspec.Struct, frozen=True):
    """Not now. ``line_until`` closes the whole line, ``topic_until`` only what is of the message's topic.

    With neither, somebody has just stopped the channel.
    """

    line_until: datetime | None
    topic_until: datetime | None


# The row lock is what makes of many workers one: who holds it alone counts and takes.
LOCK_LINE = f"""
insert into sending_lines (business_id, channel, account)
values (%(business_id)s::int, %(channel)s, %(account)s)
on conflict {keys.SENDING_LINE.target} do update set failures = sending_lines.failures
returning open_at > clock_timestamp(), open_at
"""
# A statement of its own, so that it sees what the holder before us took, or that he stopped the channel.
FREE_AT = """
with windows as (
    select w.seconds, case when w.seconds = 1 then coalesce(a.per_second, w.count) else w.count end as count
    from unnest(%(counts)s::int[], %(seconds)s::float8[]) as w (count, seconds)
    left join channel_accounts a on a.channel = %(channel)s and a.account = %(account)s
        and a.business_id = %(business_id)s::int
), line as (
    select max((
        select m.at from sending_moments m
        where m.business_id = %(business_id)s::int and m.channel = %(channel)s and m.account = %(account)s
        order by m.at desc offset w.count - 1 limit 1) + make_interval(secs => w.seconds)) as until
    from windows w
), topic as (
    select max(at) + make_interval(secs => %(cooldown)s::float8) as until from sending_moments
    where business_id = %(business_id)s::int and channel = %(channel)s and topic = %(topic)s::text
)
select case when line.until > clock_timestamp() then line.until end,
    case when topic.until > clock_timestamp() then topic.until end,
    exists (select from sending_stops s where s.business_id = %(business_id)s::int and s.channel = %(channel)s)
from line, topic
"""
TAKE = """
insert into sending_moments (business_id, channel, account, topic, outgoing_id, at)
values (%(business_id)s::int, %(channel)s, %(account)s, %(topic)s, %(outgoing_id)s::bigint, clock_timestamp())
"""
CLOSE = """
update sending_lines set open_at = %(until)s::timestamptz
where business_id = %(business_id)s::int and channel = %(channel)s and account = %(account)s
"""


async def take(conn: Conn, asked: Asked, limits: Limits) -> Wait | None:
    """Takes a moment for one message, in the caller's transaction; None if it may be sent now.

    Otherwise says until when it must wait, and closes the line where it is the line that is full.
    """
    names = msgspec.structs.asdict(asked.line)
    await gates.enter(conn, asked.line.business_id, asked.line.channel)
    row = await (await conn.execute(LOCK_LINE, names)).fetchone()
    if row and row[0]:
        return Wait(row[1], None)
    names |= {
        "counts": [limit.count for limit in limits.windows], "seconds": [limit.seconds for limit in limits.windows],
        "cooldown": 0.0 if asked.pressed else limits.cooldown, "topic": asked.topic, "outgoing_id": asked.outgoing_id,
    }  # fmt: skip
    found = await (await conn.execute(FREE_AT, names)).fetchone()
    line_until, topic_until, stopped = found or (None, None, False)
    if line_until is None and topic_until is None and not stopped:
        await conn.execute(TAKE, names)
        return None
    if line_until is not None:
        await conn.execute(CLOSE, names | {"until": line_until})
    return Wait(line_until, topic_until)


# Nothing was sent, so the moment is free again.
GIVE_BACK = """
delete from sending_moments where business_id = %(business_id)s::int and outgoing_id = %(outgoing_id)s::bigint
    and at = (select max(at) from sending_moments
        where business_id = %(business_id)s::int and outgoing_id = %(outgoing_id)s::bigint)
"""
FAILED = """
update sending_lines set failures = failures + 1,
    open_at = clock_timestamp()
        + make_interval(secs => greatest(%(least)s::float8, least(900, power(2, least(failures, 10)))))
where business_id = %(business_id)s::int and channel = %(channel)s and account = %(account)s
"""
WORKS = """
update sending_lines set failures = 0
where business_id = %(business_id)s::int and channel = %(channel)s and account = %(account)s and failures > 0
"""


async def give_back(conn: Conn, asked: Asked, *, closed_for: float | None) -> None:
    """A send that surely sent nothing uses up nothing.

    With ``closed_for`` the fault was the line's: it closes for so many seconds at least, for longer each time, up to
    a quarter of an hour.
    """
    names = msgspec.structs.asdict(asked.line) | {"outgoing_id": asked.outgoing_id}
    await conn.execute(GIVE_BACK, names)
    if closed_for is not None:
        await conn.execute(FAILED, names | {"least": closed_for})


async def works(conn: Conn, line: Line) -> None:
    """The line's provider has answered well: the next fault counts as the first again."""
    await conn.execute(WORKS, msgspec.structs.asdict(line))
