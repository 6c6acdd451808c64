"""SQL of what stands on SharePoint as far as we know it: an item for each project's day, a workbook for each day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from tallybook.channels.sharepoint.decide import plain
from tallybook.channels.sharepoint.types import Found, ItemKey, RemoteItem, Values, Wrote
from tallybook.core import keys
from tallybook.core.db import Conn


class Theirs(msgspec.Struct, frozen=True):
    """What a person made of it: other numbers, another file, or nothing at all."""

    deleted: bool
    etag: str = ""
    by: str = ""
    at: datetime | None = None
    values: Values | None = None


class Item(msgspec.Struct, frozen=True):
    """An item. ``wanted`` is what it should say, ``written`` what we last made it say, ``sent`` what we tried since."""

    day: date
    project: str
    wanted: Values
    state: str
    written: Values | None
    sent: list[Values]
    theirs: Theirs | None
    overrule: str | None
    item_id: str | None
    etag: str | None
    reason: str | None
    run_id: int | None
    written_at: datetime | None

    @property
    def key(self) -> ItemKey:
        return ItemKey(self.day, self.project)


_COLUMNS = """
day, project, jsonb_build_object(
    'drops', drops, 'complete', complete, 'incomplete', incomplete, 'resubmitted', resubmitted),
state, written, sent, theirs, overrule, item_id, etag, reason, run_id, written_at
"""
# What belonged to another list is not known here: it is looked up by its key again.
PLAN = f"""
insert into sharepoint_items as i (business_id, day, project, drops, complete, incomplete, resubmitted, list_id)
select %(business_id)s::int, u.*, %(list_id)s::text from unnest(
    %(days)s::date[], %(projects)s::text[], %(drops)s::int[], %(complete)s::int[], %(incomplete)s::int[],
    %(resubmitted)s::int[]) as u
on conflict {keys.SHAREPOINT_ITEM.target} do update set
    drops = excluded.drops, complete = excluded.complete, incomplete = excluded.incomplete,
    resubmitted = excluded.resubmitted, list_id = excluded.list_id,
    written = case when i.list_id = excluded.list_id then i.written end,
    sent = case when i.list_id = excluded.list_id then i.sent else '[]' end,
    theirs = case when i.list_id = excluded.list_id then i.theirs end,
    overrule = case when i.list_id = excluded.list_id then i.overrule end,
    item_id = case when i.list_id = excluded.list_id then i.item_id end,
    etag = case when i.list_id = excluded.list_id then i.etag end,
    state = case
        when i.list_id is distinct from excluded.list_id then 'waiting'
        when i.state = 'written' and i.written is distinct from jsonb_build_object(
            'drops', excluded.drops, 'complete', excluded.complete, 'incomplete', excluded.incomplete,
            'resubmitted', excluded.resubmitted) then 'waiting'
        else i.state end
"""


async def plan(conn: Conn, business_id: int, list_id: str, wanted: Mapping[ItemKey, Values]) -> None:
    """Writes down what each item should say. What says it already stays written; what a person keeps stays kept."""
    ordered = sorted(wanted.items())
    numbers = {name: [getattr(values, name) for _, values in ordered] for name in Values.__struct_fields__}
    asked = {"days": [key.day for key, _ in ordered], "projects": [key.project for key, _ in ordered], **numbers}
    await conn.execute(PLAN, {"business_id": business_id, "list_id": list_id, **asked})


DUE = f"""
select {_COLUMNS} from sharepoint_items
where business_id = %(business_id)s::int and day = any(%(days)s::date[])
    and (state in ('waiting', 'conflict') or %(every)s::bool and state = 'written')
order by day, project
"""


async def due(conn: Conn, business_id: int, days: Sequence[date], *, every: bool) -> list[Item]:
    """The items to be settled; with ``every`` also those that were written, to see whether they still stand."""
    asked = {"business_id": business_id, "days": list(days), "every": every}
    return [_item(row) for row in await (await conn.execute(DUE, asked)).fetchall()]


def _item(row: Sequence[Any]) -> Item:
    return msgspec.convert(dict(zip(Item.__struct_fields__, row, strict=True)), Item)


INTEND = """
update sharepoint_items set reason = null,
    sent = case when sent @> %(values)s::jsonb then sent else sent || %(values)s::jsonb end
where business_id = %(business_id)s::int and day = %(day)s::date and project = %(project)s::text
"""
WROTE = """
update sharepoint_items set state = 'written', written = %(values)s::jsonb, sent = '[]', theirs = null, overrule = null,
    reason = null, item_id = %(item_id)s::text, etag = %(etag)s::text, run_id = %(run)s::bigint, written_at = now()
where business_id = %(business_id)s::int and day = %(day)s::date and project = %(project)s::text
"""
YIELD = """
update sharepoint_items set state = 'conflict', theirs = %(theirs)s::jsonb, item_id = coalesce(%(item_id)s, item_id),
    reason = null, run_id = %(run)s::bigint
where business_id = %(business_id)s::int and day = %(day)s::date and project = %(project)s::text
"""
POSTPONE = """
update sharepoint_items set reason = %(reason)s::text
where business_id = %(business_id)s::int and day = %(day)s::date and project = %(project)s::text
"""


def _named(business_id: int, key: ItemKey) -> dict[str, Any]:
    return {"business_id": business_id, "day": key.day, "project": key.project}


async def intend(conn: Conn, business_id: int, wanted: Mapping[ItemKey, Values]) -> None:
    """Writes down what is about to be sent, so that it is known for ours should no answer come."""
    for key, values in sorted(wanted.items()):
        sent = Jsonb([msgspec.structs.asdict(values)])
        await conn.execute(INTEND, {**_named(business_id, key), "values": sent})


async def wrote(conn: Conn, business_id: int, run: int, done: Mapping[ItemKey, tuple[Values, Wrote]]) -> None:
    """Writes down what SharePoint said yes to."""
    for key, (values, answer) in sorted(done.items(), key=lambda one: one[0]):
        values_now = {"values": Jsonb(msgspec.structs.asdict(values)), **msgspec.structs.asdict(answer), "run": run}
        await conn.execute(WROTE, {**_named(business_id, key), **values_now})


async def yielded(conn: Conn, business_id: int, run: int, found: Mapping[ItemKey, RemoteItem | None]) -> None:
    """Writes down what a person made of items, which stays until a person decides."""
    for key, item in sorted(found.items(), key=lambda one: one[0]):
        told = Jsonb(msgspec.to_builtins(theirs_of(item)))
        theirs = {"theirs": told, "item_id": item and item.item_id, "run": run}
        await conn.execute(YIELD, {**_named(business_id, key), **theirs})


async def postpone(conn: Conn, business_id: int, reasons: Mapping[ItemKey, str]) -> None:
    """Writes down why items were not written this time."""
    for key, reason in sorted(reasons.items()):
        await conn.execute(POSTPONE, {**_named(business_id, key), "reason": reason})


def theirs_of(found: Found | None) -> Theirs:
    """What a person made of it, as it is kept and shown."""
    if found is None:
        return Theirs(deleted=True)
    values = plain(found.values) if isinstance(found, RemoteItem) else None
    return Theirs(deleted=False, etag=found.etag, by=found.changed_by, at=found.changed_at, values=values)


DECIDE = """
update sharepoint_items set state = %(state)s::text, reason = null,
    overrule = case when %(state)s::text = 'waiting'
        then case when (theirs->>'deleted')::bool then 'deleted' else theirs->>'etag' end end
where business_id = %(business_id)s::int and day = %(day)s::date and project = %(project)s::text
    and state in ('conflict', 'kept') and %(etag)s::text = coalesce(theirs->>'etag', '')
"""


async def decide(conn: Conn, business_id: int, key: ItemKey, etag: str, *, ours: bool) -> bool:
    """A person decided about what they saw: ours is to be written over it, or theirs stays. False: it changed since."""
    asked = {**_named(business_id, key), "state": "waiting" if ours else "kept", "etag": etag}
    return (await conn.execute(DECIDE, asked)).rowcount == 1


SHOWN = f"""
select {_COLUMNS} from sharepoint_items
where business_id = %(business_id)s::int and day in (
    select day from sharepoint_files
    where business_id = %(business_id)s::int and (%(before)s::date is null or day < %(before)s::date)
    order by day desc limit %(days)s::int)
order by day desc, project
"""


async def shown(conn: Conn, business_id: int, before: date | None, days: int) -> list[Item]:
    """The items of the newest days, or of those before a day."""
    rows = await conn.execute(SHOWN, {"business_id": business_id, "before": before, "days": days})
    return [_item(row) for row in await rows.fetchall()]
