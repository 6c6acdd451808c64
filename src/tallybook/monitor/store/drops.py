"""SQL of the drops' own rows, one for each drop of a space: whoever files locks them before looking what is there.

Every lock takes its rows in key order, makes those never seen before, and lasts until the transaction ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tallybook.core import arrays, keys
from tallybook.core.db import Conn
from tallybook.monitor.types import Kind, Post

SpacedDrop = tuple[str, str]  # (space, drop number)


def columns(drops: Sequence[SpacedDrop]) -> dict[str, str]:
    """The drops as the arrays that statements take."""
    return {
        "space": arrays.texts([space for space, _ in drops]),
        "drop_number": arrays.texts([drop for _, drop in drops]),
    }


def _rows(business_id: int, said_at: Mapping[SpacedDrop, datetime]) -> dict[str, Any]:
    ordered = sorted(said_at)
    times = arrays.times([said_at[drop] for drop in ordered])
    return {"business_id": business_id, **columns(ordered), "said_at": times}


LOCK = f"""
insert into drops (business_id, space, drop_number, last_posted_at)
select %(business_id)s, u.space, u.drop_number, u.said_at
from unnest(%(space)s::text[], %(drop_number)s::text[], %(said_at)s::timestamptz[]) as u (space, drop_number, said_at)
on conflict {keys.DROP.target} do update set last_posted_at = drops.last_posted_at
"""


async def lock(conn: Conn, business_id: int, first: Mapping[SpacedDrop, datetime]) -> None:
    """Locks the drops; moves no clock of those that were seen before."""
    await conn.execute(LOCK, _rows(business_id, first))


async def lock_of(conn: Conn, business_id: int, posts: Sequence[Post]) -> None:
    """``lock`` for the drops of these posts. Marketing needs none: its register's own key decides."""
    qa = [post for post in reversed(posts) if post.project.kind is Kind.QA]
    await lock(conn, business_id, {(post.project.space, post.drop_number): post.said_at for post in qa})


LOCK_POSTED = f"""
with locked as (
    insert into drops (business_id, space, drop_number, last_posted_at)
    select %(business_id)s, u.space, u.drop_number, u.said_at
    from unnest(%(space)s::text[], %(drop_number)s::text[], %(said_at)s::timestamptz[])
        as u (space, drop_number, said_at)
    on conflict {keys.DROP.target} do update set
        previous_posted_at = drops.last_posted_at,
        last_posted_at = greatest(
            case when drops.last_posted_at <= now() + %(ahead)s::interval then drops.last_posted_at end,
            excluded.last_posted_at)
    returning space, drop_number, previous_posted_at
)
select space, drop_number, previous_posted_at from locked where previous_posted_at is not null
"""


async def lock_posted(
    conn: Conn, business_id: int, newest: Mapping[SpacedDrop, datetime], ahead: timedelta
) -> dict[SpacedDrop, datetime]:
    """Locks the drops and moves their clocks on; returns when those seen before were last posted.

    A clock that stands further than ``ahead`` in the future, where no post is believed, is set to the newest of these.
    """
    cursor = await conn.execute(LOCK_POSTED, _rows(business_id, newest) | {"ahead": ahead})
    return {(row[0], row[1]): row[2] for row in await cursor.fetchall()}


LOCK_IMPORTED = f"""
insert into drops (business_id, space, drop_number, last_posted_at)
select %(business_id)s::int, u.*
from unnest(%(space)s::text[], %(drop_number)s::text[], %(said_at)s::timestamptz[]) as u
on conflict {keys.DROP.target} do update set
    previous_posted_at = drops.last_posted_at, last_posted_at = greatest(drops.last_posted_at, excluded.last_posted_at)
"""


async def lock_imported(conn: Conn, business_id: int, newest: Mapping[SpacedDrop, datetime]) -> None:
    """Locks the drops and moves their clocks on where these posts of the old system are newer; sets none back."""
    await conn.execute(LOCK_IMPORTED, _rows(business_id, newest))
