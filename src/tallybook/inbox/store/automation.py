"""SQL of rules, of what they did, and of when a business is open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from tallybook.core import inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox import naming
from tallybook.inbox.automation_types import Draft, Outcome, Rule, Run
from tallybook.inbox.hours import Hours
from tallybook.inbox.naming import Names

COUNTED = 1000  # runs of a rule; more are not counted
_COLUMNS = "r.id, r.name, r.active, r.trigger, r.conditions, r.actions, r.active_since"
_FIRED = """(select count(*) from (select from automation_runs n
    where n.business_id = r.business_id and n.rule_id = r.id and n.outcome = 'done'
        and n.at >= %(since)s::timestamptz limit %(limit)s::int) x)
"""
_LAST = """(select max(n.at) from automation_runs n
    where n.business_id = r.business_id and n.rule_id = r.id and n.outcome = 'done')
"""

LISTED = f"""
select {_COLUMNS}, {_FIRED}, {_LAST} from automation_rules r
where r.business_id = %(business_id)s::int and (%(id)s::bigint is null or r.id = %(id)s::bigint)
order by r.active desc, r.id
"""
ACTIVE = f"""
select {_COLUMNS} from automation_rules r
where r.business_id = %(business_id)s::int and r.active
    and (%(rule_id)s::bigint = 0 or r.id = %(rule_id)s::bigint)
    and r.starts = any(%(starts)s::text[])
order by r.id
"""


async def listed(conn: Conn, business_id: int, since: datetime) -> list[Rule]:
    """All rules, those that are on first, with how often each fired since then and when it last did."""
    values = {"business_id": business_id, "id": None, "since": since, "limit": COUNTED}
    return [_rule(row) for row in await (await conn.execute(LISTED, values)).fetchall()]


async def one(conn: Conn, business_id: int, rule_id: int, since: datetime) -> Rule | None:
    values = {"business_id": business_id, "id": rule_id, "since": since, "limit": COUNTED}
    row = await (await conn.execute(LISTED, values)).fetchone()
    return _rule(row) if row else None


async def active(conn: Conn, business_id: int, starts: Sequence[str], rule_id: int = 0) -> list[Rule]:
    """The rules that are on and start so; of a number alone where one is given."""
    values = {"business_id": business_id, "starts": list(starts), "rule_id": rule_id}
    return [_rule(row) for row in await (await conn.execute(ACTIVE, values)).fetchall()]


def _rule(row: Sequence[Any]) -> Rule:
    names = ("id", "name", "active", "trigger", "conditions", "actions", "active_since", "fired", "last_fired_at")
    return msgspec.convert(dict(zip(names, row, strict=False)), Rule)


ADD = """
insert into automation_rules (business_id, name, starts, trigger, conditions, actions)
values (%(business_id)s::int, %(name)s, %(starts)s, %(trigger)s, %(conditions)s, %(actions)s) returning id
"""
CHANGE = """
update automation_rules set name = %(name)s, starts = %(starts)s, trigger = %(trigger)s,
    conditions = %(conditions)s, actions = %(actions)s, updated_at = now(),
    active_since = case when active then %(now)s::timestamptz end
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
TURN = """
update automation_rules set active = %(active)s::bool, updated_at = now(),
    active_since = case when %(active)s::bool then %(now)s::timestamptz end
where business_id = %(business_id)s::int and id = %(id)s::bigint and active <> %(active)s::bool
"""
REMOVE = "delete from automation_rules where business_id = %(business_id)s::int and id = %(id)s::bigint"
HOLD = """
select id from automation_rules where business_id = %(business_id)s::int and id = %(id)s::bigint for update
"""


def _told(draft: Draft) -> dict[str, Any]:
    trigger = msgspec.to_builtins(draft.trigger)
    return {
        "name": draft.name, "starts": trigger["on"], "trigger": Jsonb(trigger),
        "conditions": Jsonb(msgspec.to_builtins(draft.conditions)),
        "actions": Jsonb(msgspec.to_builtins(draft.actions)),
    }  # fmt: skip


async def add(conn: Conn, business_id: int, draft: Draft) -> int:
    ((number,),) = await (await conn.execute(ADD, {"business_id": business_id, **_told(draft)})).fetchall()
    return int(number)


async def hold(conn: Conn, business_id: int, rule_id: int) -> bool:
    """Holds a rule until the transaction ends; False where there is none."""
    row = await (await conn.execute(HOLD, {"business_id": business_id, "id": rule_id})).fetchone()
    return row is not None


async def change(conn: Conn, business_id: int, rule_id: int, draft: Draft, now: datetime) -> None:
    """Has a rule be another one; where it is on it is so from now on."""
    await conn.execute(CHANGE, {"business_id": business_id, "id": rule_id, "now": now, **_told(draft)})


async def turn(conn: Conn, business_id: int, rule_id: int, now: datetime, *, on: bool) -> bool:
    """Switches a rule on or off; False where it was so already."""
    values = {"business_id": business_id, "id": rule_id, "active": on, "now": now}
    return (await conn.execute(TURN, values)).rowcount == 1


async def remove(conn: Conn, business_id: int, rule_id: int) -> None:
    """Takes a rule away, with what it did."""
    await conn.execute(REMOVE, {"business_id": business_id, "id": rule_id})


RUN = f"""
insert into automation_runs (business_id, rule_id, cause, conversation_id, outcome, reason, at)
values (%(business_id)s::int, %(rule_id)s::bigint, %(cause)s, %(conversation_id)s::bigint, %(outcome)s, %(reason)s,
    %(at)s::timestamptz)
on conflict {inbox_keys.AUTOMATION_RUN.target} do nothing returning id
"""
SAID = """
update automation_runs set message_id = %(message_id)s::bigint
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""


class NewRun(msgspec.Struct, frozen=True):
    """What a rule did, or did not, about a cause."""

    rule_id: int
    cause: str
    conversation_id: int
    outcome: Outcome
    reason: str
    at: datetime


async def run(conn: Conn, business_id: int, new: NewRun) -> int | None:
    """Writes down what a rule did about a cause; None where it had done something about it already."""
    values = msgspec.structs.asdict(new) | {"business_id": business_id, "reason": new.reason[:300]}
    row = await (await conn.execute(RUN, values)).fetchone()
    return row[0] if row else None


async def said(conn: Conn, business_id: int, run_id: int, message_id: int) -> None:
    """Which message a run sent."""
    await conn.execute(SAID, {"business_id": business_id, "id": run_id, "message_id": message_id})


RUNS = """
select n.id, n.rule_id, r.name, n.conversation_id, l.name, p.name, coalesce(p.profile_name, c.customer_name), p.phone,
    p.username, n.outcome, n.reason, n.at
from automation_runs n
join automation_rules r on r.business_id = n.business_id and r.id = n.rule_id
join whatsapp_conversation c on c.business_id = n.business_id and c.id = n.conversation_id
join contacts p on p.business_id = c.business_id and p.id = c.contact_id
left join leads l on l.business_id = p.business_id and l.contact_id = p.id
where n.business_id = %(business_id)s::int and n.id < coalesce(%(below)s::bigint, 9223372036854775807)
    and (%(rule_id)s::bigint is null or n.rule_id = %(rule_id)s::bigint)
    and (%(outcome)s::text is null or n.outcome = %(outcome)s::text)
order by n.id desc limit %(limit)s::int
"""


class Sought(msgspec.Struct, frozen=True):
    """Which runs are looked for; None is all."""

    rule_id: int | None = None
    outcome: Outcome | None = None
    below: int | None = None
    limit: int = 50


async def runs(conn: Conn, business_id: int, sought: Sought) -> list[Run]:
    """What rules did, the newest first."""
    values = msgspec.structs.asdict(sought) | {"business_id": business_id}
    rows = await (await conn.execute(RUNS, values)).fetchall()
    return [
        Run(row[0], row[1], row[2], row[3], naming.shown(Names(*row[4:9])), Outcome(row[9]), row[10], row[11])
        for row in rows
    ]


HOURS = "select country, week, dates from inbox_hours where business_id = %(business_id)s::int"
SET_HOURS = f"""
insert into inbox_hours (business_id, country, week, dates)
values (%(business_id)s::int, %(country)s, %(week)s, %(dates)s)
on conflict {inbox_keys.INBOX_HOURS.target} do update set country = excluded.country, week = excluded.week,
    dates = excluded.dates, updated_at = now()
"""


async def hours(conn: Conn, business_id: int) -> Hours:
    """When a business is open; always, where nobody said."""
    row = await (await conn.execute(HOURS, {"business_id": business_id})).fetchone()
    return msgspec.convert({"country": row[0], "week": row[1], "dates": row[2]}, Hours) if row else Hours()


async def set_hours(conn: Conn, business_id: int, told: Hours) -> None:
    values = {"country": told.country, "week": Jsonb(msgspec.to_builtins(told.week))}
    await conn.execute(
        SET_HOURS, {"business_id": business_id, **values, "dates": Jsonb(msgspec.to_builtins(dict(told.dates)))}
    )
