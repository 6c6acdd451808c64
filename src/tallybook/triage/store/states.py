"""SQL of what was last announced of a team: moved on by its version, each boundary told once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from tallybook.core import triage_keys
from tallybook.core.db import Conn


class State(msgspec.Struct, frozen=True):
    """Who was on duty when it was last looked, by discipline. ``version`` is 0 before the first time."""

    version: int
    on_duty: dict[str, str | None]
    sprint_number: int | None = None
    at: datetime | None = None


NONE = State(0, {})
READ = """
select version, on_duty, sprint_index, at from triage_states
where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint
"""
BEGIN = f"""
insert into triage_states (business_id, team_id, version, sprint_index, on_duty, at)
values (%(business_id)s::int, %(team_id)s::bigint, 1, %(sprint_index)s::int, %(on_duty)s::jsonb, %(at)s::timestamptz)
on conflict {triage_keys.TRIAGE_STATE.target} do nothing
"""
ADVANCE = """
update triage_states set version = version + 1, sprint_index = %(sprint_index)s::int, on_duty = %(on_duty)s::jsonb,
    at = %(at)s::timestamptz, updated_at = now()
where business_id = %(business_id)s::int and team_id = %(team_id)s::bigint and version = %(expected)s::bigint
"""
ANNOUNCE = f"""
insert into triage_announcements (business_id, team_id, kind, boundary, told_at, says)
values (%(business_id)s::int, %(team_id)s::bigint, %(kind)s::text, %(boundary)s::timestamptz, %(at)s::timestamptz,
    %(says)s::jsonb)
on conflict {triage_keys.ANNOUNCEMENT.target} do nothing
"""


async def read(conn: Conn, business_id: int, team_id: int) -> State:
    row = await (await conn.execute(READ, {"business_id": business_id, "team_id": team_id})).fetchone()
    return State(*row) if row else NONE


async def advance(conn: Conn, business_id: int, team_id: int, before: State, after: State) -> bool:
    """Whether the state is ``after`` now by this; False where another was first since ``before`` was read.

    The version of ``after`` is not looked at. It needs its moment, ``at``.
    """
    values = {
        "business_id": business_id,
        "team_id": team_id,
        "expected": before.version,
        "sprint_index": after.sprint_number,
        "on_duty": Jsonb(after.on_duty),
        "at": after.at,
    }
    statement = BEGIN if before.version == 0 else ADVANCE
    return (await conn.execute(statement, values)).rowcount == 1


async def announce(
    conn: Conn, business_id: int, team_id: int, kind: str, boundary: datetime, at: datetime, *, says: Mapping[str, Any]
) -> bool:
    """Whether this is the first time that a thing of this kind is told of a boundary."""
    values = {
        "business_id": business_id,
        "team_id": team_id,
        "kind": kind,
        "boundary": boundary,
        "at": at,
        "says": Jsonb(dict(says)),
    }
    return (await conn.execute(ANNOUNCE, values)).rowcount == 1
