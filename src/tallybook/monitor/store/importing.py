"""SQL of imports: what was given, what runs and until when, what became of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from tallybook.core.db import Conn
from tallybook.monitor.validity_types import Imported

# Longer than an import of 200,000 lines takes, and short enough to wait for where one was killed.
LEASE = timedelta(minutes=2)

GIVE = """
insert into valid_imports (business_id, file_name, file_sha256, who, projects, withdraws, list)
values (%(business_id)s, %(file_name)s, %(file_sha256)s, %(who)s, %(projects)s::text[], %(withdraws)s, %(list)s::jsonb)
returning id
"""


class Given(msgspec.Struct, frozen=True):
    """A file that was given: its name and hash, whose lists it is, and what it says, as JSON."""

    file_name: str
    file_sha256: bytes
    projects: list[str]
    withdraws: bool
    list: bytes


async def give(conn: Conn, business_id: int, who: str, given: Given) -> int:
    """Keeps what was given to be looked at; returns its number."""
    values = msgspec.structs.asdict(given) | {"list": given.list.decode()}
    cursor = await conn.execute(GIVE, {"business_id": business_id, "who": who[:100], **values})
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


class Kept(msgspec.Struct, frozen=True):
    """An import as it is kept. ``list`` is what the file says, None once it is done. ``ended``: it stopped half-way."""

    id: int
    file_name: str
    who: str
    projects: list[str]
    withdraws: bool
    state: str
    given_at: datetime
    finished_at: datetime | None
    added: int
    changed: int
    withdrawn: int
    list: Any = None


_KEPT = """id, file_name, who, projects, withdraws,
    case when state = 'running' and lease_until <= clock_timestamp() then 'ended' else state end,
    given_at, finished_at, added, changed, withdrawn"""
FIND = f"select {_KEPT}, list from valid_imports where business_id = %(business_id)s and id = %(id)s::bigint"
HOLD = """
select id from valid_imports
where business_id = %(business_id)s and id = %(id)s::bigint and state = 'running' for update
"""


async def find(conn: Conn, business_id: int, number: int) -> Kept | None:
    row = await (await conn.execute(FIND, {"business_id": business_id, "id": number})).fetchone()
    return Kept(*row) if row else None


async def hold(conn: Conn, business_id: int, number: int) -> bool:
    """Locks a running import until the transaction ends; False if it does not run any more."""
    row = await (await conn.execute(HOLD, {"business_id": business_id, "id": number})).fetchone()
    return row is not None


BEGIN = """
update valid_imports set state = 'running', started_at = now(), lease_until = clock_timestamp() + %(lease)s::interval
where business_id = %(business_id)s and id = %(id)s::bigint
    and (state in ('given', 'ended') or state = 'running' and lease_until <= clock_timestamp())
"""
FINISH = """
update valid_imports set state = 'done', finished_at = now(), list = null, lease_until = null,
    added = %(added)s, changed = %(changed)s, withdrawn = %(withdrawn)s
where business_id = %(business_id)s and id = %(id)s::bigint and state = 'running'
"""
GIVE_UP = """
update valid_imports set state = 'ended', lease_until = null
where business_id = %(business_id)s and id = %(id)s::bigint and state = 'running'
"""
# One that is being finished at this moment is locked, and left alone.
END_KILLED = """
update valid_imports set state = 'ended', lease_until = null
where business_id = %(business_id)s and id in (
    select id from valid_imports
    where business_id = %(business_id)s and state = 'running' and lease_until <= clock_timestamp()
    for update skip locked)
"""


async def begin(conn: Conn, business_id: int, number: int) -> bool:
    """Begins an import that waits, or that was stopped half-way; False if another has begun or ended it."""
    values = {"business_id": business_id, "id": number, "lease": LEASE}
    return (await conn.execute(BEGIN, values)).rowcount == 1


async def finish(conn: Conn, business_id: int, number: int, done: Imported) -> None:
    """Marks an import done, in the transaction that changed the lists. The caller holds it."""
    values = {"business_id": business_id, "id": number, **msgspec.structs.asdict(done)}
    await conn.execute(FINISH, values)


async def give_up(conn: Conn, business_id: int, number: int) -> None:
    """Ends an import that failed, so that posts need not wait for its lease."""
    await conn.execute(GIVE_UP, {"business_id": business_id, "id": number})


async def end_killed(conn: Conn, business_id: int) -> int:
    """Ends imports whose lease has ended; returns how many."""
    return (await conn.execute(END_KILLED, {"business_id": business_id})).rowcount


RECENT = f"""
select {_KEPT} from valid_imports
where business_id = %(business_id)s and state in ('done', 'running', 'ended')
order by given_at desc limit %(limit)s::int
"""


async def recent(conn: Conn, business_id: int, limit: int) -> list[Kept]:
    """The imports that were begun last, without what they say."""
    rows = await (await conn.execute(RECENT, {"business_id": business_id, "limit": limit})).fetchall()
    return [Kept(*row) for row in rows]
