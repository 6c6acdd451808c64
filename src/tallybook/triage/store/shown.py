"""SQL of what a user group and a channel's topic should show, what we last put there, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tallybook.core import arrays, triage_keys
from tallybook.core.db import Conn

MOST_OURS = 5


class Shown(msgspec.Struct, frozen=True):
    """A group's members or a topic's one text, as it is ``wanted``; ``ours``: what we last put there, newest first.

    ``state`` is ``asked`` (in the outbox), ``set``, ``failed``, ``theirs`` (somebody else's topic, which is left), or
    ``nobody`` (nobody is on duty: the group keeps who was in it). Where nothing is ``wanted`` nothing was ``asked``.
    """

    kind: str
    target: str
    number: int
    wanted: list[str]
    ours: list[str]
    state: str
    since: datetime
    seen_at: datetime | None


_COLUMNS = "kind, target, number, wanted, ours, state, since, seen_at"
# Also held by who only looks: two teams of one group must not each count the other as it was before.
HOLD = f"""
insert into triage_shown as s (business_id, kind, target)
values (%(business_id)s::int, %(kind)s::text, %(target)s::text)
on conflict {triage_keys.TRIAGE_SHOWN.target} do update set number = s.number
returning {_COLUMNS}
"""
READ = f"""
select {_COLUMNS} from triage_shown
where business_id = %(business_id)s::int and kind = %(kind)s::text and target = %(target)s::text
"""
EVERY = f"select {_COLUMNS} from triage_shown where business_id = %(business_id)s::int order by kind, target"
WANT = """
update triage_shown set number = number + 1, wanted = %(wanted)s::text[], state = 'asked',
    since = %(now)s::timestamptz
where business_id = %(business_id)s::int and kind = %(kind)s::text and target = %(target)s::text
returning number
"""
BECOME = """
update triage_shown set state = %(state)s::text,
    since = case when state::text = %(state)s::text then since else %(now)s::timestamptz end,
    seen_at = case when %(seen)s::bool then %(now)s::timestamptz else seen_at end
where business_id = %(business_id)s::int and kind = %(kind)s::text and target = %(target)s::text
    and number = %(number)s::bigint
"""
# What is told late, of a number that is no longer wanted, was put there all the same.
PUT = f"""
update triage_shown set ours = (%(texts)s::text[] || ours)[1:{MOST_OURS}]
where business_id = %(business_id)s::int and kind = %(kind)s::text and target = %(target)s::text
    and ours[1] is distinct from (%(texts)s::text[])[1]
"""
# Whether it was put there nobody knows: what surely was stays first, and is what a change expects to find.
PERHAPS_PUT = f"""
update triage_shown set ours = (ours[1:1] || %(texts)s::text[] || ours[2:])[1:{MOST_OURS}]
where business_id = %(business_id)s::int and kind = %(kind)s::text and target = %(target)s::text
    and not ours @> %(texts)s::text[]
"""
TAKE_OVER = f"""
insert into triage_shown as s (business_id, kind, target)
values (%(business_id)s::int, %(kind)s::text, %(target)s::text)
on conflict {triage_keys.TRIAGE_SHOWN.target} do update set wanted = '{{}}', ours = '{{}}', state = 'asked'
"""
# Its number stays and goes on: what was asked for under it stands in the outbox, and what waits there is overtaken.
# ``was``: one that is asked for at this moment is not forgotten by what was so before.
FORGET = """
update triage_shown s set number = s.number + 1, wanted = '{}', ours = '{}', state = 'asked', seen_at = null
from triage_shown was
where s.business_id = %(business_id)s::int and was.business_id = s.business_id and was.kind = s.kind
    and was.target = s.target and was.number = s.number
    and (s.state::text <> 'asked' or s.wanted <> '{}') and not exists (
    select from triage_teams t where t.business_id = s.business_id
        and (s.kind::text = 'group' and t.user_group = s.target
            or s.kind::text = 'topic' and t.topic::text <> '' and t.channel = s.target))
"""


def _values(business_id: int, kind: str, target: str) -> dict[str, object]:
    return {"business_id": business_id, "kind": kind, "target": target}


async def hold(conn: Conn, business_id: int, kind: str, target: str) -> Shown:
    """Holds a group or topic until the transaction ends; new ones have the number 0."""
    row = await (await conn.execute(HOLD, _values(business_id, kind, target))).fetchone()
    if row is None:
        raise ValueError("an upsert returned no row")
    return Shown(*row)


async def read(conn: Conn, business_id: int, kind: str, target: str) -> Shown | None:
    row = await (await conn.execute(READ, _values(business_id, kind, target))).fetchone()
    return Shown(*row) if row else None


async def every(conn: Conn, business_id: int) -> list[Shown]:
    """All of a business."""
    return [Shown(*row) for row in await (await conn.execute(EVERY, {"business_id": business_id})).fetchall()]


async def want(conn: Conn, business_id: int, shown: Shown, wanted: Sequence[str], now: datetime) -> int:
    """Has it show something else, which is asked for by the number that is returned. The caller holds it."""
    values = _values(business_id, shown.kind, shown.target) | {"wanted": arrays.texts(wanted), "now": now}
    row = await (await conn.execute(WANT, values)).fetchone()
    return int(row[0]) if row else 0


async def become(conn: Conn, business_id: int, shown: Shown, state: str, now: datetime, *, seen: bool = False) -> None:
    """Says how it stands with what is wanted, unless something else is by now. ``seen``: it was looked at in Slack."""
    values = _values(business_id, shown.kind, shown.target) | {"number": shown.number}
    await conn.execute(BECOME, values | {"state": state, "now": now, "seen": seen})


async def put(conn: Conn, business_id: int, kind: str, target: str, text: str, *, surely: bool) -> None:
    """Keeps that a text was put there by us, or perhaps was."""
    values = _values(business_id, kind, target) | {"texts": arrays.texts([text])}
    if surely:
        await conn.execute(PUT, values)
    else:
        await conn.execute(PERHAPS_PUT, values)


async def take_over(conn: Conn, business_id: int, kind: str, target: str) -> None:
    """Forgets what was there, so that whatever stands there is replaced once."""
    await conn.execute(TAKE_OVER, _values(business_id, kind, target))


async def forget(conn: Conn, business_id: int) -> int:
    """Asks for nothing more of what no team shows any more; how many that were."""
    return (await conn.execute(FORGET, {"business_id": business_id})).rowcount
