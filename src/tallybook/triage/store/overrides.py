"""SQL of overrides and exchanges. The caller holds the team (``facts.turn``)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tallybook.core import arrays, triage_keys
from tallybook.core.db import Conn
from tallybook.triage.rules_overrides import Asked, Found, State

from .refused import unless_apart

COLUMNS = """o.id, o.team_id, o.role, o.original_slack_id,
    case when not o.nobody then o.replacement_slack_id end, o.requested_by, o.state,
    o.starts_at, o.ends_at, o.sprint_index, o.whole, o.swap_id, o.decided_by, o.decided_at, o.reason"""
ADD = f"""
insert into overrides (business_id, team_id, role, sprint_index, original_slack_id, replacement_slack_id,
    replacement_name, nobody, requested_by, starts_at, ends_at, whole, swap_id, reason, key)
select %(business_id)s::int, %(team_id)s::bigint, %(role)s::text, %(sprint_index)s::int, %(instead_of)s::text,
    p.slack_id, p.name, %(person)s::text is null, %(requested_by)s::text,
    %(starts_at)s::timestamptz, %(ends_at)s::timestamptz, %(whole)s::bool, %(swap)s::bigint,
    %(reason)s::text, %(key)s::text
from triage_people p
where p.business_id = %(business_id)s::int and p.slack_id = coalesce(%(person)s::text, %(instead_of)s::text)
on conflict {triage_keys.OVERRIDE.target} do nothing
returning id
"""
OF_KEY = f"select {COLUMNS} from overrides o where o.business_id = %(business_id)s::int and o.key = %(key)s::text"
# The request, and where it is one of an exchange the other one too.
GROUP = f"""
select {COLUMNS} from overrides o
where o.business_id = %(business_id)s::int and (o.id = %(id)s::bigint or o.swap_id = (
    select s.swap_id from overrides s where s.business_id = %(business_id)s::int and s.id = %(id)s::bigint))
order by o.id
"""
PAIR = """
update overrides set swap_id = %(swap)s::bigint where business_id = %(business_id)s::int and id = %(swap)s::bigint
"""
APPROVE = """
update overrides set state = 'approved', approved = true, approved_by = %(by)s::text,
    approval_timestamp = %(now)s::timestamptz, decided_by = %(by)s::text, decided_at = %(now)s::timestamptz,
    updated_at = now(), starts_at = greatest(starts_at, %(now)s::timestamptz), note = %(note)s::text
where business_id = %(business_id)s::int and id = any(%(ids)s::bigint[]) and state::text = 'pending'
returning id
"""
SETTLE = """
update overrides set state = %(state)s::text, approved = false, decided_by = %(by)s::text,
    decided_at = %(now)s::timestamptz, updated_at = now(), note = %(note)s::text
where business_id = %(business_id)s::int and id = any(%(ids)s::bigint[])
    and (state::text = 'pending' or state::text = 'approved' and starts_at >= %(now)s::timestamptz)
"""
# What was approved and has begun stays for as long as it held.
CUT = """
update overrides set ends_at = %(now)s::timestamptz, whole = false, updated_at = now(), note = %(note)s::text
where business_id = %(business_id)s::int and id = any(%(ids)s::bigint[]) and state::text = 'approved'
    and starts_at < %(now)s::timestamptz and ends_at > %(now)s::timestamptz
"""
IN_THE_WAY = f"""
select {COLUMNS} from overrides o
where o.business_id = %(business_id)s::int and o.team_id = %(team_id)s::bigint and o.role = %(role)s::text
    and o.state::text = %(state)s::text
    and o.starts_at < %(ends_at)s::timestamptz and o.ends_at > %(starts_at)s::timestamptz
order by o.starts_at limit 1
"""
WAITING = f"""
select {COLUMNS} from overrides o
where o.business_id = %(business_id)s::int and o.team_id = %(team_id)s::bigint and o.state::text = 'pending'
order by o.starts_at, o.id
"""
# An exchange of which one turn is over cannot be made any more, so that it ends whole.
EXPIRE = f"""
update overrides o set state = 'expired', updated_at = now()
where o.business_id = %(business_id)s::int and o.state::text = 'pending'
    and (o.ends_at <= %(now)s::timestamptz or o.swap_id in (
        select s.swap_id from overrides s
        where s.business_id = %(business_id)s::int and s.state::text = 'pending'
            and s.ends_at <= %(now)s::timestamptz))
returning {COLUMNS}
"""


def of_row(row: Sequence[Any]) -> Asked:
    """A request by its ``COLUMNS``."""
    values: list[Any] = list(row)
    values[6] = State(row[6])
    return Asked(*values)


async def add(
    conn: Conn,
    business_id: int,
    team_id: int,
    found: Found,
    requested_by: str,
    *,
    key: str,
    reason: str = "",
    swap: int | None = None,
) -> int | None:
    """The number of a new request; None where one waits for a part of this time, whoever asked for it."""
    values = {
        "business_id": business_id,
        "team_id": team_id,
        "role": found.part.discipline,
        "sprint_index": found.slot.sprint.number if found.slot.sprint is not None else None,
        "instead_of": found.instead_of,
        "person": found.part.person,
        "requested_by": requested_by,
        "starts_at": found.part.starts_at,
        "ends_at": found.part.ends_at,
        "whole": found.whole,
        "swap": swap,
        "reason": reason,
        "key": key,
    }
    row = await unless_apart(conn, ADD, values, triage_keys.PENDING_APART)
    return row[0] if row else None


async def pair(conn: Conn, business_id: int, swap: int) -> None:
    """Has the first of an exchange bear its number, as the second does."""
    await conn.execute(PAIR, {"business_id": business_id, "swap": swap})


async def of_key(conn: Conn, business_id: int, key: str) -> Asked | None:
    """The request that was made by this key."""
    row = await (await conn.execute(OF_KEY, {"business_id": business_id, "key": key})).fetchone()
    return of_row(row) if row else None


async def group(conn: Conn, business_id: int, number: int) -> list[Asked]:
    """A request, and the other one of its exchange; nothing where there is none."""
    rows = await (await conn.execute(GROUP, {"business_id": business_id, "id": number})).fetchall()
    return [of_row(row) for row in rows]


def _decided(business_id: int, ids: Sequence[int], by: str, now: datetime, note: str) -> dict[str, Any]:
    return {"business_id": business_id, "ids": arrays.numbers(ids), "by": by[:100], "now": now, "note": note}


async def approve(conn: Conn, business_id: int, ids: Sequence[int], by: str, now: datetime, *, note: str = "") -> bool:
    """Whether all of them are approved now, from ``now`` on at the earliest.

    False, and none is, where another one is for a part of it, or one of them waits no more.
    """
    values = _decided(business_id, ids, by, now, note)
    return await unless_apart(conn, APPROVE, values, triage_keys.APPROVED_APART, rows=len(ids)) is not None


async def settle(
    conn: Conn, business_id: int, ids: Sequence[int], state: State, by: str, now: datetime, *, note: str = ""
) -> int:
    """Declines or withdraws what waits, or is approved and has not begun; cuts what runs. How many those were."""
    values = _decided(business_id, ids, by, now, note) | {"state": state.value}
    settled = (await conn.execute(SETTLE, values)).rowcount
    return settled + (await conn.execute(CUT, values)).rowcount


async def in_the_way(conn: Conn, business_id: int, asked: Asked, state: State) -> Asked | None:
    """The first one in a state that is for a part of the same time."""
    values = {
        "business_id": business_id,
        "team_id": asked.team_id,
        "role": asked.discipline,
        "state": state.value,
        "starts_at": asked.starts_at,
        "ends_at": asked.ends_at,
    }
    row = await (await conn.execute(IN_THE_WAY, values)).fetchone()
    return of_row(row) if row else None


async def waiting(conn: Conn, business_id: int, team_id: int) -> list[Asked]:
    """What waits for a decision, the soonest first."""
    rows = await (await conn.execute(WAITING, {"business_id": business_id, "team_id": team_id})).fetchall()
    return [of_row(row) for row in rows]


async def expire(conn: Conn, business_id: int, now: datetime) -> list[Asked]:
    """Ends the requests whose time is over, by their numbers; they decided nothing, so that no facts change."""
    rows = await (await conn.execute(EXPIRE, {"business_id": business_id, "now": now})).fetchall()
    return sorted((of_row(row) for row in rows), key=lambda one: one.id)
