"""SQL of the runs of the sync, and of whose turn it is: one at a time for a business, fenced by its number."""

from __future__ import annotations

from datetime import date, datetime, time

import msgspec

from tallybook.core import keys
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict
from tallybook.core.queue import LeaseLost


class Run(msgspec.Struct, frozen=True):
    """One attempt at a sync. ``day`` is its night, or the day that somebody asked for."""

    id: int
    day: date
    asked_by: str
    started_at: datetime
    ended_at: datetime | None
    state: str
    reason: str | None
    written: int
    unchanged: int
    conflicts: int


class Tally(msgspec.Struct):
    """What a run has done so far: items and workbooks together."""

    written: int = 0
    unchanged: int = 0
    conflicts: int = 0


OPEN = """
insert into sharepoint_runs (business_id, day, asked_by)
values (%(business_id)s::int, %(day)s::date, %(asked_by)s::text) returning id
"""
TAKE_TURN = f"""
insert into sharepoint_turns as t (business_id, run_id, lease_until)
values (%(business_id)s::int, %(run)s::bigint, clock_timestamp() + make_interval(secs => %(lease)s::float8))
on conflict {keys.SHAREPOINT_TURN.target} do update set run_id = excluded.run_id, lease_until = excluded.lease_until
where t.lease_until <= clock_timestamp()
"""
# Whoever has the turn is alone: another run that still says it is running has died.
BURY = """
update sharepoint_runs set state = 'failed', ended_at = now(), reason = 'Its process ended before it was done.'
where business_id = %(business_id)s::int and state = 'running' and id <> %(run)s::bigint
"""


async def open_run(conn: Conn, business_id: int, day: date, asked_by: str, lease: float) -> int:
    """A new run that has the turn for ``lease`` seconds. Raises Conflict while another one has it."""
    asked = {"business_id": business_id, "day": day, "asked_by": asked_by[:100], "lease": lease}
    row = await (await conn.execute(OPEN, asked)).fetchone()
    run = int(row[0]) if row else 0
    if (await conn.execute(TAKE_TURN, {**asked, "run": run})).rowcount == 0:
        raise Conflict("A sync with SharePoint is running already. Try again when it is done.")
    await conn.execute(BURY, {"business_id": business_id, "run": run})
    return run


HOLD = """
update sharepoint_turns set lease_until = clock_timestamp() + make_interval(secs => %(lease)s::float8)
where business_id = %(business_id)s::int and run_id = %(run)s::bigint
"""


async def hold(conn: Conn, business_id: int, run: int, lease: float) -> None:
    """Lengthens the turn. Raises LeaseLost, which must undo the transaction, where another run has taken over."""
    if (await conn.execute(HOLD, {"business_id": business_id, "run": run, "lease": lease})).rowcount == 0:
        raise LeaseLost("another run took over the sync with SharePoint")


CLOSE = """
update sharepoint_runs set state = case when %(reason)s::text is null then 'done' else 'failed' end,
    ended_at = clock_timestamp(), reason = %(reason)s::text,
    written = %(written)s::int, unchanged = %(unchanged)s::int, conflicts = %(conflicts)s::int
where business_id = %(business_id)s::int and id = %(run)s::bigint and state = 'running'
"""
GIVE_TURN = """
update sharepoint_turns set lease_until = clock_timestamp()
where business_id = %(business_id)s::int and run_id = %(run)s::bigint
"""


async def close_run(conn: Conn, business_id: int, run: int, tally: Tally, reason: str | None) -> None:
    """Ends a run, failed where there is a reason, and gives the turn back."""
    ended = {"business_id": business_id, "run": run, "reason": reason, **msgspec.structs.asdict(tally)}
    await conn.execute(CLOSE, ended)
    await conn.execute(GIVE_TURN, ended)


RECENT = """
select id, day, asked_by, started_at, ended_at, state, reason, written, unchanged, conflicts
from sharepoint_runs where business_id = %(business_id)s::int order by id desc limit %(limit)s::int
"""


async def recent(conn: Conn, business_id: int, limit: int = 20) -> list[Run]:
    """The newest runs first."""
    rows = await (await conn.execute(RECENT, {"business_id": business_id, "limit": limit})).fetchall()
    return [Run(*row) for row in rows]


class Rhythm(msgspec.Struct, frozen=True):
    """The nightly schedule as the database has it."""

    time_zone: str
    daily_at: time
    next_at: datetime
    last_at: datetime | None


RHYTHM = """
select time_zone, daily_at, next_at, last_at from schedules where name = %(name)s::text and daily_at is not null
"""


async def rhythm(conn: Conn, name: str) -> Rhythm | None:
    """None where no nightly sync is set up."""
    row = await (await conn.execute(RHYTHM, {"name": name})).fetchone()
    return Rhythm(*row) if row else None


ENDED = "sharepoint.ended"
# A night that was written since then was begun anew, by somebody who set it up again.
WAS_ENDED = """
select exists (
    select from audit_log a
    where a.business_id = %(business_id)s::int and a.action = %(action)s::text and a.subject = 'sharepoint'
        and a.at > coalesce((
            select max(f.checked_at) from sharepoint_files f
            where f.business_id = %(business_id)s::int and f.nightly), '-infinity'))
"""


async def was_ended(conn: Conn, business_id: int) -> bool:
    """Whether somebody ended the nightly sync after its last night."""
    row = await (await conn.execute(WAS_ENDED, {"business_id": business_id, "action": ENDED})).fetchone()
    return row == (True,)


# A run that was interrupted had at most a batch under way that it could not count. One that was killed is no matter:
# nobody gets its turn within the minute.
LATELY = """
select
    coalesce(sum(written + unchanged + conflicts + case when state = 'failed' then %(batch)s::int else 0 end), 0)::int,
    coalesce(extract(epoch from clock_timestamp() - max(ended_at)), 0)::float8
from sharepoint_runs
where business_id = %(business_id)s::int and ended_at > clock_timestamp() - make_interval(secs => %(within)s::float8)
"""


async def lately(conn: Conn, business_id: int, within: float, batch: int) -> tuple[int, float]:
    """What runs that ended within so many seconds looked at, and how many seconds ago the last of them did."""
    row = await (await conn.execute(LATELY, {"business_id": business_id, "within": within, "batch": batch})).fetchone()
    return row or (0, 0.0)
