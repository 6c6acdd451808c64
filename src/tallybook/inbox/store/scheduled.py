"""SQL of what somebody of ours has said later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from tallybook.core import inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox.automation_types import TemplateChoice

SHOWN = 50  # of a thread


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to be said: a text, or a template."""

    text: str = ""
    template: TemplateChoice | None = None


class Later(msgspec.Struct, frozen=True):
    """A message that waits for its time, or what became of it.

    ``words`` are what is shown of it; ``local_at`` is the time on the business's wall for which it was asked;
    ``changed`` counts how often it was. ``state``: waiting, sent, cancelled, missed, or seen: missed, and told.
    """

    id: int
    conversation_id: int
    said: Said
    words: str
    due_at: datetime
    local_at: datetime
    unless_written: bool
    state: str
    reason: str
    account_id: int | None
    who: str
    made_at: datetime
    changed: int
    done_at: datetime | None
    message_id: int | None


class NewLater(msgspec.Struct, frozen=True):
    """Something to be said in a thread at a moment."""

    conversation_id: int
    said: Said
    words: str
    due_at: datetime
    local_at: datetime
    unless_written: bool
    account_id: int | None
    who: str
    key: str


_COLUMNS = """s.id, s.conversation_id, s.content, s.words, s.due_at, s.local_at, s.unless_written, s.state, s.reason,
    s.account_id, s.who, s.made_at, s.changed, s.done_at, s.message_id"""
ADD = f"""
insert into scheduled_messages as s (business_id, conversation_id, content, words, due_at, local_at, unless_written,
    account_id, who, key)
values (%(business_id)s::int, %(conversation_id)s::bigint, %(content)s, %(words)s, %(due_at)s::timestamptz,
    %(local_at)s::timestamp, %(unless_written)s::bool, %(account_id)s::int, %(who)s, %(key)s)
on conflict {inbox_keys.SCHEDULED_MESSAGE.target} do nothing returning {_COLUMNS}
"""
BY_KEY = f"""
select {_COLUMNS} from scheduled_messages s where s.business_id = %(business_id)s::int and s.key = %(key)s
"""
ONE = (
    f"select {_COLUMNS} from scheduled_messages s where s.business_id = %(business_id)s::int and s.id = %(id)s::bigint"
)
HELD = f"{ONE} for update"
WAITING = """
select s.id, s.conversation_id from scheduled_messages s
where s.business_id = %(business_id)s::int and s.state = 'waiting' and s.due_at <= %(now)s::timestamptz
order by s.due_at, s.id limit %(limit)s::int
"""
OF_THREAD = f"""
select {_COLUMNS} from scheduled_messages s
where s.business_id = %(business_id)s::int and s.conversation_id = %(conversation_id)s::bigint
    and (s.state = any(%(states)s::text[]) or %(states)s::text[] = '{{}}')
order by s.due_at, s.id limit %(limit)s::int
"""
CHANGE = """
update scheduled_messages set content = %(content)s, words = %(words)s, due_at = %(due_at)s::timestamptz,
    local_at = %(local_at)s::timestamp, unless_written = %(unless_written)s::bool, changed = changed + 1,
    made_at = now()
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
END = """
update scheduled_messages set state = %(state)s, reason = %(reason)s, done_at = %(now)s::timestamptz,
    message_id = %(message_id)s::bigint
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
WROTE = """
select exists (select from whatsapp_message m where m.business_id = %(business_id)s::int
    and m.conversation_id = %(conversation_id)s::bigint and m.direction = 'in' and m.counted
    and m.created_at > %(since)s::timestamptz)
"""
MISSED = """
select count(*)::int, min(done_at) from (select done_at from scheduled_messages
    where business_id = %(business_id)s::int and state = 'missed' order by done_at limit 1000) x
"""


def _later(row: Sequence[Any]) -> Later:
    columns = dict(zip(Later.__struct_fields__, row, strict=True))
    return Later(**columns | {"said": msgspec.convert(row[2], Said)})


def _told(new: NewLater) -> dict[str, Any]:
    return msgspec.structs.asdict(new) | {"content": Jsonb(msgspec.to_builtins(new.said)), "said": None}


async def add(conn: Conn, business_id: int, new: NewLater) -> tuple[Later, bool]:
    """Leaves it to be said, or finds what was left under its key; whether it is new."""
    values = _told(new) | {"business_id": business_id}
    row = await (await conn.execute(ADD, values)).fetchone()
    if row is not None:
        return _later(row), True
    ((*before,),) = await (await conn.execute(BY_KEY, {"business_id": business_id, "key": new.key})).fetchall()
    return _later(before), False


async def one(conn: Conn, business_id: int, number: int) -> Later | None:
    row = await (await conn.execute(ONE, {"business_id": business_id, "id": number})).fetchone()
    return _later(row) if row else None


async def hold(conn: Conn, business_id: int, number: int) -> Later | None:
    """One of them, held until the transaction ends. The caller holds its thread before."""
    row = await (await conn.execute(HELD, {"business_id": business_id, "id": number})).fetchone()
    return _later(row) if row else None


async def due(conn: Conn, business_id: int, now: datetime, limit: int) -> list[tuple[int, int]]:
    """Which have come to their time: number and thread."""
    values = {"business_id": business_id, "now": now, "limit": limit}
    return [(row[0], row[1]) for row in await (await conn.execute(WAITING, values)).fetchall()]


async def of_thread(conn: Conn, business_id: int, conversation_id: int, states: Sequence[str]) -> list[Later]:
    """Those of a thread in these states, or in any where none is given, the next one first."""
    values = {
        "business_id": business_id, "conversation_id": conversation_id, "states": list(states), "limit": SHOWN,
    }  # fmt: skip
    return [_later(row) for row in await (await conn.execute(OF_THREAD, values)).fetchall()]


async def change(conn: Conn, business_id: int, number: int, new: NewLater) -> None:
    """Has one that the caller holds be said otherwise, or at another time."""
    await conn.execute(CHANGE, _told(new) | {"business_id": business_id, "id": number})


class End(msgspec.Struct, frozen=True):
    """What became of one of them."""

    state: str
    reason: str = ""
    message_id: int | None = None


async def end(conn: Conn, business_id: int, number: int, became: End, now: datetime) -> None:
    values = msgspec.structs.asdict(became) | {"business_id": business_id, "id": number, "now": now}
    await conn.execute(END, values | {"reason": became.reason[:300]})


async def wrote(conn: Conn, business_id: int, conversation_id: int, since: datetime) -> bool:
    """Whether the customer wrote since a moment, by when we saw it."""
    values = {"business_id": business_id, "conversation_id": conversation_id, "since": since}
    row = await (await conn.execute(WROTE, values)).fetchone()
    return row is not None and row[0]


async def missed(conn: Conn, business_id: int) -> tuple[int, datetime | None]:
    """How many were missed and are not told yet, 1,000 at most, and since when."""
    row = await (await conn.execute(MISSED, {"business_id": business_id})).fetchone()
    return (row[0], row[1]) if row else (0, None)
