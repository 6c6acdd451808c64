"""SQL of the days' workbooks on SharePoint; a day is done when its items and its workbook are settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from tallybook.channels.sharepoint.types import RemoteFile
from tallybook.core import keys
from tallybook.core.db import Conn

from .sharepoint import Theirs, theirs_of


class File(msgspec.Struct, frozen=True):
    """A day's workbook. ``content_hash`` is of what we last put there; ``checked_at``: when all of the day was done."""

    day: date
    state: str
    content_hash: str | None
    name: str | None
    theirs: Theirs | None
    overrule: str | None
    etag: str | None
    reason: str | None
    run_id: int | None
    written_at: datetime | None
    checked_at: datetime | None


_COLUMNS = "day, state, content_hash, name, theirs, overrule, etag, reason, run_id, written_at, checked_at"

BEGIN = f"""
insert into sharepoint_files as f (business_id, day, name, nightly)
select %(business_id)s::int, u.*, %(nightly)s::bool from unnest(%(days)s::date[], %(names)s::text[]) as u
on conflict {keys.SHAREPOINT_FILE.target} do update set name = excluded.name, nightly = f.nightly or excluded.nightly,
    content_hash = case when f.name = excluded.name then f.content_hash end,
    etag = case when f.name = excluded.name then f.etag end,
    theirs = case when f.name = excluded.name then f.theirs end,
    overrule = case when f.name = excluded.name then f.overrule end,
    state = case when f.name = excluded.name then f.state else 'waiting' end
"""
GET = f"""
select {_COLUMNS} from sharepoint_files
where business_id = %(business_id)s::int and day = any(%(days)s::date[]) order by day desc
"""


async def begin(conn: Conn, business_id: int, names: Mapping[date, str], *, nightly: bool) -> list[File]:
    """The days' workbooks, made where they are not known yet. ``names`` are whole addresses: another one is new.

    ``nightly``: a night covers them, so that from then on none may be missing.
    """
    days = sorted(names)
    asked = {"business_id": business_id, "days": days, "names": [names[day] for day in days], "nightly": nightly}
    await conn.execute(BEGIN, asked)
    return [_file(row) for row in await (await conn.execute(GET, asked)).fetchall()]


def _file(row: Sequence[Any]) -> File:
    return msgspec.convert(dict(zip(File.__struct_fields__, row, strict=True)), File)


WROTE = """
update sharepoint_files set state = 'written', content_hash = %(content_hash)s::text, theirs = null, overrule = null,
    etag = %(etag)s::text, reason = null, run_id = %(run)s::bigint, written_at = now()
where business_id = %(business_id)s::int and day = %(day)s::date
"""
YIELD = """
update sharepoint_files set state = 'conflict', theirs = %(theirs)s::jsonb, reason = null, run_id = %(run)s::bigint
where business_id = %(business_id)s::int and day = %(day)s::date
"""
POSTPONE = """
update sharepoint_files set state = case when state = 'kept' then state else 'waiting' end, reason = %(reason)s::text
where business_id = %(business_id)s::int and day = %(day)s::date
"""


async def wrote(conn: Conn, business_id: int, run: int, day: date, written: tuple[str, str]) -> None:
    """``written``: the content's hash and the version that SharePoint gave it."""
    asked = {"business_id": business_id, "day": day, "run": run, "content_hash": written[0], "etag": written[1]}
    await conn.execute(WROTE, asked)


async def yielded(conn: Conn, business_id: int, run: int, day: date, found: RemoteFile | None) -> None:
    told = Jsonb(msgspec.to_builtins(theirs_of(found)))
    await conn.execute(YIELD, {"business_id": business_id, "day": day, "run": run, "theirs": told})


async def postpone(conn: Conn, business_id: int, day: date, reason: str) -> None:
    await conn.execute(POSTPONE, {"business_id": business_id, "day": day, "reason": reason})


DECIDE = """
update sharepoint_files set state = %(state)s::text, reason = null,
    overrule = case when %(state)s::text = 'waiting'
        then case when (theirs->>'deleted')::bool then 'deleted' else theirs->>'etag' end end
where business_id = %(business_id)s::int and day = %(day)s::date
    and state in ('conflict', 'kept') and %(etag)s::text = coalesce(theirs->>'etag', '')
"""


async def decide(conn: Conn, business_id: int, day: date, etag: str, *, ours: bool) -> bool:
    """As for an item. False: it changed since it was shown."""
    asked = {"business_id": business_id, "day": day, "state": "waiting" if ours else "kept", "etag": etag}
    return (await conn.execute(DECIDE, asked)).rowcount == 1


CHECKED = """
update sharepoint_files f set checked_at = now()
where f.business_id = %(business_id)s::int and f.day = any(%(days)s::date[]) and f.state <> 'waiting'
    and not exists (
        select from sharepoint_items i
        where i.business_id = f.business_id and i.day = f.day and i.state = 'waiting')
"""


async def checked(conn: Conn, business_id: int, days: Sequence[date]) -> None:
    """Marks the days done of which nothing waits any more."""
    await conn.execute(CHECKED, {"business_id": business_id, "days": list(days)})


NIGHTS = """
select f.day, case when f.state <> 'waiting' and not exists (
    select from sharepoint_items i
    where i.business_id = f.business_id and i.day = f.day and i.state = 'waiting') then f.checked_at end
from sharepoint_files f
where f.business_id = %(business_id)s::int and f.day >= %(since)s::date
"""


async def nights(conn: Conn, business_id: int, since: date) -> dict[date, datetime | None]:
    """Each known day since a date, with when it was last done; None where something of it waits."""
    rows = await (await conn.execute(NIGHTS, {"business_id": business_id, "since": since})).fetchall()
    return {row[0]: row[1] for row in rows}


FIRST = "select min(day) from sharepoint_files where business_id = %(business_id)s::int and nightly"
OPEN = """
select (select count(*) from sharepoint_items where business_id = %(business_id)s::int and state = 'conflict')
    + (select count(*) from sharepoint_files where business_id = %(business_id)s::int and state = 'conflict')
"""


async def first_night(conn: Conn, business_id: int) -> date | None:
    """The first day that a night covered; a day that somebody asked for alone begins nothing."""
    row = await (await conn.execute(FIRST, {"business_id": business_id})).fetchone()
    return row[0] if row else None


LAST = "select max(day) from sharepoint_files where business_id = %(business_id)s::int and nightly"


async def last_night(conn: Conn, business_id: int) -> date | None:
    """The last day that a night covered."""
    row = await (await conn.execute(LAST, {"business_id": business_id})).fetchone()
    return row[0] if row else None


async def conflicts(conn: Conn, business_id: int) -> int:
    """How many items and workbooks wait for a person to decide."""
    row = await (await conn.execute(OPEN, {"business_id": business_id})).fetchone()
    return int(row[0]) if row else 0


SHOWN = f"""
select {_COLUMNS} from sharepoint_files
where business_id = %(business_id)s::int and (%(before)s::date is null or day < %(before)s::date)
order by day desc limit %(days)s::int
"""


async def shown(conn: Conn, business_id: int, before: date | None, days: int) -> list[File]:
    """The newest days, or those before a day."""
    rows = await conn.execute(SHOWN, {"business_id": business_id, "before": before, "days": days})
    return [_file(row) for row in await rows.fetchall()]
